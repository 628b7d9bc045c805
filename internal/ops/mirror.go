package ops

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/openpackage/opkg/cas"
	"github.com/openpackage/opkg/ident"
	"github.com/openpackage/opkg/internal/archive"
	"github.com/openpackage/opkg/internal/event"
	"github.com/openpackage/opkg/internal/origin"
	"github.com/openpackage/opkg/lock"
	"github.com/openpackage/opkg/registry"
	"github.com/openpackage/opkg/sources"
)

// MirrorOptions of Mirror. Paths are absolute.
type MirrorOptions struct {
	From  string   // an alias or a URL
	Dir   string   // where the mirror is, or is to be
	Locks []string // copy what these locks name of the registry; nil: all of it
}

// MirrorResult counts what Mirror did.
type MirrorResult struct {
	Source    ident.SourceID
	Packages  int
	Versions  int
	Fetched   int   // archives that were not there yet
	Bytes     int64 // of them
	Elsewhere int   // packages of the locks that come from other sources
	Complete  bool
}

// Mirror copies a static registry, or what locks need of it, into a directory: an ordinary static registry, which a mirrors: line of
// config.yml puts in the place of the registry. Each archive is verified before it appears, and each index names what is there already; so
// it can be stopped and run again at any time, and brings what is new. Nothing that is mirrored is ever changed or removed: a registry that
// has other content for a version is an *ident.MismatchError.
func (w *World) Mirror(ctx context.Context, opt MirrorOptions) (*MirrorResult, error) {
	reg, cfg, err := w.readTarget(opt.From)
	if err != nil {
		return nil, err
	}
	if reg.Source.Kind() == ident.GitRegistry {
		return nil, &PackageError{Path: shown(reg), Reason: "it is a git registry, which git mirrors", HintText: "git clone --mirror URL; a mirrors: line may name the copy as git:URL"}
	}
	m := &mirroring{w: w, id: reg.Source, result: MirrorResult{Source: reg.Source}}
	if reg.Source.Kind() == ident.StaticHTTP {
		if m.base, err = origin.ParseURL(reg.Source.URL()); err != nil {
			return nil, err
		}
	}
	if m.src, err = w.openRegistry(cfg, reg); err != nil {
		return nil, err
	}
	if m.want, err = m.wanted(ctx, opt.Locks); err != nil {
		return nil, err
	}
	if _, err := w.InitRegistry(opt.Dir); err != nil {
		return nil, err
	}
	if m.dir, err = openRegDir(opt.Dir); err != nil {
		return nil, err
	}
	defer m.dir.close()
	release, err := m.dir.lock(ctx, w)
	if err != nil {
		return nil, err
	}
	defer release()
	note, err := m.note()
	if err != nil {
		return nil, err
	}
	if m.tmp, err = m.dir.tmp(w.Now); err != nil {
		return nil, err
	}
	err = m.copyAll(ctx)
	if _, bundleErr := m.dir.writeBundle(w); err == nil {
		err = bundleErr
	}
	if err != nil {
		return nil, err
	}
	if len(opt.Locks) == 0 && !note.Complete {
		note.Complete = true
		if err := m.dir.replace(registry.MirrorPath, note.Format()); err != nil {
			return nil, err
		}
	}
	m.result.Complete = note.Complete
	if HasSite(opt.Dir) {
		_, err = w.WriteSite(ctx, opt.Dir, "")
	}
	return &m.result, err
}

// mirroring is one run of Mirror.
type mirroring struct {
	w    *World
	id   ident.SourceID
	base *url.URL // of a registry over HTTP; nil for a directory
	src  sources.Source
	dir  *regDir
	tmp  string
	want []wantedPackage // sorted by name

	result                           MirrorResult
	versions, fetched, fetchedLength atomic.Int64
}

// wantedPackage is a package of which all versions are wanted, or those that locks name.
type wantedPackage struct {
	name   ident.Name
	locked map[ident.Version]lock.Package // nil: all
}

// wanted finds what is to be copied.
func (m *mirroring) wanted(ctx context.Context, locks []string) ([]wantedPackage, error) {
	if len(locks) == 0 {
		names, err := listNames(ctx, m.src)
		if err != nil {
			return nil, err
		}
		out := make([]wantedPackage, len(names))
		for i, n := range names {
			out[i].name = n
		}
		return out, nil
	}
	byName := map[ident.Name]map[ident.Version]lock.Package{}
	for _, path := range locks {
		data, err := readUserFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, &NoLockError{Path: m.w.show(path)}
		}
		if err != nil {
			return nil, err
		}
		l, err := lock.Parse(m.w.show(path), data)
		if err != nil {
			return nil, err
		}
		for _, p := range l.Packages {
			if p.Source != m.id {
				if p.Path == "" {
					m.result.Elsewhere++
				}
				continue
			}
			if byName[p.Name] == nil {
				byName[p.Name] = map[ident.Version]lock.Package{}
			}
			if other, ok := byName[p.Name][p.Version]; ok && other.SHA256 != p.SHA256 {
				return nil, &ident.MismatchError{Name: p.Name, Version: p.Version, Source: m.w.show(path), What: "sha256", Want: other.SHA256.String() + " (another lock)", Got: p.SHA256.String()}
			}
			byName[p.Name][p.Version] = p
		}
	}
	var out []wantedPackage
	for name, locked := range byName {
		out = append(out, wantedPackage{name, locked})
	}
	slices.SortFunc(out, func(a, b wantedPackage) int { return strings.Compare(string(a.name), string(b.name)) })
	return out, nil
}

// note reads what the directory is a mirror of, or writes that it is becoming one. Another registry is left alone.
func (m *mirroring) note() (*registry.MirrorNote, error) {
	data, err := m.dir.read(registry.MirrorPath, registry.MaxMirrorSize)
	if err == nil {
		note, err := registry.ParseMirrorNote(m.dir.file(registry.MirrorPath), data)
		if err == nil && note.Source != m.id {
			err = &PackageError{Path: m.w.show(m.dir.dir), Reason: fmt.Sprintf("it is a mirror of %s", note.Source), HintText: "each registry has a mirror of its own: name another directory"}
		}
		return note, err
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if names, _, err := m.dir.names(); err != nil || len(names) > 0 {
		if err == nil {
			err = &PackageError{Path: m.w.show(m.dir.dir), Reason: "it is a registry of its own", HintText: "name a directory that does not exist yet"}
		}
		return nil, err
	}
	note := &registry.MirrorNote{Source: m.id}
	return note, m.dir.replace(registry.MirrorPath, note.Format())
}

// copyAll copies each package, some at once.
func (m *mirroring) copyAll(ctx context.Context) error {
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(checkParallel)
	for _, p := range m.want {
		g.Go(func() error { return m.copyPackage(gctx, p) })
	}
	err := g.Wait()
	m.result.Packages, m.result.Versions = len(m.want), int(m.versions.Load())
	m.result.Fetched, m.result.Bytes = int(m.fetched.Load()), m.fetchedLength.Load()
	return err
}

// copyPackage brings the archives that are not here yet, and then the index that names them.
func (m *mirroring) copyPackage(ctx context.Context, p wantedPackage) error {
	there, err := m.src.List(ctx, p.name)
	if err != nil {
		return err
	}
	here, old, err := m.dir.index(p.name)
	if err != nil {
		return err
	}
	if here == nil {
		here = &registry.Index{Name: p.name}
	}
	here.Description = there.Description
	found := 0
	for _, r := range there.Releases {
		locked, wanted := p.locked[r.Version]
		if p.locked != nil && !wanted {
			continue
		}
		found++
		if wanted && locked.SHA256 != r.SHA256 {
			return &ident.MismatchError{Name: p.name, Version: r.Version, Source: string(m.id), What: "sha256", Want: locked.SHA256.String() + " (the lock)", Got: r.SHA256.String()}
		}
		if err := m.copyRelease(ctx, here, r); err != nil {
			return err
		}
	}
	if found < len(p.locked) {
		for v := range p.locked {
			if !slices.ContainsFunc(there.Releases, func(r registry.Release) bool { return r.Version == v }) {
				return &UnpublishedError{p.name, v, string(m.id)}
			}
		}
	}
	m.versions.Add(int64(found))
	slices.SortFunc(here.Releases, func(a, b registry.Release) int { return a.Version.Compare(b.Version) })
	if data := here.Format(); len(here.Releases) > 0 && string(data) != string(old) {
		return m.dir.replaceIndex(p.name, data)
	}
	return nil
}

// copyRelease makes here list one version, whose archive is in its place then.
func (m *mirroring) copyRelease(ctx context.Context, here *registry.Index, r registry.Release) error {
	rel := registry.ArtifactPath(here.Name, r.Version)
	i := slices.IndexFunc(here.Releases, func(h registry.Release) bool { return h.Version.Compare(r.Version) == 0 })
	if i >= 0 {
		h := &here.Releases[i]
		if h.SHA256 != r.SHA256 {
			return &ident.MismatchError{Name: here.Name, Version: r.Version, Source: string(m.id), What: "sha256", Want: h.SHA256.String() + " (the mirror: a published version never changes)", Got: r.SHA256.String()}
		}
		h.Yanked, h.YankReason, h.Description, h.Published = r.Yanked, r.YankReason, r.Description, r.Published
		if m.dir.stampOf(rel).Size == h.Size {
			return nil
		}
	}
	a, err := m.fetch(ctx, here.Name, r, rel)
	if err != nil {
		return err
	}
	out := r
	out.Artifact, out.Size, out.Tree, out.Dependencies, out.Canonical = r.Version.String()+".tgz", a.Size, a.Tree, a.Dependencies, m.canonical(rel, r)
	if i >= 0 {
		here.Releases[i] = out
	} else {
		here.Releases = append(here.Releases, out)
	}
	return nil
}

// canonical is where the registry itself has an archive, as a URL; "" where registries usually have it.
func (m *mirroring) canonical(rel string, r registry.Release) string {
	switch {
	case m.base == nil || r.Artifact == rel:
		return ""
	case strings.Contains(r.Artifact, "://"):
		return r.Artifact
	}
	return m.base.JoinPath(r.Artifact).String()
}

// fetch brings one archive to its place, after holding it against all that the registry says of it.
func (m *mirroring) fetch(ctx context.Context, name ident.Name, r registry.Release, rel string) (*cas.Artifact, error) {
	e := event.Event{Name: name, Version: r.Version, Source: string(m.id)}
	started := e
	started.Kind, started.Total = event.FetchStart, r.Size
	m.w.Observer.Emit(started)
	got, err := m.src.Open(ctx, sources.Ref{Name: name, Version: r.Version, Artifact: r.Artifact, Size: r.Size, SHA256: r.SHA256})
	if err != nil {
		return nil, err
	}
	defer got.Close()
	f, err := createIn(m.tmp)
	if err != nil {
		return nil, err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	n, err := io.Copy(f, io.LimitReader(&counter{r: got.Archive, event: e, observer: m.w.Observer}, archive.MaxArchive+1))
	if err != nil {
		return nil, err
	}
	label := fmt.Sprintf("%s@%s from %s", name, r.Version, m.id)
	if n > archive.MaxArchive {
		return nil, &archive.UnsafeError{Archive: label, Reason: fmt.Sprintf("it has more than %d bytes", int64(archive.MaxArchive))}
	}
	if err := sameSum(f, name, r, string(m.id)); err != nil { // before a byte is inflated
		return nil, err
	}
	a, err := cas.Inspect(ctx, label, f)
	if err != nil {
		return nil, err
	}
	if err := sameRelease(name, r, a); err != nil {
		return nil, err
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return nil, err
	}
	if err := m.dir.root.MkdirAll(filepath.ToSlash(filepath.Dir(filepath.FromSlash(rel))), 0o777); err != nil {
		return nil, m.dir.within(err)
	}
	tmp, err := filepath.Rel(m.dir.dir, f.Name())
	if err != nil {
		return nil, err
	}
	if err := m.dir.root.Rename(filepath.ToSlash(tmp), rel); err != nil {
		return nil, m.dir.within(err)
	}
	m.dir.syncDir(filepath.ToSlash(filepath.Dir(filepath.FromSlash(rel))))
	done := e
	done.Kind, done.Bytes = event.FetchDone, a.Size
	m.w.Observer.Emit(done)
	m.fetched.Add(1)
	m.fetchedLength.Add(a.Size)
	return a, nil
}

// sameSum holds the bytes of an archive against the digest that an index says.
func sameSum(f *os.File, name ident.Name, r registry.Release, source string) error {
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return err
	}
	if got := ident.SHA256(h.Sum(nil)); got != r.SHA256 {
		return &ident.MismatchError{Name: name, Version: r.Version, Source: source, What: "sha256", Want: r.SHA256.String(), Got: got.String()}
	}
	return nil
}

package ops

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/openpackage/opkg/cas"
	"github.com/openpackage/opkg/ident"
	"github.com/openpackage/opkg/internal/archive"
	"github.com/openpackage/opkg/manifest"
	"github.com/openpackage/opkg/registry"
	"github.com/openpackage/opkg/sources"
)

// IndexResult counts what IndexRegistry found.
type IndexResult struct {
	Dir      string
	Packages int
	Versions int
	Read     int         // archives that were read; all others had not changed
	Written  []string    // index files whose bytes changed, relative to Dir
	Bundle   bool        // registry.BundlePath was written
	Site     *SiteResult // nil: the registry has no site
}

// IndexOptions of IndexRegistryWith.
type IndexOptions struct {
	Full  bool   // read every archive, also those that look unchanged
	Site  bool   // write a site too; a registry that has one keeps it current anyway
	Title string // of the site; "" is that of the last time
}

// IndexRegistry is IndexRegistryWith without options.
func (w *World) IndexRegistry(ctx context.Context, dir string) (*IndexResult, error) {
	return w.IndexRegistryWith(ctx, dir, IndexOptions{})
}

// IndexRegistryWith (re)generates packages/<name>/index.json for every archive under dir: name, version and dependencies are
// read out of each archive; size, sha256 and tree are computed; published is the time of the file. What an existing index says of a
// version and an archive cannot tell (yanked, published, description) is kept, and so is a version whose archive stands elsewhere. The digest
// of a version that is indexed already never changes: that is an *ident.MismatchError, and nothing is written.
//
// An archive is read once: as long as its size and time are those of the last run, and its index says what was found then, it is taken to
// be what it was. The memory for that is in maintenanceDir; losing it costs a full read.
func (w *World) IndexRegistryWith(ctx context.Context, dir string, opt IndexOptions) (res *IndexResult, err error) {
	defer func() { err = toOwner(err) }()
	d, err := openRegDir(dir)
	if err != nil {
		return nil, err
	}
	defer d.close()
	release, err := d.lock(ctx, w)
	if err != nil {
		return nil, err
	}
	defer release()
	names, strays, err := d.names()
	if err != nil {
		return nil, err
	}
	for _, s := range strays {
		if _, err := ident.ParseName(strings.TrimPrefix(s, "packages/")); err != nil && d.hasArchives(s) {
			return nil, fmt.Errorf("%s: %w", d.file(s), err)
		}
	}
	ixr := &indexer{dir: d, known: d.readState(), opt: opt}
	jobs := make([]indexed, len(names))
	err = inParallel(ctx, len(names), func(i int) (err error) {
		jobs[i], err = ixr.index(ctx, names[i])
		return err
	})
	if err != nil {
		return nil, err
	}
	res = &IndexResult{Dir: dir}
	state := &indexState{Packages: make(map[ident.Name]*packageState, len(names))}
	looked := false // at an index that had changed since the last run
	for i, name := range names {
		job := &jobs[i]
		if job.state == nil {
			continue
		}
		res.Packages++
		res.Versions += job.versions
		res.Read += job.read
		state.Packages[name] = job.state
		looked = looked || job.fresh != nil
		if job.fresh != nil && !bytes.Equal(job.old, job.fresh) {
			res.Written = append(res.Written, registry.IndexPath(name))
		}
	}
	if err := replaceIndexes(d, names, jobs); err != nil {
		return nil, err
	}
	if bundle := d.stampOf(registry.BundlePath); looked || len(state.Packages) != len(ixr.known.Packages) || !bundle.is(ixr.known.Bundle) {
		if res.Bundle, err = d.writeBundle(w); err != nil {
			return nil, err
		}
	}
	state.Bundle = d.stampOf(registry.BundlePath)
	for i, name := range names {
		if jobs[i].fresh != nil {
			jobs[i].state.Index = d.stampOf(registry.IndexPath(name))
		}
	}
	if w.Now != nil {
		d.writeState(state, ixr.known, w.Now())
	}
	if opt.Site || opt.Title != "" || HasSite(dir) {
		res.Site, err = w.WriteSite(ctx, dir, opt.Title)
	}
	return res, err
}

// replaceIndexes writes those whose bytes changed.
func replaceIndexes(d *regDir, names []ident.Name, jobs []indexed) error {
	for i := range jobs {
		if job := &jobs[i]; job.fresh != nil && !bytes.Equal(job.old, job.fresh) {
			if err := d.replaceIndex(names[i], job.fresh); err != nil {
				return err
			}
		}
	}
	return nil
}

// hasArchives reports whether something in a directory looks like an archive.
func (d *regDir) hasArchives(rel string) bool {
	entries, _ := fs.ReadDir(d.root.FS(), rel)
	return slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return strings.HasSuffix(e.Name(), ".tgz") })
}

// indexer is one run of IndexRegistry.
type indexer struct {
	dir   *regDir
	known *indexState
	opt   IndexOptions
}

// indexed is what became of one package.
type indexed struct {
	state      *packageState // nil: there is no package
	versions   int
	read       int
	old, fresh []byte // of index.json; fresh is nil where nothing changed since the last run
}

// index describes all archives of one package.
func (x *indexer) index(ctx context.Context, name ident.Name) (indexed, error) {
	d, rel := x.dir, registry.IndexPath(name)
	here, err := d.archivesOf(name)
	if err != nil {
		return indexed{}, err
	}
	was, now := x.known.Packages[name], d.stampOf(rel)
	if was != nil && !x.opt.Full && was.sameAs(here, now) {
		return indexed{state: was, versions: was.Versions}, nil
	}
	old, text, err := d.index(name)
	if bad := (*registry.Error)(nil); errors.As(err, &bad) {
		return indexed{}, &DamagedIndexError{Dir: d.dir, Err: err}
	}
	if err != nil {
		return indexed{}, err
	}
	untouched := was != nil && !x.opt.Full && was.Index.is(now) // since the last run: else what it says of an archive may be somebody's edit
	ix := &registry.Index{Name: name}
	known := map[ident.Version]registry.Release{}
	if old != nil {
		ix.Description = old.Description
		for _, r := range old.Releases {
			known[r.Version] = r
		}
	}
	out := indexed{state: &packageState{Archives: map[string]stamp{}}, old: text}
	described := map[ident.Version]string{}
	for _, a := range here {
		if i := slices.IndexFunc(ix.Releases, func(r registry.Release) bool { return r.Version.Compare(a.version) == 0 }); i >= 0 {
			return indexed{}, fmt.Errorf("%s: versions %s and %s differ in build metadata alone, which does not distinguish two versions of a registry", d.file(a.rel), ix.Releases[i].Version, a.version)
		}
		listed, isListed := known[a.version]
		delete(known, a.version)
		base := path.Base(a.rel)
		if isListed && untouched && was.Archives[base].is(a.stamp) && was.Archives[base].SHA256 == listed.SHA256.String() && listed.Size == a.stamp.Size && !listed.Tree.IsZero() {
			out.state.Archives[base] = was.Archives[base]
			ix.Releases = append(ix.Releases, listed)
			continue
		}
		r, description, err := d.describeArchive(ctx, name, a)
		if err != nil {
			return indexed{}, err
		}
		out.read++
		described[a.version] = description
		if isListed {
			if listed.SHA256 != r.SHA256 {
				return indexed{}, &ident.MismatchError{Name: name, Version: a.version, Source: d.file(a.rel), What: "sha256",
					Want: listed.SHA256.String() + " (index.json: a published version never changes)", Got: r.SHA256.String()}
			}
			r.Published, r.Yanked, r.YankReason, r.Description, r.Canonical = listed.Published, listed.Yanked, listed.YankReason, listed.Description, listed.Canonical
		}
		ix.Releases = append(ix.Releases, r)
		s := a.stamp
		s.SHA256 = r.SHA256.String()
		out.state.Archives[base] = s
	}
	var lost []ident.Version
	for v, r := range known {
		if strings.Contains(r.Artifact, "://") {
			ix.Releases = append(ix.Releases, r)
		} else {
			lost = append(lost, v)
		}
	}
	if len(lost) > 0 {
		slices.SortFunc(lost, ident.Version.Compare)
		return indexed{}, &LostArchivesError{Name: name, Index: d.file(rel), Versions: lost}
	}
	if old == nil && len(ix.Releases) == 0 {
		return indexed{}, nil // an empty directory is no package: an index would claim its name
	}
	slices.SortFunc(ix.Releases, func(a, b registry.Release) int { return a.Version.Compare(b.Version) })
	if i := registry.Newest(ix.Releases); i >= 0 {
		ix.Description = cmp.Or(described[ix.Releases[i].Version], ix.Description)
	}
	out.versions, out.fresh = len(ix.Releases), ix.Format()
	out.state.Versions = out.versions
	return out, nil
}

// archiveFile is one archive of a package, not read yet.
type archiveFile struct {
	version ident.Version
	rel     string
	stamp   stamp // without a digest
}

// archivesOf lists the archives of a package.
func (d *regDir) archivesOf(name ident.Name) ([]archiveFile, error) {
	dir := path.Dir(registry.IndexPath(name))
	entries, err := fs.ReadDir(d.root.FS(), dir)
	if err != nil {
		return nil, d.within(err)
	}
	var out []archiveFile
	for _, e := range entries {
		stem, ok := strings.CutSuffix(e.Name(), ".tgz")
		if !ok || strings.HasPrefix(stem, ".") {
			continue
		}
		rel := dir + "/" + e.Name()
		v, err := ident.ParseVersion(stem)
		if err != nil {
			return nil, fmt.Errorf("%s: the file name must be VERSION.tgz: %w", d.file(rel), err)
		}
		if v.String() != stem {
			return nil, fmt.Errorf("%s: the file name must be %s.tgz", d.file(rel), v)
		}
		out = append(out, archiveFile{version: v, rel: rel, stamp: d.stampOf(rel)})
	}
	return out, nil
}

// describeArchive reads one archive whole. The description is that of its manifest.
func (d *regDir) describeArchive(ctx context.Context, name ident.Name, at archiveFile) (r registry.Release, description string, err error) {
	label := d.file(at.rel)
	f, err := d.open(at.rel)
	if err != nil {
		return r, "", err
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil {
		return r, "", err
	}
	a, err := cas.Inspect(ctx, label, f)
	if err != nil {
		return r, "", err
	}
	if a.Name != name {
		return r, "", &ident.MismatchError{Name: name, Version: at.version, Source: label, What: "name in openpackage.yml", Want: string(name), Got: string(a.Name)}
	}
	if a.Version != at.version {
		return r, "", &ident.MismatchError{Name: name, Version: at.version, Source: label, What: "version in openpackage.yml", Want: at.version.String(), Got: a.Version.String()}
	}
	packed, err := new(archive.Unpacker).OpenFile(ctx, label, f, a.Size)
	if err != nil {
		return r, "", err
	}
	defer packed.Close()
	if m, err := manifest.ParsePackage(label, packed.Manifest()); err == nil {
		description = registry.CleanDescription(m.Description)
	}
	return describedRelease(a, fi.ModTime()), description, nil
}

// describedRelease is what an index says of an archive.
func describedRelease(a *cas.Artifact, published time.Time) registry.Release {
	return registry.Release{Version: a.Version, Artifact: a.Version.String() + ".tgz", Size: a.Size, SHA256: a.SHA256, Tree: a.Tree,
		Dependencies: a.Dependencies, Published: published.UTC().Format("2006-01-02T15:04:05Z")}
}

// toOwner gives an error of an archive the hint for whoever runs the registry, in place of the one for whoever installs from it.
func toOwner(err error) error {
	var mismatch *ident.MismatchError
	switch {
	case errors.As(err, &mismatch) && mismatch.What == "sha256":
		return sources.WithHint(err, "what is published never changes: bring the published archive back, and publish the other one as a new version")
	case mismatch != nil:
		return sources.WithHint(err, "an archive stands at packages/NAME/VERSION.tgz of the name and version that its own openpackage.yml says: move it, or remove it")
	case as[*archive.UnsafeError](err):
		return sources.WithHint(err, "no client could install it: bring back what was published, or pack anew what never was")
	}
	return err
}

// DamagedIndexError is an index that cannot be read, and so not be made anew: it may say what no archive does.
type DamagedIndexError struct {
	Dir string
	Err error
}

func (e *DamagedIndexError) Error() string { return e.Err.Error() }
func (e *DamagedIndexError) Unwrap() error { return e.Err }

// Hint says what to do.
func (e *DamagedIndexError) Hint() string {
	return fmt.Sprintf("mend it; or remove it and run opkg registry index %s again, which writes all but yanked marks and times of publication from the archives", e.Dir)
}

// LostArchivesError says that an index lists versions whose archives are gone.
type LostArchivesError struct {
	Name     ident.Name
	Index    string
	Versions []ident.Version
}

func (e *LostArchivesError) Error() string {
	list := make([]string, len(e.Versions))
	for i, v := range e.Versions {
		list[i] = v.String()
	}
	return fmt.Sprintf("%s lists %s %s, but the archives are gone", e.Index, e.Name, strings.Join(list, ", "))
}

// Hint says what to do.
func (e *LostArchivesError) Hint() string {
	return "bring the archives back: locks may name them; to forget a version for good, take it out of the index by hand"
}

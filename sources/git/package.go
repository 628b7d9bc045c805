package git

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/openpackage/opkg/ident"
	"github.com/openpackage/opkg/internal/archive"
	"github.com/openpackage/opkg/internal/event"
	"github.com/openpackage/opkg/manifest"
	"github.com/openpackage/opkg/sources"
)

// Package is a package that is a repository, or a directory of one. No registry speaks for it: its semver tags are its
// versions, and its openpackage.yml says what it needs. It is no sources.Source, since nobody searches it for a name.
type Package struct {
	name   ident.Name
	base   string // a directory of the repository; "" is its root
	mirror *mirror
}

// Tag is a version of a Package.
type Tag struct {
	Version ident.Version
	Ref     string // the tag's name
	Commit  ident.Commit
}

// Package describes the package name in the directory base of a repository, by its canonical URL. dir is the absolute path of a
// repository that is a directory of this machine, "" for others. Nothing is asked yet. The error is the auth room's.
func (h *Host) Package(name ident.Name, url, dir, base string) (*Package, error) {
	m, err := h.mirror(url, dir)
	if err != nil {
		return nil, err
	}
	return &Package{name: name, base: base, mirror: m}, nil
}

// Tags lists the versions, lowest first. With a base, the tags are those called NAME/v1.2.3 or NAME-v1.2.3 after the package, with or
// without its scope; only where there is none of these, and without a base, they are v1.2.3 or 1.2.3. Of two tags for one version the
// first by name counts. Errors as of sources.Source.List.
func (p *Package) Tags(ctx context.Context) ([]Tag, error) {
	list, err := p.mirror.refs(ctx)
	if err != nil {
		return nil, err
	}
	own, plain := map[string]ident.Version{}, map[string]ident.Version{}
	for full := range list.Commit {
		tag, ok := strings.CutPrefix(full, tagPrefix)
		if !ok || ident.ParseRef(tag) != nil {
			continue
		}
		if v, ok := p.ownVersion(tag); ok {
			own[tag] = v
		} else if v, err := ident.ParseVersionInput(tag); err == nil {
			plain[tag] = v
		}
	}
	versions := own
	if len(own) == 0 {
		versions = plain
	}
	var out []Tag
	for tag, v := range versions {
		out = append(out, Tag{Version: v, Ref: tag, Commit: ident.Commit(list.Commit[tagPrefix+tag])})
	}
	slices.SortFunc(out, func(a, b Tag) int { return cmp.Or(a.Version.Compare(b.Version), strings.Compare(a.Ref, b.Ref)) })
	return slices.CompactFunc(out, func(a, b Tag) bool {
		same := a.Version.Compare(b.Version) == 0
		if same && a.Commit != b.Commit {
			p.mirror.host.opt.Observer.Emit(event.Event{Kind: event.Warning, Source: p.mirror.url,
				Text: fmt.Sprintf("%s has two commits for version %s: the tags %s and %s", p.mirror.url, a.Version, a.Ref, b.Ref), Hint: a.Ref + " is the one that counts"})
		}
		return same
	}), nil
}

// ownVersion reads a tag that names the package.
func (p *Package) ownVersion(tag string) (ident.Version, bool) {
	if p.base == "" {
		return ident.Version{}, false
	}
	_, unscoped, _ := strings.Cut(string(p.name), "/")
	for _, name := range []string{string(p.name), unscoped} {
		rest, ok := strings.CutPrefix(tag, name)
		if name == "" || !ok || rest == "" || rest[0] != '/' && rest[0] != '-' {
			continue
		}
		if v, err := ident.ParseVersionInput(rest[1:]); err == nil {
			return v, true
		}
	}
	return ident.Version{}, false
}

// Resolve finds the commit of a ref as a manifest writes it: a whole commit, a tag, or else a branch; "" is the default branch. The
// Version is the tag's, zero where ref is none or says no version. The error for a ref that is not there is a *sources.NotFoundError.
func (p *Package) Resolve(ctx context.Context, ref string) (Tag, error) {
	if isID(ref) {
		return Tag{Ref: ref, Commit: ident.Commit(ref)}, nil
	}
	list, err := p.mirror.refs(ctx)
	if err != nil {
		return Tag{}, err
	}
	full := list.full(ref)
	if full == "" {
		return Tag{}, &RefNotFoundError{URL: p.mirror.url, Ref: ref}
	}
	out := Tag{Ref: ref, Commit: ident.Commit(list.Commit[full])}
	if tag, ok := strings.CutPrefix(full, tagPrefix); ok {
		var own bool
		if out.Version, own = p.ownVersion(tag); !own {
			out.Version, _ = ident.ParseVersionInput(tag)
		}
	}
	return out, nil
}

// RefNotFoundError is a repository without the branch or tag that is asked for.
type RefNotFoundError struct{ URL, Ref string }

func (e *RefNotFoundError) Error() string {
	if e.Ref == "" {
		return e.URL + " has no default branch"
	}
	return fmt.Sprintf("%s has no tag or branch %s", e.URL, e.Ref)
}

// Hint says what to check.
func (e *RefNotFoundError) Hint() string {
	if len(e.Ref) >= 7 && strings.Trim(e.Ref, "0123456789abcdef") == "" {
		return "a commit is written with all its 40 or 64 digits"
	}
	return "git ls-remote " + e.URL + " lists what it has"
}

// Manifest reads the package's openpackage.yml at a commit. ref, or "", led to it. Errors: as of sources.Source.List; *archive.UnsafeError where
// there is none; *manifest.Error.
func (p *Package) Manifest(ctx context.Context, commit ident.Commit, ref string) (*manifest.Manifest, error) {
	dir, err := p.directory(ctx, commit, ref)
	if err != nil {
		return nil, err
	}
	e, ok, err := p.mirror.find(ctx, dir, archive.Manifest)
	if err != nil {
		return nil, err
	}
	file := p.place(commit)
	if !ok {
		return nil, &archive.UnsafeError{Archive: file, Reason: "it holds no " + archive.Manifest}
	}
	data, err := p.mirror.blobs(ctx, string(commit), dir, map[string]entry{archive.Manifest: e}, archive.MaxManifestBytes)
	if u := (*archive.UnsafeError)(nil); errors.As(err, &u) {
		u.Archive = file
	}
	if err != nil {
		return nil, err
	}
	m, err := manifest.ParsePackage(strings.TrimSuffix(file, "/")+"/"+archive.Manifest, data[e.id])
	if err != nil {
		return nil, &archive.UnsafeError{Archive: file, Entry: archive.Manifest, Reason: err.Error()}
	}
	return m, nil
}

// place names the package at a commit in messages.
func (p *Package) place(commit ident.Commit) string { return p.mirror.place(string(commit), p.base) }

// directory finds the tree of the package at a commit.
func (p *Package) directory(ctx context.Context, commit ident.Commit, ref string) (tree string, err error) {
	if !isID(string(commit)) {
		return "", fmt.Errorf("%s: %q is not a commit", p.mirror.url, string(commit))
	}
	full := ""
	if list := p.mirror.lastRefs(); list != nil && !isID(ref) {
		full = list.full(ref)
	}
	if err := p.mirror.need(ctx, string(commit), full); err != nil {
		return "", err
	}
	root, err := p.mirror.root(ctx, string(commit))
	if err != nil {
		return "", err
	}
	dir, ok, err := p.mirror.find(ctx, root, p.base)
	if err != nil {
		return "", err
	}
	if !ok || dir.mode != modeTree {
		return "", &archive.UnsafeError{Archive: p.place(commit), Reason: "there is no such directory"}
	}
	return dir.id, nil
}

// Open opens the payload at ref.Commit, wherever branches and tags are by now. Errors as of sources.Source.Open.
func (p *Package) Open(ctx context.Context, ref sources.Ref) (*sources.Artifact, error) {
	if isID(string(ref.Commit)) {
		if err := p.mirror.needLocked(ctx, string(ref.Commit), ""); err != nil {
			return nil, err
		}
	}
	dir, err := p.directory(ctx, ref.Commit, "")
	if err != nil {
		return nil, err
	}
	files, err := p.mirror.payload(ctx, p.place(ref.Commit), string(ref.Commit), dir)
	if err != nil {
		return nil, err
	}
	return &sources.Artifact{Files: files}, nil
}

package git

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/openpackage/opkg/config"
	"github.com/openpackage/opkg/ident"
	"github.com/openpackage/opkg/internal/archive"
	"github.com/openpackage/opkg/internal/origin"
	"github.com/openpackage/opkg/manifest"
	"github.com/openpackage/opkg/registry"
	"github.com/openpackage/opkg/sources"
)

// indexFile makes a directory of a repository a registry.
const indexFile = "index.yml"

// Registry is one channel of a git registry. It implements sources.Source.
type Registry struct {
	id     ident.SourceID
	mirror *mirror

	mu    sync.Mutex
	head  *snapshot
	known map[string]*snapshot // by commit
}

// snapshot is a registry at one commit.
type snapshot struct {
	commit string
	tree   string // the one that holds index.yml
	file   string // index.yml, or registry/index.yml

	once  sync.Once
	index *registry.GitIndex
	err   error
}

// Registry describes the channel that reg names. Nothing is asked yet. The error is the auth room's, for credentials
// that cannot be read.
func (h *Host) Registry(reg config.Registry) (*Registry, error) {
	m, err := h.mirror(reg.Source.URL(), reg.Dir)
	if err != nil {
		return nil, err
	}
	return &Registry{id: reg.Source, mirror: m, known: map[string]*snapshot{}}, nil
}

// ID implements sources.Source.
func (r *Registry) ID() ident.SourceID { return r.id }

// List implements sources.Source: what index.yml says at the head of the branch, with the dependencies that each version's own
// openpackage.yml has there.
func (r *Registry) List(ctx context.Context, name ident.Name) (*registry.Index, error) {
	at, err := r.newest(ctx)
	if err != nil {
		return nil, err
	}
	ix, err := r.index(ctx, at)
	if err != nil {
		return nil, err
	}
	p := ix.Find(name)
	if p == nil {
		return nil, &sources.NotFoundError{Name: name, Asked: []string{string(r.id)}}
	}
	return r.releases(ctx, at, p)
}

// newest is the registry at the head of its branch, which is asked for once.
func (r *Registry) newest(ctx context.Context) (*snapshot, error) {
	if err := ctx.Err(); err != nil {
		return nil, context.Cause(ctx)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.head != nil {
		return r.head, nil
	}
	list, err := r.mirror.refs(ctx)
	if err != nil {
		return nil, err
	}
	ref := list.Head
	if b := r.id.Branch(); b != "" {
		ref = "refs/heads/" + b
	}
	commit, ok := list.Commit[ref]
	if !ok {
		what := "has no branch " + strings.TrimPrefix(ref, "refs/heads/")
		if ref == "" {
			what = "has no default branch"
		}
		return nil, &sources.UnavailableError{Source: r.id, Err: fmt.Errorf("%s %s", r.mirror.url, what)}
	}
	r.head, err = r.at(ctx, commit, ref)
	return r.head, err
}

// at finds the registry in a commit.
func (r *Registry) at(ctx context.Context, commit, ref string) (*snapshot, error) {
	if err := r.mirror.need(ctx, commit, ref); err != nil {
		return nil, err
	}
	root, err := r.mirror.root(ctx, commit)
	if err != nil {
		return nil, err
	}
	for _, dir := range []string{"", "registry"} {
		e, ok, err := r.mirror.find(ctx, root, dir)
		if err != nil {
			return nil, err
		}
		if !ok || e.mode != modeTree {
			continue
		}
		if _, ok, err := r.mirror.find(ctx, e.id, indexFile); ok || err != nil {
			return &snapshot{commit: commit, tree: e.id, file: strings.TrimPrefix(dir+"/"+indexFile, "/")}, err
		}
	}
	return nil, &registry.Error{File: r.place(commit, indexFile), Msg: "it is not there, nor is registry/index.yml: the repository is no registry"}
}

// place names a file of the repository in messages.
func (r *Registry) place(commit, path string) string { return r.mirror.place(commit, path) }

// index reads index.yml, once.
func (r *Registry) index(ctx context.Context, at *snapshot) (*registry.GitIndex, error) {
	at.once.Do(func() { at.index, at.err = r.readIndex(ctx, at) })
	return at.index, at.err
}

func (r *Registry) readIndex(ctx context.Context, at *snapshot) (*registry.GitIndex, error) {
	file := r.place(at.commit, at.file)
	e, _, err := r.mirror.find(ctx, at.tree, indexFile)
	if err != nil {
		return nil, err
	}
	data, err := r.mirror.blobs(ctx, at.commit, at.tree, map[string]entry{indexFile: e}, registry.MaxIndexSize)
	if err != nil {
		return nil, malformed(file, err)
	}
	ix, err := registry.ParseGitIndex(file, data[e.id])
	if err != nil {
		return nil, err
	}
	return ix, r.bringManifests(ctx, at, ix)
}

// maxManifests is how many openpackage.yml are fetched at once, ahead of need: one request for some hundred kilobytes takes less than
// one for each package. A registry that has more is asked package by package.
const maxManifests = 4096

// bringManifests fetches every openpackage.yml of a registry that is not too large. What is malformed in it is found when it is read.
func (r *Registry) bringManifests(ctx context.Context, at *snapshot, ix *registry.GitIndex) error {
	n := 0
	for _, p := range ix.Packages {
		n += len(p.Releases)
	}
	if n > maxManifests {
		return nil
	}
	var ids []string
	for _, p := range ix.Packages {
		for _, rel := range p.Releases {
			e, ok, err := r.mirror.find(ctx, at.tree, registry.GitPath(p.Name, rel.Version)+"/"+archive.Manifest)
			if err != nil {
				return err
			}
			if ok && e.isFile() {
				ids = append(ids, e.id)
			}
		}
	}
	return r.mirror.bring(ctx, at.commit, []string{at.tree}, ids)
}

// malformed puts a file that cannot be what it must be into the words of the registry.
func malformed(file string, err error) error {
	if e := (*archive.UnsafeError)(nil); errors.As(err, &e) {
		return &registry.Error{File: file, Msg: e.Reason}
	}
	return err
}

// releases reads the openpackage.yml of each version.
func (r *Registry) releases(ctx context.Context, at *snapshot, p *registry.GitPackage) (*registry.Index, error) {
	dir, _, err := r.mirror.find(ctx, at.tree, "packages/"+string(p.Name))
	if err != nil {
		return nil, err
	}
	found := map[string]entry{}
	for _, rel := range p.Releases {
		path := registry.GitPath(p.Name, rel.Version) + "/" + archive.Manifest
		e, ok, err := r.mirror.find(ctx, at.tree, path)
		if err != nil {
			return nil, err
		}
		if !ok {
			return nil, &registry.Error{File: r.place(at.commit, at.file), Msg: fmt.Sprintf("it lists %s %s, but there is no %s", p.Name, rel.Version, path)}
		}
		found[path] = e
	}
	data, err := r.mirror.blobs(ctx, at.commit, dir.id, found, archive.MaxManifestBytes)
	if err != nil {
		return nil, malformed(r.place(at.commit, "packages/"+string(p.Name)), err)
	}
	ix := &registry.Index{Name: p.Name}
	for _, rel := range p.Releases {
		path := registry.GitPath(p.Name, rel.Version) + "/" + archive.Manifest
		file := r.place(at.commit, path)
		m, err := manifest.ParsePackage(file, data[found[path].id])
		if err != nil {
			return nil, &registry.Error{File: file, Msg: err.Error()}
		}
		out := registry.Release{Version: rel.Version, Yanked: rel.Yanked, YankReason: rel.YankReason, Description: m.Description, Commit: ident.Commit(at.commit)}
		for _, d := range m.Dependencies {
			if d.Git != "" {
				return nil, &registry.Error{File: file, Msg: fmt.Sprintf("it needs %s from the git repository %s: a package of a registry may need packages of registries alone", d.Name, d.Git)}
			}
			if d.Path == "" {
				out.Dependencies = append(out.Dependencies, ident.Requirement{Name: d.Name, Range: d.Range})
			}
		}
		slices.SortFunc(out.Dependencies, func(a, b ident.Requirement) int { return strings.Compare(string(a.Name), string(b.Name)) })
		ix.Releases = append(ix.Releases, out)
	}
	return ix, nil
}

// Open implements sources.Source: the directory of the version at ref.Commit, wherever the branch is by now.
func (r *Registry) Open(ctx context.Context, ref sources.Ref) (*sources.Artifact, error) {
	at, dir, err := r.directory(ctx, ref)
	if err != nil {
		return nil, err
	}
	files, err := r.mirror.payload(ctx, r.place(at.commit, registry.GitPath(ref.Name, ref.Version)), at.commit, dir)
	if err != nil {
		return nil, err
	}
	return &sources.Artifact{Files: files}, nil
}

// Gather implements sources.Gatherer: what several versions need is fetched at once.
func (r *Registry) Gather(ctx context.Context, refs []sources.Ref) error {
	trees := map[string][]string{} // by commit
	var commits []string
	for _, ref := range refs {
		at, dir, err := r.directory(ctx, ref)
		if err != nil {
			return err
		}
		if trees[at.commit] == nil {
			commits = append(commits, at.commit)
		}
		trees[at.commit] = append(trees[at.commit], dir)
	}
	for _, commit := range commits {
		if err := r.mirror.gather(ctx, r.mirror.url, commit, trees[commit]); err != nil {
			return err
		}
	}
	return nil
}

// directory finds the tree of a version at a commit.
func (r *Registry) directory(ctx context.Context, ref sources.Ref) (at *snapshot, tree string, err error) {
	if err := ctx.Err(); err != nil {
		return nil, "", context.Cause(ctx)
	}
	path := registry.GitPath(ref.Name, ref.Version)
	if !isID(string(ref.Commit)) || ref.Artifact != "" && ref.Artifact != path {
		return nil, "", &sources.NotAllowedError{Name: ref.Name, Target: origin.Quote(ref.Artifact), Reason: "a git registry serves packages/<name>/<version> of a commit alone"}
	}
	r.mu.Lock()
	at = r.known[string(ref.Commit)]
	r.mu.Unlock()
	if at == nil {
		if at, err = r.at(ctx, string(ref.Commit), r.ref()); err != nil {
			return nil, "", err
		}
		r.mu.Lock()
		r.known[at.commit] = at
		r.mu.Unlock()
	}
	dir, ok, err := r.mirror.find(ctx, at.tree, path)
	if err != nil {
		return nil, "", err
	}
	if !ok || dir.mode != modeTree {
		return nil, "", &sources.NotFoundError{Name: ref.Name, Version: ref.Version, Asked: []string{fmt.Sprintf("%s at %s", r.id, ref.Commit)}}
	}
	return at, dir.id, nil
}

// ref is the full name of the branch, "" for the default one.
func (r *Registry) ref() string {
	if b := r.id.Branch(); b != "" {
		return "refs/heads/" + b
	}
	return ""
}

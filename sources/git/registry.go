package git

import (
	"context"
	"errors"
	"fmt"
	"io"
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

	once      sync.Once
	index     *registry.GitIndex
	manifests map[string][]byte // by id, those that were read ahead
	err       error
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
		return nil, &sources.UnavailableError{Source: r.id, Err: sources.WithHint(fmt.Errorf("%s %s", r.mirror.url, what), branchHint(list))}
	}
	if err := r.mirror.need(ctx, commit, ref); err != nil {
		return nil, err
	}
	r.head, err = r.at(ctx, commit)
	return r.head, err
}

// branchHint says which branches there are.
func branchHint(list *refs) string {
	const most = 5
	var names []string
	for ref := range list.Commit {
		if name, ok := strings.CutPrefix(ref, "refs/heads/"); ok {
			names = append(names, ident.CleanText(name))
		}
	}
	slices.Sort(names)
	switch n := len(names); {
	case n == 0:
		return "the repository has no branch: opkg registry init --git makes a first commit"
	case n > most:
		names = append(names[:most], fmt.Sprintf("%d more", n-most))
	}
	return "the registry's URL names a branch behind #; the repository has " + strings.Join(names, ", ")
}

// at finds the registry in a commit that the mirror has.
func (r *Registry) at(ctx context.Context, commit string) (*snapshot, error) {
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
	ix, err := r.readIndexAlone(ctx, at)
	if err != nil {
		return nil, err
	}
	at.index = ix
	return ix, r.bringManifests(ctx, at)
}

// readIndexAlone reads index.yml, and nothing ahead of need. The index is the caller's.
func (r *Registry) readIndexAlone(ctx context.Context, at *snapshot) (*registry.GitIndex, error) {
	file := r.place(at.commit, at.file)
	e, _, err := r.mirror.find(ctx, at.tree, indexFile)
	if err != nil {
		return nil, err
	}
	data, err := r.mirror.blobs(ctx, at.commit, at.tree, map[string]entry{indexFile: e}, registry.MaxIndexSize)
	if err != nil {
		return nil, malformed(file, err)
	}
	return registry.ParseGitIndex(file, data[e.id])
}

// maxManifests is how many openpackage.yml are fetched and read at once, ahead of need: one request for some hundred kilobytes takes less
// than one for each package. A registry that has more is asked package by package.
const maxManifests = 4096

// bringManifests fetches every openpackage.yml of a registry that is not too large. What is malformed in it is found when it is read.
func (r *Registry) bringManifests(ctx context.Context, at *snapshot) error {
	var paths []string
	for _, p := range at.index.Packages {
		for _, rel := range p.Releases {
			paths = append(paths, registry.GitPath(p.Name, rel.Version)+"/"+archive.Manifest)
		}
	}
	if len(paths) > maxManifests {
		return nil
	}
	if err := r.mirror.load(ctx, at.tree, paths); err != nil {
		return err
	}
	var ids []string
	for _, path := range paths {
		e, ok, err := r.mirror.find(ctx, at.tree, path)
		if err != nil {
			return err
		}
		if ok && e.isFile() {
			ids = append(ids, e.id)
		}
	}
	slices.Sort(ids)
	ids = slices.Compact(ids)
	if err := r.mirror.bring(ctx, at.commit, []string{at.tree}, ids); err != nil {
		return err
	}
	const small = 16 << 10 // bytes; others are read when they are asked for
	at.manifests = make(map[string][]byte, len(ids))
	return r.mirror.read(ctx, ids, func(o object) (err error) {
		if o.kind == "blob" && o.size <= small {
			at.manifests[o.id], err = io.ReadAll(o.body)
		}
		return err
	})
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
	found, manifests := map[string]entry{}, map[string]string{}
	for _, rel := range p.Releases {
		path := registry.GitPath(p.Name, rel.Version) + "/" + archive.Manifest
		e, ok, err := r.mirror.find(ctx, at.tree, path)
		if err != nil {
			return nil, err
		}
		if !ok {
			return nil, &registry.Error{File: r.place(at.commit, at.file), Msg: fmt.Sprintf("it lists %s %s, but there is no %s", p.Name, rel.Version, path)}
		}
		if _, ok := at.manifests[e.id]; !ok {
			found[path] = e
		}
		manifests[path] = e.id
	}
	data, err := r.mirror.blobs(ctx, at.commit, dir.id, found, archive.MaxManifestBytes)
	if err != nil {
		return nil, malformed(r.place(at.commit, "packages/"+string(p.Name)), err)
	}
	ix := &registry.Index{Name: p.Name}
	for _, rel := range p.Releases {
		path := registry.GitPath(p.Name, rel.Version) + "/" + archive.Manifest
		file := r.place(at.commit, path)
		text, ok := at.manifests[manifests[path]]
		if !ok {
			text = data[manifests[path]]
		}
		m, err := manifest.ParsePackage(file, text)
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
	paths := map[string][]string{} // by commit
	for _, ref := range refs {
		paths[string(ref.Commit)] = append(paths[string(ref.Commit)], registry.GitPath(ref.Name, ref.Version)+"/x")
	}
	trees := map[string][]string{} // by commit
	var commits []string
	for _, ref := range refs {
		at, err := r.locked(ctx, ref)
		if err != nil {
			return err
		}
		if err := r.mirror.load(ctx, at.tree, paths[at.commit]); err != nil {
			return err
		}
		delete(paths, at.commit)
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

// locked finds the registry at the commit of a lock.
func (r *Registry) locked(ctx context.Context, ref sources.Ref) (at *snapshot, err error) {
	if err := ctx.Err(); err != nil {
		return nil, context.Cause(ctx)
	}
	path := registry.GitPath(ref.Name, ref.Version)
	if !isID(string(ref.Commit)) || ref.Artifact != "" && ref.Artifact != path {
		return nil, &sources.NotAllowedError{Name: ref.Name, Target: origin.Quote(ref.Artifact), Reason: "a git registry serves packages/<name>/<version> of a commit alone"}
	}
	r.mu.Lock()
	at = r.known[string(ref.Commit)]
	r.mu.Unlock()
	if at == nil {
		if err := r.mirror.needLocked(ctx, string(ref.Commit), r.ref()); err != nil {
			return nil, err
		}
		if at, err = r.at(ctx, string(ref.Commit)); err != nil {
			return nil, err
		}
		r.mu.Lock()
		r.known[at.commit] = at
		r.mu.Unlock()
	}
	return at, nil
}

// directory finds the tree of a version at a commit.
func (r *Registry) directory(ctx context.Context, ref sources.Ref) (at *snapshot, tree string, err error) {
	if at, err = r.locked(ctx, ref); err != nil {
		return nil, "", err
	}
	dir, ok, err := r.mirror.find(ctx, at.tree, registry.GitPath(ref.Name, ref.Version))
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

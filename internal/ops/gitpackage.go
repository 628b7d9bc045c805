package ops

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/openpackage/opkg/cas"
	"github.com/openpackage/opkg/config"
	"github.com/openpackage/opkg/ident"
	"github.com/openpackage/opkg/lock"
	"github.com/openpackage/opkg/manifest"
	"github.com/openpackage/opkg/solver"
	"github.com/openpackage/opkg/sources"
	"github.com/openpackage/opkg/sources/git"
)

// gitPackage answers for a name that comes from a git repository. It is safe for concurrent use.
type gitPackage struct {
	want lock.Require  // Name, Git, Ref, Base; Range where it picks among the tags
	kept *lock.Package // what the lock has, where that is to be kept; nil
	src  *git.Package
	url  string

	mu        sync.Mutex
	tags      []git.Tag // nil: not looked for yet
	manifests map[ident.Commit]*manifest.Manifest
}

// gitPackage opens what a requirement by git asks for. old is the locked package that is kept, or nil.
func (ws *Workspace) gitPackage(r lock.Require, old *lock.Package) (*gitPackage, error) {
	src, err := ws.gitSource(r.Name, r.Git, r.Base)
	if err != nil {
		return nil, err
	}
	g := &gitPackage{want: r, src: src, url: r.Git, manifests: map[ident.Commit]*manifest.Manifest{}}
	if old != nil && old.Git == r.Git && old.Base == r.Base && (old.Ref == r.Ref || r.Range != "") {
		g.kept = old
	}
	return g, nil
}

// gitSource opens a package of a repository. A relative URL starts at the workspace.
func (ws *Workspace) gitSource(name ident.Name, url, base string) (*git.Package, error) {
	dir := ""
	switch {
	case url[0] == '.':
		dir = filepath.Join(ws.Root, filepath.FromSlash(url))
	case url[0] == '/':
		dir = filepath.FromSlash(url)
	case url == "~" || strings.HasPrefix(url, "~/"):
		if ws.world.Home == "" {
			return nil, fmt.Errorf("%s: there is no home directory", url)
		}
		dir = filepath.Join(ws.world.Home, filepath.FromSlash(url[1:]))
	}
	return ws.git.Package(name, url, dir, base)
}

// versions lists what there is: the tags, or for a ref the one commit that it leads to. A commit that is locked for a ref stays until
// somebody upgrades, wherever the ref leads by now.
func (g *gitPackage) versions(ctx context.Context) ([]git.Tag, error) {
	g.mu.Lock()
	tags := g.tags
	g.mu.Unlock()
	if tags != nil {
		return tags, nil
	}
	tags, err := g.find(ctx)
	if err != nil {
		return nil, err
	}
	g.mu.Lock()
	g.tags = tags
	g.mu.Unlock()
	return tags, nil
}

func (g *gitPackage) find(ctx context.Context) ([]git.Tag, error) {
	switch {
	case g.want.Range != "":
		tags, err := g.src.Tags(ctx)
		if err == nil && len(tags) == 0 {
			err = &NoTagsError{Name: g.want.Name, URL: g.url}
		}
		return tags, err
	case g.kept != nil:
		return []git.Tag{{Version: g.kept.Version, Ref: g.kept.Ref, Commit: g.kept.Commit}}, nil
	}
	at, err := g.src.Resolve(ctx, g.want.Ref)
	if err != nil {
		return nil, err
	}
	if at.Version.IsZero() {
		m, err := g.manifest(ctx, at)
		if err != nil {
			return nil, err
		}
		at.Version = ident.GitVersion(versionOrZero(m.Version), at.Commit)
	}
	return []git.Tag{at}, nil
}

// at is the commit of a version that versions lists.
func (g *gitPackage) at(ctx context.Context, v ident.Version) (git.Tag, error) {
	tags, err := g.versions(ctx)
	if err != nil {
		return git.Tag{}, err
	}
	for _, t := range tags {
		if t.Version == v || t.Version.Compare(v) == 0 && !v.IsGit() {
			return t, nil
		}
	}
	return git.Tag{}, fmt.Errorf("%s has no version %s in %s", g.want.Name, v, g.url)
}

// manifest reads openpackage.yml at a commit and holds it against the name and the version that were asked for.
func (g *gitPackage) manifest(ctx context.Context, t git.Tag) (*manifest.Manifest, error) {
	g.mu.Lock()
	m := g.manifests[t.Commit]
	g.mu.Unlock()
	if m == nil {
		var err error
		if m, err = g.src.Manifest(ctx, t.Commit, t.Ref); err != nil {
			return nil, err
		}
		g.mu.Lock()
		g.manifests[t.Commit] = m
		g.mu.Unlock()
	}
	mismatch := func(what, want, got string) error {
		return &ident.MismatchError{Name: g.want.Name, Version: t.Version, Source: g.url, What: what, Want: want, Got: got}
	}
	switch own := versionOrZero(m.Version); {
	case m.Name != g.want.Name:
		return nil, mismatch("name in openpackage.yml", string(g.want.Name), string(m.Name))
	case !t.Version.IsZero() && !cas.SameVersion(t.Version, own):
		return nil, mismatch("version in openpackage.yml", fmt.Sprintf("%s (%s)", t.Version, t.Ref), own.String())
	}
	return m, nil
}

// NoTagsError is a repository that is asked for a range of versions and has none.
type NoTagsError struct {
	Name ident.Name
	URL  string
}

func (e *NoTagsError) Error() string {
	return fmt.Sprintf("%s: %s has no tag that is a version", e.Name, e.URL)
}

// Hint says what to do.
func (e *NoTagsError) Hint() string {
	return "tag a commit as v1.0.0 there (NAME/v1.0.0 for one package of several), or ask for a branch or commit with ref:"
}

// dependenciesOf is what a package needs besides its own directories, in the order of its file.
func dependenciesOf(m *manifest.Manifest) []manifest.Dependency {
	return slices.DeleteFunc(slices.Clone(m.Dependencies), func(d manifest.Dependency) bool { return d.Path != "" })
}

// namedRepositories are the git URLs that the root manifest names: packages may send their users there and nowhere else.
func (ws *Workspace) namedRepositories() []string {
	var out []string
	for _, d := range slices.Concat(ws.Manifest.Dependencies, ws.Manifest.DevDependencies) {
		if d.Git != "" && !slices.Contains(out, d.Git) {
			out = append(out, d.Git)
		}
	}
	return out
}

// claims are requirements by git that packages make of names that the root manifest does not have.
type claims map[ident.Name]claim

type claim struct {
	lock.Require
	by ident.Name
}

// claim reads the git dependencies of a chosen package. It reports whether one is new. The error is a *sources.NotAllowedError or a
// *ClashError.
func (c *catalog) claim(by ident.Name, deps []manifest.Dependency) (news bool, err error) {
	for _, d := range deps {
		if c.settled(d.Name) {
			continue
		}
		was, claimed := c.claims[d.Name]
		if d.Git == "" {
			if claimed {
				return false, &ClashError{Name: d.Name, One: was.describe(), Other: fmt.Sprintf("a registry for %s", by)}
			}
			continue
		}
		now := claim{lock.Require{Name: d.Name, Git: d.Git, Ref: d.Ref, Base: d.Base}, by}
		if d.HasRange {
			now.Range = d.Range.String()
		}
		if !slices.Contains(c.ws.namedRepositories(), d.Git) {
			return false, &sources.NotAllowedError{Name: d.Name, Target: d.Git, Reason: fmt.Sprintf("%s asks for it, but %s does not name that repository", by, ManifestName),
				HintText: fmt.Sprintf("if you trust it, add %s to %s yourself", d.Name, ManifestName)}
		}
		switch {
		case !claimed:
			c.claims[d.Name] = now
			news = true
		case was.Git != now.Git || was.Base != now.Base || was.Ref != now.Ref || (was.Range == "") != (now.Range == ""):
			return false, &ClashError{Name: d.Name, One: was.describe(), Other: now.describe()}
		}
	}
	return news, nil
}

func (c claim) describe() string { return fmt.Sprintf("%s for %s", describeRequire(c.Require), c.by) }

// settled reports whether the workspace itself says where a name comes from.
func (c *catalog) settled(name ident.Name) bool {
	return c.pinned[name] || c.ws.hasNested(name)
}

// claimAll reads the git dependencies of all chosen packages, in the order of their names.
func (c *catalog) claimAll(ctx context.Context, decisions []solver.Decision) (news bool, err error) {
	for _, d := range decisions {
		deps, err := c.dependencies(ctx, d.Name, d.Version)
		if err != nil {
			return false, err
		}
		more, err := c.claim(d.Name, deps)
		if err != nil {
			return false, err
		}
		news = news || more
	}
	return news, nil
}

// ClashError is a name that packages ask for from two places.
type ClashError struct {
	Name       ident.Name
	One, Other string
}

func (e *ClashError) Error() string {
	return fmt.Sprintf("%s is asked for from two places: %s, and %s", e.Name, e.One, e.Other)
}

// Hint says what to do.
func (e *ClashError) Hint() string {
	return fmt.Sprintf("name %s in %s: what stands there decides", e.Name, ManifestName)
}

// lock describes a decision for a package of a repository.
func (g *gitPackage) lock(ctx context.Context, p lock.Package, old *lock.Lock) (lock.Package, error) {
	t, err := g.at(ctx, p.Version)
	if err != nil {
		return p, err
	}
	p.Version, p.Git, p.Base, p.Ref, p.Commit = t.Version, g.want.Git, g.want.Base, t.Ref, t.Commit
	if was := find(old, p.Name); was != nil && was.Git == p.Git && was.Base == p.Base && was.Version == p.Version {
		p.SHA256, p.Tree = was.SHA256, was.Tree // where the commit is another one, compareMoved judges
	}
	return p, nil
}

// permitGit judges whether the lock may say that a package comes from a repository: the root manifest must name it.
func (ws *Workspace) permitGit(p *lock.Package) error {
	refuse := func(reason string) error {
		return &sources.NotAllowedError{Name: p.Name, Target: p.Git, Reason: reason, HintText: "run opkg lock, or restore " + LockName}
	}
	for _, d := range slices.Concat(ws.Manifest.Dependencies, ws.Manifest.DevDependencies) {
		if d.Name == p.Name && (d.Git != p.Git || d.Base != p.Base) {
			return refuse(fmt.Sprintf("%s asks for it from elsewhere", ManifestName))
		}
	}
	if !slices.Contains(ws.namedRepositories(), p.Git) {
		return refuse(fmt.Sprintf("%s does not name that repository", ManifestName))
	}
	if reg, ok := ws.scopeOwner(p.Name); ok {
		return refuse(fmt.Sprintf("the scope %s belongs to %s", p.Name.Scope(), reg.Source))
	}
	if p.Version.IsGit() && ident.GitVersion(p.Version, p.Commit) != p.Version {
		return refuse(fmt.Sprintf("version %s is not that of commit %s", p.Version, p.Commit))
	}
	return nil
}

// scopeOwner finds the registry that a scope of the configuration gives a name to.
func (ws *Workspace) scopeOwner(name ident.Name) (config.Registry, bool) {
	for _, s := range ws.Config.Scopes {
		if name.Scope() != "" && s.Scope == name.Scope() {
			return s.Registry, true
		}
	}
	return config.Registry{}, false
}

// opener opens artifacts: a source of the Router, or a package of a repository.
type opener interface {
	Open(ctx context.Context, ref sources.Ref) (*sources.Artifact, error)
}

// openerOf is where a locked package comes from.
func (ws *Workspace) openerOf(router *sources.Router, p *lock.Package) (opener, error) {
	if p.Git != "" {
		return ws.gitSource(p.Name, p.Git, p.Base)
	}
	return router.SourceFor(p.Source)
}

// gather lets sources that can bring several artifacts at once do so.
func (ws *Workspace) gather(ctx context.Context, router *sources.Router, packages []*lock.Package) error {
	refs := map[ident.SourceID][]sources.Ref{}
	var ids []ident.SourceID
	for _, p := range packages {
		if p.Source == "" || p.Commit == "" {
			continue
		}
		if refs[p.Source] == nil {
			ids = append(ids, p.Source)
		}
		refs[p.Source] = append(refs[p.Source], refOf(p))
	}
	for _, id := range ids {
		src, err := router.SourceFor(id)
		if err != nil {
			return err
		}
		if g, ok := src.(sources.Gatherer); ok {
			if err := g.Gather(ctx, refs[id]); err != nil {
				return err
			}
		}
	}
	return nil
}

func refOf(p *lock.Package) sources.Ref {
	return sources.Ref{Name: p.Name, Version: p.Version, Artifact: p.Artifact, Size: p.Size, SHA256: p.SHA256, Commit: p.Commit}
}

// compareMoved holds versions that are kept, while the branch or tag that they came from moved on, against what stands there now: the
// same content keeps its commit, other content is an error.
func (ws *Workspace) compareMoved(ctx context.Context, router *sources.Router, packages []lock.Package, old *lock.Lock) error {
	var moved []*lock.Package
	for i := range packages {
		if p := &packages[i]; p.Commit != "" && !p.SHA256.IsZero() && find(old, p.Name).Commit != p.Commit {
			moved = append(moved, p)
		}
	}
	if len(moved) == 0 {
		return nil
	}
	if err := ws.gather(ctx, router, moved); err != nil {
		return err
	}
	store, err := ws.world.openStore()
	if err != nil {
		return err
	}
	release, err := store.Shared(ctx)
	if err != nil {
		return err
	}
	defer release()
	for _, p := range moved {
		src, err := ws.openerOf(router, p)
		if err == nil {
			_, err = ws.fetchInto(ctx, store, src, *p)
		}
		was := find(old, p.Name)
		if err != nil {
			store.Discard()
		}
		if e := (*ident.MismatchError)(nil); errors.As(err, &e) {
			return &ChangedError{&ident.MismatchError{Name: p.Name, Version: p.Version, Source: comesFrom(p), What: e.What,
				Want: fmt.Sprintf("%s (%s, commit %s)", e.Want, LockName, was.Commit), Got: fmt.Sprintf("%s (commit %s)", e.Got, p.Commit)}}
		}
		if err != nil {
			return err
		}
		p.Commit = was.Commit
	}
	return store.Flush(ctx)
}

// comesFrom is where a locked package comes from, for messages.
func comesFrom(p *lock.Package) string {
	if p.Git != "" {
		return p.Git
	}
	return string(p.Source)
}

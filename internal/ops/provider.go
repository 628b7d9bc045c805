package ops

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/openpackage/opkg/ident"
	"github.com/openpackage/opkg/lock"
	"github.com/openpackage/opkg/manifest"
	"github.com/openpackage/opkg/registry"
	"github.com/openpackage/opkg/solver"
	"github.com/openpackage/opkg/sources"
)

// catalog answers the solver's questions: directories for the names that the manifest gives a path,
// the Router for all others.
type catalog struct {
	ws     *Workspace
	router *sources.Router
	pinned map[ident.Name]bool // the manifest asks for these, so that it alone says where they come from
	keep   map[ident.Name]*lock.Package
	gits   map[ident.Name]*gitPackage // those that come from repositories; set between solves
	claims claims

	mu      sync.Mutex
	local   map[ident.Name]*localPackage // nil: it was looked for, and is not there
	answers map[ident.Name]*answer
}

// answer is what is known of one name, ready to be asked by version.
type answer struct {
	sources.Answer
	byVersion map[ident.Version]*registry.Release
}

// find is the release of a version, nil where there is none. Build metadata does not distinguish two versions of a registry.
func (a *answer) find(v ident.Version) *registry.Release {
	if r := a.byVersion[v]; r != nil {
		return r
	}
	for i := range a.Index.Releases {
		if r := &a.Index.Releases[i]; r.Version.Compare(v) == 0 {
			return r
		}
	}
	return nil
}

// localPackage is a directory dependency: mutable, never stored.
type localPackage struct {
	path     string // as the lock writes it
	manifest *manifest.Manifest
}

// version is the manifest's, or 0.0.0.
func (p *localPackage) version() ident.Version { return versionOrZero(p.manifest.Version) }

func versionOrZero(v ident.Version) ident.Version {
	if v.IsZero() {
		v, _ = ident.ParseVersion("0.0.0")
	}
	return v
}

// newCatalog reads the manifests of all directory dependencies of the manifest.
func newCatalog(ws *Workspace, router *sources.Router, requires []lock.Require, keep map[ident.Name]*lock.Package) (*catalog, error) {
	c := &catalog{ws: ws, router: router, pinned: map[ident.Name]bool{}, keep: keep, gits: map[ident.Name]*gitPackage{}, claims: claims{},
		local: map[ident.Name]*localPackage{}, answers: map[ident.Name]*answer{}}
	for _, r := range requires {
		c.pinned[r.Name] = true
		if r.Git != "" {
			if err := c.openGit(r); err != nil {
				return nil, err
			}
		}
		if r.Path == "" {
			continue
		}
		p, err := ws.openLocal(r)
		if err != nil {
			return nil, err
		}
		c.local[r.Name] = p
	}
	return c, nil
}

// openGit makes a name one of a repository.
func (c *catalog) openGit(r lock.Require) error {
	if reg, ok := c.ws.scopeOwner(r.Name); ok {
		return &sources.NotAllowedError{Name: r.Name, Target: r.Git, Reason: fmt.Sprintf("the scope %s belongs to %s", r.Name.Scope(), reg.Source),
			HintText: "drop git:, or change the scope in config.yml"}
	}
	g, err := c.ws.gitPackage(r, c.keep[r.Name])
	if err != nil {
		return err
	}
	c.gits[r.Name] = g
	return nil
}

// solve finds one version for each package. Which names packages want from repositories is known only when the packages are: then it
// is solved again with these.
func (c *catalog) solve(ctx context.Context, p solver.Problem) (*solver.Solution, error) {
	for {
		sol, err := solver.Solve(ctx, p, c, solver.Options{Parallel: askParallel})
		if err != nil {
			return nil, err
		}
		news, err := c.claimAll(ctx, sol.Decisions)
		if err != nil || !news {
			return sol, err
		}
		for _, name := range slices.Sorted(maps.Keys(c.claims)) {
			if c.gits[name] != nil {
				continue
			}
			if err := c.openGit(c.claims[name].Require); err != nil {
				return nil, err
			}
		}
	}
}

// localOf finds the directory of a name, nil where registries answer for it. A name that only packages ask for is
// local too if the workspace has a package of its own of that name: no registry is ever asked for that.
func (c *catalog) localOf(name ident.Name) (*localPackage, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p, known := c.local[name]
	if known || c.pinned[name] || !c.ws.hasNested(name) {
		return p, nil
	}
	p, err := c.ws.openLocal(lock.Require{Name: name, Path: nestedPath(name)})
	if err != nil {
		return nil, err
	}
	c.local[name] = p
	return p, nil
}

// openLocal reads the manifest of a directory dependency.
func (ws *Workspace) openLocal(r lock.Require) (*localPackage, error) {
	dir := filepath.Join(ws.Root, filepath.FromSlash(r.Path))
	file := filepath.Join(dir, ManifestName)
	shown := ws.world.show(file)
	data, err := readCommitted(dir, file)
	if err != nil {
		return nil, &LocalError{Name: r.Name, Path: r.Path, Err: err}
	}
	m, err := manifest.ParsePackage(shown, data)
	if err != nil {
		return nil, err
	}
	if m.Name != r.Name {
		return nil, &LocalError{Name: r.Name, Path: r.Path, Err: fmt.Errorf("%s names itself %s", shown, m.Name)}
	}
	return &localPackage{path: r.Path, manifest: m}, nil
}

// LocalError is a directory dependency that cannot be read.
type LocalError struct {
	Name ident.Name
	Path string
	Err  error
}

func (e *LocalError) Error() string {
	if errors.Is(e.Err, os.ErrNotExist) {
		return fmt.Sprintf("%s: %s has no %s", e.Name, e.Path, ManifestName)
	}
	return fmt.Sprintf("%s: read the package in %s: %v", e.Name, e.Path, e.Err)
}

// Hint says what to do where the directory holds no package; else that of the cause.
func (e *LocalError) Hint() string {
	if e.Path == nestedPath(e.Name) && (errors.Is(e.Err, os.ErrNotExist) || errors.Is(e.Err, errNotDir)) {
		return fmt.Sprintf("what stands in %s/packages is the workspace's own, and never asked of a registry: make the package there, or remove %s", dotDir, e.Path)
	}
	if errors.Is(e.Err, os.ErrNotExist) {
		return fmt.Sprintf("%s asks for %s in that directory: correct its base:, or make the package with opkg new %s", ManifestName, e.Name, e.Path)
	}
	var h interface{ Hint() string }
	if errors.As(e.Err, &h) {
		return h.Hint()
	}
	return ""
}

func (e *LocalError) Unwrap() error { return e.Err }

// Versions implements solver.Provider.
func (c *catalog) Versions(ctx context.Context, name ident.Name) ([]solver.Candidate, error) {
	if p, err := c.localOf(name); p != nil || err != nil {
		if err != nil {
			return nil, err
		}
		return []solver.Candidate{{Version: p.version()}}, nil
	}
	if g := c.gits[name]; g != nil {
		tags, err := g.versions(ctx)
		out := make([]solver.Candidate, len(tags))
		for i, t := range tags {
			out[i] = solver.Candidate{Version: t.Version}
		}
		return out, err
	}
	a, err := c.answer(ctx, name)
	var missing *sources.NotFoundError
	if errors.As(err, &missing) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	out := make([]solver.Candidate, len(a.Index.Releases))
	for i, r := range a.Index.Releases {
		out[i] = solver.Candidate{Version: r.Version, Yanked: r.Yanked}
	}
	return out, nil
}

// Requirements implements solver.Provider.
func (c *catalog) Requirements(ctx context.Context, name ident.Name, v ident.Version) ([]ident.Requirement, error) {
	if !c.isRegistry(name) {
		deps, err := c.dependencies(ctx, name, v)
		if err != nil {
			return nil, err
		}
		deps = slices.DeleteFunc(deps, func(d manifest.Dependency) bool { // until it is known that it is wanted
			return d.Git != "" && !c.settled(d.Name) && c.gits[d.Name] == nil
		})
		return requirements(deps), nil
	}
	r, err := c.release(ctx, name, v)
	if err != nil {
		return nil, err
	}
	return r.Dependencies, nil
}

// isRegistry reports whether registries answer for a name.
func (c *catalog) isRegistry(name ident.Name) bool {
	p, err := c.localOf(name)
	return p == nil && err == nil && c.gits[name] == nil
}

// dependencies are what a version needs, with where it wants it from.
func (c *catalog) dependencies(ctx context.Context, name ident.Name, v ident.Version) ([]manifest.Dependency, error) {
	p, err := c.localOf(name)
	switch {
	case err != nil:
		return nil, err
	case p != nil:
		return dependenciesOf(p.manifest), nil
	}
	if g := c.gits[name]; g != nil {
		t, err := g.at(ctx, v)
		if err != nil {
			return nil, err
		}
		m, err := g.manifest(ctx, t)
		if err != nil {
			return nil, err
		}
		return dependenciesOf(m), nil
	}
	r, err := c.release(ctx, name, v)
	if err != nil {
		return nil, err
	}
	out := make([]manifest.Dependency, len(r.Dependencies))
	for i, d := range r.Dependencies {
		out[i] = manifest.Dependency{Name: d.Name, Range: d.Range}
	}
	return out, nil
}

// answer asks the Router, once a name.
func (c *catalog) answer(ctx context.Context, name ident.Name) (*answer, error) {
	c.mu.Lock()
	a := c.answers[name]
	c.mu.Unlock()
	if a != nil {
		return a, nil
	}
	got, err := c.router.Owner(ctx, name)
	if err != nil {
		return nil, err
	}
	a = &answer{Answer: *got, byVersion: make(map[ident.Version]*registry.Release, len(got.Index.Releases))}
	for i := range got.Index.Releases {
		r := &got.Index.Releases[i]
		a.byVersion[r.Version] = r
	}
	c.mu.Lock()
	c.answers[name] = a
	c.mu.Unlock()
	return a, nil
}

// behind reports whether what was answered lacks a version that is locked from the registry that answered.
func (c *catalog) behind(old *lock.Lock) bool {
	if old == nil {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range old.Packages {
		p := &old.Packages[i]
		if a := c.answers[p.Name]; a != nil && p.Source == a.Source.ID() && a.find(p.Version) == nil {
			return true
		}
	}
	return false
}

// warnYanked tells of versions in a lock that their registries warn of.
func (c *catalog) warnYanked(l *lock.Lock) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range l.Packages {
		p := &l.Packages[i]
		a := c.answers[p.Name]
		if a == nil || p.Source != a.Source.ID() {
			continue
		}
		if r := a.find(p.Version); r != nil && r.Yanked {
			c.ws.world.warn(fmt.Sprintf("%s %s is %s", p.Name, p.Version, YankedText(r.YankReason)),
				fmt.Sprintf("opkg upgrade %s takes another version, where what is asked for admits one", p.Name))
		}
	}
}

// release finds one version that Versions listed.
func (c *catalog) release(ctx context.Context, name ident.Name, v ident.Version) (*registry.Release, error) {
	a, err := c.answer(ctx, name)
	if err != nil {
		return nil, err
	}
	r := a.find(v)
	if r == nil {
		return nil, fmt.Errorf("%s has no version %s in %s", name, v, a.Source.ID())
	}
	return r, nil
}

// requirementsOf is what a package needs, sorted by name.
func requirementsOf(m *manifest.Manifest) []ident.Requirement { return requirements(dependenciesOf(m)) }

func requirements(deps []manifest.Dependency) []ident.Requirement {
	var out []ident.Requirement
	for _, d := range deps {
		out = append(out, ident.Requirement{Name: d.Name, Range: d.Range})
	}
	slices.SortFunc(out, func(a, b ident.Requirement) int { return strings.Compare(string(a.Name), string(b.Name)) })
	return out
}

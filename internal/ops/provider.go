package ops

import (
	"context"
	"errors"
	"fmt"
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
func newCatalog(ws *Workspace, router *sources.Router, requires []lock.Require) (*catalog, error) {
	c := &catalog{ws: ws, router: router, pinned: map[ident.Name]bool{}, local: map[ident.Name]*localPackage{}, answers: map[ident.Name]*answer{}}
	for _, r := range requires {
		c.pinned[r.Name] = true
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
	data, err := readUserFile(file)
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
	if err := refuseGit(shown, m.Dependencies); err != nil {
		return nil, err
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

func (e *LocalError) Unwrap() error { return e.Err }

// Versions implements solver.Provider.
func (c *catalog) Versions(ctx context.Context, name ident.Name) ([]solver.Candidate, error) {
	if p, err := c.localOf(name); p != nil || err != nil {
		if err != nil {
			return nil, err
		}
		return []solver.Candidate{{Version: p.version()}}, nil
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
	if p, err := c.localOf(name); p != nil || err != nil {
		if err != nil {
			return nil, err
		}
		return requirementsOf(p.manifest), nil
	}
	r, err := c.release(ctx, name, v)
	if err != nil {
		return nil, err
	}
	return r.Dependencies, nil
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
func requirementsOf(m *manifest.Manifest) []ident.Requirement {
	var out []ident.Requirement
	for _, d := range m.Dependencies {
		if d.Git == "" && d.Path == "" {
			out = append(out, ident.Requirement{Name: d.Name, Range: d.Range})
		}
	}
	slices.SortFunc(out, func(a, b ident.Requirement) int { return strings.Compare(string(a.Name), string(b.Name)) })
	return out
}

package ops

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/openpackage/opkg/cas"
	"github.com/openpackage/opkg/config"
	"github.com/openpackage/opkg/ident"
	"github.com/openpackage/opkg/internal/atomicfile"
	"github.com/openpackage/opkg/lock"
	"github.com/openpackage/opkg/manifest"
	"github.com/openpackage/opkg/solver"
	"github.com/openpackage/opkg/sources"
)

// LockOptions say how Lock goes about it.
type LockOptions struct {
	Check   bool         // write nothing; a lock that is not what Lock would write is a *lock.StaleError
	DryRun  bool         // write nothing
	Upgrade bool         // forget what is locked
	Names   []ident.Name // forget what is locked for these
}

// LockResult is what Lock found.
type LockResult struct {
	Path    string // of the lock, absolute
	Lock    *lock.Lock
	Changes []lock.Change // from the lock that stood there; all of it when there was none
	Written bool          // the file's bytes changed
	First   bool          // there was no lock before
	Stats   solver.Stats
}

// Lock solves the manifest against the registries and writes opkg.lock. What is locked is kept
// while it fits. A lock that does not parse is an error, and is left as it is.
func (w *World) Lock(ctx context.Context, opt LockOptions) (*LockResult, error) {
	ws, err := w.Open()
	if err != nil {
		return nil, err
	}
	return ws.lock(ctx, opt)
}

func (ws *Workspace) lock(ctx context.Context, opt LockOptions) (*LockResult, error) {
	old, oldBytes, err := ws.ReadLock()
	var none *NoLockError
	if err != nil && !errors.As(err, &none) {
		return nil, err
	}
	if opt.Check && old == nil {
		return nil, err
	}
	res := &LockResult{Path: ws.LockPath(), First: old == nil}
	if res.Lock, res.Stats, err = ws.resolve(ctx, old, opt); err != nil {
		return nil, err
	}
	res.Changes = lock.Diff(old, res.Lock)
	fresh := res.Lock.Format()
	if bytes.Equal(fresh, oldBytes) {
		return res, nil
	}
	switch {
	case opt.Check:
		return res, ws.explainStale(old, res)
	case opt.DryRun:
		return res, nil
	}
	return res, ws.writeLock(res)
}

// writeLock puts a new lock in the place of the one that stands.
func (ws *Workspace) writeLock(res *LockResult) error {
	fresh := res.Lock.Format()
	if old, err := readUserFile(res.Path); err == nil && bytes.Equal(old, fresh) {
		return nil
	}
	ws.warnNotPortable(res.Lock)
	if err := atomicfile.Write(res.Path, fresh, 0o644); err != nil {
		return fmt.Errorf("write %s: %w", ws.world.show(res.Path), err)
	}
	res.Written = true
	return nil
}

// explainStale says why the lock is not what Lock would write: in the words of the manifest where it
// changed, else by what the registries now give.
func (ws *Workspace) explainStale(old *lock.Lock, res *LockResult) error {
	if err := ws.checkFresh(old); err != nil {
		return err
	}
	shown := ws.world.show(res.Path)
	stale := &lock.StaleError{File: shown}
	for _, c := range res.Changes {
		stale.Differences = append(stale.Differences, describeChange(c))
	}
	if len(stale.Differences) == 0 {
		stale.Differences = []string{shown + " is not in the canonical form that opkg writes"}
	}
	return stale
}

// describeChange is one difference between the lock that stands and the one that Lock would write.
func describeChange(c lock.Change) string {
	switch {
	case c.Old == nil:
		return fmt.Sprintf("%s %s is missing", c.Name, c.New.Version)
	case c.New == nil:
		return fmt.Sprintf("%s %s is no longer needed", c.Name, c.Old.Version)
	case c.Old.Version != c.New.Version:
		return fmt.Sprintf("%s is locked at %s; %s would be chosen now", c.Name, c.Old.Version, c.New.Version)
	case c.Old.Source != c.New.Source:
		return fmt.Sprintf("%s is locked from %s; %s answers for it now", c.Name, c.Old.Source, c.New.Source)
	}
	return fmt.Sprintf("%s %s is described differently", c.Name, c.New.Version)
}

// resolve solves and turns the solution into a lock.
func (ws *Workspace) resolve(ctx context.Context, old *lock.Lock, opt LockOptions) (*lock.Lock, solver.Stats, error) {
	requires := ws.Requires()
	router, err := ws.routerWith(pinsOf(requires), opt.Upgrade || len(opt.Names) > 0)
	if err != nil {
		return nil, solver.Stats{}, err
	}
	cat, err := newCatalog(ws, router, requires)
	if err != nil {
		return nil, solver.Stats{}, err
	}
	sol, err := solver.Solve(ctx, ws.problem(requires, old, opt), cat, solver.Options{})
	if err != nil {
		return nil, solver.Stats{}, cat.explainUnknown(ctx, requires, err)
	}
	l := &lock.Lock{Requires: requires, Overrides: ws.Overrides(), Packages: make([]lock.Package, len(sol.Decisions))}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(fetchParallel)
	for i, d := range sol.Decisions {
		g.Go(func() (err error) {
			l.Packages[i], err = ws.lockPackage(gctx, cat, d, old)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, sol.Stats, err
	}
	l.MarkDev()
	return l, sol.Stats, nil
}

// problem puts the manifest into the solver's words.
func (ws *Workspace) problem(requires []lock.Require, old *lock.Lock, opt LockOptions) solver.Problem {
	where := map[ident.Name]manifest.Position{}
	ranges := map[ident.Name]ident.Range{}
	for _, list := range [][]manifest.Dependency{ws.Manifest.Dependencies, ws.Manifest.DevDependencies} {
		for _, d := range list {
			where[d.Name], ranges[d.Name] = d.Pos, d.Range
		}
	}
	p := solver.Problem{Locked: map[ident.Name]ident.Version{}, Overrides: map[ident.Name]ident.Range{}}
	file := ws.world.show(ws.ManifestPath)
	for _, r := range requires {
		rng := ranges[r.Name]
		if r.Range == "" {
			rng = ident.Any()
		}
		p.Root = append(p.Root, solver.Root{
			Requirement: ident.Requirement{Name: r.Name, Range: rng},
			Where:       fmt.Sprintf("%s:%d", file, where[r.Name].Line),
		})
	}
	for _, o := range ws.Manifest.Overrides {
		p.Overrides[o.Name] = o.Range
	}
	if old == nil || opt.Upgrade {
		return p
	}
	for _, k := range old.Packages {
		p.Locked[k.Name] = k.Version
	}
	for _, n := range opt.Names {
		delete(p.Locked, n)
	}
	return p
}

// explainUnknown turns a failed solve into "not found" where the user's own requirement is a name that no
// registry has: a proof would only bury that.
func (c *catalog) explainUnknown(ctx context.Context, requires []lock.Require, err error) error {
	var none *solver.NoSolutionError
	if !errors.As(err, &none) {
		return err
	}
	for _, r := range requires {
		if c.local[r.Name] != nil {
			continue
		}
		var missing *sources.NotFoundError
		if _, err := c.answer(ctx, r.Name); errors.As(err, &missing) {
			return missing
		}
	}
	return err
}

// lockPackage describes one decision. What the registry does not say (size, tree) is learnt from the artifact itself, which
// then lies in the store, where sync finds it.
func (ws *Workspace) lockPackage(ctx context.Context, c *catalog, d solver.Decision, old *lock.Lock) (lock.Package, error) {
	p := lock.Package{Name: d.Name, Version: d.Version, Dependencies: lockDependencies(d.Requirements)}
	if local := c.local[d.Name]; local != nil {
		p.Path = local.path
		return p, nil
	}
	a, err := c.answer(ctx, d.Name)
	if err != nil {
		return p, err
	}
	rel := a.byVersion[d.Version]
	p.Source, p.Artifact, p.Commit = a.Source.ID(), rel.Artifact, rel.Commit
	p.Size, p.SHA256, p.Tree = rel.Size, rel.SHA256, rel.Tree
	if was := find(old, d.Name); was != nil && was.Version == p.Version && was.Source == p.Source {
		if was.SHA256 != p.SHA256 {
			return p, &ident.MismatchError{Name: p.Name, Version: p.Version, Source: string(p.Source), What: "sha256",
				Want: was.SHA256.String() + " (" + LockName + ")", Got: p.SHA256.String()}
		}
		if p.Size == 0 || p.Tree.IsZero() {
			p.Size, p.Tree = was.Size, was.Tree
		}
	}
	if p.Size != 0 && !p.Tree.IsZero() {
		return p, nil
	}
	art, err := ws.fetch(ctx, a.Source, p)
	if err != nil {
		return p, err
	}
	p.Size, p.Tree = art.Size, art.Tree
	return p, nil
}

func find(l *lock.Lock, name ident.Name) *lock.Package {
	if l == nil {
		return nil
	}
	return l.Find(name)
}

// checkFresh judges, without any request, whether the lock was made for this manifest.
func (ws *Workspace) checkFresh(l *lock.Lock) error {
	requires := ws.Requires()
	lockFile, file := ws.world.show(ws.LockPath()), ws.world.show(ws.ManifestPath)
	if err := l.CheckFresh(lockFile, file, requires, ws.Overrides()); err != nil {
		return err
	}
	var dirs []lock.Package
	for _, r := range requires {
		if r.Path == "" {
			continue
		}
		now, err := ws.openLocal(r)
		if err != nil {
			return err
		}
		dirs = append(dirs, lock.Package{Name: r.Name, Version: now.version(), Path: now.path, Dependencies: lockDependencies(requirementsOf(now.manifest))})
	}
	return l.CheckPaths(lockFile, dirs)
}

// lockDependencies puts requirements, sorted by name, into the words of the lock.
func lockDependencies(reqs []ident.Requirement) []lock.Dependency {
	var out []lock.Dependency
	for _, r := range reqs {
		out = append(out, lock.Dependency{Name: r.Name, Range: r.Range.String()})
	}
	return out
}

// warnNotPortable tells the user when the lock names a directory of this machine.
func (ws *Workspace) warnNotPortable(l *lock.Lock) {
	seen := map[ident.SourceID]bool{}
	for _, p := range l.Packages {
		if p.Source == "" || p.Source.Kind() != ident.Directory || seen[p.Source] {
			continue
		}
		seen[p.Source] = true
		if reg, ok := ws.Config.BySource(p.Source); ok && reg.Origin == config.User {
			ws.world.warn(fmt.Sprintf("%s names %s, a directory of this machine alone", LockName, p.Source),
				"name the registry in the workspace's .openpackage/config.yml, by a relative path")
		}
	}
}

// wantOf is what the store must find in an artifact of the lock.
func wantOf(p lock.Package) (cas.Want, error) {
	w := cas.Want{Name: p.Name, Version: p.Version, Source: string(p.Source), Size: p.Size, SHA256: p.SHA256, Tree: p.Tree,
		Dependencies: make([]ident.Requirement, 0, len(p.Dependencies))}
	for _, d := range p.Dependencies {
		r, err := ident.ParseRange(d.Range)
		if err != nil {
			return w, fmt.Errorf("%s@%s needs %s %s: %w", p.Name, p.Version, d.Name, strings.TrimSpace(d.Range), err)
		}
		w.Dependencies = append(w.Dependencies, ident.Requirement{Name: d.Name, Range: r})
	}
	return w, nil
}

package ops

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

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
	Explain bool         // say why each version was chosen

	solved func(*catalog, *lock.Lock) // told of the solution, and of what it was chosen from

	versionsAlone bool // nothing is fetched: digests that no index says stay unknown
}

// LockResult is what Lock found.
type LockResult struct {
	Path    string // of the lock, absolute
	Lock    *lock.Lock
	Changes []lock.Change // from the lock that stood there; all of it when there was none
	Written bool          // the file's bytes changed
	First   bool          // there was no lock before
	Stats   solver.Stats
	Choices []Choice // with Explain: of each package, in the order of the lock
}

// Lock solves the manifest against the registries and writes opkg.lock. What is locked is kept
// while it fits. A lock that does not parse is an error, and is left as it is.
func (w *World) Lock(ctx context.Context, opt LockOptions) (*LockResult, error) {
	if !opt.Check && !opt.DryRun {
		root, _, err := w.findRoot()
		if err != nil {
			return nil, err
		}
		release, err := w.guard(ctx, root)
		if err != nil {
			return nil, err
		}
		defer release()
	}
	ws, err := w.Open()
	if err != nil {
		return nil, err
	}
	return ws.lock(ctx, opt)
}

// lock is Lock for one who holds the guard, or writes nothing.
func (ws *Workspace) lock(ctx context.Context, opt LockOptions) (*LockResult, error) {
	old, oldBytes, err := ws.ReadLock()
	var none *NoLockError
	if err != nil && !errors.As(err, &none) {
		return nil, err
	}
	if opt.Check && old == nil {
		return nil, err
	}
	for _, name := range opt.Names {
		if old != nil && old.Find(name) == nil {
			return nil, notLocked(old, name)
		}
	}
	res := &LockResult{Path: ws.LockPath(), First: old == nil}
	if opt.Explain {
		opt.solved = func(c *catalog, l *lock.Lock) { res.Choices = c.choices(ctx, l, old, opt) }
	}
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
	ws.warnShadowed(res)
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
	case c.Old.Version != c.New.Version && c.Old.Source != c.New.Source:
		return fmt.Sprintf("%s is locked at %s from %s; %s from %s would be chosen now", c.Name, c.Old.Version, c.Old.Source, c.New.Version, c.New.Source)
	case c.Old.Version != c.New.Version:
		return fmt.Sprintf("%s is locked at %s; %s would be chosen now", c.Name, c.Old.Version, c.New.Version)
	case c.Old.Source != c.New.Source:
		return fmt.Sprintf("%s is locked from %s; %s answers for it now", c.Name, c.Old.Source, c.New.Source)
	}
	return fmt.Sprintf("%s %s is described differently", c.Name, c.New.Version)
}

// resolve solves and turns the solution into a lock. An index may be used for a while without asking again, and many may come out of one
// file: where that gives no solution, or contradicts the lock, each index as it stands has the last word.
func (ws *Workspace) resolve(ctx context.Context, old *lock.Lock, opt LockOptions) (*lock.Lock, solver.Stats, error) {
	first := askUsual
	if opt.Upgrade || len(opt.Names) > 0 {
		first = askAnew
	}
	l, stats, err := ws.resolveWith(ctx, old, opt, first)
	if (as[*solver.NoSolutionError](err) || as[*ChangedError](err) || errors.Is(err, errBehind)) && !ws.world.Offline {
		return ws.resolveWith(ctx, old, opt, askEach)
	}
	return l, stats, err
}

// errBehind says that a registry does not offer a version that is locked from it.
var errBehind = errors.New("a locked version is not offered")

// asking is how registries are asked.
type asking int

const (
	askUsual asking = iota
	askAnew         // also for what is still fresh
	askEach         // that, for each name on its own
)

func (ws *Workspace) resolveWith(ctx context.Context, old *lock.Lock, opt LockOptions, how asking) (*lock.Lock, solver.Stats, error) {
	requires := ws.Requires()
	router, err := ws.routerWith(pinsOf(requires), how != askUsual)
	if err != nil {
		return nil, solver.Stats{}, err
	}
	problem := ws.problem(requires, old, opt)
	cat, err := newCatalog(ws, router, requires, keepable(old, problem))
	if err != nil {
		return nil, solver.Stats{}, err
	}
	if how != askEach {
		router.Expect(ctx, namesToAsk(requires, old))
	}
	sol, err := cat.solve(ctx, problem)
	if err != nil {
		return nil, solver.Stats{}, cat.explainUnknown(ctx, requires, err)
	}
	if how != askEach && !ws.world.Offline && cat.behind(old) {
		return nil, sol.Stats, errBehind
	}
	l := &lock.Lock{Requires: requires, Overrides: ws.Overrides(), Packages: make([]lock.Package, len(sol.Decisions))}
	for i, d := range sol.Decisions {
		if l.Packages[i], err = lockPackage(ctx, cat, d, old); err != nil {
			return nil, sol.Stats, err
		}
	}
	if opt.versionsAlone {
		return l, sol.Stats, nil
	}
	if err := ws.compareMoved(ctx, router, l.Packages, old); err != nil {
		return nil, sol.Stats, err
	}
	if err := ws.learn(ctx, router, l.Packages); err != nil {
		return nil, sol.Stats, err
	}
	cat.warnYanked(l)
	l.MarkDev()
	if opt.solved != nil {
		opt.solved(cat, l)
	}
	return l, sol.Stats, nil
}

// namesToAsk are those that a solve will surely ask registries for, or did the last time.
func namesToAsk(requires []lock.Require, old *lock.Lock) []ident.Name {
	var names []ident.Name
	for _, r := range requires {
		if r.Path == "" && r.Git == "" {
			names = append(names, r.Name)
		}
	}
	if old != nil {
		for _, p := range old.Packages {
			if p.Source != "" {
				names = append(names, p.Name)
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// askParallel is how many indexes are asked for at once. A registry is tens of milliseconds away, and an index is small: what bounds a lock
// is round trips, not bytes. How many requests a server gets at once, the transport decides.
const askParallel = 256

// keepable is what of the lock a solve keeps while it fits.
func keepable(old *lock.Lock, p solver.Problem) map[ident.Name]*lock.Package {
	out := map[ident.Name]*lock.Package{}
	for name := range p.Locked {
		out[name] = old.Find(name)
	}
	return out
}

func as[T error](err error) bool {
	var t T
	return errors.As(err, &t)
}

// problem puts the manifest into the solver's words.
func (ws *Workspace) problem(requires []lock.Require, old *lock.Lock, opt LockOptions) solver.Problem {
	where := map[ident.Name]manifest.Position{}
	ranges := map[ident.Name]ident.Range{}
	file := ws.world.show(ws.ManifestPath)
	at := func(pos manifest.Position) string {
		if pos.Line == 0 {
			return ""
		}
		return fmt.Sprintf("%s:%d", file, pos.Line)
	}
	for _, list := range [][]manifest.Dependency{ws.Manifest.Dependencies, ws.Manifest.DevDependencies} {
		for _, d := range list {
			where[d.Name], ranges[d.Name] = d.Pos, d.Range
		}
	}
	p := solver.Problem{Locked: map[ident.Name]ident.Version{}, Overrides: map[ident.Name]ident.Range{}, OverrideWhere: map[ident.Name]string{}}
	for _, r := range requires {
		rng := ranges[r.Name]
		if r.Range == "" {
			rng = ident.Any()
		}
		p.Root = append(p.Root, solver.Root{
			Requirement: ident.Requirement{Name: r.Name, Range: rng},
			Where:       at(where[r.Name]),
			Dev:         r.Dev,
		})
	}
	for _, o := range ws.Manifest.Overrides {
		p.Overrides[o.Name], p.OverrideWhere[o.Name] = o.Range, at(o.Pos)
	}
	if old == nil || opt.Upgrade {
		return p
	}
	p.Locked, p.Unlock, p.Prefer = stillLocked(old, requires), opt.Names, make(map[ident.Name]ident.Version, len(old.Packages))
	for _, k := range old.Packages {
		p.Prefer[k.Name] = k.Version
	}
	return p
}

// stillLocked are the versions of a lock that requires leads to, by the lock's own edges. What only a removed requirement needed is no
// reason to choose other versions; it stays as it was if something else needs it now.
func stillLocked(old *lock.Lock, requires []lock.Require) map[ident.Name]ident.Version {
	locked := map[ident.Name]ident.Version{}
	var visit func(name ident.Name)
	visit = func(name ident.Name) {
		k := old.Find(name)
		if _, seen := locked[name]; k == nil || seen {
			return
		}
		locked[name] = k.Version
		for _, d := range k.Dependencies {
			visit(d.Name)
		}
	}
	for _, r := range requires {
		visit(r.Name)
	}
	return locked
}

// explainUnknown turns a failed solve into "not found" where the user's own requirement is a name that no
// registry has: a proof would only bury that.
func (c *catalog) explainUnknown(ctx context.Context, requires []lock.Require, err error) error {
	var none *solver.NoSolutionError
	if !errors.As(err, &none) {
		return err
	}
	for _, r := range requires {
		if r.Path != "" || r.Git != "" {
			continue
		}
		var missing *sources.NotFoundError
		if _, err := c.answer(ctx, r.Name); errors.As(err, &missing) {
			return c.ws.atLine(r.Name, c.ws.suggest(missing))
		}
	}
	c.advise(ctx, none)
	return err
}

// atLine says where the manifest asks for the name that err is about.
func (ws *Workspace) atLine(name ident.Name, err error) error {
	for _, d := range slices.Concat(ws.Manifest.Dependencies, ws.Manifest.DevDependencies) {
		if d.Name == name {
			return fmt.Errorf("%s:%d: %w", ws.world.show(ws.ManifestPath), d.Pos.Line, err)
		}
	}
	return err
}

// lockPackage describes one decision, in the words of the registry that owns the name. What the lock knows of a
// version that is kept must still hold; it fills in what the index does not say.
func lockPackage(ctx context.Context, c *catalog, d solver.Decision, old *lock.Lock) (lock.Package, error) {
	p := lock.Package{Name: d.Name, Version: d.Version, Dependencies: lockDependencies(d.Requirements)}
	local, err := c.localOf(d.Name)
	if err != nil {
		return p, err
	}
	if local != nil {
		p.Path = local.path
		return p, nil
	}
	if g := c.gits[d.Name]; g != nil {
		return g.lock(ctx, p, old)
	}
	a, err := c.answer(ctx, d.Name)
	if err != nil {
		return p, err
	}
	rel, err := c.release(ctx, d.Name, d.Version)
	if err != nil {
		return p, err
	}
	p.Version = rel.Version
	p.Source, p.Artifact, p.Commit = a.Source.ID(), rel.Artifact, rel.Commit
	p.Size, p.SHA256, p.Tree = rel.Size, rel.SHA256, rel.Tree
	was := find(old, d.Name)
	if was == nil || was.Source != p.Source || was.Version.Compare(p.Version) != 0 {
		return p, nil
	}
	if p.Commit != "" { // compareMoved judges
		p.SHA256, p.Tree = was.SHA256, was.Tree
		return p, nil
	}
	changed := func(what, want, got string) error {
		return &ChangedError{&ident.MismatchError{Name: p.Name, Version: p.Version, Source: string(p.Source), What: what, Want: want + " (" + LockName + ")", Got: got}}
	}
	switch {
	case was.SHA256 != p.SHA256:
		return p, changed("sha256", was.SHA256.String(), p.SHA256.String())
	case !p.Tree.IsZero() && was.Tree != p.Tree:
		return p, changed("tree", was.Tree.String(), p.Tree.String())
	}
	p.Size, p.Tree = was.Size, was.Tree
	return p, nil
}

// ChangedError is a registry that says something else of a version than when it was locked. It wraps an *ident.MismatchError.
type ChangedError struct{ *ident.MismatchError }

func (e *ChangedError) Unwrap() error { return e.MismatchError }

// Hint says what to do.
func (e *ChangedError) Hint() string {
	return "a published version never changes: ask the registry's owner; if this is right, remove " + LockName + " and run opkg lock"
}

func find(l *lock.Lock, name ident.Name) *lock.Package {
	if l == nil {
		return nil
	}
	return l.Find(name)
}

// checkFresh judges, without any request, whether the lock was made for this manifest and the directories of this workspace.
func (ws *Workspace) checkFresh(l *lock.Lock) error {
	requires := ws.Requires()
	lockFile, file := ws.world.show(ws.LockPath()), ws.world.show(ws.ManifestPath)
	if err := l.CheckFresh(lockFile, file, requires, ws.Overrides()); err != nil {
		return err
	}
	local := requires
	required := make(map[ident.Name]bool, len(requires))
	for _, r := range requires {
		required[r.Name] = true
	}
	for _, p := range l.Packages {
		if required[p.Name] {
			continue
		}
		nested := ws.hasNested(p.Name)
		switch own := nestedPath(p.Name); {
		case nested && p.Path != own:
			return &lock.StaleError{File: lockFile, Differences: []string{fmt.Sprintf("%s stands in %s now; %s has it from %s", p.Name, own, lockFile, cmp.Or(string(p.Source), p.Path, p.Git))}}
		case nested:
			local = append(local, lock.Require{Name: p.Name, Path: p.Path})
		case p.Path != "":
			return &lock.StaleError{File: lockFile, Differences: []string{fmt.Sprintf("%s is locked from %s, which is no package of this workspace", p.Name, p.Path)}}
		}
	}
	var dirs []lock.Package
	for _, r := range local {
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

// warnShadowed tells the user, when the lock changes, that a second manifest is not read: the OpenPackage client makes
// .openpackage/openpackage.yml where there is none, and it goes before the one at the root.
func (ws *Workspace) warnShadowed(res *LockResult) {
	second := filepath.Join(ws.Root, ManifestName)
	if len(res.Changes) == 0 || second == ws.ManifestPath {
		return
	}
	if _, err := os.Lstat(second); err == nil {
		ws.world.warn(fmt.Sprintf("%s is not read: %s goes before it", ws.world.show(second), ws.world.show(ws.ManifestPath)),
			"if both are meant for this workspace, move what the first asks for into the second, and remove it")
	}
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
func (ws *Workspace) wantOf(p lock.Package) (cas.Want, error) {
	w := cas.Want{Name: p.Name, Version: p.Version, Source: comesFrom(&p), Size: p.Size, SHA256: p.SHA256, Tree: p.Tree,
		Dependencies: make([]ident.Requirement, 0, len(p.Dependencies))}
	if p.Git != "" {
		w.Repositories, w.Tagged = ws.namedRepositories(), true
	}
	for _, d := range p.Dependencies {
		r, err := ident.ParseRange(d.Range)
		if err != nil {
			return w, fmt.Errorf("%s@%s needs %s %s: %w", p.Name, p.Version, d.Name, strings.TrimSpace(d.Range), err)
		}
		w.Dependencies = append(w.Dependencies, ident.Requirement{Name: d.Name, Range: r})
	}
	return w, nil
}

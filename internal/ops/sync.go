package ops

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"

	"github.com/openpackage/opkg/cas"
	"github.com/openpackage/opkg/ident"
	"github.com/openpackage/opkg/internal/archive"
	"github.com/openpackage/opkg/internal/event"
	"github.com/openpackage/opkg/internal/parallel"
	"github.com/openpackage/opkg/lock"
	"github.com/openpackage/opkg/materialize"
	"github.com/openpackage/opkg/registry"
	"github.com/openpackage/opkg/sources"
)

// SyncOptions say how Sync goes about it.
type SyncOptions struct {
	Locked bool // a stale or missing lock is an error
	Frozen bool // the manifest is not compared with the lock
	NoDev  bool // leave out what only dev-dependencies need
	DryRun bool // change nothing
	Force  bool // replace version directories that opkg did not make
	Relock bool // refresh a stale lock even where CI is set

	thorough bool // a repair: trust no stat of what stands on this machine, and pass over what may not be replaced
}

// SyncResult is what Sync did, or with DryRun would do.
type SyncResult struct {
	Lock      *LockResult // set when a stale or missing lock was refreshed first
	Plan      *materialize.Plan
	Fetch     []lock.Package // what was, or would be, downloaded
	Bytes     int64          // of those artifacts
	Packages  int            // of the lock that sync is about, directories of the workspace apart
	Local     int            // directories of the workspace
	Applied   *materialize.Result
	Directory string // where the version directories stand
}

// Sync makes the machine equal the lock: it fetches what is missing, verifies it before use, keeps it in
// the store and links it into the registry directory. Nothing appears there before all of it is verified.
func (w *World) Sync(ctx context.Context, opt SyncOptions) (*SyncResult, error) {
	j := w.judge(opt)
	if res, err := w.stands(ctx, j, opt); res != nil || err != nil {
		return res, err
	}
	early := w.readAhead(j)
	defer early.wait()
	ws, err := w.watched(j).Open()
	if err != nil {
		return nil, err
	}
	ws.judged, ws.early = j, early
	return ws.sync(ctx, opt)
}

// ahead is what a sync reads while it reads the manifest.
type ahead struct {
	lock    func() (*lock.Lock, error) // as it stood when it was judged
	store   *cas.Store
	reading sync.WaitGroup
}

// readAhead begins to read the lock that j judged, and what the store knows of archives; nil where nothing was judged. The caller waits.
func (w *World) readAhead(j *judged) *ahead {
	if j == nil {
		return nil
	}
	store := j.store
	if store == nil {
		var err error
		if store, err = w.openStore(); err != nil {
			return nil // who opens it next says why
		}
	}
	a := &ahead{store: store, lock: sync.OnceValues(func() (*lock.Lock, error) {
		l, _, err := w.readLock(j.root)
		return l, err
	})}
	a.reading.Go(func() { _, _ = a.lock() })
	a.reading.Go(store.ReadAhead)
	return a
}

func (a *ahead) wait() {
	if a != nil {
		a.reading.Wait()
	}
}

func (ws *Workspace) sync(ctx context.Context, opt SyncOptions) (*SyncResult, error) {
	res := &SyncResult{Directory: ws.world.RegistryDir()}
	ws, l, err := ws.syncLock(ctx, opt, res)
	if err != nil {
		return nil, err
	}
	return res, ws.bring(ctx, l, opt, res)
}

// bring makes the machine equal l.
func (ws *Workspace) bring(ctx context.Context, l *lock.Lock, opt SyncOptions, res *SyncResult) error {
	store, err := ws.openStore()
	if err != nil {
		return err
	}
	ws.registries.busy.Store(store)
	router, err := ws.router()
	if err != nil {
		return err
	}
	packages, err := ws.selectPackages(router, l, opt, res)
	if err != nil {
		return err
	}
	if !opt.DryRun && len(packages) > 0 {
		release, err := store.Shared(ctx)
		if err != nil {
			return err
		}
		defer release()
	}
	b := &bringing{ws: ws, opt: opt, res: res, lock: l, router: router, packages: packages, store: store, index: &clientIndex{ws: ws, packages: packages}}
	b.target = materialize.New(res.Directory, store, materialize.Options{Force: opt.Force, Thorough: opt.thorough, Ready: b.noting.Wait, Observer: ws.world.Observer})
	defer b.index.discard()
	defer b.noting.Wait()
	store.KeepUnpacked()
	defer store.DropUnpacked()
	// What the store has is believed at first. If something turns out to be missing there, or damaged, all of it is looked at.
	err = b.run(ctx, opt.DryRun)
	if as[*materialize.LostError](err) {
		b.noting.Wait()
		err = b.run(ctx, true)
	}
	if err != nil || opt.DryRun {
		return err
	}
	b.noting.Wait()
	if err := b.index.write(); err != nil {
		return err
	}
	b.settle()
	return nil
}

// openStore opens the store, unless it was opened ahead.
func (ws *Workspace) openStore() (*cas.Store, error) {
	if ws.early != nil {
		return ws.early.store, nil
	}
	return ws.world.openStore()
}

// bringing is one run of bring.
type bringing struct {
	ws       *Workspace
	opt      SyncOptions
	res      *SyncResult
	lock     *lock.Lock
	router   *sources.Router
	packages []lock.Package
	store    *cas.Store
	target   *materialize.Target
	index    *clientIndex
	noting   sync.WaitGroup // before the first directory appears, the store knows of this workspace: after a kill, gc knows whose it is
}

// run plans, fetches and places. look says that every blob that is needed is looked at before anything is fetched; otherwise the error may
// be a *materialize.LostError.
func (b *bringing) run(ctx context.Context, look bool) (err error) {
	if b.res.Plan, err = b.target.Plan(ctx, wantsOf(b.packages)); err != nil {
		return err
	}
	find := b.store.Record
	if look {
		find = b.store.Artifact
	}
	if err := b.findMissing(ctx, find); err != nil || b.opt.DryRun {
		return err
	}
	if err := b.ws.protectNeighbours(b.store, b.res.Plan, b.opt); err != nil {
		return err
	}
	if b.opt.thorough {
		b.res.Plan.Steps = slices.DeleteFunc(b.res.Plan.Steps, func(s materialize.Step) bool { return s.Action == materialize.Blocked })
	} else if err := refuseBlocked(ctx, b.target, b.res.Plan); err != nil {
		return err
	}
	b.noting.Go(func() {
		b.noteRoot()
		b.index.prepare()
	})
	if err := b.ws.fetchAll(ctx, b.store, b.router, b.res.Fetch); err != nil {
		return err
	}
	b.res.Applied, err = b.target.Apply(ctx, b.res.Plan)
	return err
}

// noteRoot tells the store of this workspace. It waits for the disk.
func (b *bringing) noteRoot() {
	if len(b.packages) == 0 {
		return
	}
	if err := b.store.RegisterRoot(b.root(), b.ws.world.Now()); err != nil && !cas.IsReadOnly(err) {
		b.ws.world.warn(fmt.Sprintf("the store could not note this workspace: %v", err), "opkg gc will not know what this workspace needs")
	}
}

// root is what the store keeps of the workspace for gc.
func (b *bringing) root() cas.Root {
	return cas.Root{Workspace: b.ws.Root, Lock: b.ws.LockPath(), Named: namedBy(b.lock)}
}

// refuseBlocked fails before anything is fetched if a version directory may not be replaced.
func refuseBlocked(ctx context.Context, target *materialize.Target, plan *materialize.Plan) error {
	for _, s := range plan.Steps {
		if s.Action == materialize.Blocked {
			_, err := target.Apply(ctx, &materialize.Plan{Steps: []materialize.Step{s}})
			return err
		}
	}
	return nil
}

// syncLock returns the lock to sync: the one that stands if it is fresh, or a refreshed one where that is allowed. The workspace
// that it returns is the one that the lock was judged by.
func (ws *Workspace) syncLock(ctx context.Context, opt SyncOptions, res *SyncResult) (*Workspace, *lock.Lock, error) {
	strict := opt.Locked || opt.Frozen || ws.world.CI && !opt.Relock
	l, err := ws.freshLock(opt)
	if err == nil || strict || !refreshable(err) {
		return ws, l, err
	}
	if !opt.DryRun {
		release, err := ws.world.guard(ctx, ws.Root)
		if err != nil {
			return ws, nil, err
		}
		defer release()
		// Another opkg may have written manifest and lock meanwhile.
		if ws, err = ws.world.open(); err != nil {
			return ws, nil, err
		}
		if l, err = ws.freshLock(opt); err == nil || !refreshable(err) {
			return ws, l, err
		}
	}
	if res.Lock, err = ws.lock(ctx, LockOptions{DryRun: opt.DryRun}); err != nil {
		return ws, nil, err
	}
	return ws, res.Lock.Lock, nil
}

// freshLock reads the lock and judges it.
func (ws *Workspace) freshLock(opt SyncOptions) (*lock.Lock, error) {
	var l *lock.Lock
	var err error
	if ws.early != nil {
		l, err = ws.early.lock()
	} else {
		l, _, err = ws.ReadLock()
	}
	if err != nil {
		return nil, err
	}
	if err := l.CheckClosed(ws.world.show(ws.LockPath())); err != nil {
		return nil, err
	}
	if opt.Frozen {
		return l, nil
	}
	return l, ws.checkFresh(l)
}

// refreshable reports whether a new lock mends what err says.
func refreshable(err error) bool {
	return as[*NoLockError](err) || as[*lock.NotClosedError](err) || as[*lock.StaleError](err)
}

// selectPackages are those that sync brings to the machine, each from a source that config.yml or the root
// manifest names: an edited lock cannot point anywhere else.
func (ws *Workspace) selectPackages(router *sources.Router, l *lock.Lock, opt SyncOptions, res *SyncResult) ([]lock.Package, error) {
	var out []lock.Package
	for _, p := range l.Packages {
		if opt.NoDev && p.Dev {
			continue
		}
		if p.Path != "" {
			res.Local++
			continue
		}
		if p.Git != "" {
			if err := ws.permitGit(&p); err != nil {
				return nil, err
			}
			out = append(out, p)
			continue
		}
		if err := router.Permitted(p.Name, p.Source, p.Artifact); err != nil {
			return nil, err
		}
		out = append(out, p)
	}
	res.Packages = len(out)
	return out, nil
}

func wantsOf(packages []lock.Package) []materialize.Want {
	wants := make([]materialize.Want, len(packages))
	for i, p := range packages {
		wants[i] = materialize.Want{Name: p.Name, Version: p.Version, Tree: p.Tree}
	}
	return wants
}

// findMissing lists what the plan needs and the store, as far as find tells, does not have.
func (b *bringing) findMissing(ctx context.Context, find func(ident.SHA256) (*cas.Artifact, bool, error)) error {
	byName := make(map[ident.Name]*lock.Package, len(b.packages))
	for i := range b.packages {
		byName[b.packages[i].Name] = &b.packages[i]
	}
	var needed []*lock.Package
	for _, s := range b.res.Plan.Steps {
		if s.Action == materialize.Place || s.Action == materialize.Heal || s.Action == materialize.Replace {
			needed = append(needed, byName[s.Want.Name])
		}
	}
	missing := make([]bool, len(needed))
	err := parallel.Each(ctx, runtime.GOMAXPROCS(0), len(needed), func(_ context.Context, i int) error {
		have, ok, err := find(needed[i].SHA256)
		missing[i] = !ok
		if err == nil && ok {
			err = sameArtifact(*needed[i], have, LockName)
		}
		return err
	})
	if err != nil {
		return err
	}
	b.res.Fetch, b.res.Bytes = nil, 0
	for i, p := range needed {
		if missing[i] {
			b.res.Fetch = append(b.res.Fetch, *p)
			b.res.Bytes += p.Size
		}
	}
	return nil
}

// fetchAll downloads what is missing into the store, several at once.
func (ws *Workspace) fetchAll(ctx context.Context, store *cas.Store, router *sources.Router, missing []lock.Package) error {
	if len(missing) == 0 {
		return nil
	}
	if ws.world.Offline {
		return &OfflineError{Packages: missing}
	}
	var total int64
	for _, p := range missing {
		total += p.Size
	}
	ws.world.Observer.Emit(event.Event{Kind: event.Plan, Count: len(missing), Total: total})
	all := pointers(missing)
	if err := ws.gather(ctx, router, all); err != nil {
		return err
	}
	err := parallel.Each(ctx, parallelFor(all), len(missing), func(ctx context.Context, i int) error {
		src, err := ws.openerOf(router, &missing[i])
		if err != nil {
			return err
		}
		_, err = ws.fetchInto(ctx, store, src, missing[i])
		return err
	})
	switch {
	case err == nil:
		return store.Flush(ctx)
	case isLie(err): // whoever sent one wrong thing may have sent others: store and registry stay as they were
		store.Discard()
		return err
	}
	// An outage, or a user who lost patience: what came whole need not come again.
	return errors.Join(err, store.Flush(context.WithoutCancel(ctx)))
}

func pointers(packages []lock.Package) []*lock.Package {
	out := make([]*lock.Package, len(packages))
	for i := range packages {
		out[i] = &packages[i]
	}
	return out
}

// isLie reports whether a run failed over an answer that was wrong, rather than for want of one.
func isLie(err error) bool {
	var mismatch *ident.MismatchError
	var unsafe *archive.UnsafeError
	var notAllowed *sources.NotAllowedError
	var malformed *registry.Error
	return errors.As(err, &mismatch) || errors.As(err, &unsafe) || errors.As(err, &notAllowed) || errors.As(err, &malformed)
}

// protectNeighbours refuses to replace a version directory that the lock of another workspace of this machine wants
// as it is. Of one whose lock cannot be read, what it named at its last sync counts.
func (ws *Workspace) protectNeighbours(store *cas.Store, plan *materialize.Plan, opt SyncOptions) error {
	if opt.Force {
		return nil
	}
	var replace []materialize.Step
	for _, s := range plan.Steps {
		if s.Action == materialize.Replace {
			replace = append(replace, s)
		}
	}
	if len(replace) == 0 {
		return nil
	}
	roots, err := store.Roots()
	if err != nil {
		return err
	}
	for _, root := range roots {
		if root.Workspace == ws.Root {
			continue
		}
		neighbour := ws.world.judgeRoot(root, 0)
		if neighbour.Missing {
			continue // it wants nothing any more
		}
		for _, s := range replace {
			for _, n := range neighbour.InUse {
				if n.Name == s.Want.Name && n.Version == s.Want.Version && n.Tree != s.Want.Tree {
					return &ConflictError{Name: n.Name, Version: n.Version, Dir: s.Dir, Here: ws.LockPath(), There: root.Lock}
				}
			}
		}
	}
	return nil
}

// ConflictError is two workspaces of one machine that want different content for one version.
type ConflictError struct {
	Name        ident.Name
	Version     ident.Version
	Dir         string
	Here, There string // the two locks
}

func (e *ConflictError) Error() string {
	return fmt.Sprintf("%s@%s: %s and %s want different content in %s", e.Name, e.Version, e.Here, e.There, e.Dir)
}

// Hint says what to do.
func (e *ConflictError) Hint() string {
	return "give one of the two workspaces an OPKG_HOME of its own, or bring both locks to the same content"
}

// OfflineError lists what cannot be had without the network.
type OfflineError struct{ Packages []lock.Package }

func (e *OfflineError) Error() string {
	p := e.Packages[0]
	if n := len(e.Packages) - 1; n > 0 {
		return fmt.Sprintf("%s@%s and %d more are not in the store, and --offline forbids to fetch them", p.Name, p.Version, n)
	}
	return fmt.Sprintf("%s@%s is not in the store, and --offline forbids to fetch it", p.Name, p.Version)
}

// Hint says what to do.
func (e *OfflineError) Hint() string { return "run opkg sync once with the network" }

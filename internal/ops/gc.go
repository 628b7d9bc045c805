package ops

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/openpackage/opkg/cas"
	"github.com/openpackage/opkg/ident"
	"github.com/openpackage/opkg/lock"
	"github.com/openpackage/opkg/materialize"
)

// RootGrace is how long what a workspace named stays after its lock was first found missing: a disk may be unplugged.
const RootGrace = 14 * 24 * time.Hour

// GCOptions say what GC leaves.
type GCOptions struct {
	DryRun    bool          // change nothing
	OlderThan time.Duration // > 0: leave what was used since
	MaxSize   int64         // > 0: of what no lock names, leave what was used last, as long as the store takes no more than this, in bytes
	Grace     time.Duration // how long a workspace that is gone keeps what it named
}

// GCResult is what GC did, or with DryRun would do.
type GCResult struct {
	Versions  []materialize.Unused // that no lock names: removed, or left for a reason
	Roots     []RootState          // of all workspaces
	Artifacts int                  // records that went
	Trees     int                  // listings that went
	Blobs     int                  // that went
	Leftovers int                  // of killed runs
	Files     int                  // in all
	Bytes     int64                // that are free now on the disk
	Size      int64                // what all blobs take, with MaxSize
	Live      int64                // what those that locks name take, with MaxSize
}

// RootState is one workspace that synced here, and what of the store is in use by it.
type RootState struct {
	cas.Root
	InUse   []cas.Named
	Missing bool  // it has no lock any more; Gone says since when that is known
	Dropped bool  // and for so long that it counts no more
	Err     error // its lock cannot be read: InUse is what it named at its last sync
}

// GC removes what no lock of a workspace of this machine names: version directories that opkg made, records, listings and blobs, and
// what killed runs left. It has the store for itself. What it cannot be sure of, it keeps.
func (w *World) GC(ctx context.Context, opt GCOptions) (*GCResult, error) {
	res := &GCResult{}
	store, err := w.existingStore()
	if store == nil || err != nil {
		return res, err
	}
	alone, release, err := holdForGC(ctx, store, opt.DryRun)
	if err != nil {
		return nil, err
	}
	defer release()
	if res.Roots, err = w.roots(store, opt.Grace, !opt.DryRun); err != nil {
		return nil, err
	}
	live := liveOf(res.Roots)
	since := time.Time{}
	if opt.OlderThan > 0 {
		since = w.Now().Add(-opt.OlderThan)
	}
	plan, err := store.PlanGC(ctx, cas.GCOptions{Live: live, Since: since, MaxSize: opt.MaxSize})
	if err != nil {
		return nil, err
	}
	res.Artifacts, res.Trees, res.Blobs, res.Size, res.Live = plan.Artifacts, plan.Trees, plan.Blobs, plan.Size, plan.Live
	tally := &cas.Tally{}
	really := !opt.DryRun
	target := materialize.New(w.RegistryDir(), store, materialize.Options{Observer: w.Observer})
	unused, err := unusedVersions(store, live, plan)
	if err != nil {
		return nil, err
	}
	if res.Versions, err = target.RemoveUnused(ctx, unused, really, tally); err != nil {
		return nil, err
	}
	if err := plan.Sweep(ctx, really, tally); err != nil {
		return nil, err
	}
	if alone {
		if res.Leftovers, err = store.Leftovers(really, tally); err != nil {
			return nil, err
		}
	}
	if really {
		if err := target.Tidy(); err != nil {
			return nil, err
		}
		if err := store.CompactPlaced(); err != nil {
			return nil, err
		}
	}
	res.Leftovers += w.tidyCache(really, tally)
	res.Files, res.Bytes = tally.Files, tally.Bytes
	return res, nil
}

// existingStore opens the store; nil where there is none.
func (w *World) existingStore() (*cas.Store, error) {
	switch _, err := os.Stat(w.StoreDir()); {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, err
	}
	return w.openStore()
}

// holdForGC takes the store for this run alone. Who only looks does not wait for those who use it.
func holdForGC(ctx context.Context, store *cas.Store, dryRun bool) (alone bool, release func(), err error) {
	if !dryRun {
		release, err = store.Exclusive(ctx)
		return true, release, err
	}
	if release, ok := store.Alone(); ok {
		return true, release, nil
	}
	release, err = store.Shared(ctx)
	return false, release, err
}

func liveOf(roots []RootState) []cas.Named {
	var live []cas.Named
	for i := range roots {
		live = append(live, roots[i].InUse...)
	}
	return live
}

// unusedVersions are the version directories that opkg made, that no lock names, and whose content goes.
func unusedVersions(store *cas.Store, live []cas.Named, plan *cas.GC) ([]materialize.Want, error) {
	type key struct {
		name    ident.Name
		version string
	}
	named := make(map[key]bool, len(live))
	for i := range live {
		named[key{live[i].Name, live[i].Version.String()}] = true
	}
	placed, err := store.Placements()
	if err != nil {
		return nil, err
	}
	var unused []materialize.Want
	for _, p := range placed {
		if !named[key{p.Name, p.Version.String()}] && !plan.Spares(p.Tree) {
			unused = append(unused, materialize.Want{Name: p.Name, Version: p.Version, Tree: p.Tree})
		}
	}
	return unused, nil
}

// roots asks the lock of every workspace that synced here. With note it also writes down which ones are gone, and forgets those
// that are gone for longer than grace. A root that cannot be read is an error: nobody knows what it names.
func (w *World) roots(store *cas.Store, grace time.Duration, note bool) ([]RootState, error) {
	all, damaged, err := store.ReadRoots()
	if err != nil {
		return nil, err
	}
	if len(damaged) > 0 {
		return nil, damaged[0]
	}
	states := make([]RootState, len(all))
	for i, r := range all {
		s := w.judgeRoot(r, grace)
		if s.Err != nil {
			w.warn(fmt.Sprintf("%s cannot be asked, so what it named at the last sync is kept: %v", r.Lock, s.Err), "mend it, or forget the workspace with opkg cache roots remove "+r.Workspace)
		}
		if note {
			if err := noteRoot(store, r, s); err != nil {
				return nil, err
			}
		}
		states[i] = s
	}
	return states, nil
}

func noteRoot(store *cas.Store, was cas.Root, s RootState) error {
	switch {
	case s.Dropped:
		return store.RemoveRoot(s.ID)
	case !s.Gone.Equal(was.Gone):
		return store.MarkGone(was, s.Gone)
	}
	return nil
}

// judgeRoot says what is in use by one workspace. Only a lock that is whole narrows that; one that is missing, cannot be read, is
// torn, or was written by a newer opkg leaves all that was named before.
func (w *World) judgeRoot(r cas.Root, grace time.Duration) RootState {
	s := RootState{Root: r, InUse: r.Named}
	l, err := readRootLock(r.Lock)
	switch {
	case errors.Is(err, fs.ErrNotExist) || errors.Is(err, errNotDir):
		now := w.Now().Truncate(time.Second)
		s.Missing = true
		if s.Gone.IsZero() || s.Gone.After(now) { // or the clock was set back
			s.Gone = now
		}
		if s.Dropped = now.Sub(s.Gone) >= grace; s.Dropped {
			s.InUse = nil
		}
		return s
	case err != nil:
		s.Err = err
		if l != nil {
			s.InUse = append(namedBy(l), r.Named...)
		}
	default:
		s.InUse = namedBy(l)
	}
	s.Gone = time.Time{}
	return s
}

// readRootLock is ReadLock for a workspace of which nothing but the path is known. A lock that is not closed is
// returned with its error.
func readRootLock(path string) (*lock.Lock, error) {
	fi, err := os.Lstat(path)
	if err != nil {
		return nil, err
	}
	if !fi.Mode().IsRegular() {
		return nil, &FileError{path, "it is not a regular file"}
	}
	data, err := readUserFile(path)
	if err != nil {
		return nil, err
	}
	l, err := lock.Parse(path, data)
	if err != nil {
		return nil, err
	}
	return l, l.CheckClosed(path)
}

// namedBy is what of the store a lock names.
func namedBy(l *lock.Lock) []cas.Named {
	var named []cas.Named
	for i := range l.Packages {
		if p := &l.Packages[i]; p.Path == "" {
			named = append(named, cas.Named{Name: p.Name, Version: p.Version, SHA256: p.SHA256, Tree: p.Tree})
		}
	}
	return named
}

package ops

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/openpackage/opkg/cas"
	"github.com/openpackage/opkg/ident"
	"github.com/openpackage/opkg/lock"
	"github.com/openpackage/opkg/materialize"
)

// VerifyOptions say what Verify looks at.
type VerifyOptions struct {
	All    bool // the whole store, and every version directory that opkg made; no workspace is needed
	NoDev  bool // leave out what only dev-dependencies need
	Online bool // also ask the sources
	Repair bool // mend what is wrong, then look again
}

// VerifyResult is what Verify found.
type VerifyResult struct {
	Packages int // version directories that were looked at
	Files    int // in them
	Blobs    int // of the store, looked at beside those that the directories are linked to
	Bytes    int64
	Absent   int // blobs, listings and records that the store does not have: nothing is wrong, a sync would fetch them
	Problems []Problem
	Notices  []Problem // of --online: what changed at the sources without making a byte wrong
	Repaired []Problem // what was wrong before a repair

	Unjudged   int // with All, and where the store remembers none that opkg made: version directories that stand there
	Unanswered int // packages that --online could not ask about
}

// Problem is one thing that is not as locked.
type Problem struct {
	Name            ident.Name // "" for a file of the store that no package of the lock names
	Version         ident.Version
	Where           Where
	Path            string // within the package for Installed; absolute for Stored; the source for Online
	Expected, Found string

	foreign bool         // opkg did not make what stands there: only --force replaces it
	record  ident.SHA256 // the archive of which the store says something else than the lock; zero: it is not that
}

// Where is the place of a Problem.
type Where string

// The places.
const (
	Installed Where = "installed" // a version directory
	Stored    Where = "store"
	Online    Where = "online"
)

func (p *Problem) String() string {
	who := ""
	if p.Name != "" {
		who = fmt.Sprintf("%s@%s: ", p.Name, p.Version)
	}
	return fmt.Sprintf("%s%s: expected %s, found %s", who, p.Path, p.Expected, p.Found)
}

// DamagedError says that something is not as locked.
type DamagedError struct {
	Problems int
	Foreign  int  // of them: in directories that opkg did not make
	Repair   bool // it could not be mended
	Online   bool // all of it is what sources say
	All      bool // no lock was asked
}

func (e *DamagedError) Error() string {
	n := "1 problem"
	if e.Problems != 1 {
		n = fmt.Sprintf("%d problems", e.Problems)
	}
	if e.Repair {
		return n + " left after the repair"
	}
	return n + " found"
}

// Hint says what to do.
func (e *DamagedError) Hint() string {
	switch {
	case e.Online:
		return "a published version never changes: ask the registry's owner before you trust what it serves now"
	case e.Foreign == e.Problems, e.Foreign > 0 && e.Repair:
		where := ""
		if e.All {
			where = " in the workspace that wants them"
		}
		return "what opkg did not make it does not replace: look at those directories, then run opkg sync --force" + where
	case e.Repair && e.All:
		return "what the store does not have must be fetched: run opkg verify --repair in the workspace that wants it"
	case e.Repair:
		return "run it once more; if the same is left, look at the disk, and at who owns these files"
	}
	return "opkg verify --repair puts the locked bytes back"
}

// Verify reads everything that the lock names on this machine, and compares it with the lock alone: a store that was
// tampered with does not vouch for itself. It writes nothing unless opt.Repair; it needs no network unless opt.Online. Problems are in the result
// and, if there are any, a *DamagedError comes beside it. Beside any other error the result is what was found so far, or nil.
func (w *World) Verify(ctx context.Context, opt VerifyOptions) (*VerifyResult, error) {
	if opt.All {
		return w.verifyAll(ctx, opt)
	}
	ws, err := w.Open()
	if err != nil {
		return nil, err
	}
	l, err := ws.freshLock(SyncOptions{Frozen: true})
	if err != nil {
		return nil, err
	}
	res, err := ws.verify(ctx, l, opt)
	if err != nil {
		return nil, err
	}
	var repairErr, onlineErr error
	if opt.Repair && len(res.Problems) > 0 {
		repairErr = ws.repair(ctx, l, res, opt)
		if ctx.Err() != nil {
			return res, repairErr
		}
		again, err := ws.verify(ctx, l, opt)
		if err != nil {
			return res, errors.Join(repairErr, err)
		}
		again.Repaired = mended(res.Problems, again.Problems)
		res = again
	}
	if opt.Online {
		onlineErr = ws.verifyOnline(ctx, l, opt, res)
	}
	return res, joined(repairErr, res.damage(opt), onlineErr)
}

// joined is errors.Join, but for an error that is the only one: that stays what it is. Damage decides the exit status, whatever is beside it.
func joined(errs ...error) error {
	errs = slices.DeleteFunc(errs, func(err error) bool { return err == nil })
	if len(errs) == 1 {
		return errs[0]
	}
	return errors.Join(errs...)
}

// mended are the problems that are no more.
func mended(before, after []Problem) (gone []Problem) {
	for _, p := range before {
		if !slices.Contains(after, p) {
			gone = append(gone, p)
		}
	}
	return gone
}

// damage is the error that stands for the problems of a result.
func (r *VerifyResult) damage(opt VerifyOptions) error {
	if len(r.Problems) == 0 {
		return nil
	}
	e := &DamagedError{Problems: len(r.Problems), Repair: opt.Repair, Online: true, All: opt.All}
	for i := range r.Problems {
		p := &r.Problems[i]
		e.Online = e.Online && p.Where == Online
		if p.foreign {
			e.Foreign++
		}
	}
	return e
}

func (ws *Workspace) verify(ctx context.Context, l *lock.Lock, opt VerifyOptions) (*VerifyResult, error) {
	var packages []lock.Package
	for _, p := range l.Packages {
		if p.Path == "" && !(opt.NoDev && p.Dev) {
			packages = append(packages, p)
		}
	}
	store, err := ws.world.openStore()
	if err != nil {
		return nil, err
	}
	target := materialize.New(ws.world.RegistryDir(), store, materialize.Options{Observer: ws.world.Observer})
	res := &VerifyResult{}
	audited, err := res.auditVersions(ctx, target, wantsOf(packages))
	if err != nil {
		return nil, err
	}
	return res, res.auditStored(ctx, store, packages, audited)
}

// auditVersions reads version directories.
func (r *VerifyResult) auditVersions(ctx context.Context, target *materialize.Target, wants []materialize.Want) ([]materialize.Audited, error) {
	audited, err := target.Audit(ctx, wants)
	if err != nil {
		return nil, err
	}
	for i := range audited {
		a := &audited[i]
		r.Packages++
		r.Files += a.Files
		r.Bytes += a.Bytes
		for _, f := range a.Faults {
			path := f.Path
			if path == "." {
				path = a.Dir
			}
			r.Problems = append(r.Problems, Problem{Name: a.Want.Name, Version: a.Want.Version, Where: Installed, Path: path, Expected: f.Expected, Found: f.Found, foreign: a.Foreign})
		}
	}
	return audited, nil
}

// auditStored reads what the store has of the packages: records, listings, and the blobs that no version directory is linked to; the others were
// read with it. audited are the packages' version directories.
func (r *VerifyResult) auditStored(ctx context.Context, store *cas.Store, packages []lock.Package, audited []materialize.Audited) error {
	type job struct {
		blob  ident.BlobID
		size  int64
		owner int
		path  string
	}
	shards, err := store.AuditShards()
	if err != nil {
		return err
	}
	_, records, err := store.AuditRecords()
	if err != nil {
		return err
	}
	for _, f := range append(shards, records...) {
		r.Problems = append(r.Problems, Problem{Where: Stored, Path: f.Path, Expected: f.Expected, Found: f.Found})
	}
	found := make([]stored, len(packages))
	files := 0
	for i := range audited {
		files += len(audited[i].Linked)
	}
	err = cas.EachScanner(ctx, len(packages), func(_ context.Context, _ *cas.Scanner, i int) error {
		found[i] = auditPackage(store, packages[i], audited[i].Tree)
		return nil
	})
	if err != nil {
		return err
	}
	seen := make(map[ident.BlobID]struct{}, files)
	for i := range audited {
		for _, id := range audited[i].Linked {
			seen[id] = struct{}{}
		}
	}
	var jobs []job
	for i := range found {
		r.Problems = append(r.Problems, found[i].problems...)
		if found[i].tree == nil {
			r.Absent += found[i].absent
			continue
		}
		for _, e := range found[i].tree.Entries {
			if _, read := seen[e.Blob]; !read {
				jobs = append(jobs, job{e.Blob, e.Size, i, e.Path})
				seen[e.Blob] = struct{}{}
			}
		}
	}
	faults := make([]*cas.BlobFault, len(jobs))
	var bytes atomic.Int64
	err = cas.EachScanner(ctx, len(jobs), func(_ context.Context, scan *cas.Scanner, i int) error {
		var n int64
		faults[i], n = scan.AuditBlob(store, jobs[i].blob, jobs[i].size)
		bytes.Add(n)
		return nil
	})
	if err != nil {
		return err
	}
	r.Blobs, r.Bytes = len(jobs), r.Bytes+bytes.Load()
	for i, f := range faults {
		switch p := packages[jobs[i].owner]; {
		case f == nil:
		case f.Missing:
			r.Blobs--
			r.Absent++
		default:
			r.Problems = append(r.Problems, storedProblem(p, f.Path, f.Expected+" ("+jobs[i].path+")", f.Found))
		}
	}
	r.sort()
	return nil
}

// stored is what the store has of one package.
type stored struct {
	problems []Problem
	tree     *cas.Tree // nil where there is no listing
	absent   int       // listings that are not there
}

// auditPackage holds what the store says of a package's archive against the lock: a record that says something else would stop the next sync.
// tree is the listing, where it was read before.
func auditPackage(store *cas.Store, p lock.Package, tree *cas.Tree) (s stored) {
	var differs *ident.MismatchError
	if have, ok, err := store.Record(p.SHA256); err == nil && ok && errors.As(sameArtifact(p, have, LockName), &differs) {
		problem := storedProblem(p, store.RecordPath(p.SHA256), differs.What+" "+differs.Want, differs.Got)
		problem.record = p.SHA256
		s.problems = append(s.problems, problem)
	}
	if s.tree = tree; tree != nil {
		return s
	}
	if s.tree, _ = store.Tree(p.Tree); s.tree != nil {
		return s
	}
	if f := store.AuditTree(p.Tree); f != nil {
		s.problems = append(s.problems, storedProblem(p, f.Path, f.Expected, f.Found))
	} else {
		s.absent++
	}
	return s
}

func storedProblem(p lock.Package, path, expected, found string) Problem {
	return Problem{Name: p.Name, Version: p.Version, Where: Stored, Path: path, Expected: expected, Found: found}
}

func (r *VerifyResult) sort() {
	slices.SortStableFunc(r.Problems, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), a.Version.Compare(b.Version), cmp.Compare(a.Where, b.Where), cmp.Compare(a.Path, b.Path))
	})
}

// verifyAll audits the whole store and all version directories that opkg made.
func (w *World) verifyAll(ctx context.Context, opt VerifyOptions) (*VerifyResult, error) {
	store, err := w.openStore()
	if err != nil {
		return nil, err
	}
	res, err := w.audit(ctx, store)
	if err != nil {
		return nil, err
	}
	var repairErr error
	if opt.Repair && len(res.Problems) > 0 {
		repairErr = w.repairAll(ctx, store, res)
		if ctx.Err() != nil {
			return res, repairErr
		}
		again, err := w.audit(ctx, store)
		if err != nil {
			return res, errors.Join(repairErr, err)
		}
		again.Repaired = mended(res.Problems, again.Problems)
		res = again
	}
	if n := res.Unjudged; n > 0 {
		text := "1 version directory was"
		if n > 1 {
			text = fmt.Sprintf("%d version directories were", n)
		}
		w.warn(text+" not judged: the store does not say that opkg made or adopted any", "run opkg sync in your workspaces: it adopts what their locks name, or says what differs")
	}
	return res, joined(repairErr, res.damage(opt))
}

func (w *World) audit(ctx context.Context, store *cas.Store) (*VerifyResult, error) {
	res := &VerifyResult{}
	placed, err := store.Placements()
	if fault := store.AuditPlaced(); fault != nil {
		res.Problems = append(res.Problems, Problem{Where: Stored, Path: fault.Path, Expected: fault.Expected, Found: fault.Found})
	} else if err != nil {
		return nil, err
	}
	wants := make([]materialize.Want, len(placed))
	for i, p := range placed {
		wants[i] = materialize.Want{Name: p.Name, Version: p.Version, Tree: p.Tree}
	}
	target := materialize.New(w.RegistryDir(), store, materialize.Options{Observer: w.Observer})
	if _, err := res.auditVersions(ctx, target, wants); err != nil {
		return nil, err
	}
	if len(placed) == 0 {
		if res.Unjudged, err = target.Versions(); err != nil {
			return nil, err
		}
	}
	audit, err := store.Audit(ctx)
	if err != nil {
		return nil, err
	}
	res.Blobs, res.Bytes = audit.Blobs, res.Bytes+audit.Bytes
	for _, f := range audit.Faults {
		res.Problems = append(res.Problems, Problem{Where: Stored, Path: f.Path, Expected: f.Expected, Found: f.Found})
	}
	res.sort()
	return res, nil
}

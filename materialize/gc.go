package materialize

import (
	"context"
	"errors"
	"io/fs"

	"github.com/openpackage/opkg/cas"
	"github.com/openpackage/opkg/internal/dirfd"
)

// Unused is a version directory that opkg made and that no lock names.
type Unused struct {
	Want Want
	Dir  string // absolute

	Removed bool   // or, where it was only looked at, would be
	Kept    string // why it stays: "rules/a.md: size 12, expected 10"; "" where it went, or nothing stood there
}

// RemoveUnused removes version directories that still are what opkg put there, and counts what that frees; without really,
// it only looks. One that somebody changed stays: it may be another client's by now. So does, unsaid, one that opkg only adopted. The caller
// holds the store alone.
//
//  1. Look at each: by stats, or by hashing where they betray something.
//  2. Rename each out of sight.
//  3. Note in the store that they are opkg's no more.
//  4. Remove them. What a kill leaves is swept by the next run.
func (t *Target) RemoveUnused(ctx context.Context, wants []Want, really bool, tally *cas.Tally) ([]Unused, error) {
	root, err := openDir(t.dir, t.step)
	if errors.Is(err, fs.ErrNotExist) {
		if really {
			err = t.store.ClearPlacedAll(placements(wants))
			return nil, err
		}
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer root.close()
	found := make([]Unused, len(wants))
	there, foreign := make([]bool, len(wants)), make([]bool, len(wants))
	err = each(ctx, len(wants), func(ctx context.Context, i int) error {
		found[i] = Unused{Want: wants[i], Dir: t.versionDir(wants[i])}
		seen, err := t.look(ctx, root, wants[i], true)
		if err != nil {
			return err
		}
		noted, _ := t.store.Noted(wants[i].Name, wants[i].Version)
		there[i], foreign[i] = seen.there, noted.Adopted
		switch {
		case seen.there && seen.equal && !seen.added:
			found[i].Removed = true
		case seen.there:
			found[i].Kept = seen.reason
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	var absent []Want
	var standing []Unused
	for i := range found {
		switch {
		case !there[i]:
			absent = append(absent, wants[i])
		case !foreign[i]:
			standing = append(standing, found[i])
		}
	}
	if !really {
		return standing, tallyUnused(standing, tally)
	}
	if err := t.store.ClearPlacedAll(placements(absent)); err != nil {
		return nil, err
	}
	return standing, t.removeAll(ctx, root, standing, tally)
}

func placements(wants []Want) []cas.Placement {
	all := make([]cas.Placement, len(wants))
	for i, w := range wants {
		all[i] = cas.Placement{Name: w.Name, Version: w.Version, Tree: w.Tree}
	}
	return all
}

func tallyUnused(unused []Unused, tally *cas.Tally) error {
	for _, u := range unused {
		if !u.Removed {
			continue
		}
		used, err := cas.UsageBelow(u.Dir)
		if err != nil {
			return err
		}
		for _, n := range used {
			tally.Removed(n)
		}
	}
	return nil
}

// unusedBatch is how many version directories are renamed before the journal is written and they are removed.
const unusedBatch = 256

// removeAll does steps 2 to 4. What it did not come to is not Removed any more.
func (t *Target) removeAll(ctx context.Context, root *dir, unused []Unused, tally *cas.Tally) (err error) {
	var work []*Unused
	for i := range unused {
		if unused[i].Removed {
			work = append(work, &unused[i])
			unused[i].Removed = false
		}
	}
	if len(work) == 0 {
		return nil
	}
	g, err := t.enter(ctx, root)
	if err != nil {
		return err
	}
	r := &run{Target: t, root: root}
	defer func() { t.leave(g, !r.leftovers.Load()) }()
	for len(work) > 0 {
		n := min(len(work), unusedBatch)
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := r.removeBatch(ctx, work[:n], tally); err != nil {
			return err
		}
		work = work[n:]
	}
	return nil
}

func (r *run) removeBatch(ctx context.Context, work []*Unused, tally *cas.Tally) error {
	type hidden struct {
		unused *Unused
		parent *dir
		name   string
		used   []cas.Usage
		gone   bool
	}
	used, first := usageOf(ctx, work)
	var moved []hidden
	var wants []Want
	for i, u := range work[:len(used)] {
		parent, err := r.nameDir(u.Want, false)
		if err != nil {
			first = err
			break
		}
		h := hidden{unused: u, parent: parent, name: r.tempName(), used: used[i]}
		if err := parent.rename(u.Want.Version.String(), h.name); err != nil {
			parent.close()
			first = err
			break
		}
		moved, wants = append(moved, h), append(wants, u.Want)
	}
	if err := r.store.ClearPlacedAll(placements(wants)); err != nil && first == nil {
		first = err
	}
	_ = each(context.WithoutCancel(ctx), len(moved), func(_ context.Context, i int) error {
		h := &moved[i]
		h.gone = r.remove(h.parent, h.name)
		h.parent.close()
		return nil
	})
	for _, h := range moved {
		if h.gone {
			for _, n := range h.used {
				tally.Removed(n)
			}
		}
		h.unused.Removed = true
		r.prune(h.unused.Want)
	}
	return first
}

// usageOf asks what directories take, up to the first that cannot be asked, whose error it returns.
func usageOf(ctx context.Context, work []*Unused) ([][]cas.Usage, error) {
	used, errs := make([][]cas.Usage, len(work)), make([]error, len(work))
	if err := each(ctx, len(work), func(_ context.Context, i int) error {
		used[i], errs[i] = cas.UsageBelow(work[i].Dir)
		return nil
	}); err != nil {
		return nil, err
	}
	for i, err := range errs {
		if err != nil {
			return used[:i], err
		}
	}
	return used, nil
}

// Tidy removes what killed runs left in the target, if nobody works there. Unlike Apply it looks everywhere: the note
// that there is something can be lost with the power.
func (t *Target) Tidy() error {
	root, err := openDir(t.dir, t.step)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer root.close()
	if _, err := root.stat(lockName); errors.Is(err, fs.ErrNotExist) {
		return nil // opkg was never at work here
	}
	f, err := root.openLock(lockName, lockMode)
	if err != nil {
		return err
	}
	defer f.Close()
	if alone, _ := dirfd.TryLock(f, true); alone {
		t.sweep(&guard{file: f, root: root})
	}
	return nil
}

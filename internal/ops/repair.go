package ops

import (
	"context"
	"errors"
	"io/fs"
	"slices"

	"github.com/openpackage/opkg/cas"
	"github.com/openpackage/opkg/ident"
	"github.com/openpackage/opkg/lock"
	"github.com/openpackage/opkg/materialize"
)

// repair mends what verify found: damaged files of the store go, so that they are fetched again, and version directories are made
// anew, first those that the store still has whole, then, by a sync that trusts no stat, the others. What opkg did not make stays as it is, and
// nothing is replaced before all that is needed for it was fetched and verified.
func (ws *Workspace) repair(ctx context.Context, l *lock.Lock, found *VerifyResult, opt VerifyOptions) error {
	store, err := ws.world.openStore()
	if err != nil {
		return err
	}
	if err := removeDamaged(ctx, store, found); err != nil {
		return err
	}
	wants := make([]materialize.Want, 0, len(l.Packages))
	for _, want := range wantsOf(l.Packages) {
		if !want.Tree.IsZero() {
			wants = append(wants, want)
		}
	}
	if err := ws.world.placeWhole(ctx, store, found, wants); err != nil { // so that a registry that is down costs only what is its own
		return err
	}
	res := &SyncResult{Directory: ws.world.RegistryDir()}
	return ws.bring(ctx, l, SyncOptions{NoDev: opt.NoDev, thorough: true}, res)
}

// removeDamaged takes files that are not what their names say out of the store, while nobody else uses it.
func removeDamaged(ctx context.Context, store *cas.Store, found *VerifyResult) error {
	var paths []string
	var records []ident.SHA256
	for _, p := range found.Problems {
		switch {
		case !p.record.IsZero():
			records = append(records, p.record)
		case p.Where == Stored:
			paths = append(paths, p.Path)
		}
	}
	if len(paths)+len(records) == 0 {
		return nil
	}
	release, err := store.Exclusive(ctx)
	if err != nil {
		return err
	}
	defer release()
	if err := store.RemoveDamaged(paths); err != nil || len(records) == 0 {
		return err
	}
	return store.DropRecords(records)
}

// repairAll mends the store, and makes those version directories anew whose content is still in it. For the others a sync of the workspace that
// wants them is needed.
func (w *World) repairAll(ctx context.Context, store *cas.Store, found *VerifyResult) error {
	if err := removeDamaged(ctx, store, found); err != nil {
		return err
	}
	placed, err := store.Placements()
	if err != nil {
		return err
	}
	wants := make([]materialize.Want, len(placed))
	for i, p := range placed {
		wants[i] = materialize.Want{Name: p.Name, Version: p.Version, Tree: p.Tree}
	}
	return w.placeWhole(ctx, store, found, wants)
}

// placeWhole makes those version directories anew in which something was found, and whose content is all in the store. What
// opkg did not make, or has other content, stays.
func (w *World) placeWhole(ctx context.Context, store *cas.Store, found *VerifyResult, wants []materialize.Want) error {
	release, err := store.Shared(ctx)
	if err != nil {
		return err
	}
	defer release()
	var whole []materialize.Want
	for _, want := range wants {
		broken := slices.ContainsFunc(found.Problems, func(p Problem) bool {
			return p.Where == Installed && p.Name == want.Name && p.Version == want.Version
		})
		if !broken {
			continue
		}
		ok, err := isWhole(store, want.Tree)
		if err != nil {
			return err
		}
		if ok {
			whole = append(whole, want)
		}
	}
	if len(whole) == 0 {
		return nil
	}
	target := materialize.New(w.RegistryDir(), store, materialize.Options{Thorough: true, Observer: w.Observer})
	plan, err := target.Plan(ctx, whole)
	if err != nil {
		return err
	}
	plan.Steps = slices.DeleteFunc(plan.Steps, func(s materialize.Step) bool {
		return s.Action == materialize.Blocked || s.Action == materialize.Replace
	})
	_, err = target.Apply(ctx, plan)
	return err
}

// isWhole reports whether the store has a tree with all its blobs.
func isWhole(store *cas.Store, id ident.TreeID) (bool, error) {
	tree, err := store.Tree(id)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	for _, e := range tree.Entries {
		if err := store.CheckBlob(e.Blob, e.Size); errors.Is(err, fs.ErrNotExist) {
			return false, nil
		} else if err != nil {
			return false, err
		}
	}
	return true, nil
}

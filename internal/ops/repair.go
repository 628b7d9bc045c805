package ops

import (
	"context"
	"errors"
	"io/fs"

	"github.com/openpackage/opkg/cas"
	"github.com/openpackage/opkg/ident"
	"github.com/openpackage/opkg/lock"
	"github.com/openpackage/opkg/materialize"
)

// repair mends what verify found: damaged files of the store go, so that they are fetched again, and version directories are made
// anew from what is good. It is a sync that trusts no stat: those that opkg did not make stay as they are, and nothing is replaced
// before all that is needed was fetched and verified.
func (ws *Workspace) repair(ctx context.Context, l *lock.Lock, found *VerifyResult, opt VerifyOptions) error {
	store, err := ws.world.openStore()
	if err != nil {
		return err
	}
	if err := removeDamaged(ctx, store, found); err != nil {
		return err
	}
	res := &SyncResult{Directory: ws.world.RegistryDir()}
	err = ws.bring(ctx, l, SyncOptions{NoDev: opt.NoDev, thorough: true}, res)
	var occupied *materialize.OccupiedError
	if errors.As(err, &occupied) {
		return nil // the second look says so again, beside all else
	}
	return err
}

// removeDamaged takes files that are not what their names say out of the store, while nobody else uses it.
func removeDamaged(ctx context.Context, store *cas.Store, found *VerifyResult) error {
	var paths []string
	for _, p := range found.Problems {
		if p.Where == Stored {
			paths = append(paths, p.Path)
		}
	}
	if len(paths) == 0 {
		return nil
	}
	release, err := store.Exclusive(ctx)
	if err != nil {
		return err
	}
	defer release()
	return store.RemoveDamaged(paths)
}

// repairAll mends the store, and makes those version directories anew whose content is still in it. For the others a sync of the workspace that
// wants them is needed.
func (w *World) repairAll(ctx context.Context, store *cas.Store, found *VerifyResult) error {
	if err := removeDamaged(ctx, store, found); err != nil {
		return err
	}
	broken := map[ident.Name]bool{}
	for _, p := range found.Problems {
		if p.Where == Installed {
			broken[p.Name] = true
		}
	}
	placed, err := store.Placements()
	if err != nil {
		return err
	}
	var wants []materialize.Want
	for _, p := range placed {
		if !broken[p.Name] {
			continue
		}
		whole, err := isWhole(store, p.Tree)
		if err != nil {
			return err
		}
		if whole {
			wants = append(wants, materialize.Want{Name: p.Name, Version: p.Version, Tree: p.Tree})
		}
	}
	if len(wants) == 0 {
		return nil
	}
	release, err := store.Shared(ctx)
	if err != nil {
		return err
	}
	defer release()
	target := materialize.New(w.RegistryDir(), store, materialize.Options{Thorough: true, Observer: w.Observer})
	plan, err := target.Plan(ctx, wants)
	if err != nil {
		return err
	}
	kept := plan.Steps[:0]
	for _, s := range plan.Steps {
		if s.Action != materialize.Blocked {
			kept = append(kept, s)
		}
	}
	plan.Steps = kept
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
		if _, err := store.CheckBlob(e.Blob, e.Size); errors.Is(err, fs.ErrNotExist) {
			return false, nil
		} else if err != nil {
			return false, err
		}
	}
	return true, nil
}

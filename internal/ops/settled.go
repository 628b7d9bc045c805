package ops

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"

	"github.com/openpackage/opkg/cas"
	"github.com/openpackage/opkg/internal/event"
	"github.com/openpackage/opkg/materialize"
)

// A sync that found everything in place notes so in the store, under the digest of all that it judged. While these bytes are the same, so is
// the judgement: the manifest parses, the lock is closed and fresh, its sources are permitted, and the index for the OpenPackage client
// is right. The next sync then only looks at the version directories. What differs in any way is judged anew.

// judged is what decides whether a lock may be synced as it stands, as bytes.
type judged struct {
	root   string     // of the workspace
	store  *cas.Store // that the look at it opened, which remembers what it checked; nil if it did not
	texts  [][]byte
	warned atomic.Bool // the user was warned of something, and is to be warned again
}

// judge reads what a sync judges; nil where that is not bytes alone, or cannot be read: then the sync says why.
func (w *World) judge(opt SyncOptions) *judged {
	if opt.DryRun || opt.thorough {
		return nil
	}
	root, file, err := w.findRoot()
	if err != nil {
		return nil
	}
	dot := filepath.Join(root, dotDir)
	if _, err := os.Lstat(filepath.Join(dot, "packages")); !errors.Is(err, fs.ErrNotExist) { // packages of the workspace's own are judged, too
		return nil
	}
	lockPath, configPath := filepath.Join(root, LockName), filepath.Join(dot, "config.yml")
	if fi, err := os.Lstat(lockPath); err != nil || !fi.Mode().IsRegular() {
		return nil
	}
	j := &judged{root: root}
	j.add(w.Agent, root, file, w.Home, w.OPKGHome, word(opt.NoDev, "no dev"), word(sameFile(configPath, w.ConfigFile()), "shared"))
	user, err := readUserFile(w.ConfigFile())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	j.add(word(err == nil, "there"), string(user))
	for _, path := range []string{file, lockPath, configPath, filepath.Join(dot, indexName)} {
		data, err := readCommitted(root, path)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		j.add(word(err == nil, "there"))
		j.texts = append(j.texts, data)
	}
	return j
}

func (j *judged) add(texts ...string) {
	for _, t := range texts {
		j.texts = append(j.texts, []byte(t))
	}
}

func word(is bool, word string) string {
	if is {
		return word
	}
	return ""
}

// stands looks at what the last sync noted, and returns nil unless all of it is as it was.
func (w *World) stands(ctx context.Context, j *judged, opt SyncOptions) (*SyncResult, error) {
	if j == nil {
		return nil, nil
	}
	if _, err := os.Lstat(w.RegistryDir()); err != nil {
		return nil, nil
	}
	store, err := w.openStore()
	if err != nil {
		return nil, err
	}
	j.store = store
	settled, ok := store.Settled(j.root, j.texts)
	if !ok || !settled.Fresh && !opt.Frozen {
		return nil, nil
	}
	release, err := store.Shared(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	if !store.Holds(settled, w.Now()) {
		return nil, nil
	}
	target := materialize.New(w.RegistryDir(), store, materialize.Options{Observer: w.Observer})
	plan, err := target.Stands(ctx, settled.Packages)
	if plan == nil || err != nil {
		return nil, err
	}
	applied, err := target.Apply(ctx, plan)
	if err != nil {
		return nil, err
	}
	return &SyncResult{Plan: plan, Packages: len(plan.Steps), Applied: applied, Directory: w.RegistryDir()}, nil
}

// watched is w with an observer that tells j of warnings.
func (w *World) watched(j *judged) *World {
	if j == nil {
		return w
	}
	here := *w
	here.Observer = func(e event.Event) {
		if e.Kind == event.Warning {
			j.warned.Store(true)
		}
		w.Observer.Emit(e)
	}
	return &here
}

// settle notes for the next sync that this one found everything in place. That it cannot be noted costs that one time.
func (b *bringing) settle() {
	j := b.ws.judged
	if j == nil || j.warned.Load() || b.res.Lock != nil || len(b.packages) == 0 {
		return
	}
	placed := make([]cas.Placement, len(b.res.Plan.Steps))
	for i, s := range b.res.Plan.Steps {
		if s.Action != materialize.Keep {
			return
		}
		placed[i] = cas.Placement{Name: s.Want.Name, Version: s.Want.Version, Tree: s.Want.Tree}
	}
	for i := range b.lock.Packages {
		if b.lock.Packages[i].Path != "" { // its manifest was judged, too
			return
		}
	}
	now := b.ws.world.judge(b.opt)
	if now == nil || !slices.EqualFunc(j.texts, now.texts, bytes.Equal) { // somebody edits here: nobody knows which bytes were judged
		return
	}
	_ = b.store.Settle(b.root(), j.texts, !b.opt.Frozen, placed)
}

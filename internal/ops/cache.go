package ops

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/openpackage/opkg/cas"
	"github.com/openpackage/opkg/materialize"
)

// Amount is a number of files and the bytes that they take on the disk.
type Amount struct {
	Files int
	Bytes int64
}

// CacheSizes are the amounts of what opkg keeps. A file that has several names counts where it stands first, in this order.
type CacheSizes struct {
	Store    Amount // blobs, listings, records
	Versions Amount // version directories: what they do not share with the store
	Cache    Amount // indexes and mirrors
}

// CacheSize measures what opkg keeps.
func (w *World) CacheSize() (*CacheSizes, error) {
	var sizes CacheSizes
	tally := &cas.Tally{}
	for _, part := range []struct {
		dirs []string
		to   *Amount
	}{{[]string{w.StoreDir()}, &sizes.Store}, {[]string{w.RegistryDir()}, &sizes.Versions}, {w.cacheDirs(), &sizes.Cache}} {
		before := *tally
		for _, dir := range part.dirs {
			used, err := cas.UsageBelow(dir)
			if err != nil {
				return nil, err
			}
			for _, u := range used {
				tally.Kept(u)
			}
		}
		*part.to = Amount{tally.Files - before.Files, tally.Bytes - before.Bytes}
	}
	return &sizes, nil
}

// CacheClean removes everything that can be fetched again, and says how much: all blobs and records, indexes and mirrors. It waits for
// runs that use the store. Version directories stay, with the listings that they are compared with; so does what
// says which workspaces synced here.
func (w *World) CacheClean(ctx context.Context) (Amount, error) {
	tally := &cas.Tally{}
	store, err := w.existingStore()
	if err != nil {
		return Amount{}, err
	}
	if store != nil {
		release, err := store.Exclusive(ctx)
		if err != nil {
			return Amount{}, err
		}
		defer release()
		plan, err := store.PlanClean(ctx)
		if err != nil {
			return Amount{}, err
		}
		if err := plan.Sweep(ctx, true, tally); err != nil {
			return Amount{}, err
		}
		if _, err := store.Leftovers(true, tally); err != nil {
			return Amount{}, err
		}
		if err := materialize.New(w.RegistryDir(), store, materialize.Options{Observer: w.Observer}).Tidy(); err != nil {
			return Amount{}, err
		}
	}
	for _, dir := range w.cacheDirs() {
		if err := cleanBelow(ctx, dir, tally); err != nil {
			return Amount{tally.Files, tally.Bytes}, err
		}
	}
	return Amount{tally.Files, tally.Bytes}, nil
}

// cacheDirs are the directories below cache/ that are opkg's and can be removed: the OpenPackage client has others there, and of
// locks/ nothing may go, since a lock file that were removed while it is held would lock nothing any more.
func (w *World) cacheDirs() []string {
	return []string{filepath.Join(w.CacheDir(), "indexes"), w.MirrorDir()}
}

// cleanBelow removes files and empty directories, lock files apart.
func cleanBelow(ctx context.Context, path string, tally *cas.Tally) error {
	fi, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) || err == nil && strings.HasSuffix(path, ".lock") && fi.Mode().IsRegular() {
		return nil
	}
	if err := errors.Join(err, ctx.Err()); err != nil {
		return err
	}
	if fi.IsDir() {
		entries, err := os.ReadDir(path)
		if err != nil {
			return err
		}
		for _, e := range entries {
			if err := cleanBelow(ctx, filepath.Join(path, e.Name()), tally); err != nil {
				return err
			}
		}
	}
	used, err := cas.UsageOf(path)
	if err != nil {
		return ignoreGone(err)
	}
	switch err := os.Remove(path); {
	case err == nil:
		tally.Removed(used)
	case !fi.IsDir(): // a directory may hold a lock file, or be filled again meanwhile
		return ignoreGone(err)
	}
	return nil
}

// abandoned is how old a temporary file of the cache is that a killed run left: an entry is written at once.
const abandoned = 10 * time.Minute

// tidyCache removes what killed runs left in the cache of indexes, and counts it; without really, it only counts.
func (w *World) tidyCache(really bool, tally *cas.Tally) (n int) {
	for _, dir := range w.cacheDirs() {
		_ = filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
			if err != nil || !e.Type().IsRegular() || !strings.HasPrefix(e.Name(), ".tmp-") {
				return nil
			}
			fi, err := e.Info()
			if err != nil || w.Now().Sub(fi.ModTime()) < abandoned {
				return nil
			}
			if used, err := cas.UsageOf(path); err == nil && (!really || os.Remove(path) == nil) {
				n++
				tally.Removed(used)
			}
			return nil
		})
	}
	return n
}

func ignoreGone(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// CacheRoots are the workspaces that synced here, as GC sees them, and the files that do not say which.
func (w *World) CacheRoots() ([]RootState, []*cas.RootError, error) {
	store, err := w.existingStore()
	if store == nil || err != nil {
		return nil, nil, err
	}
	all, damaged, err := store.ReadRoots()
	if err != nil {
		return nil, nil, err
	}
	states := make([]RootState, len(all))
	for i, r := range all {
		states[i] = w.judgeRoot(r, RootGrace)
	}
	return states, damaged, nil
}

// AddRoot registers the workspace at dir as if it had synced here, and returns its path.
func (w *World) AddRoot(dir string) (workspace string, err error) {
	at := *w
	if at.Dir, err = w.abs(dir); err != nil {
		return "", err
	}
	ws, err := at.Open()
	if err != nil {
		return "", err
	}
	l, _, err := ws.ReadLock()
	if err != nil {
		return "", err
	}
	if err := l.CheckClosed(w.show(ws.LockPath())); err != nil {
		return "", err
	}
	store, err := w.openStore()
	if err != nil {
		return "", err
	}
	return ws.Root, store.RegisterRoot(cas.Root{Workspace: ws.Root, Lock: ws.LockPath(), Named: namedBy(l)}, w.Now())
}

func (w *World) abs(dir string) (string, error) {
	if !filepath.IsAbs(dir) {
		dir = filepath.Join(w.Dir, dir)
	}
	dir = filepath.Clean(dir)
	switch fi, err := os.Stat(dir); {
	case err != nil:
		return "", err
	case !fi.IsDir():
		return "", &FileError{dir, "it is not a directory"}
	}
	return dir, nil
}

// NoRootError says that no workspace of a path or an ID synced here.
type NoRootError struct{ What string }

func (e *NoRootError) Error() string {
	return fmt.Sprintf("no workspace %q is known here", e.What)
}

// Hint says what to do.
func (e *NoRootError) Hint() string { return "opkg cache roots lists them" }

// RemoveRoot forgets a workspace, named by its path (which need not be there any more) or by its ID, and returns that, the path
// absolute. What only its lock names is garbage then. The error may be a *NoRootError.
func (w *World) RemoveRoot(what string) (forgot string, err error) {
	store, err := w.existingStore()
	if err != nil {
		return "", err
	}
	if store == nil {
		return "", &NoRootError{what}
	}
	dir := what
	if !filepath.IsAbs(dir) {
		dir = filepath.Join(w.Dir, dir)
	}
	dir = filepath.Clean(dir)
	for _, r := range []struct{ id, forgot string }{{cas.RootID(dir), dir}, {what, what}} {
		if err := store.RemoveRoot(r.id); !errors.Is(err, fs.ErrNotExist) {
			return r.forgot, err
		}
	}
	return "", &NoRootError{what}
}

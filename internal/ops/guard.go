package ops

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/rogpeppe/go-internal/lockedfile"

	"github.com/openpackage/opkg/cas"
	"github.com/openpackage/opkg/internal/event"
)

// guardPatience is how long an operation waits for another in silence.
const guardPatience = 200 * time.Millisecond

// guard lets one opkg at a time read, solve and write manifest and lock of the workspace at root: of two adds at once,
// neither is lost. A killed holder blocks nobody. Where no lock can be had (a cache that may not be
// written) there is none; that the manifest did not change meanwhile is checked besides. The error is a *cas.BusyError.
func (w *World) guard(ctx context.Context, root string) (release func(), err error) {
	if real, err := filepath.EvalSymlinks(root); err == nil {
		root = real
	}
	path := filepath.Join(w.CacheDir(), "locks", fmt.Sprintf("%x", sha256.Sum256([]byte(root))))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return func() {}, nil
	}
	release, err = w.hold(ctx, path, "another opkg is at work in "+root)
	if busy := (*cas.BusyError)(nil); err != nil && !errors.As(err, &busy) {
		return func() {}, nil
	}
	return release, err
}

// hold takes the lock file at path, and tells the observer what it waits for. A killed holder blocks nobody. The error is
// a *cas.BusyError, or says why there can be no lock.
func (w *World) hold(ctx context.Context, path, waiting string) (release func(), err error) {
	type taken struct {
		unlock func()
		err    error
	}
	held := make(chan taken)
	gaveUp := make(chan struct{})
	go func() { // the kernel's wait cannot be given up: what comes too late is released at once
		unlock, err := lockedfile.MutexAt(path).Lock()
		select {
		case <-gaveUp:
			if err == nil {
				unlock()
			}
		case held <- taken{unlock, err}:
		}
	}()
	for _, wait := range []time.Duration{guardPatience, cas.DefaultLockWait} {
		select {
		case t := <-held:
			return t.unlock, t.err
		case <-ctx.Done():
			close(gaveUp)
			return nil, &cas.BusyError{Path: path, Err: ctx.Err()}
		case <-time.After(wait):
		}
		if wait == guardPatience {
			w.Observer.Emit(event.Event{Kind: event.Waiting, Text: waiting})
		}
	}
	close(gaveUp)
	return nil, &cas.BusyError{Path: path}
}

package ops

import (
	"context"
	"crypto/sha256"
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
	held := make(chan func())
	gaveUp := make(chan struct{})
	go func() { // the kernel's wait cannot be given up: what comes too late is released at once
		unlock, err := lockedfile.MutexAt(path).Lock()
		if err != nil {
			unlock = func() {}
		}
		select {
		case <-gaveUp:
			unlock()
		case held <- unlock:
		}
	}()
	for _, wait := range []time.Duration{guardPatience, cas.DefaultLockWait} {
		select {
		case unlock := <-held:
			return unlock, nil
		case <-ctx.Done():
			close(gaveUp)
			return nil, &cas.BusyError{Path: path, Err: ctx.Err()}
		case <-time.After(wait):
		}
		if wait == guardPatience {
			w.Observer.Emit(event.Event{Kind: event.Waiting, Text: "another opkg is at work in " + root})
		}
	}
	close(gaveUp)
	return nil, &cas.BusyError{Path: path}
}

package cas

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/openpackage/opkg/internal/event"
)

// DefaultLockWait is how long Shared and Exclusive wait for another opkg.
const DefaultLockWait = 2 * time.Minute

// The pauses between two looks at a lock that another holds.
const (
	firstPause = 2 * time.Millisecond
	mostPause  = 100 * time.Millisecond
)

// BusyError says that another opkg holds the store.
type BusyError struct {
	Path string // the lock
	Err  error  // why waiting ended, when the context ended it; else nil
}

func (e *BusyError) Error() string { return fmt.Sprintf("another opkg holds %s", e.Path) }

// Unwrap is the context's error, or nil.
func (e *BusyError) Unwrap() error { return e.Err }

// Hint says what to do.
func (e *BusyError) Hint() string { return "wait for it to finish, and try again" }

// Shared takes the store's lock for use beside others; the function releases it. While another holds it exclusively,
// Shared waits and emits event.Waiting once; *BusyError when the wait bound or ctx ends that. A killed holder blocks
// nobody: the lock goes with the process. If nobody else uses the store, Shared first removes what killed ones left in tmp.
// What a power loss may have damaged is looked for and removed first. A store that may not be written needs no lock; if it has the lock's file, it is checked all the same.
func (s *Store) Shared(ctx context.Context) (release func(), err error) {
	f, err := s.lockFile()
	if f == nil || err != nil {
		return func() {}, err
	}
	if err := s.tidy(f); err != nil {
		f.Close()
		return nil, s.within(err)
	}
	for {
		release, err := s.acquire(ctx, f, false)
		if err != nil {
			return nil, err
		}
		doubtful, err := s.doubtful()
		if err == nil && !doubtful {
			return release, nil
		}
		if err == nil {
			err = unlock(f)
		}
		if err == nil {
			_, err = s.acquire(ctx, f, true)
		}
		if err != nil {
			release()
			return nil, err
		}
		if err := s.settle(ctx, f); err != nil {
			return nil, err
		}
		if err := unlock(f); err != nil {
			f.Close()
			return nil, s.within(err)
		}
	}
}

// settle recovers after a restart, if nobody did yet. The lock on f is held alone; after an error it is released.
func (s *Store) settle(ctx context.Context, f *os.File) error {
	doubtful, err := s.doubtful()
	if err == nil && doubtful {
		err = s.recover(ctx)
	}
	if err != nil {
		f.Close()
	}
	return err
}

// Exclusive is Shared for one who removes from the store: nobody else uses it meanwhile.
func (s *Store) Exclusive(ctx context.Context) (release func(), err error) {
	f, err := s.lockFile()
	if f == nil || err != nil {
		return func() {}, err
	}
	release, err = s.acquire(ctx, f, true)
	if err != nil {
		return nil, err
	}
	return release, s.settle(ctx, f)
}

// lockFile opens the file that locks are taken on; nil where it is not there and cannot be made.
func (s *Store) lockFile() (*os.File, error) {
	d, err := s.create()
	if err == nil {
		var f *os.File
		if f, err = d.root.OpenFile(lockFile, os.O_RDWR, 0); errors.Is(err, fs.ErrNotExist) {
			if err := d.do("create", lockFile); err != nil {
				return nil, s.within(err)
			}
			f, err = d.at.OpenLock(lockFile, lockMode, true)
		}
		if err == nil {
			return f, nil
		}
		if f, err := d.root.Open(lockFile); err == nil {
			return f, nil
		}
	}
	if mayNotWrite(err) {
		return nil, nil
	}
	return nil, s.within(err)
}

// mayNotWrite reports whether an error says that the store, or its file system, is for reading alone.
func mayNotWrite(err error) bool { return errors.Is(err, fs.ErrPermission) || IsReadOnly(err) }

// acquire polls: a lock that is waited for in the kernel cannot be given up.
func (s *Store) acquire(ctx context.Context, f *os.File, exclusive bool) (release func(), err error) {
	pause, waited := firstPause, time.Duration(0)
	for {
		ok, err := tryLock(f, exclusive)
		if err != nil {
			f.Close()
			return nil, s.within(fmt.Errorf("lock: %w", err))
		}
		if ok {
			return func() { f.Close() }, nil // closing releases
		}
		if waited == 0 {
			s.observer.Emit(event.Event{Kind: event.Waiting, Text: "another opkg holds " + s.dir})
		}
		busy := &BusyError{Path: f.Name()}
		select {
		case <-ctx.Done():
			busy.Err = ctx.Err()
		case <-time.After(pause):
			waited += pause
			pause = min(2*pause, mostPause)
		}
		if busy.Err != nil || waited > s.lockWait {
			f.Close()
			return nil, busy
		}
	}
}

// tidy removes what killed processes left in tmp, if nobody else holds the lock.
func (s *Store) tidy(f *os.File) error {
	d, err := s.open()
	if err != nil {
		return err
	}
	left, err := fs.ReadDir(d.root.FS(), tmpDir)
	if err != nil || len(left) == 0 {
		return ignoreMissing(err)
	}
	if ok, err := tryLock(f, true); !ok || err != nil {
		return err
	}
	for _, e := range left {
		if err := d.do("remove", tmpDir+"/"+e.Name()); err != nil {
			return err
		}
		_ = d.root.RemoveAll(tmpDir + "/" + e.Name()) // not ours to remove: another user's, or read-only
	}
	return unlock(f)
}

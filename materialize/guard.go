package materialize

import (
	"context"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/openpackage/opkg/internal/dirfd"
	"github.com/openpackage/opkg/internal/event"
)

// lockName is the file at the target's top that every working Apply holds. No package can have such a name, and
// the OpenPackage client sees directories alone.
const lockName = ".opkg.lock"

// lockMode lets every user take the lock, and is a mode that no mount option gives to all files.
const lockMode fs.FileMode = 0o604

// tempPrefix begins the names of staging directories: no version, and no package's, begins so.
const tempPrefix = ".opkg-"

// lockPoll is how long to wait before another try to share the lock, whose exclusive holders only sweep.
const lockPoll = 5 * time.Millisecond

// guard is the lock of one working Apply. Each writes one byte more into the file, and the last to leave empties it: what
// is written there although nobody holds the lock is by runs that were killed.
type guard struct {
	file *os.File
	root *dir
}

// enter takes the lock, shared, after sweeping if that is due and nobody else works.
func (t *Target) enter(ctx context.Context, root *dir) (*guard, error) {
	f, err := root.openLock(lockName, lockMode)
	if err != nil {
		return nil, err
	}
	g := &guard{file: f, root: root}
	alone, known := dirfd.TryLock(f, true)
	if !known {
		return g, nil // no locks here: nobody sweeps, and so nobody needs to be told
	}
	if alone && g.runs() > 0 {
		t.sweep(g)
	}
	for {
		if ok, _ := dirfd.TryLock(f, false); ok {
			break
		}
		select {
		case <-ctx.Done():
			f.Close()
			return nil, ctx.Err()
		case <-time.After(lockPoll):
		}
	}
	if err := g.note(); err != nil {
		f.Close()
		return nil, err
	}
	return g, nil
}

// runs is how many runs wrote into the file since it was last emptied.
func (g *guard) runs() int64 {
	fi, err := g.file.Stat()
	if err != nil {
		return 0
	}
	return fi.Size()
}

// note writes one byte. One that another user's file does not take costs the sweeping alone.
func (g *guard) note() error {
	if err := g.root.step.before("write", g.root, lockName); err != nil {
		return err
	}
	_, _ = g.file.WriteString(".")
	return nil
}

// leave gives the lock up. Who is the last empties the file; if others worked since it was empty, one of them may have
// been killed, and its leftovers are swept first.
func (t *Target) leave(g *guard, clean bool) {
	defer g.file.Close()
	switch alone, _ := dirfd.TryLock(g.file, true); {
	case alone && clean && g.runs() == 1:
		g.empty()
	case alone && clean:
		t.sweep(g)
	}
}

func (g *guard) empty() {
	if g.root.step.before("truncate", g.root, lockName) == nil {
		_ = g.file.Truncate(0)
	}
}

// tidy sweeps if a run was killed and nobody works now. A target that cannot be written stays as it is.
func (t *Target) tidy(root *dir) {
	if fi, err := root.stat(lockName); err != nil || fi.Size == 0 {
		return
	}
	f, err := root.openLock(lockName, lockMode)
	if err != nil {
		return
	}
	defer f.Close()
	g := &guard{file: f, root: root}
	if alone, _ := dirfd.TryLock(f, true); alone && g.runs() > 0 {
		t.sweep(g)
	}
}

// sweep removes all staging directories of the target, and empties the file if none is left. The caller is alone.
func (t *Target) sweep(g *guard) {
	if err := g.root.sweep(1); err != nil {
		t.warn("an older run left something that cannot be removed", err)
		return
	}
	g.empty()
}

// sweep removes the staging directories in d and, depth levels below it, in the directories of packages. A scope is one level
// more. The caller is alone.
func (d *dir) sweep(depth int) error {
	entries, err := d.at.Entries()
	if err != nil {
		return err
	}
	if depth == 0 {
		entries = slices.DeleteFunc(entries, func(e dirfd.Entry) bool { return !strings.HasPrefix(e.Name, tempPrefix) })
	}
	if len(entries) == 0 {
		return nil
	}
	return each(context.Background(), len(entries), func(_ context.Context, i int) error {
		name := entries[i].Name
		if strings.HasPrefix(name, tempPrefix) {
			return d.removeAll(name)
		}
		if !entries[i].Type.IsDir() {
			return nil
		}
		sub, err := d.sub(name)
		if err != nil {
			return nil // gone
		}
		defer sub.close()
		if strings.HasPrefix(name, "@") {
			return sub.sweep(depth)
		}
		return sub.sweep(depth - 1)
	})
}

func (t *Target) warn(text string, err error) {
	if err != nil {
		t.opt.Observer.Emit(event.Event{Kind: event.Warning, Text: text + ": " + err.Error()})
	}
}

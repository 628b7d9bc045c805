//go:build unix

package materialize

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/openpackage/opkg/cas"
)

// locked makes a step function safe for several goroutines.
func locked(f stepFunc) stepFunc {
	turn := make(chan struct{}, 1)
	return func(op, path string) error {
		turn <- struct{}{}
		defer func() { <-turn }()
		return f(op, path)
	}
}

// TestLinksThatCannotBe makes every link fail, or one of them, in the ways that mean "not here".
func TestLinksThatCannotBe(t *testing.T) {
	for _, errno := range []syscall.Errno{syscall.EXDEV, syscall.EPERM, syscall.ENOTSUP, syscall.EMLINK, syscall.ENOSYS} {
		t.Run(errno.Error(), func(t *testing.T) {
			sh := newShelf(t)
			tries := 0
			sh.target.step = locked(func(op, path string) error {
				if op == "link" {
					tries++
					return errno
				}
				return nil
			})
			res := sh.sync(t)
			if res.Linked != 0 || res.Copied+res.Cloned != res.Files || res.Files != 14 {
				t.Errorf("result %+v", *res)
			}
			if all := errno != syscall.EMLINK; all != (tries <= 4) {
				t.Errorf("%d links were tried", tries)
			}
			sh.target.step = nil
			sh.checkContent(t, false)
			before := state(t, sh.dir)
			if got := actions(sh.plan(t)); !slices.Equal(got, []Action{Keep, Keep, Keep}) {
				t.Errorf("second plan: %v", got)
			}
			sh.sync(t)
			if state(t, sh.dir) != before {
				t.Error("something was touched")
			}
		})
	}
	t.Run("one file", func(t *testing.T) {
		sh := newShelf(t)
		sh.target.step = func(op, path string) error {
			if op == "link" && strings.HasSuffix(path, "README.md") {
				return syscall.EMLINK
			}
			return nil
		}
		if res := sh.sync(t); res.Linked != 11 || res.Copied+res.Cloned != 3 {
			t.Errorf("result %+v", *res)
		}
	})
	t.Run("no space is an error", func(t *testing.T) {
		sh := newShelf(t)
		sh.target.step = func(op, _ string) error {
			if op == "link" {
				return syscall.ENOSPC
			}
			return nil
		}
		if _, err := sh.target.Apply(t.Context(), sh.plan(t)); !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), sh.dir) {
			t.Errorf("error %v", err)
		}
	})
}

func TestUmask(t *testing.T) {
	for _, mask := range []int{0, 0o077, 0o777} {
		old := syscall.Umask(0o022)
		sh := newShelf(t)
		syscall.Umask(mask)
		p, err := sh.target.Plan(t.Context(), sh.wants)
		if err == nil {
			_, err = sh.target.Apply(t.Context(), p)
		}
		syscall.Umask(old)
		if mask == 0o777 && os.Getuid() != 0 {
			continue // nobody but root works with such a umask: a directory cannot be opened once it is made
		}
		if err != nil {
			t.Fatalf("umask %03o: %v", mask, err)
		}
		sh.checkWhole(t)
	}
}

// TestPlaces puts the target where paths are unusual.
func TestPlaces(t *testing.T) {
	long := strings.Repeat("ä", 100)
	for _, name := range []string{"with space", "naïve-日本", "-dash", "quote'\"", long} {
		home := filepath.Join(t.TempDir(), name)
		sh := shelfIn(t, filepath.Join(home, "store"), filepath.Join(home, "registry"))
		sh.sync(t)
		sh.checkWhole(t)
	}
	t.Run("behind a link", func(t *testing.T) {
		home := t.TempDir()
		mustDo(t, os.Mkdir(home+"/real", 0o755), os.Symlink("real", home+"/link"))
		sh := shelfIn(t, home+"/link/store", home+"/link/registry")
		sh.sync(t)
		sh.checkWhole(t)
	})
	t.Run("names of 255 bytes", func(t *testing.T) {
		sh := newShelf(t)
		sh.wants = append(sh.wants, put(t, sh.store, "long", "1.0.0", files{strings.Repeat("x", 255) + "/" + strings.Repeat("y", 255): "long\n"}))
		sh.sync(t)
		sh.checkWhole(t)
	})
}

// TestReadOnlyTarget holds that what is complete needs no write at all.
func TestReadOnlyTarget(t *testing.T) {
	sh := newShelf(t)
	sh.sync(t)
	sh.target.step = func(op, path string) error {
		t.Errorf("%s %s", op, path)
		return &os.PathError{Op: op, Path: path, Err: syscall.EROFS}
	}
	if res := sh.sync(t); *res != (Result{Kept: 3}) {
		t.Errorf("result %+v", *res)
	}
}

// syncsOf makes a target of many versions whose store knows its boots by boot, and counts what it syncs.
func syncsOf(t *testing.T, boot string) map[string]int {
	t.Helper()
	sh := newShelf(t)
	store, err := cas.Open(sh.store.Dir(), cas.Options{Boot: func(string) string { return boot }})
	mustDo(t, err)
	sh.store, sh.target = store, New(sh.dir, store, Options{})
	for i := range syncEach {
		sh.wants = append(sh.wants, put(t, sh.store, "many", "1."+string(rune('1'+i%9))+"."+string(rune('1'+i/9)), files{"a/b.md": "b\n"}))
	}
	syncs := map[string]int{}
	sh.target.step = locked(func(op, path string) error {
		if strings.HasPrefix(op, "sync") {
			syncs[op]++
		}
		return nil
	})
	sh.sync(t)
	sh.checkWhole(t)
	return syncs
}

func TestLongRunIsSyncedOnce(t *testing.T) {
	if syncs := syncsOf(t, ""); syncs["syncfs"] != 1 || syncs["sync"] != 0 {
		t.Errorf("syncs: %v", syncs)
	}
}

func TestMarkedRunIsNotSynced(t *testing.T) {
	if syncs := syncsOf(t, "one"); len(syncs) != 0 {
		t.Errorf("syncs: %v", syncs)
	}
}

// TestRestart holds that after a restart content decides, whatever stats say, and that it decides once.
func TestRestart(t *testing.T) {
	home := t.TempDir()
	first, err := cas.Open(filepath.Join(home, "store"), cas.Options{Boot: func(string) string { return "one" }})
	mustDo(t, err)
	sh := shelfIn(t, filepath.Join(home, "store"), filepath.Join(home, "registry"))
	sh.sync(t)
	_, err = first.DeferSync()
	mustDo(t, err)
	damage := func(path string) { // what a power loss can do: right size, mode and time, other bytes
		fi, err := os.Stat(path)
		mustDo(t, err, os.Chmod(path, 0o644), os.WriteFile(path, bytes.Repeat([]byte{0}, int(fi.Size())), 0),
			os.Chmod(path, fi.Mode()), os.Chtimes(path, fi.ModTime(), fi.ModTime()))
	}
	damage(sh.path("demo", "1.0.0", "scripts", "run.sh")) // a copy: the blob is whole
	if got := actions(sh.plan(t)); !slices.Equal(got, []Action{Keep, Keep, Keep}) {
		t.Fatalf("before the restart: %v", got)
	}
	boot := func(string) string { return "another" }
	store, err := cas.Open(sh.store.Dir(), cas.Options{Boot: boot})
	mustDo(t, err)
	release, err := store.Shared(t.Context())
	mustDo(t, err)
	defer release()
	sh.store, sh.target = store, New(sh.dir, store, Options{})
	for range 2 {
		if got := actions(sh.plan(t)); !slices.Equal(got, []Action{Keep, Keep, Heal}) {
			t.Fatalf("after the restart: %v", got)
		}
	}
	sh.sync(t)
	sh.checkWhole(t)
	for _, w := range sh.wants {
		if n, ok := store.Noted(w.Name, w.Version); !ok || n.Doubted {
			t.Errorf("%s is doubted still", w.Name)
		}
	}
}

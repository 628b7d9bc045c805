//go:build unix

package materialize

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
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

func TestLongRunIsSyncedOnce(t *testing.T) {
	sh := newShelf(t)
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
	if syncs["syncfs"] != 1 || syncs["sync"] != 0 {
		t.Errorf("syncs: %v", syncs)
	}
	sh.checkWhole(t)
}

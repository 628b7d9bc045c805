package materialize

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/openpackage/opkg/cas"
)

// unpackedShelf is a shelf whose store knows its boots, and has its packages unpacked.
func unpackedShelf(t *testing.T) *shelf {
	t.Helper()
	home := t.TempDir()
	store, err := cas.Open(filepath.Join(home, "store"), cas.Options{Boot: func(string) string { return "one" }})
	mustDo(t, err)
	store.KeepUnpacked()
	t.Cleanup(store.DropUnpacked)
	sh := &shelf{store: store, dir: filepath.Join(home, "registry")}
	sh.target = New(sh.dir, store, Options{})
	sh.wants = []Want{
		put(t, store, "demo", "1.0.0", typical()),
		put(t, store, "@team/rules", "2.1.0-rc.1", files{"rules/team.md": "together\n", "bin/tool.sh": "#!/bin/sh\n"}),
		put(t, store, "last", "1.0.0", files{"last.md": "last\n"}),
	}
	return sh
}

// What the store has unpacked takes one rename to stand in its place.
func TestMovedAtOnce(t *testing.T) {
	sh := unpackedShelf(t)
	var mu sync.Mutex
	ops := map[string]int{}
	sh.target.step = func(op, _ string) error {
		mu.Lock()
		defer mu.Unlock()
		ops[op]++
		return nil
	}
	if res := sh.sync(t); res.Placed != 3 || res.Linked != 13 || res.Copied != 2 {
		t.Errorf("result %+v", *res)
	}
	oneStep := runtime.GOOS == "linux" || runtime.GOOS == "darwin"                                // elsewhere the directory of a name is made first
	if ops["link"]+ops["exchange"] != 0 || oneStep && (ops["rename"] != 3 || ops["mkdir"] != 3) { // the target, around it, and a scope
		t.Errorf("operations %v", ops)
	}
	sh.checkWhole(t)
}

// A neighbour that is quicker than the move loses nothing, and nothing of this run stays beside it.
func TestMovedTooLate(t *testing.T) {
	sh := unpackedShelf(t)
	p := sh.plan(t)
	other := shelfIn(t, filepath.Join(t.TempDir(), "store"), sh.dir)
	other.wants = other.wants[:1] // demo 1.0.0, of the same content
	other.sync(t)
	res, err := sh.target.Apply(t.Context(), p)
	if err != nil || res.Placed != 2 || res.Kept != 1 {
		t.Fatalf("result %+v, %v", res, err)
	}
	if left := sh.leftovers(t); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
	if got := actions(sh.plan(t)); slices.Contains(got, Place) || slices.Contains(got, Blocked) {
		t.Errorf("afterwards: %v", got)
	}
}

// What was moved before a run failed is known as opkg's.
func TestMovedAndFailed(t *testing.T) {
	sh := unpackedShelf(t)
	full := errors.New("no more")
	sh.target.step = func(op, path string) error {
		if op == "rename" && strings.Contains(path, "last") {
			return full
		}
		return nil
	}
	if _, err := sh.target.Apply(t.Context(), sh.plan(t)); !errors.Is(err, full) {
		t.Fatal(err)
	}
	sh.target.step = nil
	moved := 0
	for i, action := range actions(sh.plan(t)) {
		w := sh.plan(t).Steps[i].Want
		_, known := sh.store.Noted(w.Name, w.Version)
		if known != (action == Keep) || !known && action != Place {
			t.Errorf("%s: known %v, %v", w.Name, known, action)
		}
		if known {
			moved++
		}
	}
	if moved == 0 {
		t.Error("nothing was moved before the failure")
	}
	sh.sync(t)
	sh.checkWhole(t)
}

// Where the directory of a name is there, whoever made it, a version is moved into it.
func TestMovedBesideOthers(t *testing.T) {
	sh := unpackedShelf(t)
	sh.wants = append(sh.wants, put(t, sh.store, "demo", "1.1.0", files{"new.md": "new\n"}))
	mustDo(t, os.MkdirAll(sh.path("@team", "rules", "9.9.9"), 0o755), os.Mkdir(sh.path("last"), 0o755))
	mustDo(t, os.WriteFile(sh.path("@team", "rules", "9.9.9", "theirs.md"), []byte("theirs\n"), 0o644))
	if res := sh.sync(t); res.Placed != 4 {
		t.Errorf("result %+v", *res)
	}
	sh.checkContent(t, true)
	if _, err := os.Stat(sh.path("@team", "rules", "9.9.9", "theirs.md")); err != nil {
		t.Error(err)
	}
	if left := sh.leftovers(t); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
}

// A neighbour that has just made the directory of a name, and is about to put a version into it, keeps it.
func TestMovedBesideANeighbour(t *testing.T) {
	sh := unpackedShelf(t)
	mustDo(t, os.MkdirAll(sh.path("last"), 0o755))
	theirs, err := os.Stat(sh.path("last"))
	mustDo(t, err)
	sh.sync(t)
	if now, err := os.Stat(sh.path("last")); err != nil || !os.SameFile(theirs, now) {
		t.Errorf("their directory was replaced: %v", err)
	}
	sh.checkWhole(t)
}

// A link in the place of a name's directory is followed by no move.
func TestMovedToALink(t *testing.T) {
	sh := unpackedShelf(t)
	elsewhere := t.TempDir()
	mustDo(t, os.MkdirAll(sh.dir, 0o755))
	if err := os.Symlink(elsewhere, sh.path("last")); err != nil {
		t.Skip("no symbolic links here:", err)
	}
	p, err := sh.target.Plan(t.Context(), sh.wants)
	if err == nil {
		_, err = sh.target.Apply(t.Context(), p)
	}
	if err == nil {
		t.Error("it is taken for a directory")
	}
	if there, _ := os.ReadDir(elsewhere); len(there) != 0 {
		t.Errorf("behind the link: %v", there)
	}
	if fi, err := os.Lstat(sh.path("last")); err != nil || fi.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link: %v, %v", fi, err)
	}
}

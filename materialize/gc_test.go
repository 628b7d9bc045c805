package materialize

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/openpackage/opkg/cas"
)

func (sh *shelf) removeUnused(t *testing.T, really bool) ([]Unused, *cas.Tally) {
	t.Helper()
	tally := &cas.Tally{}
	unused, err := sh.target.RemoveUnused(t.Context(), sh.wants, really, tally)
	if err != nil {
		t.Fatal(err)
	}
	return unused, tally
}

func TestRemoveUnused(t *testing.T) {
	sh := newShelf(t)
	if unused, tally := sh.removeUnused(t, true); len(unused) != 0 || tally.Files != 0 {
		t.Errorf("of nothing: %v, %v", unused, tally)
	}
	sh.sync(t)
	foreign(t, sh.path("demo", "9.0.0"), files{"mine.md": "mine"})
	before := state(t, sh.dir)
	would, dry := sh.removeUnused(t, false)
	if state(t, sh.dir) != before {
		t.Error("looking changed something")
	}
	did, freed := sh.removeUnused(t, true)
	if len(would) != 3 || len(did) != 3 || dry.Bytes != freed.Bytes || dry.Files != freed.Files || freed.Files != 14 {
		t.Errorf("would %+v, %+v; did %+v, %+v", would, dry, did, freed)
	}
	for i := range did {
		if !did[i].Removed || !would[i].Removed {
			t.Errorf("%+v, %+v", would[i], did[i])
		}
	}
	if _, err := os.Stat(sh.path("demo", "9.0.0", "mine.md")); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(sh.path("@team")); !errors.Is(err, fs.ErrNotExist) {
		t.Error("an empty scope is left")
	}
	if placed, err := sh.store.Placements(); err != nil || len(placed) != 0 {
		t.Errorf("%v, %v", placed, err)
	}
	if left := sh.leftovers(t); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
}

// TestRemoveUnusedLeavesWhatChanged holds that a directory in which somebody else wrote stays.
func TestRemoveUnusedLeavesWhatChanged(t *testing.T) {
	for name, change := range map[string]func(dir string) error{
		"a file more":      func(dir string) error { return os.WriteFile(filepath.Join(dir, "mine.md"), nil, 0o644) },
		"a directory more": func(dir string) error { return os.Mkdir(filepath.Join(dir, "rules", "mine"), 0o755) },
		"a file less":      func(dir string) error { return os.Remove(filepath.Join(dir, "README.md")) },
		"another's": func(dir string) error {
			return errors.Join(os.RemoveAll(dir), os.Mkdir(dir, 0o755), os.WriteFile(filepath.Join(dir, "README.md"), []byte("mine"), 0o644))
		},
		"a link": func(dir string) error {
			return errors.Join(os.Rename(dir, dir+"-real"), os.Symlink("1.0.0-real", dir))
		},
	} {
		t.Run(name, func(t *testing.T) {
			sh := newShelf(t)
			sh.sync(t)
			if err := change(sh.path("demo", "1.0.0")); err != nil {
				t.Skip(err)
			}
			before := state(t, sh.path("demo"))
			unused, _ := sh.removeUnused(t, true)
			kept := 0
			for _, u := range unused {
				if !u.Removed {
					kept++
					if u.Want.Name != "demo" || u.Kept == "" {
						t.Errorf("%+v", u)
					}
				}
			}
			if kept != 1 || state(t, sh.path("demo")) != before {
				t.Errorf("kept %d: %+v", kept, unused)
			}
		})
	}
	t.Run("gone", func(t *testing.T) {
		sh := newShelf(t)
		sh.sync(t)
		mustDo(t, os.RemoveAll(sh.path("demo")))
		if unused, _ := sh.removeUnused(t, true); len(unused) != 2 {
			t.Errorf("%+v", unused)
		}
		if placed, _ := sh.store.Placements(); len(placed) != 0 {
			t.Errorf("still noted: %v", placed)
		}
	})
}

// TestTidy holds that what a killed run left goes, also where the lock file does not tell of it.
func TestTidy(t *testing.T) {
	sh := newShelf(t)
	mustDo(t, sh.target.Tidy())
	sh.sync(t)
	left := sh.path("demo", tempPrefix+"1-1")
	mustDo(t, os.MkdirAll(filepath.Join(left, "rules"), 0o755), sh.target.Tidy())
	sh.checkWhole(t)
}

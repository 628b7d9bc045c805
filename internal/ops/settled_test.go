//go:build unix

package ops

import (
	"bytes"
	"context"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/openpackage/opkg/internal/event"
	"github.com/openpackage/opkg/lock"
	"github.com/openpackage/opkg/materialize"
	"github.com/openpackage/opkg/sources"
)

// settle syncs until there is nothing to do, and fails unless the next sync will only look.
func settle(t *testing.T, w *World) {
	t.Helper()
	for range 2 {
		_, err := w.Sync(context.Background(), SyncOptions{})
		must(t, err)
	}
	if res := standing(t, w); res == nil {
		t.Fatal("it was not noted that all is in place")
	}
}

// standing is what a sync that only looks finds; nil where it has to judge anew.
func standing(t *testing.T, w *World) *SyncResult {
	t.Helper()
	res, err := w.stands(context.Background(), w.judge(SyncOptions{}), SyncOptions{})
	must(t, err)
	return res
}

func settledFile(t *testing.T, w *World) string {
	t.Helper()
	files := regularFiles(t, filepath.Join(w.StoreDir(), "settled"))
	if len(files) != 1 {
		t.Fatalf("settled: %v", files)
	}
	return files[0]
}

// TestSettled: a sync that only looks says what one says that judges all.
func TestSettled(t *testing.T) {
	w, _ := demo(t)
	full, err := w.Sync(context.Background(), SyncOptions{})
	must(t, err)
	quick := standing(t, w)
	if quick == nil {
		t.Fatal("it was not noted that all is in place")
	}
	if quick.Packages != full.Packages || quick.Directory != full.Directory || *quick.Applied != *full.Applied || len(quick.Plan.Steps) != len(full.Plan.Steps) {
		t.Errorf("%+v, and with all judged %+v", quick, full)
	}
	for i, s := range quick.Plan.Steps {
		if f := full.Plan.Steps[i]; s.Want != f.Want || s.Dir != f.Dir || s.Action != materialize.Keep {
			t.Errorf("step %d: %+v, and with all judged %+v", i, s, f)
		}
	}
	before := readFile(t, settledFile(t, w))
	_, err = w.Sync(context.Background(), SyncOptions{})
	must(t, err)
	if readFile(t, settledFile(t, w)) != before {
		t.Error("a sync with nothing to do wrote")
	}
	for _, opt := range []SyncOptions{{Frozen: true}, {Locked: true}, {Force: true}} {
		if res, err := w.stands(context.Background(), w.judge(opt), opt); res == nil || err != nil {
			t.Errorf("%+v: %v, %v", opt, res, err)
		}
	}
	for _, opt := range []SyncOptions{{NoDev: true}, {DryRun: true}, {thorough: true}} {
		if res, err := w.stands(context.Background(), w.judge(opt), opt); res != nil || err != nil {
			t.Errorf("%+v: %v, %v", opt, res, err)
		}
	}
}

// TestSettledFrozen: what was noted without a look at the manifest is no answer to whether the lock is fresh.
func TestSettledFrozen(t *testing.T) {
	w, _ := demo(t)
	for range 2 {
		_, err := w.Sync(context.Background(), SyncOptions{Frozen: true})
		must(t, err)
	}
	if standing(t, w) != nil {
		t.Error("a frozen sync counts for one that is not")
	}
	frozen := SyncOptions{Frozen: true}
	if res, err := w.stands(context.Background(), w.judge(frozen), frozen); res == nil || err != nil {
		t.Errorf("a frozen sync does not count for a frozen one: %v", err)
	}
}

// TestSettledJudgesAnew: whatever a sync judges is judged again when it changed.
func TestSettledJudgesAnew(t *testing.T) {
	edit := func(name, old, new string) func(t *testing.T, w *World) {
		return func(t *testing.T, w *World) {
			file := filepath.Join(w.Dir, filepath.FromSlash(name))
			was := readFile(t, file)
			now := strings.Replace(was, old, new, 1)
			if now == was {
				t.Fatalf("%s has no %q", name, old)
			}
			must(t, os.WriteFile(file, []byte(now), 0o644))
		}
	}
	for _, c := range []struct {
		name   string
		change func(t *testing.T, w *World)
		want   func(err error) bool
	}{
		{"a lock that names another source", edit("opkg.lock", "source = \"", "source = \"https://evil.test/"), func(err error) bool { return err != nil }},
		{"a lock cut short", func(t *testing.T, w *World) {
			file := filepath.Join(w.Dir, LockName)
			must(t, os.WriteFile(file, []byte(readFile(t, file)[:900]), 0o644))
		}, func(err error) bool { return err != nil }},
		{"a lock that is a link", func(t *testing.T, w *World) {
			file := filepath.Join(w.Dir, LockName)
			must(t, os.Rename(file, file+".x"))
			must(t, os.Symlink(LockName+".x", file))
		}, as[*lock.Error]},
		{"a manifest that asks for more", edit("openpackage.yml", "dev-dependencies", "- name: opkg-demo-sql\n  version: \"*\"\ndev-dependencies"), as[*lock.StaleError]},
		{"a configuration without the registry", edit(".openpackage/config.yml", "file:../registry", "file:../elsewhere"), as[*sources.NotAllowedError]},
		{"a configuration of the user's", func(t *testing.T, w *World) {
			must(t, os.WriteFile(w.ConfigFile(), []byte("nonsense: 1\n"), 0o644))
		}, func(err error) bool { return err != nil }},
		{"a package of the workspace's own", func(t *testing.T, w *World) {
			dir := filepath.Join(w.Dir, dotDir, "packages", "opkg-demo-mcp")
			must(t, os.MkdirAll(dir, 0o755))
			must(t, os.WriteFile(filepath.Join(dir, ManifestName), []byte("name: opkg-demo-mcp\nversion: 9.0.0\n"), 0o644))
		}, as[*lock.StaleError]},
		{"no index", func(t *testing.T, w *World) { must(t, os.Remove(filepath.Join(w.Dir, dotDir, indexName))) }, nil},
		{"another index", edit(".openpackage/"+indexName, "1.1.0", "9.9.9"), nil},
		{"another workspace's packages", func(t *testing.T, w *World) {
			store, err := w.openStore()
			must(t, err)
			p := standing(t, w).Plan.Steps[0].Want
			must(t, store.ClearPlaced(p.Name, p.Version))
		}, nil},
		{"no root", func(t *testing.T, w *World) { must(t, os.RemoveAll(filepath.Join(w.StoreDir(), "roots"))) }, nil},
		{"a day later", func(t *testing.T, w *World) {
			w.Now = func() time.Time { return time.Now().Add(25 * time.Hour) }
		}, nil},
		{"another opkg", func(t *testing.T, w *World) { w.Agent = "opkg/99" }, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w, _ := demo(t)
			settle(t, w)
			index := filepath.Join(w.Dir, dotDir, indexName)
			right := readFile(t, index)
			c.change(t, w)
			if res := standing(t, w); res != nil {
				t.Fatal("it is not judged again")
			}
			_, err := w.Sync(context.Background(), SyncOptions{Locked: true})
			if c.want == nil && err != nil || c.want != nil && !c.want(err) {
				t.Errorf("got %T: %v", err, err)
			}
			if c.want == nil && readFile(t, index) != right {
				t.Error("the index is not mended")
			}
			if roots := regularFiles(t, filepath.Join(w.StoreDir(), "roots")); len(roots) != 1 {
				t.Errorf("roots: %v", roots)
			}
		})
	}
}

// TestSettledWarns: who was warned is warned again.
func TestSettledWarns(t *testing.T) {
	w, _ := demo(t)
	warnings := 0
	w.Observer = func(e event.Event) {
		if e.Kind == event.Warning {
			warnings++
		}
	}
	file := filepath.Join(w.Dir, ManifestName)
	must(t, os.WriteFile(file, []byte(readFile(t, file)+"\npackages:\n- name: opkg-demo-sql\n  version: \"*\"\n"), 0o644))
	for n := 1; n <= 3; n++ {
		_, err := w.Sync(context.Background(), SyncOptions{})
		must(t, err)
		if warnings != n {
			t.Fatalf("%d warnings after %d syncs", warnings, n)
		}
	}
}

// TestSettledDamaged: a note that is torn, forged, missing, or none at all costs the time to judge anew, and is replaced.
func TestSettledDamaged(t *testing.T) {
	w, _ := demo(t)
	settle(t, w)
	file := settledFile(t, w)
	good, err := os.ReadFile(file)
	must(t, err)
	rnd := rand.New(rand.NewPCG(1, 2))
	damages := map[string]func(){
		"gone":              func() { must(t, os.RemoveAll(filepath.Dir(file))) },
		"a directory":       func() { must(t, os.Remove(file)); must(t, os.MkdirAll(filepath.Join(file, "x"), 0o755)) },
		"a link":            func() { must(t, os.Rename(file, file+".x")); must(t, os.Symlink(file+".x", file)) },
		"no right to read":  func() { must(t, os.Chmod(file, 0)) },
		"empty":             func() { must(t, os.WriteFile(file, nil, 0o644)) },
		"zeros of its size": func() { must(t, os.WriteFile(file, make([]byte, len(good)), 0o644)) },
		"a file it cannot be": func() {
			must(t, os.RemoveAll(filepath.Dir(file)))
			must(t, os.WriteFile(filepath.Dir(file), nil, 0o644))
		},
		"without a file":       func() { must(t, os.WriteFile(file, bytes.Replace(good, []byte("\n644 "), []byte("\n755 "), 1), 0o644)) },
		"of another workspace": func() { must(t, os.Rename(file, filepath.Join(filepath.Dir(file), strings.Repeat("0", 64)))) },
	}
	for range 20 {
		cut := rnd.IntN(len(good))
		damages["cut"] = func() { must(t, os.WriteFile(file, good[:cut], 0o644)) }
		damages["flipped"] = func() { must(t, os.WriteFile(file, flip(rnd, bytes.Clone(good)), 0o644)) }
		for name, do := range damages {
			do()
			if res := standing(t, w); res != nil && !(name == "no right to read" && os.Geteuid() == 0) {
				t.Fatalf("%s: it counts", name)
			}
			res, err := w.Sync(context.Background(), SyncOptions{})
			if err != nil || res.Applied.Kept != res.Packages {
				t.Fatalf("%s: %+v, %v", name, res, err)
			}
			must(t, os.RemoveAll(filepath.Dir(file)))
			settle(t, w)
		}
	}
}

// TestSettledForgotten: what is noted goes with the workspace that it is of.
func TestSettledForgotten(t *testing.T) {
	w, _ := demo(t)
	settle(t, w)
	_, err := w.RemoveRoot(w.Dir)
	must(t, err)
	if left := regularFiles(t, filepath.Join(w.StoreDir(), "settled")); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
	settle(t, w)
	must(t, os.Remove(filepath.Join(w.Dir, LockName)))
	for hours := range 2 {
		w.Now = func() time.Time { return time.Now().Add(time.Duration(hours) * time.Hour) }
		_, err := w.GC(context.Background(), GCOptions{Grace: time.Minute})
		must(t, err)
	}
	for _, area := range []string{"settled", "roots"} {
		if left := regularFiles(t, filepath.Join(w.StoreDir(), area)); len(left) != 0 {
			t.Errorf("left in %s: %v", area, left)
		}
	}
}

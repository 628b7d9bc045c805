//go:build unix

package ops

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/openpackage/opkg/cas"
	"github.com/openpackage/opkg/ident"
)

// storeDamages are what can happen to a file of the store: all that can happen to one of a version directory, and to the directory that it
// stands in.
var storeDamages = append(damages[:len(damages):len(damages)], []damage{
	{"no right to read it", true, func(t *testing.T, _ *rand.Rand, file string, _ []string) bool {
		must(t, os.Chmod(file, 0))
		return true
	}},
	{"a link to something outside in its place", true, func(t *testing.T, _ *rand.Rand, file string, _ []string) bool {
		must(t, os.Remove(file))
		must(t, os.Symlink("/etc/passwd", file))
		return true
	}},
	{"a full directory in its place", true, func(t *testing.T, _ *rand.Rand, file string, _ []string) bool {
		must(t, os.Remove(file))
		must(t, os.MkdirAll(filepath.Join(file, "sub"), 0o755))
		must(t, os.WriteFile(filepath.Join(file, "sub", "x"), []byte("x"), 0o644))
		return true
	}},
}...)

// TestStoreDamage damages one file of the store at a time, after which all version directories go: a sync must make them again, as
// locked, from what is good and from the registry, whatever a stat betrays. Verify must find what a sync would not see, and a repair mends all.
func TestStoreDamage(t *testing.T) {
	rounds := 60
	if os.Getenv("OPKG_NIGHTLY") != "" {
		rounds = 3000
	}
	if testing.Short() {
		rounds = 30
	}
	w, _ := demo(t)
	ctx := context.Background()
	rnd := rand.New(rand.NewPCG(7, 5))
	areas := []string{"blobs", "trees", "artifacts"}
	counts := map[string]int{}
	for round := range rounds {
		area := areas[round%len(areas)]
		files := slices.DeleteFunc(regularFiles(t, filepath.Join(w.StoreDir(), area)), func(f string) bool { return strings.Contains(filepath.Base(f), ".") })
		d := storeDamages[rnd.IntN(len(storeDamages))]
		file := files[rnd.IntN(len(files))]
		switch {
		case d.name == "a file beside it": // is none of the store's
			continue
		case strings.HasPrefix(d.name, "its directory") && area != "blobs":
			continue
		case !d.do(t, rnd, file, files):
			continue
		}
		name := area + ": " + d.name
		counts[name]++
		var damaged *DamagedError
		res, err := inTime(t, name, func() (*VerifyResult, error) { return w.Verify(ctx, VerifyOptions{}) })
		harmless := d.name == "removal" || area != "blobs" && d.name == "chmod" || d.name == "no right to read it" && os.Geteuid() == 0 ||
			area == "artifacts" && d.name == "a swap of two files" // whose names say nothing of what is in them
		if !errors.As(err, &damaged) && !harmless {
			t.Errorf("round %d: %s of %s was not found: %v", round, name, file, err)
		}
		if res != nil && err == nil && !harmless {
			t.Errorf("round %d: %s of %s: no problem", round, name, file)
		}
		if _, err := inTime(t, name, func() (*VerifyResult, error) { return w.Verify(ctx, VerifyOptions{All: true}) }); !errors.As(err, &damaged) && !harmless {
			t.Errorf("round %d: %s of %s was not found by --all: %v", round, name, file, err)
		}
		must(t, os.RemoveAll(w.RegistryDir()))
		if d.betrayed && !(area == "blobs" && d.name == "a swap of two files") { // of one size, no stat shows it
			if _, err := inTime(t, name, func() (*SyncResult, error) { return w.Sync(ctx, SyncOptions{Locked: true}) }); err != nil {
				t.Fatalf("round %d: sync after %s of %s: %v", round, name, file, err)
			}
			res, _ := w.Verify(ctx, VerifyOptions{})
			for _, p := range res.Problems {
				if p.Where == Installed {
					t.Fatalf("round %d: sync spread %s of %s: %v", round, name, file, p)
				}
			}
		}
		if res, err := inTime(t, name, func() (*VerifyResult, error) { return w.Verify(ctx, VerifyOptions{Repair: true}) }); err != nil {
			t.Fatalf("round %d: repair after %s of %s: %v, %v", round, name, file, err, res)
		}
		if res, err := w.Verify(ctx, VerifyOptions{All: true}); err != nil {
			t.Fatalf("round %d: after the repair of %s of %s: %v, %v", round, name, file, err, res.Problems)
		}
	}
	t.Logf("all of these were found, and mended: %v", counts)
}

// TestForgedRecord has the store say, in due form, that a locked archive holds what another one holds. The lock decides: verify names it, a
// sync that would need it stops, and a repair fetches anew.
func TestForgedRecord(t *testing.T) {
	w, _ := demo(t)
	ctx := context.Background()
	ws, err := w.Open()
	must(t, err)
	l, _, err := ws.ReadLock()
	must(t, err)
	victim, other := l.Packages[0], l.Packages[1]
	store, err := w.openStore()
	must(t, err)
	file := store.RecordPath(victim.SHA256)
	before, text, _ := strings.Cut(readFile(t, file), "opkg artifact v1\nsha256 "+victim.SHA256.String()+"\n")
	text, after, _ := strings.Cut(text, "blake3 ")
	text = "opkg artifact v1\nsha256 " + victim.SHA256.String() + "\n" + strings.Replace(text, victim.Tree.String(), other.Tree.String(), 1)
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, "text"), []byte(text), 0o644))
	tree, err := cas.TreeOfDir(ctx, dir)
	must(t, err)
	must(t, os.WriteFile(file, []byte(before+text+"blake3 "+tree.Entries[0].Blob.String()+after[64:]), 0o644))

	res, err := w.Verify(ctx, VerifyOptions{})
	if len(res.Problems) != 1 || res.Problems[0].Path != file || res.Problems[0].Found != other.Tree.String() {
		t.Errorf("verify: %v %v", err, res.Problems)
	}
	must(t, os.RemoveAll(w.RegistryDir()))
	var mismatch *ident.MismatchError
	if _, err := w.Sync(ctx, SyncOptions{Locked: true}); !errors.As(err, &mismatch) {
		t.Errorf("sync: %v", err)
	}
	if res, err := w.Verify(ctx, VerifyOptions{Repair: true}); err != nil {
		t.Errorf("repair: %v %v", err, res.Problems)
	}
}

// inTime fails the test where something waits for ever, say for the other end of a pipe.
func inTime[T any](t *testing.T, what string, f func() (T, error)) (T, error) {
	t.Helper()
	type answer struct {
		v   T
		err error
	}
	done := make(chan answer, 1)
	go func() {
		v, err := f()
		done <- answer{v, err}
	}()
	select {
	case a := <-done:
		return a.v, a.err
	case <-time.After(10 * time.Second):
		t.Fatalf("%s: it hangs", what)
		panic("unreachable")
	}
}

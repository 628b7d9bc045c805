//go:build unix

package ops

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestDamage damages one thing at a time, in a version directory or in the store, by a kind of damage and at a place that chance picks. Verify must
// find each, by the lock alone; a repair must put the locked bytes back; and a sync, which only stats, must never make another directory
// of what a stat betrays.
func TestDamage(t *testing.T) {
	rounds := 100
	if os.Getenv("OPKG_NIGHTLY") != "" {
		rounds = 5000
	}
	if testing.Short() {
		rounds = 60
	}
	w, blobs := demo(t)
	rnd := rand.New(rand.NewPCG(5, 5))
	counts := map[string]int{}
	for round := range rounds {
		where, files := w.RegistryDir(), regularFiles(t, w.RegistryDir())
		if round%4 == 3 {
			where, files = blobs, regularFiles(t, blobs)
		}
		kinds := damages
		if where == blobs {
			kinds = damages[:blobDamages]
		}
		d := kinds[rnd.IntN(len(kinds))]
		file := files[rnd.IntN(len(files))]
		settle(t, w)
		if !d.do(t, rnd, file, files) {
			continue
		}
		counts[d.name]++
		res, err := w.Verify(context.Background(), VerifyOptions{})
		var damaged *DamagedError
		if !errors.As(err, &damaged) {
			t.Fatalf("round %d: %s of %s was not found: %v", round, d.name, file, err)
		}
		if where != blobs && !names(res.Problems, file) { // a blob goes by what is linked to it
			t.Errorf("round %d: %s of %s: the problems name other files: %v", round, d.name, file, res.Problems)
		}
		if _, err := w.Verify(context.Background(), VerifyOptions{All: true}); !errors.As(err, &damaged) {
			t.Errorf("round %d: %s of %s was not found by --all: %v", round, d.name, file, err)
		}
		if d.betrayed && rnd.IntN(2) == 0 {
			if _, err := w.Sync(context.Background(), SyncOptions{Locked: true}); err != nil {
				t.Fatalf("round %d: sync after %s of %s: %v", round, d.name, file, err)
			}
			if res, err := w.Verify(context.Background(), VerifyOptions{}); err != nil && where != blobs {
				t.Fatalf("round %d: sync did not mend %s of %s: %v %v", round, d.name, file, err, res.Problems)
			}
		}
		if res, err := w.Verify(context.Background(), VerifyOptions{Repair: true}); err != nil {
			t.Fatalf("round %d: repair after %s of %s: %v, %v", round, d.name, file, err, res.Problems)
		}
		if res, err := w.Verify(context.Background(), VerifyOptions{All: true}); err != nil {
			t.Fatalf("round %d: after the repair of %s of %s: %v, %v", round, d.name, file, err, res.Problems)
		}
	}
	t.Logf("all of these were found, and mended: %v", counts)
}

// demo syncs the demo workspace, and returns where its blobs stand.
func demo(t *testing.T) (w *World, blobs string) {
	t.Helper()
	top := t.TempDir()
	for _, part := range []string{"workspace", "registry"} {
		if err := os.CopyFS(filepath.Join(top, part), os.DirFS(filepath.Join("..", "..", "testdata", part))); err != nil {
			t.Fatal(err)
		}
	}
	w = &World{Dir: filepath.Join(top, "workspace"), Home: top, OPKGHome: filepath.Join(top, "home"), Env: func(string) string { return "" }, Now: time.Now}
	if _, err := w.Sync(context.Background(), SyncOptions{}); err != nil {
		t.Fatal(err)
	}
	return w, filepath.Join(w.StoreDir(), "blobs")
}

func regularFiles(t *testing.T, dir string) (out []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() && !strings.HasPrefix(d.Name(), ".opkg") {
			out = append(out, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// names reports whether a problem is about file, or about a directory that it stands in.
func names(problems []Problem, file string) bool {
	for _, p := range problems {
		first, _, _ := strings.Cut(p.Path, "/")
		if p.Path == file || strings.HasPrefix(p.Path, filepath.Base(file)) && p.Where == Installed || strings.HasPrefix(file, p.Path+"/") || strings.Contains(file, "/"+string(p.Name)+"/"+p.Version.String()+"/"+p.Path) ||
			strings.Contains(file, "/"+string(p.Name)+"/"+p.Version.String()+"/"+first+"/") {
			return true
		}
	}
	return false
}

// blobDamages is how many of the damages, from the first, can happen to a blob of which nothing else is known.
const blobDamages = 4

type damage struct {
	name     string
	betrayed bool
	do       func(t *testing.T, rnd *rand.Rand, file string, all []string) bool
}

// damages are what can happen to a file. betrayed says that a stat shows it. do returns false where it is not possible there.
var damages = []damage{
	{"a flipped bit, stat restored", false, func(t *testing.T, rnd *rand.Rand, file string, _ []string) bool {
		return keepingStat(t, file, func(data []byte) []byte { return flip(rnd, data) })
	}},
	{"a flipped bit", true, func(t *testing.T, rnd *rand.Rand, file string, _ []string) bool {
		return rewrite(t, file, func(data []byte) []byte { return flip(rnd, data) })
	}},
	{"truncation", true, func(t *testing.T, rnd *rand.Rand, file string, _ []string) bool {
		return rewrite(t, file, func(data []byte) []byte { return data[:rnd.IntN(max(1, len(data)))] })
	}},
	{"chmod", true, func(t *testing.T, _ *rand.Rand, file string, _ []string) bool {
		must(t, os.Chmod(file, 0o666))
		return true
	}},
	{"truncation, time restored", true, func(t *testing.T, rnd *rand.Rand, file string, _ []string) bool {
		return keepingStat(t, file, func(data []byte) []byte { return data[:rnd.IntN(max(1, len(data)))] })
	}},
	{"bytes written behind the end", true, func(t *testing.T, _ *rand.Rand, file string, _ []string) bool {
		return rewrite(t, file, func(data []byte) []byte { return append(data, "more"...) })
	}},
	{"a swap of two files", true, func(t *testing.T, rnd *rand.Rand, file string, all []string) bool {
		other := all[rnd.IntN(len(all))]
		a, b := readFile(t, file), readFile(t, other)
		if a == b {
			return false
		}
		must(t, os.Rename(file, file+".x"))
		must(t, os.Rename(other, file))
		must(t, os.Rename(file+".x", other))
		return true
	}},
	{"removal", true, func(t *testing.T, _ *rand.Rand, file string, _ []string) bool {
		must(t, os.Remove(file))
		return true
	}},
	{"a link in its place", true, func(t *testing.T, _ *rand.Rand, file string, _ []string) bool {
		must(t, os.Rename(file, file+".moved"))
		must(t, os.Symlink(filepath.Base(file)+".moved", file))
		return true
	}},
	{"a pipe in its place", true, func(t *testing.T, _ *rand.Rand, file string, _ []string) bool {
		must(t, os.Remove(file))
		must(t, syscall.Mkfifo(file, 0o444))
		return true
	}},
	{"its directory moved away, with a link in its place", true, func(t *testing.T, _ *rand.Rand, file string, _ []string) bool {
		dir := filepath.Dir(file)
		if _, err := os.Stat(filepath.Join(dir, ManifestName)); err == nil {
			return false // a version's own directory: what stands in its place is nothing that opkg made, and stays
		}
		to := filepath.Join(t.TempDir(), "moved")
		must(t, os.Rename(dir, to))
		must(t, os.Symlink(to, dir))
		return true
	}},
	{"a file beside it", true, func(t *testing.T, _ *rand.Rand, file string, _ []string) bool {
		must(t, os.WriteFile(file+".extra", nil, 0o444))
		return true
	}},
	{"a directory in its place", true, func(t *testing.T, _ *rand.Rand, file string, _ []string) bool {
		must(t, os.Remove(file))
		must(t, os.Mkdir(file, 0o755))
		return true
	}},
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func readFile(t *testing.T, file string) string {
	t.Helper()
	data, err := os.ReadFile(file)
	must(t, err)
	return string(data)
}

func flip(rnd *rand.Rand, data []byte) []byte {
	if len(data) > 0 {
		data[rnd.IntN(len(data))] ^= 1 << rnd.IntN(8)
	}
	return data
}

// rewrite writes through the file, whatever else it is linked to; false where that changes nothing.
func rewrite(t *testing.T, file string, change func([]byte) []byte) bool {
	t.Helper()
	was := readFile(t, file)
	now := change([]byte(was))
	if string(now) == was {
		return false
	}
	fi, err := os.Stat(file)
	must(t, err)
	must(t, os.Chmod(file, 0o644))
	must(t, os.WriteFile(file, now, 0o644))
	must(t, os.Chmod(file, fi.Mode()))
	return true
}

// keepingStat is rewrite, and puts back whatever a stat shows, as far as it can be.
func keepingStat(t *testing.T, file string, change func([]byte) []byte) bool {
	t.Helper()
	fi, err := os.Stat(file)
	must(t, err)
	if !rewrite(t, file, change) {
		return false
	}
	must(t, os.Chtimes(file, fi.ModTime(), fi.ModTime()))
	return true
}

// TestVerifyCancelled ends when its context does.
func TestVerifyCancelled(t *testing.T) {
	w, _ := demo(t)
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(fmt.Errorf("enough"))
	if _, err := w.Verify(ctx, VerifyOptions{}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

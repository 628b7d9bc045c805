package cas

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/openpackage/opkg/ident"
	"github.com/openpackage/opkg/internal/archive"
)

func TestPutStoresOnce(t *testing.T) {
	s := newStore(t)
	tgz := demo("1.0.0", pkg{"copy.sh": "Be exact.\n", "empty": ""}).tgz(t)
	a := mustPut(t, s, wantOf(t, "1.0.0", tgz), tgz)
	if a.Name != "demo" || a.Version.String() != "1.0.0" || a.Size != int64(len(tgz)) || DescribeDependencies(a.Dependencies) != "base ^1.0.0" {
		t.Errorf("record %+v", a)
	}
	got, ok, err := s.Artifact(a.SHA256)
	if err != nil || !ok || fmt.Sprint(got) != fmt.Sprint(a) {
		t.Errorf("read back %+v, %v, %v; want %+v", got, ok, err, a)
	}
	tree, err := s.Tree(a.Tree)
	if err != nil || len(tree.Entries) != 5 || tree.ID() != a.Tree {
		t.Fatalf("tree %+v, %v", tree, err)
	}
	blobs := map[ident.BlobID]bool{}
	for _, e := range tree.Entries {
		if err := s.CheckBlob(e.Blob, e.Size); err != nil {
			t.Errorf("%s: %v", e.Path, err)
		}
		if fi, err := os.Lstat(s.BlobPath(e.Blob)); err != nil || fi.Mode() != 0o444 || fi.ModTime().Unix() != BlobTime {
			t.Errorf("%s: %v, %v", e.Path, fi, err)
		}
		if e.Exec != strings.HasSuffix(e.Path, ".sh") {
			t.Errorf("%s: exec %v", e.Path, e.Exec)
		}
		blobs[e.Blob] = true
	}
	if len(blobs) != 4 {
		t.Errorf("%d blobs, want 4: copy.sh and rules/a.md hold the same bytes", len(blobs))
	}
	if files := filesIn(t, s); len(files) != 6 {
		t.Errorf("files %v", files)
	}
	checkWhole(t, s)
}

func TestPutIsInvisibleUntilFlush(t *testing.T) {
	s := newStore(t)
	tgz := demo("1.0.0", nil).tgz(t)
	a, err := s.Put(t.Context(), wantOf(t, "1.0.0", tgz), bytes.NewReader(tgz))
	if err != nil {
		t.Fatal(err)
	}
	if _, ok, err := s.Artifact(a.SHA256); ok || err != nil {
		t.Errorf("visible: %v, %v", ok, err)
	}
	if _, err := s.Tree(a.Tree); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the tree is visible: %v", err)
	}
	s.Discard()
	if files := filesIn(t, s); len(files) != 0 {
		t.Errorf("Discard left %v", files)
	}
	if err := s.Flush(t.Context()); err != nil {
		t.Error(err)
	}
	mustPut(t, s, wantOf(t, "1.0.0", tgz), tgz)
	if _, ok, _ := s.Artifact(a.SHA256); !ok {
		t.Error("not visible after Flush")
	}
	if left, _ := os.ReadDir(filepath.Join(s.Dir(), tmpDir)); len(left) != 0 {
		t.Errorf("tmp holds %v", left)
	}
}

func TestPutRefusesWhatWasNotPromised(t *testing.T) {
	tgz := demo("1.0.0", nil).tgz(t)
	unversioned := pkg{"openpackage.yml": "name: demo\n"}.tgz(t)
	other := demo("1.0.0", pkg{"b.md": "b"}).tgz(t)
	big := demo("1.0.0", pkg{"big": noise(5000)}).tgz(t)
	tests := []struct {
		what      string
		tgz       []byte
		change    func(*Want)
		mismatch  string // MismatchError.What, or "" for an *archive.UnsafeError
		want, got string
	}{
		{"shorter", tgz[:len(tgz)-1], func(w *Want) { w.Size++ }, "size", fmt.Sprint(len(tgz)), fmt.Sprint(len(tgz) - 1)},
		{"longer", append(bytes.Clone(tgz), 0), func(w *Want) { w.Size-- }, "size", fmt.Sprint(len(tgz)), "more than that"},
		{"much longer", append(bytes.Clone(tgz), make([]byte, 3<<20)...), func(w *Want) { w.Size = 3 << 20 }, "size", fmt.Sprint(3 << 20), "more than that"},
		{"other bytes", other, func(w *Want) { w.SHA256 = ident.SHA256{1} }, "sha256", "0100000", ""},
		{"other bytes, spooled", big, func(w *Want) { w.SHA256 = ident.SHA256{1} }, "sha256", "0100000", ""},
		{"other name", tgz, func(w *Want) { w.Name = "other" }, "name in openpackage.yml", "other", "demo"},
		{"other version", tgz, func(w *Want) { w.Version = mustVersion(t, "1.0.1") }, "version in openpackage.yml", "1.0.1", "1.0.0"},
		{"no version", unversioned, func(w *Want) { w.Dependencies = nil }, "version in openpackage.yml", "1.0.0", "0.0.0 (it has none)"},
		{"more dependencies", tgz, func(w *Want) { w.Dependencies = mustDependencies(t, "x", "*", "base", "^1.0.0") }, "list of dependencies in openpackage.yml", "base ^1.0.0, x *", "base ^1.0.0"},
		{"no dependencies", tgz, func(w *Want) { w.Dependencies = mustDependencies(t) }, "list of dependencies in openpackage.yml", "none", "base ^1.0.0"},
		{"other range", tgz, func(w *Want) { w.Dependencies = mustDependencies(t, "base", "^1.0.1") }, "list of dependencies in openpackage.yml", "base ^1.0.1", "base ^1.0.0"},
		{"other tree", tgz, func(w *Want) { w.Tree = ident.TreeID{1} }, "tree", "blake3:01", "blake3:"},
		{"other tree, spooled", big, func(w *Want) { w.Tree = ident.TreeID{1} }, "tree", "blake3:01", "blake3:"},
		{"no gzip", []byte("<html>not found</html>"), func(w *Want) {}, "", "", ""},
		{"no manifest", pkg{"a": "b"}.tgz(t), func(w *Want) {}, "", "", ""},
		{"bad manifest", pkg{"openpackage.yml": "name: [demo\n"}.tgz(t), func(w *Want) {}, "", "", ""},
		{"nameless manifest", pkg{"openpackage.yml": "version: 1.0.0\n"}.tgz(t), func(w *Want) {}, "", "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.what, func(t *testing.T) {
			s := newStore(t)
			s.spool, s.large = 2000, 0
			want := wantOf(t, "1.0.0", tt.tgz)
			tt.change(&want)
			_, err := s.Put(t.Context(), want, bytes.NewReader(tt.tgz))
			if tt.mismatch == "" {
				var unsafe *archive.UnsafeError
				if !errors.As(err, &unsafe) || !strings.Contains(err.Error(), "demo@1.0.0 from https://registry.test/") {
					t.Errorf("error %v, want an *archive.UnsafeError that names the package", err)
				}
			} else {
				var m *ident.MismatchError
				if !errors.As(err, &m) {
					t.Fatalf("error %v, want a *ident.MismatchError", err)
				}
				if m.What != tt.mismatch || !strings.HasPrefix(m.Want, tt.want) || !strings.HasPrefix(m.Got, tt.got) || m.Name != want.Name || m.Source != want.Source {
					t.Errorf("%+v", m)
				}
			}
			if err := s.Flush(t.Context()); err != nil {
				t.Error(err)
			}
			if files := filesIn(t, s); len(files) != 0 {
				t.Errorf("it left %v", files)
			}
		})
	}
}

// noise is text that does not compress well.
func noise(n int) string {
	b := make([]byte, n)
	x := uint64(88172645463325252)
	for i := range b {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
		b[i] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_"[x>>32&63]
	}
	return string(b)
}

func TestPutReadsNoMoreThanItWants(t *testing.T) {
	tgz := demo("1.0.0", nil).tgz(t)
	s := newStore(t)
	r := bytes.NewReader(append(bytes.Clone(tgz), make([]byte, 1<<20)...))
	_, err := s.Put(t.Context(), wantOf(t, "1.0.0", tgz), r)
	var m *ident.MismatchError
	if !errors.As(err, &m) {
		t.Fatalf("error %v", err)
	}
	if read := r.Size() - int64(r.Len()); read > int64(len(tgz))+1 {
		t.Errorf("read %d bytes of a promised %d", read, len(tgz))
	}
}

func TestPutPassesOnTheReadersError(t *testing.T) {
	broken := errors.New("connection reset")
	tgz := demo("1.0.0", pkg{"big": noise(5000)}).tgz(t)
	for _, n := range []int{0, 100, 1100} {
		s := newStore(t)
		s.spool, s.large = 1000, 0
		r := io.MultiReader(bytes.NewReader(tgz[:n]), iotest.ErrReader(broken))
		if _, err := s.Put(t.Context(), wantOf(t, "1.0.0", tgz), r); !errors.Is(err, broken) {
			t.Errorf("after %d bytes: %v", n, err)
		}
		if files := filesIn(t, s); len(files) != 0 {
			t.Errorf("it left %v", files)
		}
	}
}

// TestLargeArchivesShareMemory holds that a large archive takes no file beside it while there is room in memory, and that the room is given
// back, whatever happens.
func TestLargeArchivesShareMemory(t *testing.T) {
	tgz := demo("1.0.0", pkg{"big": noise(5000)}).tgz(t)
	size := int64(len(tgz))
	for _, c := range []struct {
		name    string
		large   int64
		taken   int64
		tgz     []byte
		spooled bool
	}{
		{"room", size, largeTotal - size, tgz, false},
		{"no room", size, largeTotal - size + 1, tgz, true},
		{"too large", size - 1, 0, tgz, true},
		{"cut short", size, 0, tgz[:4000], false},
		{"too long", size, 0, append(bytes.Clone(tgz), 0), false},
	} {
		s := newStore(t)
		s.spool, s.large = 1000, c.large
		s.reserved.Store(c.taken)
		var spooled bool
		s.step = func(op, path string) error {
			spooled = spooled || op == "write" && filepath.IsAbs(path)
			return nil
		}
		_, err := s.Put(t.Context(), wantOf(t, "1.0.0", tgz), bytes.NewReader(c.tgz))
		if whole := len(c.tgz) == len(tgz); (err == nil) != whole {
			t.Errorf("%s: error %v", c.name, err)
		}
		if spooled != c.spooled {
			t.Errorf("%s: spooled is %v", c.name, spooled)
		}
		if got := s.reserved.Load(); got != c.taken {
			t.Errorf("%s: %d bytes stay reserved, want %d", c.name, got, c.taken)
		}
	}
}

func TestPutOfALargeArchive(t *testing.T) {
	// Larger than a spool file's threshold, and than what is unpacked in memory.
	p := demo("1.0.0", pkg{"big": noise(archive.InMemory + 100), "run.sh": noise(100)})
	if !testing.Short() { // the race detector looks at every byte
		p["again"] = noise(archive.InMemory + 100)
	}
	tgz := p.tgz(t)
	for _, known := range []bool{true, false} {
		s := newStore(t)
		want := wantOf(t, "1.0.0", tgz)
		if !known {
			want.Size = 0
		}
		a := mustPut(t, s, want, tgz)
		small := newStore(t)
		inspected, err := Inspect(t.Context(), "x.tgz", bytes.NewReader(tgz))
		if err != nil || fmt.Sprint(inspected) != fmt.Sprint(a) {
			t.Errorf("Inspect: %+v, %v; want %+v", inspected, err, a)
		}
		if files := filesIn(t, small); len(files) != 0 {
			t.Errorf("Inspect wrote %v", files)
		}
		checkWhole(t, s)
		if files := filesIn(t, s); len(files) != 4+2 {
			t.Errorf("files %v", files)
		}
	}
}

func TestInspectReadsFilesInPlace(t *testing.T) {
	tgz := demo("2.0.0-rc.1", nil).tgz(t)
	path := filepath.Join(t.TempDir(), "2.0.0-rc.1.tgz")
	if err := os.WriteFile(path, tgz, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	a, err := Inspect(t.Context(), path, f)
	if err != nil {
		t.Fatal(err)
	}
	b, err := Inspect(t.Context(), path, iotest.OneByteReader(bytes.NewReader(tgz)))
	if err != nil || fmt.Sprint(a) != fmt.Sprint(b) || a.Version.String() != "2.0.0-rc.1" {
		t.Errorf("%+v and %+v, %v", a, b, err)
	}
	_, err = Inspect(t.Context(), path, strings.NewReader("no"))
	var unsafe *archive.UnsafeError
	if !errors.As(err, &unsafe) || unsafe.Archive != path {
		t.Errorf("error %v", err)
	}
}

func TestPutHealsTheStore(t *testing.T) {
	tgz := demo("1.0.0", nil).tgz(t)
	damage := map[string]func(t *testing.T, s *Store, a *Artifact){
		"record gone":     func(t *testing.T, s *Store, a *Artifact) { remove(t, s, recordName(a.format())) },
		"record torn":     func(t *testing.T, s *Store, a *Artifact) { truncate(t, s, recordName(a.format())) },
		"listing gone":    func(t *testing.T, s *Store, a *Artifact) { remove(t, s, treeName(a.Tree)) },
		"listing torn":    func(t *testing.T, s *Store, a *Artifact) { truncate(t, s, treeName(a.Tree)) },
		"blob gone":       func(t *testing.T, s *Store, a *Artifact) { remove(t, s, anyBlob(t, s, a)) },
		"blob torn":       func(t *testing.T, s *Store, a *Artifact) { truncate(t, s, anyBlob(t, s, a)) },
		"blob a link":     func(t *testing.T, s *Store, a *Artifact) { relink(t, s, anyBlob(t, s, a)) },
		"blob a folder":   func(t *testing.T, s *Store, a *Artifact) { refolder(t, s, anyBlob(t, s, a)) },
		"blob written to": func(t *testing.T, s *Store, a *Artifact) { scribble(t, s, anyBlob(t, s, a)) },
		"all blobs gone":  func(t *testing.T, s *Store, a *Artifact) { remove(t, s, blobsDir) },
	}
	for what, harm := range damage {
		t.Run(what, func(t *testing.T) {
			s := newStore(t)
			a := mustPut(t, s, wantOf(t, "1.0.0", tgz), tgz)
			harm(t, s, a)
			if _, ok, err := s.Artifact(a.SHA256); ok || err != nil {
				t.Errorf("the damage is not seen: %v, %v", ok, err)
			}
			mustPut(t, s, wantOf(t, "1.0.0", tgz), tgz)
			if _, ok, err := s.Artifact(a.SHA256); !ok || err != nil {
				t.Errorf("not healed: %v, %v", ok, err)
			}
			checkWhole(t, s)
		})
	}
}

func at(s *Store, name string) string { return filepath.Join(s.Dir(), filepath.FromSlash(name)) }

func anyBlob(t *testing.T, s *Store, a *Artifact) string {
	t.Helper()
	tree, err := s.Tree(a.Tree)
	if err != nil {
		t.Fatal(err)
	}
	return BlobName(tree.Entries[1].Blob)
}

func remove(t *testing.T, s *Store, name string) {
	t.Helper()
	if err := os.RemoveAll(at(s, name)); err != nil {
		t.Fatal(err)
	}
}

func truncate(t *testing.T, s *Store, name string) {
	t.Helper()
	if err := os.Chmod(at(s, name), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(at(s, name), 7); err != nil {
		t.Fatal(err)
	}
}

// scribble changes a byte and leaves size and mode as they were.
func scribble(t *testing.T, s *Store, name string) {
	t.Helper()
	data, err := os.ReadFile(at(s, name))
	if err != nil {
		t.Fatal(err)
	}
	data[0] ^= 1
	if err := os.Chmod(at(s, name), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(at(s, name), data, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(at(s, name), 0o444); err != nil {
		t.Fatal(err)
	}
}

func relink(t *testing.T, s *Store, name string) {
	t.Helper()
	remove(t, s, name)
	if err := os.Symlink("/etc/hostname", at(s, name)); err != nil {
		t.Skip("no symbolic links here:", err)
	}
}

func refolder(t *testing.T, s *Store, name string) {
	t.Helper()
	remove(t, s, name)
	if err := os.MkdirAll(at(s, name+"/x"), 0o755); err != nil {
		t.Fatal(err)
	}
}

func TestCheckBlobKeepsGoodBytes(t *testing.T) {
	for _, mode := range []os.FileMode{0o644, 0} {
		s := newStore(t)
		tgz := demo("1.0.0", nil).tgz(t)
		a := mustPut(t, s, wantOf(t, "1.0.0", tgz), tgz)
		name := anyBlob(t, s, a)
		before, err := os.Stat(at(s, name))
		if err != nil {
			t.Fatal(err)
		}
		now := time.Now()
		if err := os.Chtimes(at(s, name), now, now); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(at(s, name), mode); err != nil {
			t.Fatal(err)
		}
		if _, ok, err := s.Artifact(a.SHA256); !ok || err != nil {
			t.Errorf("bytes that are right are refused: %v", err)
		}
		after, err := os.Stat(at(s, name))
		if err != nil || !os.SameFile(before, after) || after.Mode() != blobMode {
			t.Errorf("the blob was replaced, or its mode is %v: %v", after.Mode(), err)
		}
		checkWhole(t, s)
	}
}

func TestHostileArchivesLeaveNothing(t *testing.T) {
	const dir = "../internal/archive/testdata/hostile"
	data, err := os.ReadFile(dir + "/manifest.json")
	if err != nil {
		t.Fatal(err)
	}
	var rows []struct{ File, Class, Expect, Why string }
	if err := json.Unmarshal(data, &rows); err != nil {
		t.Fatal(err)
	}
	s := newStore(t)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for _, row := range rows {
		if row.Expect != "reject" {
			continue
		}
		tgz, err := os.ReadFile(filepath.Join(dir, row.File))
		if err != nil {
			t.Fatal(err)
		}
		want := wantOf(t, "1.0.0", tgz)
		want.Dependencies = nil
		_, err = s.Put(t.Context(), want, bytes.NewReader(tgz))
		var unsafe *archive.UnsafeError
		if !errors.As(err, &unsafe) {
			t.Errorf("%s: error %v, want an *archive.UnsafeError", row.File, err)
		}
	}
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; n > 256<<20 {
		t.Errorf("allocated %d bytes", n)
	}
	if err := s.Flush(t.Context()); err != nil {
		t.Error(err)
	}
	if files := filesIn(t, s); len(files) != 0 {
		t.Errorf("left %v", files)
	}
}

func TestConcurrentPuts(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "v1")
	var archives [][]byte
	for i := range 6 {
		archives = append(archives, demo(fmt.Sprintf("1.0.%d", i), pkg{"own.md": fmt.Sprint(i), "shared.md": "shared"}).tgz(t))
	}
	var wg sync.WaitGroup
	for range 3 { // as if three processes
		s, err := Open(dir, Options{})
		if err != nil {
			t.Fatal(err)
		}
		wg.Go(func() {
			release, err := s.Shared(context.Background())
			if err != nil {
				t.Error(err)
				return
			}
			defer release()
			var puts sync.WaitGroup
			for range 2 {
				for i, tgz := range archives {
					puts.Go(func() {
						if _, err := s.Put(context.Background(), wantOf(t, fmt.Sprintf("1.0.%d", i), tgz), bytes.NewReader(tgz)); err != nil {
							t.Error(err)
						}
						if i%2 == 0 {
							if err := s.Flush(context.Background()); err != nil {
								t.Error(err)
							}
						}
					})
				}
			}
			puts.Wait()
			if err := s.Flush(context.Background()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	s, err := Open(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	checkWhole(t, s)
	for i, tgz := range archives {
		a, ok, err := s.Artifact(wantOf(t, fmt.Sprintf("1.0.%d", i), tgz).SHA256)
		if !ok || err != nil {
			t.Errorf("archive %d: %+v, %v", i, a, err)
		}
	}
	if left, _ := os.ReadDir(filepath.Join(dir, tmpDir)); len(left) != 0 {
		t.Errorf("tmp holds %v", left)
	}
}

package cas

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// checkPayload fails unless the directory at dir is the tree of a, with the modes and times of a version directory, and its files
// are links to blobs.
func checkPayload(t *testing.T, s *Store, dir string, a *Artifact) {
	t.Helper()
	tree, err := TreeOfDir(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	if tree.ID() != a.Tree {
		t.Errorf("%s is not the tree", dir)
	}
	for _, e := range tree.Entries {
		fi, err := os.Lstat(filepath.Join(dir, e.Path))
		if err != nil {
			t.Fatal(err)
		}
		blob, err := os.Lstat(s.BlobPath(e.Blob))
		if err != nil {
			t.Fatal(err)
		}
		if same := os.SameFile(fi, blob); same == e.Exec {
			t.Errorf("%s is a link: %v", e.Path, same)
		}
	}
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		fi, err := d.Info()
		if err != nil {
			return err
		}
		want := blobMode
		if d.IsDir() || filepath.Ext(path) == ".sh" {
			want = execMode
		}
		if runtime.GOOS != "windows" && fi.Mode().Perm() != want {
			t.Errorf("%s: mode %v, want %v", path, fi.Mode(), want)
		}
		if fi.ModTime().Unix() != BlobTime {
			t.Errorf("%s: time %v", path, fi.ModTime())
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// TestUnpacked holds that a payload is left whole, once, and only when it is visible.
func TestUnpacked(t *testing.T) {
	s := newStore(t)
	s.KeepUnpacked()
	var tgz [2][]byte
	var arts [2]*Artifact
	for i, version := range []string{"1.0.0", "1.0.1"} { // the second shares most files with the first
		tgz[i] = demo(version, pkg{"a/b/c.md": "deep", "a/b/d.md": "deep", "a-b.md": version, "a/run.sh": "#!/bin/sh\n"}).tgz(t)
		a, err := s.Put(t.Context(), wantOf(t, version, tgz[i]), bytes.NewReader(tgz[i]))
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := s.TakeUnpacked(a.Tree); ok {
			t.Error("it is handed out before it is visible")
		}
		if arts[i] = a; i == 0 {
			if err := s.Flush(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := s.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	for i, a := range arts {
		u, ok := s.TakeUnpacked(a.Tree)
		if !ok || u.Copied != 2 || u.Linked != 5 {
			t.Fatalf("package %d: %+v, %v", i, u, ok)
		}
		to := filepath.Join(t.TempDir(), "taken")
		if err := os.Rename(filepath.Join(s.Dir(), filepath.FromSlash(u.Path())), to); err != nil {
			t.Fatal(err)
		}
		checkPayload(t, s, to, a)
		if _, ok := s.TakeUnpacked(a.Tree); ok {
			t.Error("it is handed out twice")
		}
	}
	checkWhole(t, s)
	s.DropUnpacked()
	if left, _ := os.ReadDir(filepath.Join(s.Dir(), tmpDir)); len(left) != 0 {
		t.Errorf("%v is left", left)
	}
}

// TestUnpackedSpreadsNoDamage holds that a blob that was written to is not linked into a payload.
func TestUnpackedSpreadsNoDamage(t *testing.T) {
	s := newStore(t)
	tgz := demo("1.0.0", nil).tgz(t)
	a := mustPut(t, s, wantOf(t, "1.0.0", tgz), tgz)
	tree, err := s.Tree(a.Tree)
	if err != nil {
		t.Fatal(err)
	}
	path := s.BlobPath(tree.Entries[1].Blob)
	if err := errors.Join(os.Chmod(path, 0o644), os.WriteFile(path, []byte("other"), 0o644)); err != nil {
		t.Fatal(err)
	}
	s.KeepUnpacked()
	if _, err := s.Put(t.Context(), wantOf(t, "1.0.0", tgz), bytes.NewReader(tgz)); err != nil {
		t.Fatal(err)
	}
	if err := s.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	u, ok := s.TakeUnpacked(a.Tree)
	if !ok {
		t.Fatal("nothing is left")
	}
	checkPayload(t, s, filepath.Join(s.Dir(), filepath.FromSlash(u.Path())), a)
	checkWhole(t, s)
	s.DropUnpacked()
}

// TestUnpackedAtOnce lets packages that share all files but one be unpacked at once, by two stores of one directory: every file
// that is handed out is a link to the one blob.
func TestUnpackedAtOnce(t *testing.T) {
	s := newStore(t)
	other, err := Open(s.Dir(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	same := pkg{}
	for _, name := range []string{"a", "b", "c", "d", "e"} {
		same["dir/"+name+".md"] = "the content of " + name
	}
	var wg sync.WaitGroup
	for _, st := range []*Store{s, other} {
		wg.Add(1)
		go func() {
			defer wg.Done()
			st.KeepUnpacked()
			defer st.DropUnpacked()
			var arts []*Artifact
			var mu sync.Mutex
			var puts sync.WaitGroup
			for _, version := range []string{"1.0.0", "1.0.1", "1.0.2", "1.0.3"} {
				puts.Add(1)
				go func() {
					defer puts.Done()
					tgz := demo(version, same).tgz(t)
					a, err := st.Put(t.Context(), wantOf(t, version, tgz), bytes.NewReader(tgz))
					if err != nil {
						t.Error(err)
						return
					}
					mu.Lock()
					defer mu.Unlock()
					arts = append(arts, a)
				}()
			}
			puts.Wait()
			if err := st.Flush(t.Context()); err != nil {
				t.Error(err)
			}
			for _, a := range arts {
				if u, ok := st.TakeUnpacked(a.Tree); ok {
					checkPayload(t, st, filepath.Join(st.Dir(), filepath.FromSlash(u.Path())), a)
				}
			}
		}()
	}
	wg.Wait()
	checkWhole(t, s)
}

// TestUnpackedAcrossFlushes lets a package be put while another one, with which it shares all files but one, is made visible, and one that was begun
// before: what each has unpacked is handed out, and is links to the one blob.
func TestUnpackedAcrossFlushes(t *testing.T) {
	same := pkg{"a.md": "the content of a", "dir/b.md": "the content of b", "run.sh": "#!/bin/sh\n"}
	for _, at := range []string{"publish", "create"} {
		t.Run("before the first "+at, func(t *testing.T) {
			s := newStore(t)
			s.KeepUnpacked()
			defer s.DropUnpacked()
			var arts []*Artifact
			put := func(version string) {
				tgz := demo(version, same).tgz(t)
				a, err := s.Put(t.Context(), wantOf(t, version, tgz), bytes.NewReader(tgz))
				if err != nil {
					t.Fatal(err)
				}
				arts = append(arts, a)
			}
			flush := func() {
				if err := s.Flush(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			var done atomic.Bool
			s.step = func(op, path string) error {
				if op == at && (at == "publish" || strings.HasSuffix(path, "dir/b.md")) && !done.Swap(true) { // a.md was staged
					put("1.0.1")
					if at == "create" {
						flush()
					}
				}
				return nil
			}
			put("1.0.0")
			flush()
			put("1.0.2")
			flush()
			if len(arts) != 3 {
				t.Fatalf("%d packages", len(arts))
			}
			for _, a := range arts {
				u, ok := s.TakeUnpacked(a.Tree)
				if !ok {
					t.Errorf("%s is not handed out", a.Version)
					continue
				}
				checkPayload(t, s, filepath.Join(s.Dir(), filepath.FromSlash(u.Path())), a)
			}
			checkWhole(t, s)
		})
	}
}

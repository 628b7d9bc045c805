package materialize

import (
	"bytes"
	"crypto/sha256"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/openpackage/opkg/cas"
	"github.com/openpackage/opkg/ident"
	"github.com/openpackage/opkg/internal/archive"
)

// files is a package that a test makes: path → content. A path that ends in .sh is executable.
type files map[string]string

// A shelf is a store and a target of their own, and what the store knows.
type shelf struct {
	store  *cas.Store
	target *Target
	dir    string // of the target
	wants  []Want
}

func version(t testing.TB, s string) ident.Version {
	t.Helper()
	v, err := ident.ParseVersion(s)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func openStore(t testing.TB, dir string) *cas.Store {
	t.Helper()
	s, err := cas.Open(dir, cas.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// put stores a package and returns what a lock would ask for.
func put(t testing.TB, s *cas.Store, name, v string, f files) Want {
	t.Helper()
	list := []archive.File{{Path: "openpackage.yml", Data: []byte("name: \"" + name + "\"\nversion: " + v + "\n")}}
	for path, text := range f {
		list = append(list, archive.File{Path: path, Data: []byte(text), Exec: strings.HasSuffix(path, ".sh")})
	}
	for i := range list {
		list[i].Size = int64(len(list[i].Data))
	}
	var tgz bytes.Buffer
	if err := archive.Write(&tgz, list, nil); err != nil {
		t.Fatal(err)
	}
	want := cas.Want{Name: ident.Name(name), Version: version(t, v), Size: int64(tgz.Len()), SHA256: sha256.Sum256(tgz.Bytes())}
	a, err := s.Put(t.Context(), want, &tgz)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	return Want{Name: want.Name, Version: want.Version, Tree: a.Tree}
}

// typical are the files of most tests: nested, empty, executable, and names around the slash in byte order.
func typical() files {
	return files{
		"README.md": "read me\n", "empty.md": "", "a/b/c/deep.md": "deep\n", "a/b/other.md": "other\n",
		"a-b.md": "before the slash\n", "a0.md": "behind it\n", "twin.md": "same size\n", "rules/go.md": "be exact\n",
		"scripts/run.sh": "#!/bin/sh\nexit 0\n",
	}
}

// newShelf makes a store with three packages, and a target that is not there yet.
func newShelf(t testing.TB) *shelf {
	t.Helper()
	home := t.TempDir()
	return shelfIn(t, filepath.Join(home, "store"), filepath.Join(home, "registry"))
}

func shelfIn(t testing.TB, storeDir, dir string) *shelf {
	t.Helper()
	sh := &shelf{store: openStore(t, storeDir), dir: dir}
	sh.target = New(dir, sh.store, Options{})
	sh.wants = []Want{
		put(t, sh.store, "demo", "1.0.0", typical()),
		put(t, sh.store, "@team/rules", "2.1.0-rc.1", files{"rules/team.md": "together\n", "bin/tool.sh": "#!/bin/sh\n"}),
		put(t, sh.store, "@team/bare", "0.1.0", nil),
	}
	return sh
}

func (sh *shelf) path(parts ...string) string {
	return filepath.Join(append([]string{sh.dir}, parts...)...)
}

func (sh *shelf) plan(t testing.TB) *Plan {
	t.Helper()
	p, err := sh.target.Plan(t.Context(), sh.wants)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// sync plans and applies.
func (sh *shelf) sync(t testing.TB) *Result {
	t.Helper()
	res, err := sh.target.Apply(t.Context(), sh.plan(t))
	if err != nil {
		t.Fatal(err)
	}
	return res
}

// actions are those of a plan, in its order.
func actions(p *Plan) []Action {
	var a []Action
	for _, s := range p.Steps {
		a = append(a, s.Action)
	}
	return a
}

// checkWhole fails unless every version stands with the bytes, modes and times that it must have, files are
// links into the store, and nothing else is left in the target.
func (sh *shelf) checkWhole(t testing.TB) {
	t.Helper()
	sh.checkContent(t, true)
	for _, name := range sh.leftovers(t) {
		t.Errorf("%s is left", name)
	}
	if fi, err := os.Lstat(sh.path(lockName)); err == nil && fi.Size() != 0 {
		t.Errorf("%s has %d bytes", lockName, fi.Size())
	}
}

func (sh *shelf) checkContent(t testing.TB, linked bool) {
	t.Helper()
	for _, w := range sh.wants {
		dir := sh.target.versionDir(w)
		tree, err := sh.store.Tree(w.Tree)
		if err != nil {
			t.Fatal(err)
		}
		got, err := cas.TreeOfDir(t.Context(), dir)
		if err != nil {
			t.Error(err)
			continue
		}
		if got.ID() != w.Tree {
			t.Errorf("%s is not whole", dir)
		}
		for _, e := range tree.Entries {
			fi, err := os.Lstat(filepath.Join(dir, e.Path))
			if err != nil {
				t.Error(err)
				continue
			}
			want := fileMode
			if e.Exec {
				want = execMode
			}
			if runtime.GOOS != "windows" && fi.Mode() != want {
				t.Errorf("%s/%s: mode %v, want %v", w.Name, e.Path, fi.Mode(), want)
			}
			if fi.ModTime().Unix() != cas.BlobTime {
				t.Errorf("%s/%s: time %v", w.Name, e.Path, fi.ModTime())
			}
			blob, err := os.Lstat(sh.store.BlobPath(e.Blob))
			if err != nil {
				t.Error(err)
			} else if os.SameFile(fi, blob) != (linked && !e.Exec) {
				t.Errorf("%s/%s: shared with the store: %v", w.Name, e.Path, os.SameFile(fi, blob))
			}
		}
	}
	_ = filepath.WalkDir(sh.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		if fi, err := d.Info(); err == nil && runtime.GOOS != "windows" && fi.Mode().Perm() != dirMode {
			t.Errorf("%s: mode %v", path, fi.Mode())
		}
		return nil
	})
}

func (sh *shelf) leftovers(t testing.TB) []string {
	t.Helper()
	var left []string
	_ = filepath.WalkDir(sh.dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && strings.HasPrefix(d.Name(), tempPrefix) {
			left = append(left, path)
			return fs.SkipDir
		}
		return err
	})
	return left
}

// state is every path below dir with what a stat says of it: for "nothing was touched".
func state(t testing.TB, dir string) string {
	t.Helper()
	var lines []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		fi, err := d.Info()
		if err != nil {
			return err
		}
		lines = append(lines, path+" "+fi.Mode().String()+" "+fi.ModTime().Format(time.RFC3339Nano)+" "+changeTime(fi))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

func mustDo(t testing.TB, errs ...error) {
	t.Helper()
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
}

package cas

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/openpackage/opkg/ident"
)

// booted opens a store in a boot of its own.
func booted(t *testing.T, dir, boot string) *Store {
	t.Helper()
	s, err := Open(dir, Options{Boot: func(string) string { return boot }})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// zero does to a blob what a power loss can do: right size, mode and time, other bytes.
func zero(t *testing.T, path string) {
	t.Helper()
	fi, err := os.Stat(path)
	if err == nil {
		err = errors.Join(os.Chmod(path, 0o644), os.WriteFile(path, make([]byte, fi.Size()), 0), os.Chmod(path, fi.Mode()), os.Chtimes(path, fi.ModTime(), fi.ModTime()))
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestRestart holds that what was not synced is hashed by the first run after a restart, and by no other.
func TestRestart(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "v1")
	s := booted(t, dir, "one")
	tgz := demo("1.0.0", nil).tgz(t)
	a := mustPut(t, s, wantOf(t, "1.0.0", tgz), tgz)
	tree, err := s.Tree(a.Tree)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.SetPlaced("demo", a.Version, a.Tree); err != nil {
		t.Fatal(err)
	}
	lost := tree.Entries[1]
	zero(t, s.BlobPath(lost.Blob))

	shared := func(s *Store) {
		t.Helper()
		release, err := s.Shared(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		release()
	}
	again := booted(t, dir, "one")
	shared(again)
	if err := again.CheckBlob(lost.Blob, lost.Size); err != nil {
		t.Errorf("in the same boot a stat proves: %v", err)
	}
	next := booted(t, dir, "two")
	shared(next)
	if _, err := os.Lstat(next.BlobPath(lost.Blob)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the damaged blob stands there: %v", err)
	}
	if _, err := os.Lstat(filepath.Join(dir, unsyncedFile)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the mark stands there: %v", err)
	}
	if n, ok := next.Noted("demo", a.Version); n.Tree != a.Tree || !ok || !n.Doubted {
		t.Errorf("what was placed: %v, %v", n, ok)
	}
	if _, ok, err := next.Artifact(a.SHA256); ok || err != nil {
		t.Errorf("the record counts without its blob: %v", err)
	}
	mustPut(t, next, wantOf(t, "1.0.0", tgz), tgz)
	checkWhole(t, next)
	if err := next.SetPlaced("demo", a.Version, a.Tree); err != nil {
		t.Fatal(err)
	}
	if n, ok := next.Noted("demo", a.Version); !ok || n.Doubted {
		t.Error("what was placed again is doubted")
	}
}

// TestRestartHashesWhatIsYoung holds that blobs older than the mark are not hashed.
func TestRestartHashesWhatIsYoung(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "v1")
	s := booted(t, dir, "one")
	s.now = func() time.Time { return time.Now().Add(2 * clockSlack) } // the mark is younger than the blobs
	tgz := demo("1.0.0", nil).tgz(t)
	a := mustPut(t, s, wantOf(t, "1.0.0", tgz), tgz)
	tree, err := s.Tree(a.Tree)
	if err != nil {
		t.Fatal(err)
	}
	path := s.BlobPath(tree.Entries[0].Blob)
	zero(t, path)
	release, err := booted(t, dir, "two").Shared(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	release()
	if _, err := os.Lstat(path); err != nil {
		t.Error(err)
	}
}

// TestMarks holds that any mark but this boot's is doubted, and that without boots there are no marks.
func TestMarks(t *testing.T) {
	for _, text := range []string{"", "opkg unsynced v2\n", "opkg unsynced v1\nboot one\nsince x\n", "opkg unsynced v1\nboot two\nsince 1\n"} {
		s := booted(t, filepath.Join(t.TempDir(), "v1"), "one")
		if err := errors.Join(os.MkdirAll(s.Dir(), 0o755), os.WriteFile(filepath.Join(s.Dir(), unsyncedFile), []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
		if doubtful, err := s.doubtful(); !doubtful || err != nil {
			t.Errorf("%q: %v, %v", text, doubtful, err)
		}
		if ok, err := s.DeferSync(); ok || err != nil {
			t.Errorf("%q: deferred %v, %v", text, ok, err)
		}
	}
	s := booted(t, filepath.Join(t.TempDir(), "v1"), "")
	if ok, err := s.DeferSync(); ok || err != nil {
		t.Errorf("no boots: deferred %v, %v", ok, err)
	}
	if err := s.SetPlaced("demo", mustVersion(t, "1.0.0"), ident.TreeID{1}); err != nil {
		t.Fatal(err)
	}
	if n, ok := s.Noted("demo", mustVersion(t, "1.0.0")); !ok || n.Doubted {
		t.Error("what was synced is doubted")
	}
}

// TestCompactionKeepsDoubt holds that a shorter journal doubts what the longer one doubted.
func TestCompactionKeepsDoubt(t *testing.T) {
	s := booted(t, filepath.Join(t.TempDir(), "v1"), "one")
	v1, v2 := mustVersion(t, "1.0.0"), mustVersion(t, "2.0.0")
	for i := range byte(9) {
		if err := errors.Join(s.SetPlaced("demo", v1, ident.TreeID{i}), s.SetPlaced("demo", v2, ident.TreeID{i})); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(s.appendPlaced(doubtedLine), s.SetPlaced("demo", v2, ident.TreeID{9}), s.CompactPlaced()); err != nil {
		t.Fatal(err)
	}
	again := booted(t, s.Dir(), "one")
	if n, ok := again.Noted("demo", v1); n != (Noted{Tree: ident.TreeID{8}, Doubted: true}) || !ok {
		t.Errorf("%v, %v", n, ok)
	}
	if n, ok := again.Noted("demo", v2); n != (Noted{Tree: ident.TreeID{9}}) || !ok {
		t.Errorf("%v, %v", n, ok)
	}
}

// TestRestartOfAStoreThatMayNotBeWritten holds that all is checked there, and doubted as long as nobody can note that it is.
func TestRestartOfAStoreThatMayNotBeWritten(t *testing.T) {
	for _, refusal := range []error{fs.ErrPermission, errReadOnly} {
		dir := filepath.Join(t.TempDir(), "v1")
		s := booted(t, dir, "one")
		tgz := demo("1.0.0", nil).tgz(t)
		a := mustPut(t, s, wantOf(t, "1.0.0", tgz), tgz)
		if err := s.SetPlaced("demo", a.Version, a.Tree); err != nil {
			t.Fatal(err)
		}
		shared := func() (*Store, error) {
			next := booted(t, dir, "two")
			next.step = func(op, path string) error { return &os.PathError{Op: op, Path: path, Err: refusal} }
			release, err := next.Shared(t.Context())
			if err == nil {
				release()
				release, err = next.Shared(t.Context())
			}
			if err == nil {
				release()
			}
			return next, err
		}
		for range 2 {
			next, err := shared()
			if err != nil {
				t.Fatal(err)
			}
			if n, ok := next.Noted("demo", a.Version); !ok || !n.Doubted {
				t.Errorf("what was placed is %+v, %v", n, ok)
			}
		}
		tree, err := s.Tree(a.Tree)
		if err != nil {
			t.Fatal(err)
		}
		zero(t, s.BlobPath(tree.Entries[0].Blob))
		if _, err := shared(); !errors.Is(err, refusal) {
			t.Errorf("a damaged blob: %v", err)
		}
	}
}

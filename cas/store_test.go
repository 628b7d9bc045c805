package cas

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/openpackage/opkg/ident"
	"github.com/openpackage/opkg/internal/event"
)

func TestLocks(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "v1")
	waiting := 0
	open := func(wait time.Duration) *Store {
		s, err := Open(dir, Options{LockWait: wait, Observer: func(e event.Event) {
			if e.Kind == event.Waiting {
				waiting++
			}
		}})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	one, two := open(0), open(5*time.Millisecond)
	releaseOne, err := one.Shared(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	releaseTwo, err := two.Shared(t.Context())
	if err != nil {
		t.Fatalf("two cannot share: %v", err)
	}
	releaseTwo()
	var busy *BusyError
	if _, err := two.Exclusive(t.Context()); !errors.As(err, &busy) || busy.Err != nil || busy.Hint() == "" || waiting != 1 {
		t.Errorf("beside a shared lock: %v, after %d waiting events", err, waiting)
	}
	releaseOne()
	release, err := two.Exclusive(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := two.Shared(t.Context()); !errors.As(err, &busy) {
		t.Errorf("beside an exclusive lock: %v", err)
	}
	tgz := demo("1.0.0", nil).tgz(t)
	if _, err := two.Put(t.Context(), wantOf(t, "1.0.0", tgz), bytes.NewReader(tgz)); !errors.As(err, &busy) {
		t.Errorf("Put beside an exclusive lock: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := one.Shared(ctx); !errors.As(err, &busy) || !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	time.AfterFunc(20*time.Millisecond, release)
	if release, err = one.Shared(t.Context()); err != nil {
		t.Fatalf("a released lock is not had: %v", err)
	}
	release()
}

func TestSharedTidiesUpAfterTheDead(t *testing.T) {
	s := newStore(t)
	dead := filepath.Join(s.Dir(), tmpDir, "1-0")
	if err := os.MkdirAll(dead, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dead, "1"), []byte("half"), 0o444); err != nil {
		t.Fatal(err)
	}
	other, err := Open(s.Dir(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	// Not while another is at work: it may be the other's.
	f, err := other.lockFile()
	if err != nil {
		t.Fatal(err)
	}
	release, err := other.acquire(t.Context(), f, false)
	if err != nil {
		t.Fatal(err)
	}
	again, err := s.Shared(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dead); err != nil {
		t.Errorf("removed beside another: %v", err)
	}
	again()
	release()
	if again, err = s.Shared(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer again()
	if _, err := os.Stat(dead); !os.IsNotExist(err) {
		t.Errorf("still there: %v", err)
	}
}

func TestAMissingStoreIsEmpty(t *testing.T) {
	s := newStore(t)
	if _, ok, err := s.Artifact(ident.SHA256{1}); ok || err != nil {
		t.Errorf("Artifact: %v, %v", ok, err)
	}
	if _, err := s.Tree(ident.TreeID{1}); !os.IsNotExist(errors.Unwrap(err)) && !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Tree: %v", err)
	}
	if err := s.CheckBlob(ident.BlobID{1}, 1); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("CheckBlob: %v", err)
	}
	if _, ok := s.Noted("demo", mustVersion(t, "1.0.0")); ok {
		t.Error("Noted")
	}
	if roots, err := s.Roots(); len(roots) != 0 || err != nil {
		t.Errorf("Roots: %v, %v", roots, err)
	}
	if err := s.Flush(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(s.Dir()); !os.IsNotExist(err) {
		t.Errorf("asking made it: %v", err)
	}
}

func TestPlaced(t *testing.T) {
	s := newStore(t)
	other, err := Open(s.Dir(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	v1, v2 := mustVersion(t, "1.0.0"), mustVersion(t, "1.0.0+git.0123456789ab")
	expect := func(v ident.Version, want byte) {
		t.Helper()
		for _, st := range []*Store{s, other} {
			if got, ok := st.Noted("@scope/demo", v); ok != (want != 0) || got != (Noted{Tree: ident.TreeID{want}}) {
				t.Errorf("%s: %v, %v; want %d", v, got, ok, want)
			}
		}
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	expect(v1, 0)
	must(s.SetPlaced("@scope/demo", v1, ident.TreeID{1}))
	must(other.SetPlaced("@scope/demo", v2, ident.TreeID{2}))
	expect(v1, 1)
	expect(v2, 2)
	must(other.SetPlaced("@scope/demo", v1, ident.TreeID{3}))
	expect(v1, 3)
	must(s.ClearPlaced("@scope/demo", v1))
	expect(v1, 0)
	expect(v2, 2)

	// A torn line costs itself alone.
	f, err := os.OpenFile(filepath.Join(s.Dir(), placedFile), os.O_WRONLY|os.O_APPEND, 0)
	must(err)
	_, err = f.WriteString("placed @scope/demo 1.0.0 blake3:00")
	must(err)
	must(f.Close())
	must(s.SetPlaced("@scope/demo", v1, ident.TreeID{4}))
	expect(v1, 4)
	expect(v2, 2)
	must(os.Remove(filepath.Join(s.Dir(), placedFile)))
	expect(v2, 0)
}

func TestRoots(t *testing.T) {
	s := newStore(t)
	day := time.Unix(BlobTime, 0)
	named := []Named{{"@a/b", mustVersion(t, "1.0.0"), ident.SHA256{1}, ident.TreeID{2}}, {"c", mustVersion(t, "1.0.0+git.0123456789ab"), ident.SHA256{3}, ident.TreeID{4}}}
	want := []Root{{Workspace: "/home/a/one", Lock: "/home/a/one/opkg.lock"}, {Workspace: "/home/a/a \"b\"\nc", Lock: "/home/a/c/opkg.lock", Named: named}}
	for i := range 3 {
		for _, r := range want {
			if err := s.RegisterRoot(r, day.Add(time.Duration(i)*UseStep/2)); err != nil {
				t.Fatal(err)
			}
		}
	}
	for i := range want {
		want[i].ID, want[i].Used = RootID(want[i].Workspace), day.Add(UseStep)
	}
	slices.SortFunc(want, func(a, b Root) int { return strings.Compare(a.ID, b.ID) })
	for name, text := range map[string]string{"torn": "opkg root v1\nwork", "newer": "opkg root v2\n", RootID("/another"): "", RootID("/moved"): want[0].format()} {
		if err := os.WriteFile(filepath.Join(s.Dir(), rootsDir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, damaged, err := s.ReadRoots()
	if err != nil || len(damaged) != 4 {
		t.Fatalf("%v, damaged %v", err, damaged)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("roots %+v, want %+v", got, want)
	}
	for _, e := range damaged {
		if err := s.RemoveRoot(e.ID); err != nil {
			t.Error(err)
		}
	}
	if err := s.MarkGone(got[0], day.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	want[0].Gone = day.Add(time.Hour)
	if got, damaged, _ = s.ReadRoots(); len(damaged) != 0 || len(got) != 2 || !got[0].Gone.Equal(want[0].Gone) || !got[0].Used.Equal(want[0].Used) {
		t.Errorf("roots %+v, damaged %v", got, damaged)
	}
	if err := s.RegisterRoot(Root{Workspace: want[0].Workspace, Lock: "/elsewhere/opkg.lock", Gone: day}, day); err != nil {
		t.Fatal(err)
	}
	if got, _ := s.Roots(); len(got) != 2 || got[0].Lock != "/elsewhere/opkg.lock" || !got[0].Gone.IsZero() || !got[0].Used.Equal(day) {
		t.Errorf("roots %+v", got)
	}
	for _, id := range []string{"nobody", "../placed", "", ".", ".."} {
		if err := s.RemoveRoot(id); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("RemoveRoot(%q): %v", id, err)
		}
	}
}

func TestStoreBehindALinkAndBadUmask(t *testing.T) {
	real := t.TempDir()
	link := filepath.Join(t.TempDir(), "home")
	if err := os.Symlink(real, link); err != nil {
		t.Skip("no symbolic links here:", err)
	}
	s, err := Open(filepath.Join(link, "store", "v1"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	tgz := demo("1.0.0", nil).tgz(t)
	a := mustPut(t, s, wantOf(t, "1.0.0", tgz), tgz)
	if _, ok, err := s.Artifact(a.SHA256); !ok || err != nil {
		t.Errorf("%v, %v", ok, err)
	}
}

// TestLinkedDirectories holds that nothing is read or written through a link in the place of one of the store's directories.
func TestLinkedDirectories(t *testing.T) {
	for _, name := range []string{blobsDir, treesDir, artifactsDir, rootsDir, settledDir, tmpDir} {
		s := newStore(t)
		tgz := demo("1.0.0", nil).tgz(t)
		a := mustPut(t, s, wantOf(t, "1.0.0", tgz), tgz)
		dir, away := filepath.Join(s.Dir(), name), filepath.Join(t.TempDir(), "away")
		if err := errors.Join(os.MkdirAll(dir, 0o755), os.Rename(dir, away)); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(away, dir); err != nil {
			t.Skip("no symbolic links here:", err)
		}
		again, err := Open(s.Dir(), Options{})
		if err != nil {
			t.Fatal(err)
		}
		_, shared := again.Shared(t.Context())
		_, exclusive := again.Exclusive(t.Context())
		_, _, artifact := again.Artifact(a.SHA256)
		_, audit := again.Audit(t.Context())
		_, gc := again.PlanGC(t.Context(), GCOptions{})
		for i, err := range []error{shared, exclusive, artifact, audit, gc} {
			var linked *LinkedError
			if !errors.As(err, &linked) || linked.Path != dir || !strings.Contains(linked.Hint(), "OPKG_HOME") || !strings.HasPrefix(err.Error(), dir+" is") {
				t.Errorf("%s, %d: %v", name, i, err)
			}
		}
	}
}

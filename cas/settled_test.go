package cas

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/openpackage/opkg/ident"
)

// settledScene is a store in which one workspace has one package in its place.
func settledScene(t testing.TB) (*Store, Root, []Placement) {
	t.Helper()
	s := newStore(t)
	tgz := demo("1.0.0", nil).tgz(t)
	a := mustPut(t, s, wantOf(t, "1.0.0", tgz), tgz)
	p := Placement{Name: a.Name, Version: a.Version, Tree: a.Tree}
	if err := s.SetPlaced(p.Name, p.Version, p.Tree); err != nil {
		t.Fatal(err)
	}
	root := Root{Workspace: "/w", Lock: "/w/opkg.lock", Named: []Named{{Name: a.Name, Version: a.Version, SHA256: a.SHA256, Tree: a.Tree}}}
	if err := s.RegisterRoot(root, time.Now()); err != nil {
		t.Fatal(err)
	}
	return s, root, []Placement{p}
}

func TestSettle(t *testing.T) {
	s, root, packages := settledScene(t)
	judged := [][]byte{[]byte("a"), []byte("bc")}
	if err := s.Settle(root, judged, true, packages); err != nil {
		t.Fatal(err)
	}
	st, ok := s.Settled("/w", judged)
	if !ok || !st.Fresh || !s.Holds(st, time.Now()) || len(st.Packages) != 1 || st.Packages[0].Tree != packages[0].Tree {
		t.Fatalf("%+v, %v", st, ok)
	}
	tree, err := s.Tree(packages[0].Tree)
	if err != nil {
		t.Fatal(err)
	}
	var got []Entry
	err = st.Packages[0].Files(func(path string, exec bool, size int64) error {
		got = append(got, Entry{Path: path, Exec: exec, Size: size})
		return nil
	})
	if err != nil || len(got) != len(tree.Entries) {
		t.Fatalf("%v, %v", got, err)
	}
	for i, e := range tree.Entries {
		if e.Blob = (ident.BlobID{}); got[i] != e {
			t.Errorf("%+v, not %+v", got[i], e)
		}
	}
	if _, ok := s.Settled("/w", [][]byte{[]byte("ab"), []byte("c")}); ok {
		t.Error("it counts for other texts")
	}
	if _, ok := s.Settled("/other", judged); ok {
		t.Error("it counts for another workspace")
	}
	if s.Holds(st, time.Now().Add(UseStep)) {
		t.Error("it holds for ever: uses would not be noted")
	}
	if left, err := os.ReadDir(filepath.Join(s.Dir(), tmpDir)); err != nil || len(left) != 0 {
		t.Errorf("left in tmp: %v, %v", left, err)
	}
}

// TestSettledHolds: what opkg itself does to the store makes what was noted count no more.
func TestSettledHolds(t *testing.T) {
	for name, change := range map[string]func(s *Store, root Root, p Placement) error{
		"cleared":                 func(s *Store, _ Root, p Placement) error { return s.ClearPlaced(p.Name, p.Version) },
		"placed by somebody else": func(s *Store, _ Root, p Placement) error { return s.SetPlaced(p.Name, p.Version, ident.TreeID{1}) },
		"doubted":                 func(s *Store, _ Root, _ Placement) error { return s.appendPlaced(doubtedLine) },
		"gone": func(s *Store, r Root, _ Placement) error {
			r.ID = RootID(r.Workspace)
			return s.MarkGone(r, time.Now())
		},
		"another lock": func(s *Store, r Root, _ Placement) error {
			r.Named = nil
			return s.RegisterRoot(r, time.Now())
		},
		"no root":   func(s *Store, r Root, _ Placement) error { return os.RemoveAll(filepath.Join(s.Dir(), rootsDir)) },
		"no placed": func(s *Store, r Root, _ Placement) error { return os.Remove(filepath.Join(s.Dir(), placedFile)) },
	} {
		t.Run(name, func(t *testing.T) {
			s, root, packages := settledScene(t)
			if err := s.Settle(root, nil, true, packages); err != nil {
				t.Fatal(err)
			}
			st, ok := s.Settled("/w", nil)
			if !ok || !s.Holds(st, time.Now()) {
				t.Fatal("it does not hold")
			}
			if err := change(s, root, packages[0]); err != nil {
				t.Fatal(err)
			}
			if s.Holds(st, time.Now()) {
				t.Error("it holds still")
			}
			err := s.Settle(root, nil, true, packages)
			st, ok = s.Settled("/w", nil)
			if err != nil || ok && s.Holds(st, time.Now()) {
				t.Errorf("it is noted although it does not hold: %v", err)
			}
		})
	}
}

// FuzzParseSettled: what is read is what is written, and nothing makes the reader fall.
func FuzzParseSettled(f *testing.F) {
	var judged [32]byte
	whole := Settled{Fresh: true, placed: "1 2 3", seen: "4 5 6", Packages: []Settlement{{"demo", mustVersion(f, "1.0.0"), ident.TreeID{7}, "644 6 a.md\n755 0 run\n"}}}
	digest := len("blake3 \n") + 64
	for _, st := range []Settled{whole, {placed: "1 2 3", seen: "4 5 6"}} {
		text := st.format(judged)
		f.Add(string(text[:len(text)-digest]))
	}
	f.Add(settledHeader + "judged " + strings.Repeat("0", 64) + "\nfresh\nplaced 1\nroot 1\npackage demo 1.0.0 blake3:" + strings.Repeat("0", 64) + " 99999999999999999999\n")
	f.Fuzz(func(t *testing.T, text string) {
		text += sealOf(text)
		st, err := parseSettled(text, judged)
		if err != nil {
			return
		}
		if again, err := parseSettled(string(st.format(judged)), judged); err != nil || len(again.Packages) != len(st.Packages) {
			t.Fatalf("%q is read, and not what is written of it: %v", text, err)
		}
		for i := range st.Packages {
			_ = st.Packages[i].Files(func(string, bool, int64) error { return nil })
		}
	})
}

package cas

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/openpackage/opkg/ident"
)

// filled is a store with three packages, which share a blob each with the next, and what a lock would say of them. The n-th was used
// on the n-th day.
func filled(t *testing.T) (*Store, []Named) {
	t.Helper()
	s := newStore(t)
	var named []Named
	for i := range 3 {
		version := fmt.Sprintf("1.0.%d", i)
		tgz := demo(version, pkg{"own.md": noise(5000 + i), "shared.md": noise(20_000)}).tgz(t)
		a := mustPut(t, s, wantOf(t, version, tgz), tgz)
		named = append(named, Named{a.Name, a.Version, a.SHA256, a.Tree})
		used := time.Unix(BlobTime, 0).Add(time.Duration(i) * UseStep)
		if err := os.Chtimes(filepath.Join(s.Dir(), treeName(a.Tree)), used, used); err != nil {
			t.Fatal(err)
		}
	}
	return s, named
}

func collect(t *testing.T, s *Store, opt GCOptions, really bool) (*GC, *Tally) {
	t.Helper()
	g, err := s.PlanGC(t.Context(), opt)
	if err != nil {
		t.Fatal(err)
	}
	tally := &Tally{}
	if err := g.Sweep(t.Context(), really, tally); err != nil {
		t.Fatal(err)
	}
	return g, tally
}

func has(t *testing.T, s *Store, named []Named) []bool {
	t.Helper()
	var found []bool
	for _, n := range named {
		_, ok, err := s.Artifact(n.SHA256)
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, ok)
	}
	return found
}

func TestGCKeeps(t *testing.T) {
	day := func(n int) time.Time { return time.Unix(BlobTime, 0).Add(time.Duration(n) * UseStep) }
	yes, no := true, false
	for _, test := range []struct {
		name string
		opt  func([]Named) GCOptions
		want []bool
	}{
		{"what is live", func(n []Named) GCOptions { return GCOptions{Live: n[1:2]} }, []bool{no, yes, no}},
		{"all", func(n []Named) GCOptions { return GCOptions{Live: n} }, []bool{yes, yes, yes}},
		{"nothing", func(n []Named) GCOptions { return GCOptions{} }, []bool{no, no, no}},
		{"by the archive alone", func(n []Named) GCOptions { return GCOptions{Live: []Named{{SHA256: n[0].SHA256}}} }, []bool{yes, no, no}},
		{"by the tree alone", func(n []Named) GCOptions { return GCOptions{Live: []Named{{Tree: n[2].Tree}}} }, []bool{no, no, yes}},
		{"what was used since", func(n []Named) GCOptions { return GCOptions{Live: n[:1], Since: day(2)} }, []bool{yes, no, yes}},
		{"what fits", func(n []Named) GCOptions { return GCOptions{MaxSize: 1 << 40} }, []bool{yes, yes, yes}},
		{"what was used last", func(n []Named) GCOptions { return GCOptions{MaxSize: 60_000} }, []bool{no, yes, yes}},
		{"what is live, though it does not fit", func(n []Named) GCOptions { return GCOptions{Live: n[:1], MaxSize: 1} }, []bool{yes, no, no}},
		{"what fits of what was used since", func(n []Named) GCOptions { return GCOptions{Since: day(1), MaxSize: 48_000} }, []bool{no, no, yes}},
	} {
		t.Run(test.name, func(t *testing.T) {
			s, named := filled(t)
			before := filesIn(t, s)
			dry, would := collect(t, s, test.opt(named), false)
			if after := filesIn(t, s); !slices.Equal(before, after) {
				t.Errorf("a dry run leaves %v of %v", after, before)
			}
			did, freed := collect(t, s, test.opt(named), true)
			if got := has(t, s, named); !slices.Equal(got, test.want) {
				t.Errorf("there are %v, want %v", got, test.want)
			}
			if dry.Blobs != did.Blobs || dry.Trees != did.Trees || dry.Artifacts != did.Artifacts || would.Bytes != freed.Bytes || would.Files != freed.Files {
				t.Errorf("said %+v, %+v; did %+v, %+v", dry, would, did, freed)
			}
			if n := len(before) - len(filesIn(t, s)); n != freed.Files {
				t.Errorf("%d files went, counted %d", n, freed.Files)
			}
			checkWhole(t, s)
			if again, _ := collect(t, s, test.opt(named), true); again.Blobs+again.Trees+again.Artifacts != 0 {
				t.Errorf("a second run finds %+v", again)
			}
			if slices.Equal(test.want, []bool{no, no, no}) && len(filesIn(t, s)) != 0 {
				t.Errorf("left: %v", filesIn(t, s))
			}
		})
	}
}

// TestGCCountsLinks holds that bytes are freed with the last name of a file, and not before.
func TestGCCountsLinks(t *testing.T) {
	s, _ := filled(t)
	var blob string
	for _, name := range filesIn(t, s) {
		if fi, err := os.Lstat(filepath.Join(s.Dir(), name)); err == nil && fi.Size() == 20_000 {
			blob = filepath.Join(s.Dir(), name)
		}
	}
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Link(blob, link); err != nil {
		t.Skip("no hard links here:", err)
	}
	u, err := UsageOf(blob)
	if err != nil || u.Bytes < 20_000 {
		t.Fatal(u, err)
	}
	_, all := collect(t, s, GCOptions{}, false)
	tally := &Tally{}
	tally.Removed(u) // the link goes too
	g, err := s.PlanGC(t.Context(), GCOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Sweep(t.Context(), true, tally); err != nil {
		t.Fatal(err)
	}
	if tally.Bytes != all.Bytes+u.Bytes {
		t.Errorf("with the link %d bytes, without it %d, it has %d", tally.Bytes, all.Bytes, u.Bytes)
	}
}

// TestGCLeavesWhatIsNotOpkgs holds that names that opkg does not make stay, and damaged ones of its own go.
func TestGCLeavesWhatIsNotOpkgs(t *testing.T) {
	s, named := filled(t)
	write := func(name, text string) {
		t.Helper()
		path := filepath.Join(s.Dir(), name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	theirs := []string{"blobs/README", "blobs/xyz/note", "blobs/ab/short", "trees/note", "artifacts/NOTE", "other/file", "trees/" + strings.Repeat("AB", 32)}
	for _, name := range theirs {
		write(name, "not opkg's")
	}
	damaged := []string{artifactsDir + "/" + ident.SHA256{1}.String(), treeName(ident.TreeID{2}), BlobName(ident.BlobID{3})}
	for _, name := range damaged {
		write(name, "damaged")
	}
	collect(t, s, GCOptions{Live: named, Since: time.Unix(1, 0)}, true)
	for _, name := range theirs {
		if _, err := os.Lstat(filepath.Join(s.Dir(), name)); err != nil {
			t.Error(err)
		}
	}
	for _, name := range damaged {
		if _, err := os.Lstat(filepath.Join(s.Dir(), name)); err == nil {
			t.Errorf("%s is left", name)
		}
	}
	if got := has(t, s, named); !slices.Equal(got, []bool{true, true, true}) {
		t.Errorf("there are %v", got)
	}
}

func TestCompactPlaced(t *testing.T) {
	s := newStore(t)
	all := []Placement{}
	for i := range 50 {
		all = append(all, Placement{"demo", mustVersion(t, fmt.Sprintf("1.0.%d", i)), ident.TreeID{byte(i)}, i%2 == 1})
	}
	for range 3 {
		if err := s.SetPlacedAll(all); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.ClearPlacedAll(all[10:]); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(filepath.Join(s.Dir(), placedFile), os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(f, "placed ../../etc 1.0.0 %s\nplaced demo ../1 %s\nplaced demo v1.0.0 %s\n", ident.TreeID{}, ident.TreeID{}, ident.TreeID{})
	f.Close()
	for range 2 {
		if err := s.CompactPlaced(); err != nil {
			t.Fatal(err)
		}
		got, err := s.Placements()
		if err != nil || len(got) != 10 {
			t.Fatalf("%v, %v", got, err)
		}
		data, err := os.ReadFile(filepath.Join(s.Dir(), placedFile))
		if err != nil || bytes.Count(data, []byte("\n")) != 10 {
			t.Errorf("%v\n%s", err, data)
		}
	}
	if n, ok := s.Noted("demo", mustVersion(t, "1.0.3")); !ok || n != (Noted{Tree: ident.TreeID{3}, Adopted: true}) {
		t.Errorf("%v, %v", n, ok)
	}
	if left := filesIn(t, s); !slices.Equal(left, []string{placedFile}) {
		t.Errorf("left: %v", left)
	}
}

func TestPlanClean(t *testing.T) {
	s, named := filled(t)
	if err := s.SetPlaced(named[1].Name, named[1].Version, named[1].Tree); err != nil {
		t.Fatal(err)
	}
	g, err := s.PlanClean(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Sweep(t.Context(), true, &Tally{}); err != nil {
		t.Fatal(err)
	}
	if left := filesIn(t, s); !slices.Equal(left, []string{placedFile, treeName(named[1].Tree)}) {
		t.Errorf("left: %v", left)
	}
}

func TestAlone(t *testing.T) {
	s := newStore(t)
	if _, ok := s.Alone(); ok {
		t.Error("alone in a store that is not there")
	}
	release, err := s.Shared(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	other, err := Open(s.Dir(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := other.Alone(); ok {
		t.Error("alone beside another")
	}
	release()
	release, ok := other.Alone()
	if !ok {
		t.Error("not alone")
	}
	release()
}

package cas

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/openpackage/opkg/ident"
)

// recordsOf are the digests of all archives that the store has records of, in the order of the files.
func recordsOf(t testing.TB, s *Store) (ids []ident.SHA256) {
	t.Helper()
	d, err := s.open()
	if err != nil {
		return nil
	}
	files, err := s.recordFiles(d)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		for _, text := range f.texts {
			a, err := parseArtifact(text)
			if err != nil {
				t.Fatalf("%s: %v", f.name, err)
			}
			ids = append(ids, a.SHA256)
		}
	}
	return ids
}

// putAll stores n packages by one Flush, and says what a lock would say of them.
func putAll(t *testing.T, s *Store, prefix string, n int) (named []Named) {
	t.Helper()
	for i := range n {
		version := fmt.Sprintf("%s.%d", prefix, i)
		tgz := demo(version, pkg{"own.md": prefix + version}).tgz(t)
		a, err := s.Put(t.Context(), wantOf(t, version, tgz), bytes.NewReader(tgz))
		if err != nil {
			t.Fatal(err)
		}
		named = append(named, Named{a.Name, a.Version, a.SHA256, a.Tree})
	}
	if err := s.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	return named
}

// recordFilesIn are the files of artifacts/.
func recordFilesIn(t *testing.T, s *Store) []string {
	t.Helper()
	return slices.DeleteFunc(filesIn(t, s), func(name string) bool { return !strings.HasPrefix(name, artifactsDir+"/") })
}

func allOf(n int, b bool) []bool { return slices.Repeat([]bool{b}, n) }

// The records of a run are one file, and those of the next another, which a store that is open finds as well.
func TestRecordsOfARunAreOneFile(t *testing.T) {
	s := newStore(t)
	first := putAll(t, s, "1.0", 5)
	other, err := Open(s.Dir(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if got := has(t, other, first); !slices.Equal(got, allOf(5, true)) {
		t.Errorf("the other finds %v", got)
	}
	time.Sleep(20 * time.Millisecond) // that the directory has another time is what the other goes by
	second := putAll(t, s, "2.0", 3)
	for _, s := range []*Store{s, other} {
		if got := has(t, s, slices.Concat(first, second)); !slices.Equal(got, allOf(8, true)) {
			t.Errorf("there are %v", got)
		}
	}
	if files := recordFilesIn(t, s); len(files) != 2 {
		t.Errorf("files: %v", files)
	}
	if again := putAll(t, s, "2.0", 3); !slices.Equal(again, second) {
		t.Errorf("%v, then %v", second, again)
	}
	if files := recordFilesIn(t, s); len(files) != 2 {
		t.Errorf("the same records again: %v", files)
	}
	checkWhole(t, s)
}

// What is damaged in a file of records costs what is damaged, is found by an audit, and goes with a repair.
func TestDamagedRecords(t *testing.T) {
	for name, test := range map[string]struct {
		harm func(text string) string
		want []bool
	}{
		"first record":    {func(text string) string { return strings.Replace(text, "size ", "size 1", 1) }, []bool{false, true, true}},
		"first header":    {func(text string) string { return "O" + text[1:] }, []bool{false, true, true}},
		"torn at its end": {func(text string) string { return text[:len(text)-1] }, []bool{true, true, false}},
		"torn inside":     {func(text string) string { return text[:len(text)/2] }, []bool{true, false, false}},
		"nothing":         {func(string) string { return "" }, []bool{false, false, false}},
		"something else":  {func(text string) string { return text + "and more\n" }, []bool{true, true, false}},
		"one twice":       {func(text string) string { return text + text[:strings.Index(text, "\nblake3 ")] }, []bool{true, true, true}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStore(t)
			named := putAll(t, s, "1.0", 3)
			slices.SortFunc(named, func(a, b Named) int { return bytes.Compare(a.SHA256[:], b.SHA256[:]) }) // as they stand in the file
			file := at(s, recordFilesIn(t, s)[0])
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, []byte(test.harm(string(text))), 0o644); err != nil {
				t.Fatal(err)
			}
			if got := has(t, s, named); !slices.Equal(got, test.want) {
				t.Errorf("there are %v, want %v", got, test.want)
			}
			audit, err := s.Audit(t.Context())
			if err != nil || len(audit.Faults) != 1 || audit.Faults[0].Path != file {
				t.Errorf("audit %+v, %v", audit, err)
			}
			if err := s.RemoveDamaged([]string{file}); err != nil {
				t.Fatal(err)
			}
			if got := has(t, s, named); !slices.Equal(got, test.want) {
				t.Errorf("after the repair there are %v, want %v", got, test.want)
			}
			if audit, err := s.Audit(t.Context()); err != nil || len(audit.Faults) != 0 {
				t.Errorf("audit after the repair %+v, %v", audit, err)
			}
			checkWhole(t, s)
		})
	}
}

func TestDropRecords(t *testing.T) {
	s := newStore(t)
	named := slices.Concat(putAll(t, s, "1.0", 3), putAll(t, s, "2.0", 1))
	if path := s.RecordPath(named[3].SHA256); path == s.RecordPath(named[0].SHA256) || path == "" || s.RecordPath(ident.SHA256{}) != "" {
		t.Errorf("records stand in %q", path)
	}
	if err := s.DropRecords([]ident.SHA256{named[1].SHA256}); err != nil {
		t.Fatal(err)
	}
	if got := has(t, s, named); !slices.Equal(got, []bool{true, false, true, true}) {
		t.Errorf("there are %v", got)
	}
	if files := recordFilesIn(t, s); len(files) != 2 {
		t.Errorf("files: %v", files)
	}
	checkWhole(t, s)
}

// A file of records that may not be read is as good as none for who looks for one, stops a collection, which loses nothing of it, and goes only when a repair
// names it.
func TestUnreadableRecords(t *testing.T) {
	s := newStore(t)
	named := slices.Concat(putAll(t, s, "1.0", 2), putAll(t, s, "2.0", 2))
	file := s.RecordPath(named[0].SHA256)
	forbid := func(mode os.FileMode) {
		t.Helper()
		if err := os.Chmod(file, mode); err != nil {
			t.Fatal(err)
		}
		s.records.forget()
	}
	forbid(0)
	if _, err := os.ReadFile(file); err == nil {
		t.Skip("no mode keeps this user from reading") // .ci/run has another than root run it too
	}
	if got := has(t, s, named); !slices.Equal(got, []bool{false, false, true, true}) {
		t.Errorf("there are %v", got)
	}
	if _, err := s.PlanGC(t.Context(), GCOptions{}); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("a collection: %v", err)
	}
	if err := s.DropRecords([]ident.SHA256{named[1].SHA256}); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("a repair of another file: %v", err)
	}
	forbid(0o444)
	g, err := s.PlanGC(t.Context(), GCOptions{Live: named[1:]})
	if err != nil {
		t.Fatal(err)
	}
	forbid(0)
	if err := g.Sweep(t.Context(), true, &Tally{}); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("a collection in whose midst the right went: %v", err)
	}
	forbid(0o444)
	if got := has(t, s, named[1:]); !slices.Equal(got, allOf(3, true)) {
		t.Errorf("after it there are %v", got)
	}
	forbid(0)
	if err := s.RemoveDamaged([]string{file}); err != nil {
		t.Fatal(err)
	}
	if got := has(t, s, named[1:]); !slices.Equal(got, []bool{false, true, true}) {
		t.Errorf("after the repair there are %v", got)
	}
	checkWhole(t, s)
}

// A collection takes files of records that nothing in is needed, and writes others anew when something in them goes, or when they are many.
func TestGCOfRecords(t *testing.T) {
	t.Run("some of a file", func(t *testing.T) {
		s := newStore(t)
		named := slices.Concat(putAll(t, s, "1.0", 5), putAll(t, s, "2.0", 2), putAll(t, s, "3.0", 2))
		live := GCOptions{Live: slices.Concat(named[1:3], named[7:])}
		if g, _ := collect(t, s, live, false); g.Artifacts != 5 || len(recordsOf(t, s)) != 9 {
			t.Errorf("a dry run: %+v", g)
		}
		before := recordFilesIn(t, s)
		if g, _ := collect(t, s, live, true); g.Artifacts != 5 || g.Trees != 5 {
			t.Errorf("%+v", g)
		}
		if got := recordsOf(t, s); len(got) != 4 {
			t.Errorf("left: %v", got)
		}
		after := recordFilesIn(t, s)
		if len(after) != 2 || slices.Contains(before, after[0]) == slices.Contains(before, after[1]) {
			t.Errorf("%v, then %v", before, after)
		}
		if g, _ := collect(t, s, live, true); g.Artifacts+g.Trees+g.Blobs != 0 {
			t.Errorf("again: %+v", g)
		}
		checkWhole(t, s)
	})
	t.Run("many files", func(t *testing.T) {
		s := newStore(t)
		var named []Named
		for i := range maxRecordFiles + 1 {
			named = append(named, putAll(t, s, fmt.Sprintf("%d.0", i+1), 1)...)
		}
		if g, _ := collect(t, s, GCOptions{Live: named}, true); g.Artifacts != 0 {
			t.Errorf("%+v", g)
		}
		if files := recordFilesIn(t, s); len(files) != 1 {
			t.Errorf("%d files", len(files))
		}
		if got := has(t, s, named); slices.Contains(got, false) {
			t.Errorf("there are %v", got)
		}
		checkWhole(t, s)
	})
	t.Run("on a full disk", func(t *testing.T) {
		s := newStore(t)
		named := putAll(t, s, "1.0", 3)
		s, err := Open(s.Dir(), Options{})
		if err != nil {
			t.Fatal(err)
		}
		full := true
		s.step = func(op, path string) error {
			if op == "remove" && strings.HasPrefix(path, blobsDir) {
				full = false
			}
			if op == "write" && full {
				return errors.New("no space left on device")
			}
			return nil
		}
		if g, _ := collect(t, s, GCOptions{Live: named[:1]}, true); g.Artifacts != 2 || full {
			t.Errorf("%+v, full %v", g, full)
		}
		if got := recordsOf(t, s); len(got) != 1 {
			t.Errorf("left: %v", got)
		}
		checkWhole(t, s)
	})
	t.Run("damaged", func(t *testing.T) {
		s := newStore(t)
		named := putAll(t, s, "1.0", 3)
		file := at(s, recordFilesIn(t, s)[0])
		if err := os.WriteFile(file, append([]byte("noise\n"), mustRead(t, file)...), 0o644); err != nil {
			t.Fatal(err)
		}
		collect(t, s, GCOptions{Live: named}, true)
		if got := has(t, s, named); slices.Contains(got, false) {
			t.Errorf("there are %v", got)
		}
		checkWhole(t, s)
	})
}

func mustRead(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func FuzzSplitRecords(f *testing.F) {
	a := Artifact{Name: "demo", Version: mustVersion(f, "1.0.0")}
	f.Add([]byte(a.format() + a.format()))
	f.Add([]byte("x\n" + a.format()))
	f.Fuzz(func(t *testing.T, data []byte) {
		texts, torn := splitRecords(string(data))
		if joined := strings.Join(texts, ""); !torn && joined != string(data) || !strings.HasSuffix(string(data), joined) {
			t.Errorf("%q is split into %q", data, texts)
		}
	})
}

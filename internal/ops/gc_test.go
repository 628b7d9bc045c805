package ops

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/openpackage/opkg/cas"
	"github.com/openpackage/opkg/ident"
)

// TestGCGraceAndTheClock follows a workspace that is gone, while the clock jumps: what it named goes when it was missed
// for the grace time by one clock, and not before.
func TestGCGraceAndTheClock(t *testing.T) {
	day := func(n int) time.Time { return time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC).AddDate(0, 0, n) }
	now := day(0)
	w := &World{OPKGHome: t.TempDir(), Now: func() time.Time { return now }}
	store, err := cas.Open(w.StoreDir(), cas.Options{})
	if err != nil {
		t.Fatal(err)
	}
	workspace := filepath.Join(t.TempDir(), "gone")
	version, err := ident.ParseVersion("1.0.0")
	if err != nil {
		t.Fatal(err)
	}
	named := []cas.Named{{Name: "demo", Version: version, SHA256: ident.SHA256{1}, Tree: ident.TreeID{2}}}
	if err := store.RegisterRoot(cas.Root{Workspace: workspace, Lock: filepath.Join(workspace, LockName), Named: named}, now); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		at   int // day
		dry  bool
		want int // roots that stay
		gone int // since which day, as far as is known
	}{
		{at: 40, dry: true, want: 1, gone: 40},
		{at: 41, want: 1, gone: 41}, // a dry run notes nothing
		{at: 54, want: 1, gone: 41},
		{at: 10, want: 1, gone: 10}, // the clock was set back: count anew
		{at: 23, want: 1, gone: 10},
		{at: 24, dry: true, want: 1, gone: 10},
		{at: 24, want: 0},
	} {
		now = day(step.at)
		res, err := w.GC(t.Context(), GCOptions{DryRun: step.dry, Grace: RootGrace})
		if err != nil {
			t.Fatal(err)
		}
		roots, err := store.Roots()
		if err != nil || len(roots) != step.want {
			t.Fatalf("day %d: %v, %v", step.at, roots, err)
		}
		if s := res.Roots[0]; !s.Missing || step.gone != 0 && !s.Gone.Equal(day(step.gone)) {
			t.Errorf("day %d: %+v", step.at, s)
		}
	}
}

// TestGCNeverNarrowsByWhatItCannotRead holds what is in use by a workspace whose lock is of every bad kind.
func TestGCNeverNarrowsByWhatItCannotRead(t *testing.T) {
	w := &World{OPKGHome: t.TempDir(), Now: time.Now}
	version, err := ident.ParseVersion("1.0.0")
	if err != nil {
		t.Fatal(err)
	}
	named := []cas.Named{{Name: "demo", Version: version, SHA256: ident.SHA256{1}, Tree: ident.TreeID{2}}}
	for name, text := range map[string]string{
		"empty file":      "",
		"cut":             "# opkg.lock\nversion = 1\n\n[[package]]\nname = \"other\"\n",
		"newer":           "version = 2\n",
		"unknown key":     "version = 1\nsurprise = true\n",
		"merge conflict":  "<<<<<<< ours\nversion = 1\n",
		"zeros":           string(make([]byte, 100)),
		"not closed":      "version = 1\n\n[[require]]\nname = \"other\"\nrange = \"*\"\n",
		"another program": "{\"lockfileVersion\": 3}",
	} {
		path := filepath.Join(t.TempDir(), LockName)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		s := w.judgeRoot(cas.Root{Workspace: filepath.Dir(path), Lock: path, Named: named}, 0)
		if s.Err == nil || s.Dropped || s.Missing || len(s.InUse) != 1 || s.InUse[0] != named[0] {
			t.Errorf("%s: %+v", name, s)
		}
	}
}

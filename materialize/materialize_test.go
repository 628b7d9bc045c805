package materialize

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/openpackage/opkg/cas"
	"github.com/openpackage/opkg/internal/event"
)

func TestFreshThenNothingToDo(t *testing.T) {
	sh := newShelf(t)
	var placed []string
	sh.target = New(sh.dir, sh.store, Options{Observer: func(e event.Event) {
		if e.Kind == event.Placed && len(placed) < 3 {
			placed = append(placed, string(e.Name))
		}
	}})
	sh.target.opt.Observer = serial(sh.target.opt.Observer)
	p := sh.plan(t)
	if got, want := actions(p), []Action{Place, Place, Place}; !slices.Equal(got, want) {
		t.Fatalf("plan %v, want %v", got, want)
	}
	if p.Steps[0].Want.Name != "@team/bare" || p.Steps[0].Dir != sh.path("@team", "bare", "0.1.0") {
		t.Errorf("the first step is %+v", p.Steps[0])
	}
	res := sh.sync(t)
	if want := (Result{Placed: 3, Files: 14, Linked: 12, Copied: 2}); *res != want && res.Cloned == 0 {
		t.Errorf("result %+v, want %+v", *res, want)
	}
	if slices.Sort(placed); !slices.Equal(placed, []string{"@team/bare", "@team/rules", "demo"}) {
		t.Errorf("announced %v", placed)
	}
	sh.checkWhole(t)

	before := state(t, filepath.Dir(sh.dir))
	if got := actions(sh.plan(t)); !slices.Equal(got, []Action{Keep, Keep, Keep}) {
		t.Errorf("second plan: %v", got)
	}
	if res := sh.sync(t); *res != (Result{Kept: 3}) {
		t.Errorf("second result %+v", *res)
	}
	if after := state(t, filepath.Dir(sh.dir)); after != before {
		t.Errorf("a run with nothing to do touched something:\n%s\n%s", before, after)
	}
}

// serial makes an observer safe for several goroutines.
func serial(o event.Observer) event.Observer {
	turn := make(chan struct{}, 1)
	return func(e event.Event) {
		turn <- struct{}{}
		o(e)
		<-turn
	}
}

func TestSecondPackageLeavesTheFirstAlone(t *testing.T) {
	sh := newShelf(t)
	sh.sync(t)
	before := state(t, sh.path("demo", "1.0.0"))
	more := put(t, sh.store, "demo", "1.1.0", files{"README.md": "read me\n", "new.md": "new\n"})
	sh.wants = append(sh.wants, more)
	if res := sh.sync(t); res.Kept != 3 || res.Placed != 1 {
		t.Errorf("result %+v", *res)
	}
	if after := state(t, sh.path("demo", "1.0.0")); strings.Contains(before, "empty") && after != before {
		// README.md has one link more, which changes its ctime and nothing else.
		if b, a := withoutReadme(before), withoutReadme(after); a != b {
			t.Errorf("touched:\n%s\n%s", b, a)
		}
	}
	sh.checkWhole(t)
}

func withoutReadme(s string) string {
	lines := strings.Split(s, "\n")
	return strings.Join(slices.DeleteFunc(lines, func(l string) bool { return strings.Contains(l, "README.md ") }), "\n")
}

// damages are things that happen to a version directory, d, and that one stat betrays.
var damages = []struct {
	name   string
	reason string // what the plan says; "" where that depends on whether root asks
	do     func(t *testing.T, d string) error
}{
	{"flip a byte through the link", "rules/go.md: other content", func(t *testing.T, d string) error {
		return through(d+"/rules/go.md", "Be exact\n", true)
	}},
	{"flip a byte, and lose the link", "rules/go.md: other content", func(t *testing.T, d string) error {
		return errors.Join(os.Remove(d+"/rules/go.md"), os.WriteFile(d+"/rules/go.md", []byte("Be exact\n"), 0o444))
	}},
	{"flip with the time restored, in the mode 0644", "rules/go.md: other content", func(t *testing.T, d string) error {
		err := errors.Join(os.Remove(d+"/rules/go.md"), os.WriteFile(d+"/rules/go.md", []byte("Be exact\n"), 0o644))
		return errors.Join(err, fixTime(d+"/rules/go.md"))
	}},
	{"truncate with the time restored", "rules/go.md: size 3, expected 9", func(t *testing.T, d string) error {
		return errors.Join(through(d+"/rules/go.md", "be ", false), os.Truncate(d+"/rules/go.md", 3), fixTime(d+"/rules/go.md"), os.Chmod(d+"/rules/go.md", 0o444))
	}},
	{"chmod a file", "README.md: mode 0666, expected 0444", func(t *testing.T, d string) error { return os.Chmod(d+"/README.md", 0o666) }},
	{"chmod an executable", "scripts/run.sh: other x bit", func(t *testing.T, d string) error { return os.Chmod(d+"/scripts/run.sh", 0o644) }},
	{"write an executable", "scripts/run.sh: other content", func(t *testing.T, d string) error {
		return os.WriteFile(d+"/scripts/run.sh", []byte("#!/bin/sh\nexit 1\n"), 0o755)
	}},
	{"chmod a directory", "a/b: mode 0700, expected 0755", func(t *testing.T, d string) error { return os.Chmod(d+"/a/b", 0o700) }},
	{"chmod the version", ".: mode 0777, expected 0755", func(t *testing.T, d string) error { return os.Chmod(d, 0o777) }},
	{"shut a directory", "", func(t *testing.T, d string) error { return os.Chmod(d+"/a/b", 0) }},
	{"shut the version", "", func(t *testing.T, d string) error { return os.Chmod(d, 0) }},
	{"shut an executable", "", func(t *testing.T, d string) error { return os.Chmod(d+"/scripts/run.sh", 0) }},
	{"extra file at the top", "zzz.md is not in the package", func(t *testing.T, d string) error { return os.WriteFile(d+"/zzz.md", nil, 0o644) }},
	{"extra file below", "a/b/x.md is not in the package", func(t *testing.T, d string) error { return os.WriteFile(d+"/a/b/x.md", nil, 0o644) }},
	{"missing file", "empty.md is missing", func(t *testing.T, d string) error { return os.Remove(d + "/empty.md") }},
	{"missing directory", "a/b/c/deep.md is missing", func(t *testing.T, d string) error { return os.RemoveAll(d + "/a") }},
	{"file replaced by a link to its content", "rules/go.md is a link or a special file", func(t *testing.T, d string) error {
		return errors.Join(os.Rename(d+"/rules/go.md", d+"/../away.md"), os.Symlink("../../away.md", d+"/rules/go.md"))
	}},
	{"directory replaced by a link to its content", "rules is a link or a special file", func(t *testing.T, d string) error {
		return errors.Join(os.Rename(d+"/rules", d+"/../away"), os.Symlink("../away", d+"/rules"))
	}},
	{"file replaced by a directory", "README.md is missing", func(t *testing.T, d string) error {
		return errors.Join(os.Remove(d+"/README.md"), os.Mkdir(d+"/README.md", 0o755))
	}},
	{"directory replaced by a file", "rules is not in the package", func(t *testing.T, d string) error {
		return errors.Join(os.RemoveAll(d+"/rules"), os.WriteFile(d+"/rules", nil, 0o644))
	}},
	{"swap two files of one size", "a0.md: other content", func(t *testing.T, d string) error {
		return errors.Join(os.Rename(d+"/a0.md", d+"/t"), os.Rename(d+"/twin.md", d+"/a0.md"), os.Rename(d+"/t", d+"/twin.md"))
	}},
	{"everything in it removed", "README.md is missing", func(t *testing.T, d string) error {
		return errors.Join(os.RemoveAll(d), os.Mkdir(d, 0o755))
	}},
}

// through writes to a file as its owner would who does not know that it is shared.
func through(path, text string, restoreMode bool) error {
	err := os.Chmod(path, 0o644)
	if err == nil {
		var f *os.File
		if f, err = os.OpenFile(path, os.O_WRONLY, 0); err == nil {
			_, err = f.WriteString(text)
			err = errors.Join(err, f.Close())
		}
	}
	if restoreMode {
		err = errors.Join(err, os.Chmod(path, 0o444))
	}
	return err
}

func fixTime(path string) error {
	at := time.Unix(cas.BlobTime, 0)
	return os.Chtimes(path, at, at)
}

// TestDamageIsHealed damages a version in every way that a stat betrays. What was written through a link damaged the
// store, too: then the blob has to be put again.
func TestDamageIsHealed(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the damages are modes and links of Unix")
	}
	for _, c := range damages {
		t.Run(c.name, func(t *testing.T) {
			sh := newShelf(t)
			sh.sync(t)
			mustDo(t, c.do(t, sh.path("demo", "1.0.0")))
			s := sh.plan(t).Steps[2]
			if s.Action != Heal || s.Reason == "" || c.reason != "" && s.Reason != c.reason {
				t.Fatalf("plan: action %v, reason %q, want Heal, %q", s.Action, s.Reason, c.reason)
			}
			res, err := sh.target.Apply(t.Context(), sh.plan(t))
			var lost *LostError
			if errors.As(err, &lost) {
				if got := sh.leftovers(t); len(got) != 0 {
					t.Errorf("left behind: %v", got)
				}
				put(t, sh.store, "demo", "1.0.0", typical())
				res, err = sh.target.Apply(t.Context(), sh.plan(t))
			}
			if err != nil {
				t.Fatal(err)
			}
			if res.Healed != 1 || res.Kept != 2 {
				t.Errorf("result %+v", *res)
			}
			sh.checkWhole(t)
			if got := actions(sh.plan(t)); !slices.Equal(got, []Action{Keep, Keep, Keep}) {
				t.Errorf("after healing: %v", got)
			}
		})
	}
}

func TestTouchedIsKept(t *testing.T) {
	sh := newShelf(t)
	sh.sync(t)
	now := time.Now()
	mustDo(t, os.Chtimes(sh.path("demo", "1.0.0", "scripts", "run.sh"), now, now), os.Chtimes(sh.path("demo", "1.0.0", "rules"), now, now))
	before := state(t, sh.dir)
	if got := actions(sh.plan(t)); !slices.Equal(got, []Action{Keep, Keep, Keep}) {
		t.Errorf("plan %v", got)
	}
	sh.sync(t)
	if state(t, sh.dir) != before {
		t.Error("something was changed")
	}
}

// loseStore gives the shelf a store that remembers nothing.
func (sh *shelf) loseStore(t *testing.T) {
	t.Helper()
	mustDo(t, os.RemoveAll(sh.store.Dir()))
	sh.store = openStore(t, sh.store.Dir())
	sh.target = New(sh.dir, sh.store, Options{})
}

// TestTargetIsEnough holds that what stands is kept when the store is lost.
func TestTargetIsEnough(t *testing.T) {
	sh := newShelf(t)
	sh.sync(t)
	sh.loseStore(t)
	if got := actions(sh.plan(t)); !slices.Equal(got, []Action{Adopt, Adopt, Adopt}) {
		t.Fatalf("plan %v", got)
	}
	if res := sh.sync(t); *res != (Result{Adopted: 3}) {
		t.Errorf("result %+v", *res)
	}
	if got := actions(sh.plan(t)); !slices.Equal(got, []Action{Keep, Keep, Keep}) {
		t.Errorf("second plan %v", got)
	}
}

// foreign writes what the OpenPackage client would: 0644, with the time of writing.
func foreign(t *testing.T, dir string, f files) {
	t.Helper()
	for path, text := range f {
		mode := fs.FileMode(0o644)
		if strings.HasSuffix(path, ".sh") {
			mode = 0o755
		}
		path = filepath.Join(dir, path)
		mustDo(t, os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), mode), os.Chmod(path, mode))
	}
}

func TestOccupied(t *testing.T) {
	sh := newShelf(t)
	foreign(t, sh.path("demo", "1.0.0"), files{"openpackage.yml": "name: demo\nversion: 1.0.0\n", "mine.md": "mine\n"})
	before := state(t, filepath.Dir(sh.dir))
	p := sh.plan(t)
	if got := actions(p); !slices.Equal(got, []Action{Place, Place, Blocked}) {
		t.Fatalf("plan %v", got)
	}
	_, err := sh.target.Apply(t.Context(), p)
	var occupied *OccupiedError
	if !errors.As(err, &occupied) || occupied.Name != "demo" || occupied.Dir != sh.path("demo", "1.0.0") {
		t.Fatalf("error %v", err)
	}
	if !strings.Contains(occupied.Hint(), "--force") || !strings.Contains(occupied.Hint(), "OPKG_HOME") || !strings.Contains(err.Error(), "README.md is missing") {
		t.Errorf("%v; hint %s", err, occupied.Hint())
	}
	if state(t, filepath.Dir(sh.dir)) != before {
		t.Error("something was changed although a step is blocked")
	}

	sh.target = New(sh.dir, sh.store, Options{Force: true})
	if got := actions(sh.plan(t)); !slices.Equal(got, []Action{Place, Place, Replace}) {
		t.Fatalf("plan with force %v", got)
	}
	if res := sh.sync(t); res.Placed != 3 {
		t.Errorf("result %+v", *res)
	}
	sh.checkWhole(t)
}

func TestAdopt(t *testing.T) {
	sh := newShelf(t)
	f := typical()
	f["openpackage.yml"] = "name: \"demo\"\nversion: 1.0.0\n"
	foreign(t, sh.path("demo", "1.0.0"), f)
	before := state(t, sh.path("demo"))
	if got := actions(sh.plan(t)); !slices.Equal(got, []Action{Place, Place, Adopt}) {
		t.Fatalf("plan %v", got)
	}
	if res := sh.sync(t); res.Adopted != 1 || res.Placed != 2 {
		t.Errorf("result %+v", *res)
	}
	if got := actions(sh.plan(t)); !slices.Equal(got, []Action{Keep, Keep, Keep}) {
		t.Errorf("second plan %v", got)
	}
	if after := state(t, sh.path("demo")); after != before {
		t.Errorf("an adopted directory was changed:\n%s\n%s", before, after)
	}
}

func TestReplaceForAnotherLock(t *testing.T) {
	sh := newShelf(t)
	sh.sync(t)
	other := openStore(t, filepath.Join(t.TempDir(), "other"))
	w := put(t, other, "demo", "1.0.0", files{"other.md": "other\n"})
	put(t, sh.store, "demo", "1.0.0", files{"other.md": "other\n"})
	sh.wants[0] = w
	if got := actions(sh.plan(t)); !slices.Equal(got, []Action{Keep, Keep, Replace}) {
		t.Fatalf("plan %v", got)
	}
	if res := sh.sync(t); res.Placed != 1 || res.Kept != 2 {
		t.Errorf("result %+v", *res)
	}
	sh.checkWhole(t)
}

// TestLinksAreNeverFollowed puts links where directories should be: nothing behind them changes.
func TestLinksAreNeverFollowed(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("making links needs a privilege on Windows")
	}
	for _, c := range []struct {
		link   string
		force  Action // what the plan is with Force
		action Action
	}{
		{"demo/1.0.0", Replace, Blocked},
		{"demo", Blocked, Blocked},
		{"@team", Blocked, Blocked},
	} {
		t.Run(c.link, func(t *testing.T) {
			sh := newShelf(t)
			away := t.TempDir()
			mustDo(t, os.WriteFile(away+"/mine.md", []byte("mine"), 0o644), os.MkdirAll(filepath.Dir(sh.path(c.link)), 0o755), os.Symlink(away, sh.path(c.link)))
			before := state(t, away)
			step := func() Step {
				p := sh.plan(t)
				return p.Steps[slices.IndexFunc(p.Steps, func(s Step) bool { return strings.HasPrefix(string(s.Want.Name), c.link[:4]) })]
			}
			if s := step(); c.link != "@team" && s.Action != c.action {
				t.Fatalf("plan %v: %s", s.Action, s.Reason)
			}
			sh.target = New(sh.dir, sh.store, Options{Force: true})
			if s := step(); c.link != "@team" && s.Action != c.force {
				t.Fatalf("plan with force %v: %s", s.Action, s.Reason)
			}
			_, err := sh.target.Apply(t.Context(), sh.plan(t))
			if c.force == Replace && err != nil {
				t.Fatal(err)
			}
			if state(t, away) != before {
				t.Error("what the link leads to was changed")
			}
			if c.force == Replace {
				sh.checkWhole(t)
			}
		})
	}
}

// TestLinkInPlaceOfTheNewDirectory exchanges directories for links between Plan and Apply.
func TestLinkBetweenPlanAndApply(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("making links needs a privilege on Windows")
	}
	sh := newShelf(t)
	p := sh.plan(t)
	away := t.TempDir()
	mustDo(t, os.MkdirAll(sh.dir, 0o755), os.Symlink(away, sh.path("demo")))
	if _, err := sh.target.Apply(t.Context(), p); err == nil {
		t.Error("a link to a directory was taken for one")
	}
	if left, _ := os.ReadDir(away); len(left) > 0 {
		t.Errorf("%v was written through the link", left)
	}
	if left := sh.leftovers(t); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestDamagedBlobIsNotLinked(t *testing.T) {
	sh := newShelf(t)
	tree, err := sh.store.Tree(sh.wants[0].Tree)
	mustDo(t, err)
	blob := sh.store.BlobPath(tree.Entries[slices.IndexFunc(tree.Entries, func(e cas.Entry) bool { return e.Path == "rules/go.md" })].Blob)
	mustDo(t, through(blob, "Be exact\n", true))
	_, err = sh.target.Apply(t.Context(), sh.plan(t))
	var lost *LostError
	if !errors.As(err, &lost) || lost.Path != "rules/go.md" || !errors.Is(err, fs.ErrNotExist) || lost.Hint() == "" {
		t.Fatalf("error %v", err)
	}
	entries, _ := os.ReadDir(sh.dir)
	for _, e := range entries {
		if e.Name() != lockName {
			t.Errorf("%s is left", e.Name())
		}
	}
}

func TestIntactBlobWithAnotherModeOrTimeIsRepaired(t *testing.T) {
	sh := newShelf(t)
	tree, err := sh.store.Tree(sh.wants[0].Tree)
	mustDo(t, err)
	for i, e := range tree.Entries {
		path := sh.store.BlobPath(e.Blob)
		if i%2 == 0 {
			mustDo(t, os.Chmod(path, 0o644))
		} else {
			mustDo(t, os.Chtimes(path, time.Now(), time.Now()))
		}
	}
	sh.sync(t)
	sh.checkWhole(t)
}

func TestTreeThatIsNotInTheStore(t *testing.T) {
	sh := newShelf(t)
	sh.wants[1].Tree[0] ^= 1
	_, err := sh.target.Apply(t.Context(), sh.plan(t))
	var lost *LostError
	if !errors.As(err, &lost) || lost.Name != "@team/rules" {
		t.Errorf("error %v", err)
	}
	if left := sh.leftovers(t); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// TestAdoptedIsAnothers holds that what opkg only adopted is judged by its content alone, and that, like all that others made, it is
// replaced by force alone and never collected.
func TestAdoptedIsAnothers(t *testing.T) {
	sh := newShelf(t)
	sh.wants = sh.wants[:1]
	f := typical()
	f["openpackage.yml"] = "name: \"demo\"\nversion: 1.0.0\n"
	dir := sh.path("demo", "1.0.0")
	foreign(t, dir, f)
	mustDo(t, os.Mkdir(filepath.Join(dir, "empty"), 0o700), os.Chmod(filepath.Join(dir, "scripts", "run.sh"), 0o755|fs.ModeSetuid), os.Chmod(filepath.Join(dir, "a"), 0o700))
	sh.sync(t)
	audit := func() []Fault {
		t.Helper()
		a, err := sh.target.Audit(t.Context(), sh.wants)
		mustDo(t, err)
		return a[0].Faults
	}
	for _, thorough := range []bool{false, true} {
		sh.target = New(sh.dir, sh.store, Options{Force: true, Thorough: thorough})
		if got := actions(sh.plan(t)); !slices.Equal(got, []Action{Keep}) {
			t.Errorf("thorough %v: %v", thorough, got)
		}
	}
	if faults := audit(); len(faults) > 0 {
		t.Errorf("adopted, and wrong: %v", faults)
	}
	if unused, _ := sh.removeUnused(t, true); len(unused) > 0 {
		t.Errorf("collected: %v", unused)
	}
	if runtime.GOOS != "windows" {
		mustDo(t, os.Chmod(filepath.Join(dir, "README.md"), 0o744))
		if faults := audit(); len(faults) != 1 || faults[0].Path != "README.md" || faults[0].Found != "an executable" {
			t.Errorf("an x bit more: %v", faults)
		}
	}
	mustDo(t, os.WriteFile(filepath.Join(dir, "README.md"), []byte("mine\n"), 0o644))
	if faults := audit(); len(faults) == 0 {
		t.Error("other content is not wrong")
	}
	for force, want := range map[bool]Action{false: Blocked, true: Replace} {
		sh.target = New(sh.dir, sh.store, Options{Force: force, Thorough: true})
		if got := actions(sh.plan(t)); !slices.Equal(got, []Action{want}) {
			t.Errorf("force %v: %v", force, got)
		}
	}
	sh.target = New(sh.dir, sh.store, Options{Force: true})
	sh.sync(t)
	sh.checkWhole(t)
	if n, ok := sh.store.Noted("demo", sh.wants[0].Version); !ok || n.Adopted {
		t.Errorf("what force made is noted as %+v", n)
	}
	mustDo(t, os.RemoveAll(sh.path("demo")))
	sh.removeUnused(t, true)
	if n, ok := sh.store.Noted("demo", sh.wants[0].Version); ok {
		t.Errorf("what is gone is noted as %+v", n)
	}
}

// TestFaultsAreHealed holds that whatever an audit calls wrong in a directory that opkg made, the next look heals, though its content is right.
func TestFaultsAreHealed(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("modes and links of Unix")
	}
	now := time.Now()
	for name, change := range map[string]func(dir string) error{
		"an empty directory": func(dir string) error { return os.MkdirAll(filepath.Join(dir, "rules", "e", "f"), 0o755) },
		"special bits":       func(dir string) error { return os.Chmod(filepath.Join(dir, "scripts", "run.sh"), 0o755|fs.ModeSetuid) },
		"of a directory":     func(dir string) error { return os.Chmod(filepath.Join(dir, "rules"), 0o755|fs.ModeSticky) },
		"a mode and a time": func(dir string) error {
			path := filepath.Join(dir, "scripts", "run.sh")
			return errors.Join(os.Chmod(path, 0o700), os.Chtimes(path, now, now))
		},
		"a second name": func(dir string) error {
			return os.Link(filepath.Join(dir, "scripts", "run.sh"), filepath.Join(filepath.Dir(filepath.Dir(dir)), "second"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			sh := newShelf(t)
			sh.sync(t)
			mustDo(t, change(sh.path("demo", "1.0.0")))
			a, err := sh.target.Audit(t.Context(), sh.wants)
			mustDo(t, err)
			if len(a[0].Faults) == 0 {
				t.Fatal("nothing is wrong")
			}
			if s := sh.plan(t).Steps[2]; s.Action != Heal || s.Reason == "" {
				t.Errorf("plan: %v, %q", s.Action, s.Reason)
			}
			sh.sync(t)
			sh.checkWhole(t)
			if a, err = sh.target.Audit(t.Context(), sh.wants); err != nil || len(a[0].Faults) > 0 {
				t.Errorf("still wrong: %v, %v", a[0].Faults, err)
			}
		})
	}
}

// TestAdoptAsMade holds that a directory which in every way is as opkg makes them is taken for opkg's own when the store was lost.
func TestAdoptAsMade(t *testing.T) {
	sh := newShelf(t)
	sh.sync(t)
	sh.loseStore(t)
	now := time.Now()
	mustDo(t, os.Chtimes(sh.path("@team", "bare", "0.1.0"), now, now))
	sh.sync(t)
	for _, w := range sh.wants {
		if n, ok := sh.store.Noted(w.Name, w.Version); !ok || n.Adopted != (w.Name == "@team/bare") {
			t.Errorf("%s: %+v, %v", w.Name, n, ok)
		}
	}
}

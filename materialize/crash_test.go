//go:build unix

package materialize

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/openpackage/opkg/cas"
	"github.com/openpackage/opkg/ident"
)

// scene prepares what a run of Apply is interrupted in: one version healed, one replaced, one adopted, one new. It is
// made once, and copied for each run.
func scene(t *testing.T) (home string, wants []Want) {
	t.Helper()
	home = t.TempDir()
	sh := shelfIn(t, filepath.Join(home, "store"), filepath.Join(home, "registry"))
	rules := sh.wants[1]
	sh.wants[1] = put(t, sh.store, "@team/rules", "2.1.0-rc.1", files{"rules/old.md": "old\n", "bin/tool.sh": "#!/bin/sh\n"})
	sh.wants = sh.wants[:2]
	sh.sync(t)
	mustDo(t, os.WriteFile(sh.path("demo", "1.0.0", "extra.md"), []byte("extra"), 0o644))
	foreign(t, sh.path("taken", "1.0.0"), files{"openpackage.yml": "name: \"taken\"\nversion: 1.0.0\n"})
	wants = []Want{sh.wants[0], rules, put(t, sh.store, "fresh", "3.0.0", typical()), put(t, sh.store, "taken", "1.0.0", nil)}
	return home, wants
}

// sceneCopy is a scene of its own, with hard links kept.
func sceneCopy(t *testing.T, home string, wants []Want) *shelf {
	t.Helper()
	to := filepath.Join(t.TempDir(), "home")
	if out, err := exec.Command("cp", "-a", home, to).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return reopen(t, to, wants)
}

func reopen(t *testing.T, home string, wants []Want) *shelf {
	t.Helper()
	sh := &shelf{store: openStore(t, filepath.Join(home, "store")), dir: filepath.Join(home, "registry"), wants: wants}
	sh.target = New(sh.dir, sh.store, Options{})
	return sh
}

// checkOldOrNew fails unless each version is the old one, the new one, or, where none stood, absent.
func (sh *shelf) checkOldOrNew(t *testing.T, old map[string]string) {
	t.Helper()
	for _, w := range sh.wants {
		dir := sh.target.versionDir(w)
		got, err := cas.TreeOfDir(t.Context(), dir)
		if errors.Is(err, os.ErrNotExist) && old[string(w.Name)] == "" {
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", dir, err)
			continue
		}
		if id := got.ID(); id != w.Tree && id.String() != old[string(w.Name)] {
			t.Errorf("%s is neither the old nor the new", dir)
		}
	}
}

func (sh *shelf) trees(t *testing.T) map[string]string {
	t.Helper()
	trees := make(map[string]string)
	for _, w := range sh.wants {
		if got, err := cas.TreeOfDir(t.Context(), sh.target.versionDir(w)); err == nil {
			trees[string(w.Name)] = got.ID().String()
		}
	}
	return trees
}

// checkRecovers fails unless the next run leaves everything as it should be.
func (sh *shelf) checkRecovers(t *testing.T) {
	t.Helper()
	sh.sync(t)
	for try := 0; try < 5 && len(sh.leftovers(t)) > 0; try++ { // a process that another test forks holds our lock until it execs
		sh.sync(t)
	}
	taken := slices.IndexFunc(sh.wants, func(w Want) bool { return w.Name == "taken" })
	wants := sh.wants
	sh.wants = slices.Delete(slices.Clone(wants), taken, taken+1) // adopted: not of our modes and times
	sh.checkWhole(t)
	sh.wants = wants
	if got := actions(sh.plan(t)); !slices.Equal(got, []Action{Keep, Keep, Keep, Keep}) {
		t.Errorf("after the next run: %v", got)
	}
}

const childEnv = "OPKG_MATERIALIZE_TEST_CHILD"

// TestMain is the test, or one run of Apply in a process of its own.
func TestMain(m *testing.M) {
	if os.Getenv(childEnv) == "" {
		os.Exit(m.Run())
	}
	if err := child(os.Getenv(childEnv)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// child makes a target equal its arguments, a line each: the home, at which operation to be killed (0: never), and
// wants as "name version tree".
func child(args string) error {
	lines := strings.Split(args, "\n")
	home := lines[0]
	killAt, err := strconv.Atoi(lines[1])
	if err != nil {
		return err
	}
	store, err := cas.Open(filepath.Join(home, "store"), cas.Options{})
	if err != nil {
		return err
	}
	target := New(filepath.Join(home, "registry"), store, Options{})
	var count atomic.Int64
	target.step = func(string, string) error {
		if count.Add(1) == int64(killAt) {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
		return nil
	}
	var wants []Want
	for _, l := range lines[2:] {
		f := strings.Fields(l)
		v, err := ident.ParseVersion(f[1])
		if err != nil {
			return err
		}
		tree, err := ident.ParseTreeID(f[2])
		if err != nil {
			return err
		}
		wants = append(wants, Want{Name: ident.Name(f[0]), Version: v, Tree: tree})
	}
	p, err := target.Plan(context.Background(), wants)
	if err != nil {
		return err
	}
	_, err = target.Apply(context.Background(), p)
	return err
}

func (sh *shelf) child(killAt int) *exec.Cmd {
	lines := []string{filepath.Dir(sh.dir), strconv.Itoa(killAt)}
	for _, w := range sh.wants {
		lines = append(lines, fmt.Sprintf("%s %s %s", w.Name, w.Version, w.Tree))
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+strings.Join(lines, "\n"))
	return cmd
}

// TestKilled kills a run before its n-th operation on the disk, for all n.
func TestKilled(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("runs the test binary once for each operation")
	}
	home, wants := scene(t)
	old := reopen(t, home, wants).trees(t)
	for n := 1; ; n++ {
		sh := sceneCopy(t, home, wants)
		out, err := sh.child(n).CombinedOutput()
		var exit *exec.ExitError
		if err != nil && (!errors.As(err, &exit) || exit.ExitCode() != -1) {
			t.Fatalf("%v\n%s", err, out)
		}
		sh.checkOldOrNew(t, old)
		sh.checkRecovers(t)
		if t.Failed() {
			t.Fatalf("killed before operation %d", n)
		}
		if err == nil {
			if n < 50 {
				t.Errorf("only %d operations", n)
			}
			t.Logf("killed at each of %d operations", n-1)
			return
		}
	}
}

// TestEveryOperationMayFail lets the n-th operation fail, for all n: what stood there stands, nothing is left
// behind, and the next run succeeds.
func TestEveryOperationMayFail(t *testing.T) {
	t.Parallel()
	home, wants := scene(t)
	old := reopen(t, home, wants).trees(t)
	stride := 1
	if testing.Short() {
		stride = 7
	}
	for n := 1; ; n += stride {
		sh := sceneCopy(t, home, wants)
		count, failed := 0, ""
		sh.target.step = locked(func(op, path string) error {
			if count++; count == n {
				failed = op + " " + path
				return &os.PathError{Op: op, Path: path, Err: syscall.ENOSPC}
			}
			return nil
		})
		_, err := sh.target.Apply(t.Context(), sh.plan(t))
		sh.target.step = nil
		if failed == "" {
			if n < 50 || err != nil {
				t.Errorf("only %d operations: %v", n, err)
			}
			t.Logf("each of %d operations failed once, by steps of %d", n-1, stride)
			return
		}
		op, _, _ := strings.Cut(failed, " ")
		if bears := op == "remove" || op == "truncate" || op == "clone"; !bears && !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("%s fails: error %v", failed, err)
		}
		if left := sh.leftovers(t); op != "remove" && len(left) != 0 {
			t.Errorf("%s fails: %v is left", failed, left)
		}
		sh.checkOldOrNew(t, old)
		sh.checkRecovers(t)
		if t.Failed() {
			t.Fatalf("operation %d: %s", n, failed)
		}
	}
}

// TestNeighbours runs Apply in eight processes at once over the same directories, some of them killed.
func TestNeighbours(t *testing.T) {
	t.Parallel()
	home, wants := scene(t)
	rounds := 6
	if testing.Short() {
		rounds = 1
	}
	for round := range rounds {
		sh := sceneCopy(t, home, wants)
		var cmds []*exec.Cmd
		for i := range 8 {
			killAt := 0
			if i%4 == 3 && round > 0 {
				killAt = 10 + 9*round + 5*i
			}
			cmd := sh.child(killAt)
			var out strings.Builder
			cmd.Stdout, cmd.Stderr = &out, &out
			mustDo(t, cmd.Start())
			cmds = append(cmds, cmd)
		}
		for i, cmd := range cmds {
			if err := cmd.Wait(); err != nil && cmd.ProcessState.ExitCode() != -1 {
				t.Errorf("round %d, process %d: %v\n%s", round, i, err, cmd.Stdout)
			}
		}
		sh.checkRecovers(t)
		if t.Failed() {
			return
		}
	}
}

// TestTwoLocksOverOneVersion lets processes that want different content for one version replace it in turns: what
// stands there is always one of the two.
func TestTwoLocksOverOneVersion(t *testing.T) {
	home := t.TempDir()
	sh := shelfIn(t, filepath.Join(home, "store"), filepath.Join(home, "registry"))
	other := put(t, sh.store, "demo", "1.0.0", files{"other.md": "other\n"})
	sh.sync(t)
	mine := sh.wants
	var cmds []*exec.Cmd
	for i := range 8 {
		if sh.wants = mine; i%2 == 1 {
			sh.wants = []Want{other}
		}
		cmd := sh.child(0)
		mustDo(t, cmd.Start())
		cmds = append(cmds, cmd)
	}
	for _, cmd := range cmds {
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	}
	got, err := cas.TreeOfDir(t.Context(), sh.path("demo", "1.0.0"))
	if err != nil || got.ID() != other.Tree && got.ID() != mine[0].Tree {
		t.Errorf("neither the one nor the other stands there: %v", err)
	}
	sh.wants = mine
	sh.sync(t)
	sh.checkWhole(t)
}

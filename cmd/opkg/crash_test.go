package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/zeebo/blake3"

	"github.com/openpackage/opkg/cas"
	"github.com/openpackage/opkg/ident"
	"github.com/openpackage/opkg/internal/archive"
	"github.com/openpackage/opkg/internal/ops"
	"github.com/openpackage/opkg/lock"
)

// A crashScene is a command that is killed, or fails, at each of its operations on the disk.
type crashScene struct {
	name    string
	prepare func(t *testing.T, s *stage) // what the command finds
	args    []string
	again   []string // what completes it after a kill; nil: the command itself
	http    bool     // the registry is a server
}

// stage is where a scene is played: a home and a workspace below one directory, which is put back as it was before each run.
type stage struct {
	machine
	top, registry string
	live          string // the home and the workspace
}

// crashScenes are all commands that change the disk. A new one belongs here.
func crashScenes() []crashScene {
	synced := func(t *testing.T, s *stage) { s.must(t, "sync", "-q") }
	damaged := func(t *testing.T, s *stage) { // one has a file more, one is gone, one was written to through a link
		synced(t, s)
		installed := filepath.Join(s.home, ".openpackage", "registry")
		write(t, filepath.Join(installed, "tool", "1.0.0", "extra.md"), "extra")
		rule := filepath.Join(installed, "base", "1.0.0", "rules", "a.md")
		err := errors.Join(os.RemoveAll(filepath.Join(installed, "short")), os.Chmod(rule, 0o644), os.WriteFile(rule, []byte("evil"), 0o644))
		if err != nil {
			t.Fatal(err)
		}
	}
	return []crashScene{
		{"lock", func(t *testing.T, s *stage) {}, []string{"lock"}, nil, false},
		{"lock over HTTP", func(t *testing.T, s *stage) {}, []string{"lock"}, nil, true},
		{"sync", func(t *testing.T, s *stage) { s.must(t, "lock", "-q") }, []string{"sync"}, nil, false},
		{"sync with nothing to do", synced, []string{"sync"}, nil, false},
		{"heal", damaged, []string{"sync"}, nil, false},
		{"repair", damaged, []string{"verify", "--repair"}, nil, false},
		{"upgrade", func(t *testing.T, s *stage) {
			synced(t, s)
			write(t, filepath.Join(s.workspace, "openpackage.yml"), "name: ws\ndependencies:\n  - name: tool\n  - name: base\n    version: 1.1.0\n")
		}, []string{"sync"}, nil, false},
		{"add", synced, []string{"add", "extra"}, nil, false},
		{"remove", synced, []string{"remove", "tool"}, []string{"install"}, false},
		{"gc", func(t *testing.T, s *stage) {
			synced(t, s)
			s.must(t, "add", "extra", "-q")
			s.must(t, "remove", "extra", "tool", "-q")
			write(t, filepath.Join(s.home, ".openpackage", "store", "v1", "tmp", "4711-0", "1"), "left by a kill")
		}, []string{"gc", "--grace", "0"}, nil, false},
		{"clean", synced, []string{"cache", "clean"}, nil, false},
	}
}

// newStage makes a registry and a workspace that wants tool, and with it base and short; the index does not say the size of short, so that
// lock has to fetch it.
func newStage(t *testing.T) *stage {
	t.Helper()
	s := &stage{top: fastDir(t)}
	s.live, s.registry = filepath.Join(s.top, "live"), filepath.Join(s.top, "registry")
	s.home, s.workspace = filepath.Join(s.live, "home"), filepath.Join(s.live, "ws")
	for _, p := range []struct{ name, version, deps string }{
		{"base", "1.0.0", ""}, {"base", "1.1.0", ""}, {"extra", "1.0.0", "- name: base\n"}, {"short", "1.0.0", ""},
		{"tool", "1.0.0", "- name: base\n- name: short\n"},
	} {
		manifest := fmt.Sprintf("name: %s\nversion: %s\n", p.name, p.version)
		if p.deps != "" {
			manifest += "dependencies:\n" + p.deps
		}
		tgz, err := packed([]archive.File{
			{Path: "openpackage.yml", Data: []byte(manifest)},
			{Path: "rules/a.md", Data: []byte(strings.Repeat("rule of "+p.name+"\n", 10))},
			{Path: "rules/deep/b.md", Data: []byte("shared\n")},
			{Path: "run.sh", Data: []byte("#!/bin/sh\n# " + p.name + p.version + "\n"), Exec: true},
		})
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(s.registry, "packages", p.name, p.version+".tgz"), string(tgz))
	}
	if _, err := (&ops.World{Dir: s.registry}).IndexRegistry(t.Context(), s.registry); err != nil {
		t.Fatal(err)
	}
	index := filepath.Join(s.registry, "packages", "short", "index.json")
	data, err := os.ReadFile(index)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for line := range strings.Lines(string(data)) {
		if !strings.Contains(line, `"size"`) && !strings.Contains(line, `"tree"`) {
			lines = append(lines, line)
		}
	}
	write(t, index, strings.Join(lines, ""))
	write(t, filepath.Join(s.home, ".openpackage", "config.yml"), "registries:\n  team: file:"+s.registry+"\n")
	write(t, filepath.Join(s.workspace, "openpackage.yml"), "name: ws\ndependencies:\n  - name: tool\n  - name: base\n    version: 1.0.0\n")
	return s
}

// prepare makes what the scene begins with.
func (s *stage) prepare(t *testing.T, scene crashScene) {
	t.Helper()
	if scene.http {
		srv := httptest.NewServer(http.FileServer(http.Dir(s.registry)))
		t.Cleanup(srv.Close)
		write(t, filepath.Join(s.home, ".openpackage", "config.yml"), "registries:\n  team: "+srv.URL+"\n")
	}
	scene.prepare(t, s)
}

// fastDir is a directory in memory where there is one: what is tested is order, not the disk.
func fastDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "opkg-crash-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() {
		if !t.Failed() {
			os.RemoveAll(dir)
		}
	})
	return dir
}

// keep puts what is live aside, and reset brings it back.
func (s *stage) keep(t *testing.T) {
	t.Helper()
	if err := os.Rename(s.live, filepath.Join(s.top, "kept")); err != nil {
		t.Fatal(err)
	}
}

func (s *stage) reset(t *testing.T) {
	t.Helper()
	if err := os.RemoveAll(s.live); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("cp", "-a", filepath.Join(s.top, "kept"), s.live).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

// trace runs the command under the tracer.
func (s *stage) trace(t *testing.T, what string, args []string) (rep traced, output string) {
	t.Helper()
	report := filepath.Join(s.top, "report.json")
	cmd := s.opkg(t, append([]string{what, s.live}, args...)...)
	cmd.Args[0] = "opkg-traced"
	cmd.Env = append(cmd.Env, traceReport+"="+report, "GOMAXPROCS=2")
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState.ExitCode() == 99 {
		t.Fatalf("%v\n%s", err, out)
	}
	data, err := os.ReadFile(report)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &rep); err != nil {
		t.Fatal(err)
	}
	return rep, string(out)
}

// condition is what a stage holds: files of the workspace by their bytes, version directories by their trees, and what stands
// in the store.
type condition struct {
	files, versions map[string]string
	store           []string
}

func (s *stage) condition(t *testing.T) condition {
	t.Helper()
	c := condition{files: map[string]string{}, versions: map[string]string{}}
	for _, name := range []string{"openpackage.yml", "opkg.lock", ".openpackage/openpackage.index.yml"} {
		if data, err := os.ReadFile(filepath.Join(s.workspace, name)); err == nil {
			c.files[name] = string(data)
		}
	}
	dirs, _ := filepath.Glob(filepath.Join(s.home, ".openpackage", "registry", "*", "*"))
	for _, dir := range dirs {
		if strings.HasPrefix(filepath.Base(dir), ".opkg-") {
			continue
		}
		tree, err := cas.TreeOfDir(t.Context(), dir)
		if err != nil {
			t.Fatal(err)
		}
		c.versions[dir] = tree.ID().String()
	}
	store := filepath.Join(s.home, ".openpackage", "store", "v1")
	for _, dir := range []string{"blobs", "trees", "artifacts", "roots"} {
		_ = filepath.WalkDir(filepath.Join(store, dir), func(path string, d fs.DirEntry, err error) error {
			if err == nil && !d.IsDir() {
				c.store = append(c.store, path)
			}
			return nil
		})
	}
	return c
}

// whole lists what is visible and torn, or neither as it was before nor as it shall be.
func (s *stage) whole(t *testing.T, before, after condition) (wrong []string) {
	t.Helper()
	errorf := func(format string, args ...any) { wrong = append(wrong, fmt.Sprintf(format, args...)) }
	now := s.condition(t)
	for _, name := range []string{"openpackage.yml", "opkg.lock", ".openpackage/openpackage.index.yml"} {
		if got := now.files[name]; got != before.files[name] && got != after.files[name] {
			errorf("%s is neither the old nor the new one:\n%s", name, got)
		}
	}
	for dir, tree := range now.versions {
		if tree != before.versions[dir] && tree != after.versions[dir] {
			errorf("%s is neither the old nor the new one", dir)
		}
	}
	for dir := range before.versions {
		if after.versions[dir] != "" && now.versions[dir] == "" {
			errorf("%s is gone", dir)
		}
	}
	store, err := cas.Open(filepath.Join(s.home, ".openpackage", "store", "v1"), cas.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range now.store {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		name := filepath.Base(path)
		switch dir := filepath.Dir(path); filepath.Base(dir) {
		case "trees":
			if tree, err := cas.ParseTree(data); err != nil || tree.ID().Hex() != name {
				errorf("%s is torn", path)
			}
		case "artifacts":
			for line := range strings.Lines(string(data)) {
				digest, ok := strings.CutPrefix(line, "sha256 ")
				if !ok {
					continue
				}
				id, err := ident.ParseSHA256(strings.TrimSpace(digest))
				if err != nil {
					t.Fatal(err)
				}
				// A record is visible with all that it names, unless a stat betrays that somebody wrote through a link.
				if _, ok, err := store.Artifact(id); (!ok || err != nil) && !slices.Contains(before.store, path) {
					errorf("%s is there, and not all that the record of %s names: %v", path, id, err)
				}
			}
		case "roots":
		default: // a blob: intact, or its stat betrays it
			fi, err := os.Lstat(path)
			if err != nil {
				t.Fatal(err)
			}
			intact := fi.Mode() == 0o444 && fi.ModTime().Equal(time.Unix(cas.BlobTime, 0))
			if id := filepath.Base(dir) + name; intact && fmt.Sprintf("%x", blake3.Sum256(data)) != id {
				errorf("%s is torn", path)
			}
		}
	}
	if _, damaged, err := store.AuditRecords(); err != nil || len(damaged) > 0 {
		errorf("records: %v, %v", damaged, err)
	}
	if roots, damaged, err := store.ReadRoots(); err != nil || len(damaged) > 0 {
		errorf("roots: %v, %v, %v", roots, damaged, err)
	}
	if data, ok := now.files["opkg.lock"]; ok {
		if _, err := lock.Parse("opkg.lock", []byte(data)); err != nil {
			errorf("%v", err)
		}
	}
	return wrong
}

// done lets the next run complete what was stopped, and lists what is not as it shall be then. run is how the next run is made.
func (s *stage) done(t *testing.T, scene crashScene, after condition, run func(args []string) (out string, failed bool)) (wrong []string) {
	t.Helper()
	errorf := func(format string, args ...any) { wrong = append(wrong, fmt.Sprintf(format, args...)) }
	args := scene.again
	if args == nil {
		args = scene.args
	}
	if out, failed := run(args); failed {
		errorf("the next run fails:\n%s", out)
	}
	now := s.condition(t)
	for name, text := range after.files {
		if now.files[name] != text && scene.again == nil {
			errorf("after the next run %s is\n%s\nwant\n%s", name, now.files[name], text)
		}
	}
	for dir, tree := range after.versions {
		if now.versions[dir] != tree {
			errorf("after the next run %s is not whole", dir)
		}
	}
	if scene.args[0] == "gc" && !slices.Equal(now.store, after.store) {
		errorf("after the next run the store holds\n%q\nwant\n%q", now.store, after.store)
	}
	if len(s.leftovers(t)) > 0 { // the next run had no use for the store; another has
		s.must(t, "gc", "--older-than", "1h")
	}
	if left := s.leftovers(t); len(left) > 0 {
		errorf("the next run leaves %v", left)
	}
	return wrong
}

// plainly runs opkg and nothing else.
func (s *stage) plainly(t *testing.T) func([]string) (string, bool) {
	return func(args []string) (string, bool) {
		out, err := s.opkg(t, args...).CombinedOutput()
		return string(out), err != nil
	}
}

// rebooted runs opkg as if the system had been started anew.
func (s *stage) rebooted(t *testing.T) func([]string) (string, bool) {
	return func(args []string) (string, bool) {
		rep, out := s.trace(t, "reboot", args)
		return out, rep.Status != 0
	}
}

// leftovers are temporary files and directories; those of the workspace and of the cache apart, which go when they are old.
func (s *stage) leftovers(t *testing.T) (left []string) {
	t.Helper()
	_ = filepath.WalkDir(filepath.Join(s.home, ".openpackage"), func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Name() == "cache" {
			return fs.SkipDir
		}
		if err == nil && (strings.HasPrefix(d.Name(), ".opkg-") || strings.Contains(d.Name(), ".tmp-") || filepath.Base(filepath.Dir(path)) == "tmp") {
			left = append(left, path)
		}
		return nil
	})
	return left
}

// nightly reports whether all cases are to be run, and not only every so many.
func nightly() bool { return os.Getenv("OPKG_NIGHTLY") != "" }

// TestKilledAnywhere kills each command at its n-th operation on the disk, for all n in the nightly run (OPKG_NIGHTLY=1); a write is
// cut in half. Whatever is visible then is whole, and the next run completes without help.
func TestKilledAnywhere(t *testing.T) {
	if err := canTrace(); err != nil {
		t.Skip(err)
	}
	if testing.Short() {
		t.Skip("runs opkg hundreds of times")
	}
	for _, scene := range crashScenes() {
		t.Run(scene.name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t)
			s.prepare(t, scene)
			before := s.condition(t)
			s.keep(t)
			s.reset(t)
			s.must(t, scene.args...)
			after := s.condition(t)
			stride, kills := 7, 0
			if nightly() {
				stride = 1
			}
			for n := 1; ; n += stride {
				s.reset(t)
				rep, out := s.trace(t, fmt.Sprintf("kill:%d", n), scene.args)
				if rep.Op == "" {
					if rep.Status != 0 || kills == 0 {
						t.Errorf("status %d after %d operations\n%s", rep.Status, rep.Count, out)
					}
					t.Logf("opkg %s: %d operations, killed at %d of them", strings.Join(scene.args, " "), rep.Count, kills)
					return
				}
				kills++
				if wrong := slices.Concat(s.whole(t, before, after), s.done(t, scene, after, s.plainly(t))); len(wrong) > 0 {
					t.Fatalf("killed at operation %d: %s %s: %s", n, rep.Op, rep.Path, strings.Join(wrong, "\n"))
				}
			}
		})
	}
}

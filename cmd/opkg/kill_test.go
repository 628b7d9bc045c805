package main

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/openpackage/opkg/internal/archive"
	"github.com/openpackage/opkg/internal/ops"
)

// machine is a home and a workspace of their own, and a registry over HTTP that both use.
type machine struct {
	home, workspace string
	modeless        bool // nobody can see there what is executable
}

func newMachine(t *testing.T, url, manifest string) machine {
	t.Helper()
	m := machine{home: t.TempDir(), workspace: filepath.Join(t.TempDir(), "ws")}
	write(t, filepath.Join(m.home, ".openpackage", "config.yml"), "registries:\n  team: "+url+"\n")
	write(t, filepath.Join(m.workspace, "openpackage.yml"), manifest)
	return m
}

// opkg is this test binary, run as the command opkg.
func (m machine) opkg(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe, args...)
	cmd.Args[0] = "opkg"
	cmd.Dir = m.workspace
	cmd.Env = append(os.Environ(), "HOME="+m.home, "USERPROFILE="+m.home, "OPKG_HOME=", "CI=")
	return cmd
}

func (m machine) must(t *testing.T, args ...string) string {
	t.Helper()
	out, err := m.opkg(t, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("opkg %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// chain makes a registry of n packages, each of which needs the next two.
func chain(t *testing.T, n int) (dir, manifest string) {
	t.Helper()
	dir = t.TempDir()
	for i := range n {
		var m strings.Builder
		fmt.Fprintf(&m, "name: p%d\nversion: 1.0.0\ndependencies:\n", i)
		for k := i + 1; k <= i+2 && k < n; k++ {
			fmt.Fprintf(&m, "- name: p%d\n  version: ^1.0.0\n", k)
		}
		if i == n-1 {
			m.Reset()
			fmt.Fprintf(&m, "name: p%d\nversion: 1.0.0\n", i)
		}
		tgz, err := packed([]archive.File{
			{Path: "openpackage.yml", Data: []byte(m.String())},
			{Path: "rules/a.md", Data: []byte(strings.Repeat(fmt.Sprintf("rule %d\n", i), 100))},
			{Path: "scripts/run.sh", Data: []byte("#!/bin/sh\n"), Exec: true},
		})
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, "packages", fmt.Sprintf("p%d", i), "1.0.0.tgz"), string(tgz))
	}
	w := &ops.World{Dir: dir}
	if _, err := w.IndexRegistry(context.Background(), dir); err != nil {
		t.Fatal(err)
	}
	return dir, "name: ws\ndependencies:\n  - name: p0\n    version: ^1.0.0\n"
}

// TestLockBytesDoNotDependOnArrival locks 20 times against a server that answers after random delays.
func TestLockBytesDoNotDependOnArrival(t *testing.T) {
	dir, manifest := chain(t, 12)
	files := http.FileServer(http.Dir(dir))
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(time.Duration(rand.IntN(8)) * time.Millisecond)
		files.ServeHTTP(w, r)
	}))
	defer srv.Close()
	var first []byte
	for run := range 20 {
		m := newMachine(t, srv.URL, manifest)
		m.must(t, "lock", "-q")
		got, err := os.ReadFile(filepath.Join(m.workspace, "opkg.lock"))
		if err != nil {
			t.Fatal(err)
		}
		if run == 0 {
			first = got
		} else if !bytes.Equal(got, first) {
			t.Fatalf("run %d gave other bytes:\n%s\nfirst:\n%s", run, got, first)
		}
	}
}

// TestKilledSyncCompletes kills a sync at the n-th archive, for every n, and runs it again.
func TestKilledSyncCompletes(t *testing.T) {
	const packages = 8
	dir, manifest := chain(t, packages)
	files := http.FileServer(http.Dir(dir))
	var victim atomic.Pointer[os.Process]
	var left atomic.Int64
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, ".tgz") && left.Add(-1) == 0 {
			if p := victim.Load(); p != nil {
				_ = p.Kill()
			}
		}
		files.ServeHTTP(w, r)
	}))
	defer srv.Close()
	for n := 1; n <= packages; n++ {
		m := newMachine(t, srv.URL, manifest)
		m.must(t, "lock", "-q")
		left.Store(1 << 40)
		cmd := m.opkg(t, "sync", "-q")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		victim.Store(cmd.Process)
		left.Store(int64(n))
		_ = cmd.Wait()
		victim.Store(nil)
		m.must(t, "sync", "-q", "--locked")
		out := m.must(t, "sync", "--locked")
		if !strings.Contains(out, fmt.Sprintf("%d already there", packages)) {
			t.Fatalf("after a kill at archive %d: %s", n, out)
		}
		checkNoLeftovers(t, m, packages)
	}
}

// checkNoLeftovers asserts that the registry directory holds the packages and nothing else.
func checkNoLeftovers(t *testing.T, m machine, packages int) {
	t.Helper()
	found := 0
	top := filepath.Join(m.home, ".openpackage", "registry")
	err := filepath.WalkDir(top, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(top, path)
		if strings.Count(rel, string(filepath.Separator)) == 1 {
			found++
			if d.Name() != "1.0.0" {
				t.Errorf("%s was left behind", rel)
			}
		}
		return nil
	})
	if err != nil || found != packages {
		t.Errorf("%d version directories, want %d (%v)", found, packages, err)
	}
}

package main

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/openpackage/opkg/cas"
	"github.com/openpackage/opkg/internal/archive"
	"github.com/openpackage/opkg/internal/ops"
	"github.com/openpackage/opkg/lock"
)

// TestNeighbours lets eight workspaces of one home sync overlapping locks at once, again and again, each time by another lock, while gc removes
// what no lock names. After each round everything that a lock names stands there, whole. OPKG_NIGHTLY=1 runs 1,000 rounds.
func TestNeighbours(t *testing.T) {
	if testing.Short() {
		t.Skip("runs opkg hundreds of times")
	}
	t.Parallel()
	const workspaces, variants = 8, 3
	rounds := 50
	if nightly() {
		rounds = 1000
	}
	top := fastDir(t)
	registry := filepath.Join(top, "registry")
	manyVersions(t, registry, 10, variants)
	home := filepath.Join(top, "home")
	write(t, filepath.Join(home, ".openpackage", "config.yml"), "registries:\n  team: file:"+registry+"\n")
	var machines [workspaces]machine
	var locks [workspaces][variants][]byte
	for i := range machines {
		m := machine{home: home, workspace: filepath.Join(top, fmt.Sprintf("ws%d", i))}
		for v := range variants {
			manifest := "name: ws\ndependencies:\n"
			for j := range 4 {
				manifest += fmt.Sprintf("  - name: p%d\n    version: 1.%d.0\n", (i+j)%10, (v+j)%variants)
			}
			write(t, filepath.Join(m.workspace, "openpackage.yml"), manifest)
			m.must(t, "lock", "-q")
			data, err := os.ReadFile(filepath.Join(m.workspace, "opkg.lock"))
			if err != nil {
				t.Fatal(err)
			}
			locks[i][v] = data
		}
		machines[i] = m
	}
	random := rand.New(rand.NewPCG(1, 2))
	for round := range rounds {
		var cmds []*exec.Cmd
		start := func(m machine, args ...string) {
			cmd := m.opkg(t, args...)
			cmd.Stdout = &bytes.Buffer{}
			cmd.Stderr = cmd.Stdout
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			cmds = append(cmds, cmd)
		}
		for _, i := range random.Perm(workspaces) {
			write(t, filepath.Join(machines[i].workspace, "opkg.lock"), string(locks[i][random.IntN(variants)]))
			start(machines[i], "sync", "--frozen", "-q")
			if i%3 == 0 {
				start(machines[i], "gc", "-q")
			}
		}
		for _, cmd := range cmds {
			if err := cmd.Wait(); err != nil {
				t.Errorf("round %d: %v: %v\n%s", round, cmd.Args, err, cmd.Stdout)
			}
		}
		for _, m := range machines {
			m.checkInstalled(t)
		}
		if t.Failed() {
			t.Fatalf("round %d of %s", round, top)
		}
	}
	machines[0].must(t, "gc")
	s := &stage{machine: machines[0]}
	if wrong := append(s.whole(t, condition{}, s.condition(t)), s.leftovers(t)...); len(wrong) > 0 {
		t.Errorf("%s", strings.Join(wrong, "\n"))
	}
	t.Logf("%d rounds of %d syncs and 3 gcs", rounds, workspaces)
}

// manyVersions makes a registry of packages p0, p1 and so on, in versions 1.0.0, 1.1.0 and so on, which share files.
func manyVersions(t *testing.T, dir string, packages, versions int) {
	t.Helper()
	for i := range packages {
		for v := range versions {
			tgz, err := packed([]archive.File{
				{Path: "openpackage.yml", Data: fmt.Appendf(nil, "name: p%d\nversion: 1.%d.0\n", i, v)},
				{Path: "rules/same.md", Data: []byte("the same in all\n")},
				{Path: "rules/own.md", Data: fmt.Appendf(nil, "p%d in all versions\n", i)},
				{Path: "run.sh", Data: fmt.Appendf(nil, "#!/bin/sh\n# %d\n", v), Exec: true},
			})
			if err != nil {
				t.Fatal(err)
			}
			write(t, filepath.Join(dir, "packages", fmt.Sprintf("p%d", i), fmt.Sprintf("1.%d.0.tgz", v)), string(tgz))
		}
	}
	if _, err := (&ops.World{Dir: dir}).IndexRegistry(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
}

// checkInstalled fails unless every package of the lock stands in the registry directory, whole.
func (m machine) checkInstalled(t *testing.T) {
	t.Helper()
	path := filepath.Join(m.workspace, "opkg.lock")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	l, err := lock.Parse(path, data)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range l.Packages {
		dir := filepath.Join(m.home, ".openpackage", "registry", string(p.Name), p.Version.String())
		tree, err := cas.TreeOfDir(t.Context(), dir)
		if err == nil && m.modeless {
			for i := range tree.Entries {
				tree.Entries[i].Exec = strings.HasSuffix(tree.Entries[i].Path, ".sh")
			}
		}
		if err != nil || tree.ID() != p.Tree {
			t.Errorf("%s is missing or torn: %v", dir, err)
		}
	}
}

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// TestConcurrentAddsLoseNothing runs adds at once in one workspace, by several paths to it: every one of them stands in
// manifest and lock afterwards, and both agree.
func TestConcurrentAddsLoseNothing(t *testing.T) {
	const packages = 6
	dir, _ := chain(t, packages)
	m := newMachine(t, "file:"+dir, "name: ws\n")
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(m.workspace, link); err != nil {
		link = m.workspace
	}
	var wg sync.WaitGroup
	for i := range packages {
		wg.Go(func() {
			cmd := m.opkg(t, "add", fmt.Sprintf("p%d", i))
			if i%2 == 1 {
				cmd.Dir = link
			}
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("add p%d: %v\n%s", i, err, out)
			}
		})
	}
	wg.Wait()
	manifest, err := os.ReadFile(filepath.Join(m.workspace, "openpackage.yml"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range packages {
		if !strings.Contains(string(manifest), fmt.Sprintf("name: p%d\n", i)) {
			t.Errorf("p%d was lost:\n%s", i, manifest)
		}
	}
	m.must(t, "lock", "--check")
	if out := m.must(t, "sync", "--locked"); !strings.Contains(out, fmt.Sprintf("%d already there", packages)) {
		t.Errorf("sync: %s", out)
	}
}

// TestConcurrentSyncs runs syncs of a stale lock at once: each ends well, and the machine is whole.
func TestConcurrentSyncs(t *testing.T) {
	const packages = 6
	dir, manifest := chain(t, packages)
	m := newMachine(t, "file:"+dir, manifest)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if out, err := m.opkg(t, "sync").CombinedOutput(); err != nil {
				t.Errorf("sync: %v\n%s", err, out)
			}
		})
	}
	wg.Wait()
	if out := m.must(t, "sync", "--locked"); !strings.Contains(out, fmt.Sprintf("%d already there", packages)) {
		t.Errorf("sync: %s", out)
	}
	checkNoLeftovers(t, m, packages)
}

//go:build unix

package ops

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/openpackage/opkg/internal/event"
)

// What the OpenPackage client writes to its index while a sync is under way is not lost, though the sync had its own text ready.
func TestIndexThatChangesMeanwhile(t *testing.T) {
	w, _ := demo(t)
	dir := filepath.Join(w.Dir, ".openpackage")
	index := filepath.Join(dir, "openpackage.index.yml")
	synced := readFile(t, index)
	must(t, os.RemoveAll(w.OPKGHome))
	must(t, os.Remove(index))
	theirs := "# theirs\npackages:\n  their-own:\n    path: ./elsewhere/\n"
	var once sync.Once
	w.Observer = func(e event.Event) {
		if e.Kind == event.Placed {
			once.Do(func() { must(t, os.WriteFile(index, []byte(theirs), 0o644)) })
		}
	}
	_, err := w.Sync(context.Background(), SyncOptions{})
	must(t, err)
	got := readFile(t, index)
	for _, line := range append(strings.Split(strings.TrimSpace(synced), "\n")[2:], strings.Split(theirs, "\n")...) {
		if !strings.Contains(got, line) {
			t.Errorf("%q is lost:\n%s", line, got)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(dir, ".*tmp*")); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
}

// A sync that fails leaves the index, and the directory around it, as they were.
func TestIndexOfAFailedSync(t *testing.T) {
	w, _ := demo(t)
	dir := filepath.Join(w.Dir, ".openpackage")
	must(t, os.RemoveAll(w.OPKGHome))
	for _, f := range regularFiles(t, filepath.Join(w.Dir, "..", "registry")) {
		if strings.HasSuffix(f, ".tgz") {
			must(t, os.Truncate(f, 100))
		}
	}
	config := filepath.Join(dir, "config.yml")
	text := readFile(t, config)
	must(t, os.Remove(filepath.Join(dir, "openpackage.index.yml")))
	if _, err := w.Sync(context.Background(), SyncOptions{}); err == nil {
		t.Fatal("damaged archives are taken")
	}
	left, err := os.ReadDir(dir)
	must(t, err)
	if len(left) != 1 || readFile(t, config) != text {
		t.Errorf("left: %v", left)
	}
}

// The directory around the index goes with it where a sync fails that made it.
func TestIndexDirectory(t *testing.T) {
	w, _ := demo(t)
	ws, err := w.Open()
	must(t, err)
	l, _, err := ws.ReadLock()
	must(t, err)
	dir := filepath.Join(w.Dir, ".openpackage")
	must(t, os.RemoveAll(dir))
	index := &clientIndex{ws: ws, packages: l.Packages}
	index.prepare()
	index.prepare() // a second time, as after a loss
	if left, _ := os.ReadDir(dir); len(left) != 1 {
		t.Errorf("prepared: %v", left)
	}
	index.discard()
	if _, err := os.Lstat(dir); !os.IsNotExist(err) {
		t.Errorf("the directory is left: %v", err)
	}
}

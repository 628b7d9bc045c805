package main

import (
	"bytes"
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/openpackage/opkg/internal/archive"
	"github.com/openpackage/opkg/internal/ops"
)

// TestDemoRegistry holds testdata/registry and the lock of testdata/workspace against the sources in testdata/packages: the
// archives are packed from them, the indexes are made from the archives, the lock from those. OPKG_UPDATE=1 makes them
// anew.
func TestDemoRegistry(t *testing.T) {
	top := filepath.Join("..", "..", "testdata")
	made := filepath.Join(t.TempDir(), "testdata")
	copyTree(t, filepath.Join(top, "workspace"), filepath.Join(made, "workspace"))
	copyTree(t, filepath.Join(top, "registry"), filepath.Join(made, "registry")) // an index keeps what archives cannot tell: yanked marks
	for _, dir := range versionDirs(t, filepath.Join(top, "packages")) {
		var tgz bytes.Buffer
		if _, err := archive.Pack(&tgz, filepath.Join(top, "packages", dir)); err != nil {
			t.Fatalf("%s: %v", dir, err)
		}
		write(t, filepath.Join(made, "registry", "packages", dir+".tgz"), tgz.String())
	}
	if update { // other bytes for an indexed version are what an update is for
		dropDigests(t, filepath.Join(made, "registry"))
	}
	w := &ops.World{Dir: filepath.Join(made, "workspace"), OPKGHome: t.TempDir(), Env: func(string) string { return "" }}
	if _, err := w.IndexRegistry(context.Background(), filepath.Join(made, "registry")); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(made, "workspace", "opkg.lock")); err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	if _, err := w.Lock(context.Background(), ops.LockOptions{}); err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"registry", "workspace"} {
		compareTrees(t, filepath.Join(made, part), filepath.Join(top, part))
	}
}

// versionDirs lists <name>/<version> below dir, sorted.
func versionDirs(t *testing.T, dir string) (out []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Name() == "openpackage.yml" {
			rel, _ := filepath.Rel(dir, filepath.Dir(path))
			out = append(out, rel)
			return fs.SkipDir
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(out)
	return out
}

// dropDigests takes the versions whose archives changed out of the indexes, but for their yanked marks, by removing
// indexes without such marks.
func dropDigests(t *testing.T, registry string) {
	t.Helper()
	eachFile(t, registry, func(rel string, data []byte) {
		if strings.HasSuffix(rel, "index.json") && !bytes.Contains(data, []byte(`"yanked"`)) {
			if err := os.Remove(filepath.Join(registry, rel)); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func eachFile(t *testing.T, dir string, f func(rel string, data []byte)) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if os.IsNotExist(err) && path == dir {
			return fs.SkipAll
		}
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		data, err := os.ReadFile(path)
		rel, _ := filepath.Rel(dir, path)
		f(rel, data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func copyTree(t *testing.T, from, to string) {
	t.Helper()
	eachFile(t, from, func(rel string, data []byte) { write(t, filepath.Join(to, rel), string(data)) })
}

// compareTrees asserts that two directories hold the same files, or makes the second so with OPKG_UPDATE=1. What sync
// writes into the workspace does not count.
func compareTrees(t *testing.T, want, got string) {
	t.Helper()
	have := map[string][]byte{}
	eachFile(t, got, func(rel string, data []byte) { have[rel] = data })
	delete(have, filepath.Join(".openpackage", "openpackage.index.yml"))
	eachFile(t, want, func(rel string, data []byte) {
		switch old, ok := have[rel]; {
		case filepath.Base(rel) == "openpackage.index.yml":
		case ok && bytes.Equal(old, data):
		case update:
			write(t, filepath.Join(got, rel), string(data))
		default:
			t.Errorf("%s is not what its sources give: run OPKG_UPDATE=1 go test ./cmd/opkg -run TestDemoRegistry", filepath.Join(got, rel))
		}
		delete(have, rel)
	})
	for rel := range have {
		t.Errorf("%s has no source", filepath.Join(got, rel))
	}
}

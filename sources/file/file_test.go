package file

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/openpackage/opkg/config"
	"github.com/openpackage/opkg/ident"
	"github.com/openpackage/opkg/registry"
	"github.com/openpackage/opkg/sources"
	"github.com/openpackage/opkg/sources/sourcetest"
)

func at(dir string) *Source {
	return New(config.Registry{Alias: "shared", Source: "file:../team-registry", Dir: dir})
}

func TestSuite(t *testing.T) {
	sourcetest.Run(t, func(t *testing.T, dir string) sources.Source { return at(dir) })
}

const one = `{"name": "demo", "versions": {"1.0.0": {"tarball": "https://registry.example.test/x/packages/demo/1.0.0.tgz",
"sha256": "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881", "dependencies": {}}}}`

func write(t *testing.T, dir, path, text string) {
	t.Helper()
	file := filepath.Join(dir, filepath.FromSlash(path))
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// A mirrored index names its archives by URL; they are taken from where they stand here.
func TestMirroredIndex(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, registry.IndexPath("demo"), one)
	ix, err := at(dir).List(context.Background(), "demo")
	if err != nil || ix.Releases[0].Artifact != "packages/demo/1.0.0.tgz" {
		t.Errorf("%+v, %v", ix, err)
	}
}

// A directory that is not there must not let another registry answer.
func TestUnavailable(t *testing.T) {
	empty := t.TempDir()
	file := filepath.Join(empty, "file")
	write(t, empty, "file", "")
	for _, dir := range []string{filepath.Join(empty, "none"), empty, file} {
		_, err := at(dir).List(context.Background(), "demo")
		var missing *sources.NotFoundError
		var unavailable *sources.UnavailableError
		if errors.As(err, &missing) || !errors.As(err, &unavailable) || unavailable.Source != "file:../team-registry" {
			t.Errorf("%s: %v", dir, err)
		}
	}
}

func TestOddFiles(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("symbolic links need a privilege")
	}
	outside, dir := t.TempDir(), t.TempDir()
	write(t, outside, "index.json", one)
	write(t, outside, "1.0.0.tgz", "secret")
	write(t, dir, "packages/inside/index.json", one)
	link := func(target, path string) {
		t.Helper()
		path = filepath.Join(dir, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(target, path); err != nil {
			t.Fatal(err)
		}
	}
	link(outside, "packages/dirlink")
	link(filepath.Join(outside, "index.json"), "packages/filelink/index.json")
	if err := os.MkdirAll(filepath.Join(dir, "packages", "isdir", "index.json"), 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, dir, "packages/isfile", "")
	for _, name := range []ident.Name{"dirlink", "filelink", "isdir", "isfile"} {
		_, err := at(dir).List(context.Background(), name)
		var unavailable *sources.UnavailableError
		if !errors.As(err, &unavailable) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if body, err := at(dir).Open(context.Background(), sources.Ref{Name: "demo", Artifact: "packages/dirlink/1.0.0.tgz"}); err == nil {
		body.Close()
		t.Error("opened a file outside of the registry")
	}
	link("inside", "packages/demo")
	if _, err := at(dir).List(context.Background(), "demo"); err != nil {
		t.Errorf("a link inside the registry: %v", err)
	}
}

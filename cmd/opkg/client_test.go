package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/openpackage/opkg/ident"
	"github.com/openpackage/opkg/internal/ops"
	"github.com/openpackage/opkg/manifest"
)

// TestBesideClient checks what the OpenPackage client (0.11.3) demands of the directories that both programs share, on what sync and
// a second sync leave there, and that nothing of the client's own is touched. docs/client.md says the same in words.
func TestBesideClient(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("modes are a matter of Unix")
	}
	top := t.TempDir()
	for _, part := range []string{"workspace", "registry"} {
		if err := os.CopyFS(filepath.Join(top, part), os.DirFS(filepath.Join("..", "..", "testdata", part))); err != nil {
			t.Fatal(err)
		}
	}
	home := filepath.Join(top, "home")
	ws := filepath.Join(top, "workspace")
	t.Setenv("HOME", home)
	t.Setenv("OPKG_HOME", "")
	t.Setenv("CI", "")
	at := filepath.Join(home, ".openpackage")
	own := map[string]string{ // the client's
		filepath.Join(at, "credentials"):                                 "[default]\ntoken = x\n",
		filepath.Join(at, "config.jsonc"):                                "{ /* mine */ }\n",
		filepath.Join(at, "cache", "git", "abc", "HEAD"):                 "ref: refs/heads/main\n",
		filepath.Join(at, "cache", "metadata", "x.json"):                 "{}\n",
		filepath.Join(at, "packages", "mine", "rules", "a.md"):           "a\n",
		filepath.Join(at, "registry", "other", "1.0.0", "rules", "a.md"): "theirs\n",
		filepath.Join(ws, ".openpackage", "openpackage.lock"):            "lock: theirs\n",
	}
	for path, text := range own {
		write(t, path, text)
	}
	index := filepath.Join(ws, ".openpackage", "openpackage.index.yml")
	write(t, index, "# This file is managed by OpenPackage. Do not edit manually.\n\npackages:\n  '@opkg-demo/code-review':\n    files:\n      rules/review.md:\n        - hash: ca89bcbba94e968d\n          target: .cursor/rules/review.mdc\n    path: ~/.openpackage/registry/@opkg-demo/code-review/1.1.0/\n    platforms:\n      - cursor\n    version: 1.1.0\n")

	registry := filepath.Join(at, "registry")
	for range 2 {
		if status := run(t.Context(), []string{"-q", "-C", ws, "sync"}, strings.NewReader(""), os.Stdout, os.Stderr); status != 0 {
			t.Fatalf("sync ends with %d", status)
		}
		versions := versionDirs(t, registry)
		if len(versions) < 10 {
			t.Errorf("only %d version directories", len(versions))
		}
		for _, dir := range versions {
			if !strings.Contains(filepath.ToSlash(dir), "/other/") {
				checkVersionDir(t, registry, dir)
			}
		}
		checkIndex(t, index)
		for path, text := range own {
			if got, err := os.ReadFile(path); err != nil || string(got) != text {
				t.Errorf("%s: %v, %q", path, err, got)
			}
		}
	}
}

// versionDirs finds what the client takes for versions: directories with a semantic version for a name, at any place
// below the registry that could be a name's.
func versionDirs(t *testing.T, registry string) (out []string) {
	t.Helper()
	err := filepath.WalkDir(registry, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if _, err := ident.ParseVersion(strings.TrimPrefix(d.Name(), "v")); err != nil {
			return nil
		}
		if !d.IsDir() { // a link to a version is not found
			t.Errorf("%s is no directory", path)
			return nil
		}
		out = append(out, path)
		return fs.SkipDir
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func checkVersionDir(t *testing.T, registry, dir string) {
	t.Helper()
	rel, err := filepath.Rel(registry, dir)
	if err != nil {
		t.Fatal(err)
	}
	name, version := filepath.ToSlash(filepath.Dir(rel)), filepath.Base(rel)
	if _, err := ident.ParseName(name); err != nil {
		t.Errorf("%s: %v", rel, err)
	}
	file := filepath.Join(dir, ops.ManifestName)
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	m, err := manifest.ParsePackage(file, data)
	if err != nil {
		t.Fatal(err)
	}
	if string(m.Name) != name || m.Version.String() != version {
		t.Errorf("%s says that it is %s %s", rel, m.Name, m.Version)
	}
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		fi, err := d.Info()
		if err != nil {
			return err
		}
		switch mode := fi.Mode(); {
		case d.IsDir() && mode.Perm() == 0o755:
		case mode.IsRegular() && mode.Perm() == 0o444:
		case mode.IsRegular() && mode.Perm() == 0o755: // 0555 would make the client's next update fail
			if links := linksOf(fi); links != 1 {
				t.Errorf("%s is writable and has %d names: the client would write through it", path, links)
			}
		default:
			t.Errorf("%s has the mode %s", path, mode)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func checkIndex(t *testing.T, file string) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	text := string(data)
	if !strings.HasPrefix(text, "# This file is managed by OpenPackage. Do not edit manually.\n\npackages:\n") {
		t.Errorf("the index begins with %.80q", text)
	}
	for _, want := range []string{
		"    path: ~/.openpackage/registry/@opkg-demo/code-review/1.2.0/\n", "    version: 1.2.0\n",
		"        - hash: ca89bcbba94e968d\n          target: .cursor/rules/review.mdc\n", "    platforms:\n      - cursor\n", // kept
		"    path: ~/.openpackage/registry/opkg-demo-shell/1.0.1/\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the index has no %q:\n%s", want, text)
		}
	}
}

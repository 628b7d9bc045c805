// Package sourcetest is one suite that every sources.Source must pass.
package sourcetest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/openpackage/opkg/ident"
	"github.com/openpackage/opkg/registry"
	"github.com/openpackage/opkg/sources"
)

// Run makes a registry in the static layout and runs the suite over the source that open makes of its directory. open may
// serve or convert the directory; it is called once a test.
func Run(t *testing.T, open func(t *testing.T, dir string) sources.Source) {
	for name, test := range map[string]func(*testing.T, *fixture){
		"list": testList, "open": testOpen, "missing": testMissing, "malformed": testMalformed, "escape": testEscape,
		"size": testSize, "cancelled": testCancelled, "concurrent": testConcurrent, "close early": testCloseEarly,
	} {
		t.Run(name, func(t *testing.T) {
			f := &fixture{dir: t.TempDir()}
			f.write(t)
			f.Source = open(t, f.dir)
			test(t, f)
		})
	}
}

// fixture is a registry and the source over it.
type fixture struct {
	sources.Source
	dir string
}

// archive is what the registry serves for a version: any bytes do, since a source does not look inside.
func archive(name ident.Name, version string) []byte {
	return bytes.Repeat([]byte(fmt.Sprintf("%s %s\n", name, version)), 10_000)
}

// The packages of the fixture, and their versions, lowest first.
var packages = map[ident.Name][]string{
	"plain":         {"0.9.0", "1.0.0-rc.1", "1.0.0"},
	"@demo/scoped":  {"2.0.0"},
	"with.dots-and": {"1.0.0"},
}

func (f *fixture) write(t *testing.T) {
	for name, versions := range packages {
		text := fmt.Sprintf(`{"name": %q, "description": "for tests", "versions": {`, name)
		for i, v := range versions {
			data := archive(name, v)
			f.put(t, "packages/"+string(name)+"/"+v+".tgz", data)
			sum := sha256.Sum256(data)
			sep := ","
			if i == 0 {
				sep = ""
			}
			text += fmt.Sprintf(`%s %q: {"tarball": "%s.tgz", "sha256": %q, "size": %d, "dependencies": {"base": "^1.0.0"}}`,
				sep, v, v, hex.EncodeToString(sum[:]), len(data))
		}
		f.put(t, registry.IndexPath(name), []byte(text+"}}"))
	}
}

func (f *fixture) put(t *testing.T, path string, data []byte) {
	t.Helper()
	file := filepath.Join(f.dir, filepath.FromSlash(path))
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

// ref is the Ref of a listed version.
func (f *fixture) ref(t *testing.T, name ident.Name, version string) sources.Ref {
	t.Helper()
	ix, err := f.List(context.Background(), name)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range ix.Releases {
		if r.Version.String() == version {
			return sources.Ref{Name: name, Version: r.Version, Artifact: r.Artifact, Size: r.Size, SHA256: r.SHA256, Commit: r.Commit}
		}
	}
	t.Fatalf("%s %s is not listed", name, version)
	return sources.Ref{}
}

func testList(t *testing.T, f *fixture) {
	for name, versions := range packages {
		ix, err := f.List(context.Background(), name)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, r := range ix.Releases {
			got = append(got, r.Version.String())
			if want := registry.ArtifactPath(name, r.Version); r.Artifact != want {
				t.Errorf("%s: artifact %q, want %q", name, r.Artifact, want)
			}
			if r.SHA256.IsZero() || len(r.Dependencies) != 1 || r.Dependencies[0].Name != "base" {
				t.Errorf("%s %s: %+v", name, r.Version, r)
			}
		}
		if ix.Name != name || fmt.Sprint(got) != fmt.Sprint(versions) {
			t.Errorf("%s: %s %v", name, ix.Name, got)
		}
	}
}

func testOpen(t *testing.T, f *fixture) {
	for name, versions := range packages {
		for _, v := range versions {
			body, err := f.Open(context.Background(), f.ref(t, name, v))
			if err != nil {
				t.Fatal(err)
			}
			data, err := io.ReadAll(body.Archive)
			if closeErr := body.Close(); err != nil || closeErr != nil {
				t.Fatal(err, closeErr)
			}
			if !bytes.Equal(data, archive(name, v)) {
				t.Errorf("%s %s: %d other bytes", name, v, len(data))
			}
		}
	}
}

func testMissing(t *testing.T, f *fixture) {
	var missing *sources.NotFoundError
	for _, name := range []ident.Name{"nobody", "@demo/nobody", "@nobody/plain"} {
		if _, err := f.List(context.Background(), name); !errors.As(err, &missing) || missing.Name != name || len(missing.Asked) != 1 {
			t.Errorf("%s: %v", name, err)
		}
	}
	ref := f.ref(t, "plain", "1.0.0")
	if err := os.Remove(filepath.Join(f.dir, "packages", "plain", "1.0.0.tgz")); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Open(context.Background(), ref); !errors.As(err, &missing) || missing.Version != ref.Version {
		t.Errorf("archive: %v", err)
	}
}

func testMalformed(t *testing.T, f *fixture) {
	const sha = `"sha256": "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"`
	for what, text := range map[string]string{
		"empty":           ``,
		"HTML":            `<!doctype html>`,
		"cut":             `{"name": "plain", "versions": {`,
		"another name":    `{"name": "other", "versions": {}}`,
		"name in capital": `{"name": "Plain", "versions": {}}`,
		"no digest":       `{"name": "plain", "versions": {"1.0.0": {"tarball": "1.0.0.tgz"}}}`,
		"leaves":          `{"name": "plain", "versions": {"1.0.0": {"tarball": "%2e%2e/x.tgz", ` + sha + `}}}`,
		"dash":            `{"name": "plain", "versions": {"1.0.0": {"tarball": "--upload-pack=x", ` + sha + `}}}`,
		"control":         `{"name": "plain", "versions": {"1.0.0": {"tarball": "a\r\nb", ` + sha + `}}}`,
		"user":            `{"name": "plain", "versions": {"1.0.0": {"tarball": "https://a@b.test/x.tgz", ` + sha + `}}}`,
		"big":             `{"name": "plain", "versions": {}, "pad": "` + string(bytes.Repeat([]byte("a"), registry.MaxIndexSize)) + `"}`,
	} {
		f.put(t, registry.IndexPath("plain"), []byte(text))
		_, err := f.List(context.Background(), "plain")
		var malformed *registry.Error
		if !errors.As(err, &malformed) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func testEscape(t *testing.T, f *fixture) {
	f.put(t, "../outside.tgz", []byte("outside"))
	for _, artifact := range []string{"../outside.tgz", "packages/../../outside.tgz", "/etc/passwd", "packages/%2e%2e/%2e%2e/outside.tgz",
		`..\outside.tgz`, "", ".", "packages//plain", "file:///etc/passwd", "-x", "a?b", "a#b", "packages/plain%2f1.0.0.tgz", "a\x00b"} {
		body, err := f.Open(context.Background(), sources.Ref{Name: "plain", Artifact: artifact})
		var refused *sources.NotAllowedError
		if !errors.As(err, &refused) {
			t.Errorf("%q: %v", artifact, err)
		}
		if body != nil {
			body.Close()
		}
	}
}

func testSize(t *testing.T, f *fixture) {
	ref := f.ref(t, "plain", "1.0.0")
	for _, diff := range []int64{-1, 1} {
		wrong := ref
		wrong.Size += diff
		body, err := f.Open(context.Background(), wrong)
		if err == nil {
			_, err = io.ReadAll(body.Archive)
			body.Close()
		}
		var mismatch *ident.MismatchError
		if !errors.As(err, &mismatch) || mismatch.What != "size" || mismatch.Name != "plain" {
			t.Errorf("%+d: %v", diff, err)
		}
	}
}

func testCancelled(t *testing.T, f *fixture) {
	ref := f.ref(t, "plain", "1.0.0")
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := f.List(ctx, "plain"); !errors.Is(err, context.Canceled) {
		t.Errorf("List: %v", err)
	}
	if _, err := f.Open(ctx, ref); !errors.Is(err, context.Canceled) {
		t.Errorf("Open: %v", err)
	}
}

func testConcurrent(t *testing.T, f *fixture) {
	ref := f.ref(t, "@demo/scoped", "2.0.0")
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if _, err := f.List(context.Background(), "plain"); err != nil {
				t.Error(err)
			}
			body, err := f.Open(context.Background(), ref)
			if err != nil {
				t.Error(err)
				return
			}
			defer body.Close()
			if data, err := io.ReadAll(body.Archive); err != nil || len(data) != int(ref.Size) {
				t.Errorf("%d bytes, %v", len(data), err)
			}
		})
	}
	wg.Wait()
}

func testCloseEarly(t *testing.T, f *fixture) {
	body, err := f.Open(context.Background(), f.ref(t, "plain", "1.0.0"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := body.Archive.Read(make([]byte, 1)); err != nil {
		t.Error(err)
	}
	if err := body.Close(); err != nil {
		t.Error(err)
	}
}

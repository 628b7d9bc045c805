package opkg_test

import (
	"bytes"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/openpackage/opkg/cas"
	"github.com/openpackage/opkg/ident"
	"github.com/openpackage/opkg/internal/archive"
	"github.com/openpackage/opkg/manifest"
	"github.com/openpackage/opkg/registry"
)

const (
	demoSources  = "testdata/packages"
	demoRegistry = "testdata/registry"
)

// demoYanked is what the demo registry has withdrawn, and why.
var demoYanked = map[string]string{
	"@opkg-demo/code-review@1.2.1": "its reviewer may push; stay with 1.2.0",
}

// TestDemoRegistry holds that testdata/registry is what its sources in testdata/packages say. OPKG_UPDATE=1 makes it so. An
// archive with the right content is left as it is, whichever release of the compressor made it: what is published never
// changes.
func TestDemoRegistry(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("a checkout on Windows has no x bits to pack")
	}
	update := os.Getenv("OPKG_UPDATE") != ""
	made := map[string]bool{}
	for _, name := range demoNames(t) {
		ix := &registry.Index{Name: name}
		for _, v := range demoVersions(t, name) {
			r, description := demoRelease(t, name, v, update)
			ix.Releases, ix.Description = append(ix.Releases, r), description
			made[registry.ArtifactPath(name, v)] = true
		}
		file := registry.IndexPath(name)
		made[file] = true
		demoFile(t, file, ix.Format(), update)
	}
	for _, file := range demoFiles(t, demoRegistry) {
		if !made[file] {
			t.Errorf("%s/%s has no source in %s", demoRegistry, file, demoSources)
		}
	}
}

// demoRelease describes one version, after comparing its archive with its source.
func demoRelease(t *testing.T, name ident.Name, v ident.Version, update bool) (r registry.Release, description string) {
	t.Helper()
	dir := filepath.Join(demoSources, filepath.FromSlash(string(name)), v.String())
	want, err := cas.TreeOfDir(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	file := registry.ArtifactPath(name, v)
	packed, err := os.ReadFile(filepath.Join(demoRegistry, file))
	a, ierr := cas.Inspect(t.Context(), file, bytes.NewReader(packed))
	if err != nil || ierr != nil || a.Tree != want.ID() {
		if !update {
			t.Fatalf("%s is not what %s says (run OPKG_UPDATE=1 go test .): %v %v", file, dir, err, ierr)
		}
		var b bytes.Buffer
		if _, err := archive.Pack(&b, dir); err != nil {
			t.Fatal(err)
		}
		packed = b.Bytes()
		demoFile(t, file, packed, true)
		if a, err = cas.Inspect(t.Context(), file, bytes.NewReader(packed)); err != nil {
			t.Fatal(err)
		}
	}
	if a.Name != name || a.Version != v || a.Tree != want.ID() {
		t.Errorf("%s holds %s@%s, tree %s; want tree %s", file, a.Name, a.Version, a.Tree, want.ID())
	}
	reason, yanked := demoYanked[string(name)+"@"+v.String()]
	return registry.Release{
		Version: v, Artifact: v.String() + ".tgz", Size: a.Size, SHA256: a.SHA256, Tree: a.Tree, Dependencies: a.Dependencies,
		Yanked: yanked, YankReason: reason,
	}, demoDescription(t, dir)
}

func demoDescription(t *testing.T, dir string) string {
	t.Helper()
	file := filepath.Join(dir, archive.Manifest)
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	m, err := manifest.ParsePackage(file, data)
	if err != nil {
		t.Fatal(err)
	}
	if len(m.Warnings) > 0 {
		t.Errorf("%s: %s", file, m.Warnings[0].Text)
	}
	return m.Description
}

// demoFile compares a file of the registry with what it should be, or writes it.
func demoFile(t *testing.T, file string, want []byte, update bool) {
	t.Helper()
	full := filepath.Join(demoRegistry, filepath.FromSlash(file))
	if got, err := os.ReadFile(full); err == nil && bytes.Equal(got, want) {
		return
	}
	if !update {
		t.Errorf("%s is not what %s says (run OPKG_UPDATE=1 go test .)", full, demoSources)
		return
	}
	if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(full, want, 0o644); err != nil {
		t.Fatal(err)
	}
}

// demoNames are the packages that have a source, sorted.
func demoNames(t *testing.T) []ident.Name {
	t.Helper()
	var names []ident.Name
	for _, file := range demoFiles(t, demoSources) {
		dir, ok := strings.CutSuffix(file, "/"+archive.Manifest)
		if !ok {
			continue
		}
		name, err := ident.ParseName(path.Dir(dir))
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// demoVersions are the versions of one package, from the lowest up.
func demoVersions(t *testing.T, name ident.Name) []ident.Version {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(demoSources, filepath.FromSlash(string(name))))
	if err != nil {
		t.Fatal(err)
	}
	var versions []ident.Version
	for _, e := range entries {
		v, err := ident.ParseVersion(e.Name())
		if err != nil {
			t.Fatal(err)
		}
		versions = append(versions, v)
	}
	slices.SortFunc(versions, ident.Version.Compare)
	return versions
}

// demoFiles lists the files below dir, by slash-separated relative paths, sorted.
func demoFiles(t *testing.T, dir string) []string {
	t.Helper()
	var files []string
	err := fs.WalkDir(os.DirFS(dir), ".", func(p string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			files = append(files, p)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

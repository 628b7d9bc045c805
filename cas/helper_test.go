package cas

import (
	"bytes"
	"crypto/sha256"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/openpackage/opkg/ident"
	"github.com/openpackage/opkg/internal/archive"
)

// A pkg is a package that a test makes: path → content. A path that ends in .sh is executable.
type pkg map[string]string

func (p pkg) tgz(t testing.TB) []byte {
	t.Helper()
	var files []archive.File
	for path, text := range p {
		files = append(files, archive.File{Path: path, Exec: strings.HasSuffix(path, ".sh"), Size: int64(len(text)), Data: []byte(text)})
	}
	var b bytes.Buffer
	if err := archive.Write(&b, files, nil); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func demo(version string, more pkg) pkg {
	p := pkg{"openpackage.yml": "name: demo\nversion: " + version + "\ndependencies:\n  - name: base\n    version: ^1.0.0\n", "rules/a.md": "Be exact.\n", "run.sh": "#!/bin/sh\n"}
	for path, text := range more {
		p[path] = text
	}
	return p
}

func wantOf(t testing.TB, version string, tgz []byte) Want {
	t.Helper()
	return Want{Name: "demo", Version: mustVersion(t, version), Source: "https://registry.test/", Size: int64(len(tgz)),
		SHA256: sha256.Sum256(tgz), Dependencies: mustDependencies(t, "base", "^1.0.0")}
}

func mustVersion(t testing.TB, s string) ident.Version {
	t.Helper()
	v, err := ident.ParseVersion(s)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func mustDependencies(t testing.TB, namesAndRanges ...string) []ident.Requirement {
	t.Helper()
	deps := []ident.Requirement{}
	for pair := range slices.Chunk(namesAndRanges, 2) {
		r, err := ident.ParseRange(pair[1])
		if err != nil {
			t.Fatal(err)
		}
		deps = append(deps, ident.Requirement{Name: ident.Name(pair[0]), Range: r})
	}
	return deps
}

func newStore(t testing.TB) *Store {
	t.Helper()
	s, err := Open(filepath.Join(t.TempDir(), "store", "v1"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func mustPut(t testing.TB, s *Store, want Want, tgz []byte) *Artifact {
	t.Helper()
	a, err := s.Put(t.Context(), want, bytes.NewReader(tgz))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	return a
}

// filesIn lists the regular files below the store, sorted; the lock and the mark apart.
func filesIn(t testing.TB, s *Store) []string {
	t.Helper()
	var files []string
	err := filepath.WalkDir(s.Dir(), func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && d.Name() != lockFile && d.Name() != unsyncedFile {
			rel, _ := filepath.Rel(s.Dir(), path)
			files = append(files, filepath.ToSlash(rel))
		}
		return err
	})
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return files
}

// checkWhole fails unless every blob in the store is intact and hashes to its name, and every listing and record
// that is visible is whole.
func checkWhole(t testing.TB, s *Store) {
	t.Helper()
	for _, name := range filesIn(t, s) {
		data, err := os.ReadFile(filepath.Join(s.Dir(), name))
		if err != nil {
			t.Fatal(err)
		}
		kind, rest, _ := strings.Cut(name, "/")
		switch kind {
		case blobsDir:
			id, _, err := hashReader(bytes.NewReader(data), make([]byte, 4096))
			d, oerr := s.open()
			if oerr != nil {
				t.Fatal(oerr)
			}
			fi, _ := d.at.Stat(name)
			if err != nil || id.String() != strings.ReplaceAll(rest, "/", "") || !s.Intact(fi, int64(len(data))) {
				t.Errorf("%s is not whole: %+v", name, fi)
			}
		case treesDir:
			if tree, err := ParseTree(data); err != nil || tree.ID().Hex() != rest {
				t.Errorf("%s is not whole: %v", name, err)
			}
		case artifactsDir:
			texts, torn := splitRecords(string(data))
			for _, text := range texts {
				_, err := parseArtifact(text)
				torn = torn || err != nil
			}
			if torn || recordName(string(data)) != name {
				t.Errorf("%s is not whole:\n%s", name, data)
			}
		case tmpDir, rootsDir, settledDir, placedFile:
		default:
			t.Errorf("what is %s?", name)
		}
	}
}

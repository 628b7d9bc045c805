package archive

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"
)

// packedGolden is the SHA-256 of what Write makes of packedFiles. It changes only with an update of the
// compressor: say so in the changelog, since nobody can then make an older archive again, byte for byte.
const packedGolden = "20531ff62fe354b4330a42c616b2b17f"

func packedFiles() []File {
	text := []byte(strings.Repeat("Write tests first. Keep functions short.\n", 2000))
	return []File{
		{Path: "skills/run.sh", Exec: true, Size: 10, Data: []byte("#!/bin/sh\n")},
		{Path: "openpackage.yml", Size: int64(len(demo)), Data: []byte(demo)},
		{Path: "rules/" + strings.Repeat("very-long-name/", 12) + "a.md", Size: int64(len(text)), Data: text},
		{Path: "rules/é.md", Size: 0, Data: []byte{}},
	}
}

func TestWriteIsReproducible(t *testing.T) {
	var a, b bytes.Buffer
	files := packedFiles()
	if err := Write(&a, files, nil); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprintf("%x", sha256.Sum256(a.Bytes()))[:32]; got != packedGolden {
		t.Errorf("sha256 %s, want %s", got, packedGolden)
	}
	// Another order, and contents that arrive byte by byte.
	content := map[string][]byte{}
	for i, f := range files {
		content[f.Path] = f.Data
		files[i].Data = nil
	}
	files[0], files[2] = files[2], files[0]
	err := Write(&b, files, func(path string) (io.ReadCloser, error) {
		return io.NopCloser(iotest.OneByteReader(bytes.NewReader(content[path]))), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(a.Bytes(), b.Bytes()) {
		t.Error("the bytes depend on order or on how the contents arrive")
	}
	if err := sameAsTar(a.Bytes(), packedFiles()); err != nil {
		t.Error(err)
	}
	var u Unpacker
	got, err := u.Open(t.Context(), "", a.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	defer got.Close()
	if !strings.HasPrefix(paths(got), "openpackage.yml rules/very-long-name/") || !got.Files()[3].Exec || got.Files()[0].Exec {
		t.Errorf("read back: %s", paths(got))
	}
}

// sameAsTar reads tgz with archive/tar and compares it with files.
func sameAsTar(tgz []byte, files []File) error {
	z, err := gzip.NewReader(bytes.NewReader(tgz))
	if err != nil {
		return err
	}
	slices.SortFunc(files, func(a, b File) int { return strings.Compare(a.Path, b.Path) })
	r := tar.NewReader(z)
	for _, f := range files {
		h, err := r.Next()
		if err != nil {
			return err
		}
		data, err := io.ReadAll(r)
		if err != nil || h.Name != f.Path || !bytes.Equal(data, f.Data) || h.Mode&0o111 != 0 != f.Exec || h.ModTime.Unix() != packedTime {
			return fmt.Errorf("archive/tar reads %q, mode %o, %v", h.Name, h.Mode, err)
		}
	}
	if _, err := r.Next(); err != io.EOF {
		return fmt.Errorf("archive/tar reads an entry more, %v", err)
	}
	return nil
}

func TestFormatRecordCountsItself(t *testing.T) {
	for n := range 1200 {
		r := formatRecord("path", strings.Repeat("x", n))
		if want := strconv.Itoa(len(r)); !strings.HasPrefix(r, want+" ") {
			t.Fatalf("%d bytes begin with %.6q", len(r), r)
		}
	}
}

func TestWriteNoticesChangedFiles(t *testing.T) {
	for _, size := range []int64{2, 4} {
		err := Write(io.Discard, []File{{Path: "a", Size: size}}, func(string) (io.ReadCloser, error) { return io.NopCloser(strings.NewReader("abc")), nil })
		if err == nil {
			t.Errorf("a file of 3 bytes passes for %d", size)
		}
	}
}

func writeFiles(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestPackRoundTrip(t *testing.T) {
	dir := writeFiles(t, map[string]string{
		"openpackage.yml": demo, "rules/b.md": "b", "rules/a.md": "a", "run.sh": "#!/bin/sh\n", ".gitignore": "x",
		".git/config": "no", "sub/.git": "gitdir: no", ".openpackage/x": "no", "packages/p/openpackage.yml": "no", "opkg.lock": "no",
		"openpackage.index.yml": "no", "rules/a.md~": "no", "rules/.DS_Store": "no",
	})
	if err := os.Chmod(filepath.Join(dir, "run.sh"), 0o700); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	files, err := Pack(&b, dir)
	if err != nil {
		t.Fatal(err)
	}
	var u Unpacker
	a, err := u.Open(t.Context(), "", b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	const want = ".gitignore openpackage.yml rules/a.md rules/b.md run.sh"
	if got := paths(a); got != want || len(files) != 5 {
		t.Errorf("packed %q, want %q", got, want)
	}
	if last := a.Files()[4]; !last.Exec || string(last.Data) != "#!/bin/sh\n" {
		t.Errorf("run.sh: %+v", last)
	}
}

func TestPayloadOfDirRefuses(t *testing.T) {
	link := func(t *testing.T, dir string) {
		if err := os.Symlink("openpackage.yml", filepath.Join(dir, "link")); err != nil {
			t.Skip("no symbolic links here:", err)
		}
	}
	tests := []struct {
		what  string
		files map[string]string
		more  func(*testing.T, string)
	}{
		{"no manifest", map[string]string{"a.md": ""}, nil},
		{"a device name", map[string]string{"openpackage.yml": demo, "con.md": ""}, nil},
		{"a name of opkg's own", map[string]string{"openpackage.yml": demo, ".opkg-x": ""}, nil},
		{"a spelling of .git", map[string]string{"openpackage.yml": demo, ".GIT/x": ""}, nil},
		{"a case collision", map[string]string{"openpackage.yml": demo, "a": "", "A": ""}, nil},
		{"a symbolic link", map[string]string{"openpackage.yml": demo}, link},
		{"a manifest that is a directory", map[string]string{"openpackage.yml/x": ""}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.what, func(t *testing.T) {
			dir := writeFiles(t, tt.files)
			if tt.more != nil {
				tt.more(t, dir)
			}
			var unsafe *UnsafeError
			if _, err := PayloadOfDir(dir); !errors.As(err, &unsafe) {
				t.Errorf("error %v, want an *UnsafeError", err)
			}
		})
	}
}

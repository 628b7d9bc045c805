package archive

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
)

// row is one archive of testdata/hostile/manifest.json.
type row struct {
	File   string `json:"file"`
	Class  string `json:"class"`
	Expect string `json:"expect"` // reject, accept or accept-sanitised
	Why    string `json:"why"`
}

func hostileRows(t testing.TB) []row {
	t.Helper()
	data, err := os.ReadFile("testdata/hostile/manifest.json")
	if err != nil {
		t.Fatal(err)
	}
	var rows []row
	if err := json.Unmarshal(data, &rows); err != nil {
		t.Fatal(err)
	}
	if len(rows) < 147 {
		t.Fatalf("%d rows, want at least 147", len(rows))
	}
	return rows
}

func readHostile(t testing.TB, file string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata/hostile", file))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// unpacked is a payload as text: one line a file.
func unpacked(t testing.TB, a *Archive) string {
	t.Helper()
	var b strings.Builder
	err := a.Each(context.Background(), func(f File, r io.Reader) error {
		data, err := io.ReadAll(r)
		if err != nil {
			return err
		}
		if int64(len(data)) != f.Size || f.Data != nil && !bytes.Equal(data, f.Data) {
			return fmt.Errorf("%s: %d bytes, want %d", f.Path, len(data), f.Size)
		}
		mode := 0o644
		if f.Exec {
			mode = 0o755
		}
		fmt.Fprintf(&b, "%q %o %x\n", f.Path, mode, data)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// expected is the payload as archive/tar reads it, for archives that need no stripping and lose no file.
func expected(t testing.TB, tgz []byte) string {
	t.Helper()
	z, err := gzip.NewReader(bytes.NewReader(tgz))
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if err == io.EOF {
			return b.String()
		}
		if err != nil {
			t.Fatal(err)
		}
		if h.Typeflag == tar.TypeDir {
			continue
		}
		data, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "%q %o %x\n", strings.TrimPrefix(h.Name, "./"), 0o644|h.Mode&0o100|h.Mode&0o100>>3|h.Mode&0o100>>6, data)
	}
}

func TestEveryHostileArchiveGetsItsVerdict(t *testing.T) {
	var u Unpacker
	for _, r := range hostileRows(t) {
		t.Run(strings.TrimSuffix(r.File, ".tgz"), func(t *testing.T) {
			data := readHostile(t, r.File)
			a, err := u.Open(t.Context(), r.File, data)
			b, fileErr := u.OpenFile(t.Context(), r.File, bytes.NewReader(data), int64(len(data)))
			if fmt.Sprint(err) != fmt.Sprint(fileErr) {
				t.Errorf("in memory: %v; in a file: %v", err, fileErr)
			}
			if r.Expect == "reject" {
				var unsafe *UnsafeError
				if !errors.As(err, &unsafe) {
					t.Fatalf("error %v, want an *UnsafeError: %s", err, r.Why)
				}
				if strings.ContainsFunc(err.Error(), func(r rune) bool { return r < ' ' || r > '~' && r != '…' }) {
					t.Errorf("the message %q is not printable", err)
				}
				return
			}
			if err != nil {
				t.Fatalf("%v; want it accepted: %s", err, r.Why)
			}
			defer a.Close()
			defer b.Close()
			want := expected(t, data)
			if got := unpacked(t, a); got != want {
				t.Errorf("got\n%.2000s\nwant\n%.2000s", got, want)
			}
			if got := unpacked(t, b); got != want {
				t.Errorf("from a file: got\n%.2000s\nwant\n%.2000s", got, want)
			}
			if string(a.Manifest()) != "name: demo\nversion: 1.0.0\n" {
				t.Errorf("manifest %q", a.Manifest())
			}
		})
	}
}

// What is read past memory must be judged like what is read in it.
func TestStreamAgreesWithMemory(t *testing.T) {
	var u Unpacker
	for _, r := range hostileRows(t) {
		if r.Class == "bomb" {
			continue // refused before they are inflated, or large
		}
		data := readHostile(t, r.File)
		a, err := u.Open(t.Context(), r.File, data)
		s := &Archive{u: &u, name: r.File, src: compressed{data: data, size: int64(len(data))}}
		streamErr := about(u.stream(t.Context(), &s.src, s.list), r.File, "")
		if (err == nil) != (streamErr == nil) {
			t.Errorf("%s: in memory: %v; streamed: %v", r.File, err, streamErr)
		}
		if err != nil {
			continue
		}
		if got, want := unpacked(t, s), unpacked(t, a); got != want {
			t.Errorf("%s: streamed\n%.2000s\nin memory\n%.2000s", r.File, got, want)
		}
		if !bytes.Equal(a.Manifest(), s.Manifest()) {
			t.Errorf("%s: manifests differ", r.File)
		}
		a.Close()
	}
}

func TestBombsCostLittleMemory(t *testing.T) {
	var u Unpacker
	for _, r := range hostileRows(t) {
		if r.Class != "bomb" {
			continue
		}
		data := readHostile(t, r.File)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if _, err := u.Open(t.Context(), r.File, data); err == nil {
			t.Errorf("%s: accepted", r.File)
		}
		runtime.ReadMemStats(&after)
		if n := after.TotalAlloc - before.TotalAlloc; n > 64<<20 {
			t.Errorf("%s: allocated %d bytes", r.File, n)
		}
	}
}

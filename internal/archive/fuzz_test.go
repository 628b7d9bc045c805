package archive

import (
	"archive/tar"
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
)

// seeds are the hostile archives that are small, compressed or not.
func seeds(f *testing.F, inflated bool) {
	for _, r := range hostileRows(f) {
		data, err := os.ReadFile(filepath.Join("testdata/hostile", r.File))
		if err != nil {
			f.Fatal(err)
		}
		if len(data) > 4096 {
			continue
		}
		if inflated {
			z, err := gzip.NewReader(bytes.NewReader(data))
			if err != nil {
				continue
			}
			if data, err = io.ReadAll(io.LimitReader(z, 1<<16)); err != nil {
				continue
			}
		}
		f.Add(data)
	}
}

// What we accept, archive/tar reads identically: names, kinds, sizes, bytes.
func FuzzTarAgainstStandardLibrary(f *testing.F) {
	seeds(f, true)
	f.Fuzz(func(t *testing.T, data []byte) {
		type file struct {
			name string
			dir  bool
			exec bool
			body string
		}
		var ours []file
		r := &tarReader{src: window{r: bytes.NewReader(data), buf: make([]byte, windowSize)}}
		for {
			m, err := r.next()
			if err == io.EOF {
				break
			}
			if err != nil {
				return
			}
			body, err := io.ReadAll(r.body())
			if err != nil {
				return
			}
			if int64(len(body)) != m.size {
				t.Fatalf("%q: %d bytes, want %d", m.name, len(body), m.size)
			}
			ours = append(ours, file{m.name, m.dir, m.exec, string(body)})
		}
		theirs := tar.NewReader(bytes.NewReader(data))
		for i := 0; ; i++ {
			h, err := theirs.Next()
			if err == io.EOF {
				if i != len(ours) {
					t.Fatalf("archive/tar reads %d entries, we %d", i, len(ours))
				}
				return
			}
			if err != nil {
				t.Fatalf("archive/tar refuses what we accept: %v", err)
			}
			if h.Typeflag == tar.TypeXGlobalHeader {
				i--
				continue
			}
			body, err := io.ReadAll(theirs)
			if err != nil {
				t.Fatalf("archive/tar: %v", err)
			}
			if i >= len(ours) {
				t.Fatalf("archive/tar reads an entry more: %q", h.Name)
			}
			if strings.HasSuffix(ours[i].name, "/") && !ours[i].dir {
				return // no path: CheckPath refuses it; for archive/tar it is a directory
			}
			got := file{h.Name, h.Typeflag == tar.TypeDir, h.Mode&0o100 != 0, string(body)}
			if got != ours[i] {
				t.Fatalf("entry %d: archive/tar reads %+v, we %+v", i, got, ours[i])
			}
		}
	})
}

func FuzzOpen(f *testing.F) {
	seeds(f, false)
	var u Unpacker
	f.Fuzz(func(t *testing.T, data []byte) {
		a, err := u.OpenFile(t.Context(), "fuzz", bytes.NewReader(data), int64(len(data)))
		if err != nil {
			return
		}
		defer a.Close()
		var names NameSet
		for _, file := range a.Files() {
			if err := CheckPath(file.Path); err != nil {
				t.Fatal(err)
			}
			if err := names.Add(file.Path, false); err != nil {
				t.Fatal(err)
			}
			if Dropped(file.Path) || int64(len(file.Data)) != file.Size {
				t.Fatalf("%q", file.Path)
			}
		}
		if _, err := gzip.NewReader(bytes.NewReader(data)); err != nil {
			t.Fatalf("compress/gzip refuses what we accept: %v", err)
		}
	})
}

func FuzzFold(f *testing.F) {
	for _, s := range []string{"A", "straße", "İ", "ı", "\u212a", "cafe\u0301", ".g\u200cit", "ᾳ", "ς", "\u0345"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if CheckPath(s) != nil || strings.Contains(s, "/") {
			return
		}
		k := fold(s)
		if again := fold(k); again != k {
			t.Errorf("fold(%+q) = %+q, and of that %+q", s, k, again)
		}
		for _, other := range []string{strings.ToUpper(s), strings.ToLower(s)} {
			if strings.EqualFold(s, other) && fold(other) != k {
				t.Errorf("fold(%+q) = %+q, fold(%+q) = %+q", s, k, other, fold(other))
			}
		}
	})
}

// A gzip file that is inflated at once is accepted, refused and read as one that is streamed.
func FuzzGunzipAgainstStream(f *testing.F) {
	seeds(f, false)
	var u Unpacker
	f.Fuzz(func(t *testing.T, data []byte) {
		c := compressed{data: data, size: int64(len(data))}
		n, err := c.claimed()
		if err != nil || n > 1<<20 {
			return
		}
		atOnce, streamed := make([]byte, n), make([]byte, n)
		err = u.inflateAtOnce(t.Context(), data, atOnce)
		other := u.inflateStream(t.Context(), &c, streamed)
		if (err == nil) != (other == nil) {
			t.Fatalf("at once: %v; streamed: %v", err, other)
		}
		if err == nil && !bytes.Equal(atOnce, streamed) {
			t.Fatal("other bytes")
		}
	})
}

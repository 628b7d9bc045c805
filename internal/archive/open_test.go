package archive

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"strconv"
	"strings"
	"testing"

	"github.com/klauspost/compress/flate"
)

// entry is one member of an archive that a test makes.
type entry struct {
	name string
	body string
	mode int64
	typ  byte
	pax  map[string]string
}

const demo = "name: demo\nversion: 1.0.0\n"

func makeTar(t testing.TB, entries ...entry) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, e := range entries {
		h := &tar.Header{Typeflag: tar.TypeReg, Name: e.name, Mode: 0o644, Size: int64(len(e.body)), PAXRecords: e.pax}
		if e.mode != 0 {
			h.Mode = e.mode
		}
		if e.typ != 0 {
			h.Typeflag = e.typ
		}
		if e.typ == tar.TypeXGlobalHeader {
			h = &tar.Header{Typeflag: e.typ, Name: e.name, PAXRecords: e.pax}
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, e.body); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// gz compresses data behind a header of the test's choice.
func gz(t testing.TB, header string, data []byte) []byte {
	t.Helper()
	b := bytes.NewBufferString(header)
	w, err := flate.NewWriter(b, 1)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	var trailer [8]byte
	binary.LittleEndian.PutUint32(trailer[:4], crc32.ChecksumIEEE(data))
	binary.LittleEndian.PutUint32(trailer[4:], uint32(len(data)))
	return append(b.Bytes(), trailer[:]...)
}

const plainHeader = "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"

func makeTGZ(t testing.TB, entries ...entry) []byte {
	return gz(t, plainHeader, makeTar(t, entries...))
}

func paths(a *Archive) string {
	var names []string
	for _, f := range a.Files() {
		names = append(names, f.Path)
	}
	return strings.Join(names, " ")
}

func TestPayload(t *testing.T) {
	m := entry{name: "openpackage.yml", body: demo}
	sub := entry{name: "package/openpackage.yml", body: demo}
	long := strings.Repeat("long/", 60) + "f.md"
	tests := []struct {
		what    string
		entries []entry
		want    string // "" means refused
	}{
		{"archive order is kept", []entry{{name: "z"}, m, {name: "a"}}, "z openpackage.yml a"},
		{"a single directory is stripped", []entry{sub, {name: "package/a/b.md"}}, "openpackage.yml a/b.md"},
		{"with its own entry", []entry{{name: "package/", typ: tar.TypeDir}, sub}, "openpackage.yml"},
		{"with junk beside it", []entry{{name: "._package"}, sub, {name: ".DS_Store"}}, "openpackage.yml"},
		{"with ./ before it", []entry{{name: "./package/openpackage.yml", body: demo}, {name: "./package/x"}}, "openpackage.yml x"},
		{"payload rules hold below it", []entry{sub, {name: "package/packages/x"}, {name: "package/opkg.lock"}}, "openpackage.yml"},
		{"two directories are not", []entry{sub, {name: "other/a"}}, ""},
		{"nor one without manifest", []entry{{name: "package/a"}}, ""},
		{"nor one beside a file", []entry{sub, {name: "a.md"}}, ""},
		{"a manifest at the root wins", []entry{m, sub}, "openpackage.yml package/openpackage.yml"},
		{"a deeper manifest is none", []entry{{name: "a/b/openpackage.yml", body: demo}}, ""},
		{"what is dropped", []entry{m, {name: ".openpackage/x"}, {name: "packages/p/openpackage.yml"}, {name: "openpackage.index.yml"},
			{name: "opkg.lock"}, {name: "a~"}, {name: "d/._x"}}, "openpackage.yml"},
		{"dropped names are checked too", []entry{m, {name: ".openpackage/../../x"}}, ""},
		{"and collide too", []entry{m, {name: "opkg.lock"}, {name: "OPKG.lock"}}, ""},
		{"only junk", []entry{{name: "._a"}}, ""},
		{"empty directories vanish", []entry{m, {name: "d/", typ: tar.TypeDir}, {name: "e", typ: tar.TypeDir}}, "openpackage.yml"},
		{"PAX names", []entry{m, {name: long}, {name: "é.md"}}, "openpackage.yml " + long + " é.md"},
		{"git archive's global header", []entry{{name: "pax_global_header", typ: tar.TypeXGlobalHeader, pax: map[string]string{"comment": "f00"}}, m}, "openpackage.yml"},
		{"vendors' records", []entry{m, {name: "a", pax: map[string]string{"SCHILY.xattr.user.x": "1", "LIBARCHIVE.creationtime": "7"}}}, "openpackage.yml a"},
		{"sparse records", []entry{m, {name: "a", pax: map[string]string{"SCHILY.realsize": "9"}}}, ""},
		{"unknown standard records", []entry{m, {name: "a", pax: map[string]string{"charset": "BINARY"}}}, ""},
		{"a large manifest", []entry{{name: "openpackage.yml", body: strings.Repeat("#", MaxManifestBytes+1)}}, ""},
	}
	var u Unpacker
	for _, tt := range tests {
		t.Run(tt.what, func(t *testing.T) {
			data := makeTGZ(t, tt.entries...)
			a, err := u.Open(t.Context(), "test.tgz", data)
			if tt.want == "" {
				var unsafe *UnsafeError
				if !errors.As(err, &unsafe) || unsafe.Archive != "test.tgz" {
					t.Fatalf("error %v, want an *UnsafeError", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer a.Close()
			if got := paths(a); got != tt.want {
				t.Errorf("payload %q, want %q", got, tt.want)
			}
			if string(a.Manifest()) != demo {
				t.Errorf("manifest %q", a.Manifest())
			}
			s := &Archive{u: &u, src: a.src}
			if err := u.stream(t.Context(), &s.src, s.list); err != nil || unpacked(t, s) != unpacked(t, a) {
				t.Errorf("streamed it differs: %v", err)
			}
		})
	}
}

func TestGzipHeader(t *testing.T) {
	crc16 := func(h string) string {
		s := crc32.ChecksumIEEE([]byte(h))
		return h + string([]byte{byte(s), byte(s >> 8)})
	}
	head := func(flags byte) string { return "\x1f\x8b\x08" + string([]byte{flags}) + "\x01\x02\x03\x04\x02\x03" }
	tests := []struct {
		what, header string
		ok           bool
	}{
		{"plain", plainHeader, true},
		{"text", head(1), true},
		{"extra field", head(4) + "\x03\x00abc", true},
		{"empty extra field", head(4) + "\x00\x00", true},
		{"name and comment", head(8|16) + "n.tar\x00c\x00", true},
		{"checksum", crc16(head(2)), true},
		{"all of it", crc16(head(2|4|8|16) + "\x01\x00xn\x00c\x00"), true},
		{"wrong checksum", head(2) + "\x00\x00", false},
		{"longest comment", head(16) + strings.Repeat("c", MaxGzipString-1) + "\x00", true},
		{"comment too long", head(16) + strings.Repeat("c", MaxGzipString) + "\x00", false},
		{"reserved flag", head(32), false},
		{"other method", "\x1f\x8b\x07\x00\x00\x00\x00\x00\x00\xff", false},
		{"zip", "PK\x03\x04\x00\x00\x00\x00\x00\x00", false},
	}
	data := makeTar(t, entry{name: "openpackage.yml", body: demo})
	var u Unpacker
	for _, tt := range tests {
		a, err := u.Open(t.Context(), "", gz(t, tt.header, data))
		if (err == nil) != tt.ok {
			t.Errorf("%s: error %v", tt.what, err)
		}
		if err == nil {
			a.Close()
		}
	}
}

func TestEveryTruncationIsRefused(t *testing.T) {
	var u Unpacker
	data := makeTGZ(t, entry{name: "openpackage.yml", body: demo}, entry{name: "a", body: strings.Repeat("x", 1000)})
	for n := range len(data) {
		if _, err := u.Open(t.Context(), "", data[:n]); err == nil {
			t.Errorf("the first %d of %d bytes are accepted", n, len(data))
		}
	}
	whole := makeTar(t, entry{name: "openpackage.yml", body: demo}, entry{name: "a", body: strings.Repeat("x", 1000)})
	for n := 0; n < len(whole); n += 256 {
		if _, err := u.Open(t.Context(), "", gz(t, plainHeader, whole[:n])); err == nil {
			t.Errorf("a tar cut at %d of %d bytes is accepted", n, len(whole))
		}
	}
}

func TestLargeArchivesAreReadTwice(t *testing.T) {
	// Not compressible enough to trip the ratio, and larger than what is unpacked in memory.
	var big strings.Builder
	for x := uint32(1); big.Len() <= InMemory; x = x*1664525 + 1013904223 {
		big.WriteString(strconv.Itoa(int(x)))
	}
	data := makeTGZ(t, entry{name: "p/openpackage.yml", body: demo}, entry{name: "p/big", body: big.String(), mode: 0o755}, entry{name: "p/opkg.lock"}, entry{name: "p/z", body: "end"})
	var u Unpacker
	a, err := u.OpenFile(t.Context(), "big.tgz", bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	if a.tar != nil || a.Files()[0].Data != nil {
		t.Error("it is in memory")
	}
	var got []string
	err = a.Each(t.Context(), func(f File, r io.Reader) error {
		if f.Path == "big" {
			data, err := io.ReadAll(r)
			if string(data) != big.String() || !f.Exec {
				t.Error("big differs")
			}
			got = append(got, f.Path)
			return err
		}
		got = append(got, f.Path) // its body is left unread
		return nil
	})
	if err != nil || strings.Join(got, " ") != "openpackage.yml big z" {
		t.Errorf("read %v, %v", got, err)
	}
	stop := errors.New("stop")
	if err := a.Each(t.Context(), func(File, io.Reader) error { return stop }); err != stop {
		t.Errorf("error %v, want the callback's own", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := a.Each(ctx, func(File, io.Reader) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want the context's", err)
	}
}

func TestTooManyEntries(t *testing.T) {
	entries := []entry{{name: "openpackage.yml", body: demo}}
	for i := 1; i < MaxEntries; i++ {
		entries = append(entries, entry{name: strconv.Itoa(i)})
	}
	var u Unpacker
	a, err := u.Open(t.Context(), "", makeTGZ(t, entries...))
	if err != nil {
		t.Fatal(err)
	}
	if len(a.Files()) != MaxEntries {
		t.Errorf("%d files", len(a.Files()))
	}
	a.Close()
	if _, err := u.Open(t.Context(), "", makeTGZ(t, append(entries, entry{name: "x"})...)); err == nil {
		t.Error("one entry too many is accepted")
	}
}

func BenchmarkOpen(b *testing.B) {
	var entries []entry
	entries = append(entries, entry{name: "openpackage.yml", body: demo})
	words := strings.Fields("rules commands agents skills the a of to and when never always check write read file test code review small exact")
	x := uint32(7)
	for i := range 19 {
		var s strings.Builder
		for s.Len() < 3000 {
			x = x*1664525 + 1013904223
			s.WriteString(words[x>>16%uint32(len(words))%uint32(len(words))] + " ")
		}
		entries = append(entries, entry{name: "rules/" + strconv.Itoa(i) + ".md", body: s.String()})
	}
	data := makeTGZ(b, entries...)
	var u Unpacker
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		a, err := u.Open(b.Context(), "", data)
		if err != nil {
			b.Fatal(err)
		}
		a.Close()
	}
}

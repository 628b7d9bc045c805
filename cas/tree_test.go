package cas

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/openpackage/opkg/ident"
)

// The listing of a known payload, its blobs and its digest: made with printf and b3sum, so that the format cannot
// change unseen.
const (
	listing = "opkg tree v1\n" +
		"644 6 8e4c7c1b99dbfd50e7a95185fead5ee1448fa904a2fdd778eaf5f2dbfd629a99 a.md\n" +
		"755 0 af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262 bin/run\n"
	listingID = "blake3:2778616a1d4e265b074ecfd300c34af753a3c4b9d06e486528769d4987df3e43"
)

func TestTreeFormat(t *testing.T) {
	tree, err := ParseTree([]byte(listing))
	if err != nil {
		t.Fatal(err)
	}
	if len(tree.Entries) != 2 || tree.Entries[0].Path != "a.md" || tree.Entries[0].Size != 6 || !tree.Entries[1].Exec {
		t.Errorf("%+v", tree)
	}
	if string(tree.Format()) != listing {
		t.Errorf("formatted %q", tree.Format())
	}
	if got := tree.ID().String(); got != listingID {
		t.Errorf("ID %s, want %s", got, listingID)
	}
	if empty, err := ParseTree([]byte("opkg tree v1\n")); err != nil || len(empty.Entries) != 0 {
		t.Errorf("empty: %v", err)
	}
}

func TestParseTreeIsStrict(t *testing.T) {
	h := strings.Repeat("0a", 32)
	for _, text := range []string{
		"", "opkg tree v2\n", "opkg tree v1", "opkg tree v1\n\n",
		"opkg tree v1\n644 6 " + h + " a.md",
		"opkg tree v1\n644 6 " + h + "\n",
		"opkg tree v1\n644 6  " + h + " a.md\n",
		"opkg tree v1\n600 6 " + h + " a.md\n",
		"opkg tree v1\n644 06 " + h + " a.md\n",
		"opkg tree v1\n644 +6 " + h + " a.md\n",
		"opkg tree v1\n644 -6 " + h + " a.md\n",
		"opkg tree v1\n644 99999999999999999999 " + h + " a.md\n",
		"opkg tree v1\n644 6 " + strings.ToUpper(h) + " a.md\n",
		"opkg tree v1\n644 6 " + h[2:] + " a.md\n",
		"opkg tree v1\n644 6 " + h + " ../a.md\n",
		"opkg tree v1\n644 6 " + h + " /a.md\n",
		"opkg tree v1\n644 6 " + h + " .git/config\n",
		"opkg tree v1\n644 6 " + h + " a\r\n",
		"opkg tree v1\n644 6 " + h + " b\n644 6 " + h + " a\n",
		"opkg tree v1\n644 6 " + h + " a\n644 6 " + h + " a\n",
		"opkg tree v1\n644 6 " + h + " a\n644 6 " + h + " a/b\n",
		"opkg tree v1\n644 6 " + h + " A\n644 6 " + h + " a\n",
	} {
		if _, err := ParseTree([]byte(text)); err == nil {
			t.Errorf("accepted: %q", text)
		}
	}
}

func FuzzParseTree(f *testing.F) {
	f.Add([]byte(listing))
	f.Add([]byte("opkg tree v1\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		tree, err := ParseTree(data)
		if err == nil && string(tree.Format()) != string(data) {
			t.Errorf("%q is read, but written %q", data, tree.Format())
		}
	})
}

func FuzzParseArtifact(f *testing.F) {
	a := Artifact{Name: "@scope/demo", Version: mustVersion(f, "1.0.0-rc.1+b"), Size: 7, SHA256: ident.SHA256{1}, Tree: ident.TreeID{2}, Dependencies: mustDependencies(f, "base", "^1.0.0 || >=3 <4")}
	f.Add([]byte(a.format()))
	f.Add([]byte("opkg artifact v1\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := parseArtifact(string(data))
		if err == nil && got.format() != string(data) {
			t.Errorf("%q is read, but written %q", data, got.format())
		}
	})
}

func TestEveryFlippedBitOfARecordShows(t *testing.T) {
	a := Artifact{Name: "@scope/demo", Version: mustVersion(t, "1.0.0"), Size: 7, SHA256: ident.SHA256{1}, Tree: ident.TreeID{2}, Dependencies: mustDependencies(t, "base", "^1.0.0")}
	text := []byte(a.format())
	if _, err := parseArtifact(string(text)); err != nil {
		t.Fatal(err)
	}
	for i := range text {
		for bit := range 8 {
			text[i] ^= 1 << bit
			if got, err := parseArtifact(string(text)); err == nil {
				t.Errorf("byte %d, bit %d: read as %+v", i, bit, got)
			}
			text[i] ^= 1 << bit
		}
	}
}

func TestTreeOfDir(t *testing.T) {
	s := newStore(t)
	p := demo("1.0.0", pkg{"sub/deep/x.md": "x", "empty": "", "big": noise(hashBuffer*2 + 1)})
	tgz := p.tgz(t)
	a := mustPut(t, s, wantOf(t, "1.0.0", tgz), tgz)
	want, err := s.Tree(a.Tree)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for path, text := range p {
		file := filepath.Join(dir, filepath.FromSlash(path))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		mode := os.FileMode(0o444)
		if strings.HasSuffix(path, ".sh") {
			mode = 0o755
		}
		if err := os.WriteFile(file, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.MkdirAll(filepath.Join(dir, "nothing", "here"), 0o755); err != nil {
		t.Fatal(err)
	}
	got, err := TreeOfDir(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) || got.ID() != a.Tree {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
	if err := os.Symlink("openpackage.yml", filepath.Join(dir, "link")); err != nil {
		t.Skip("no symbolic links here:", err)
	}
	var irregular *IrregularError
	if _, err := TreeOfDir(t.Context(), dir); !errors.As(err, &irregular) || irregular.Path != "link" {
		t.Errorf("error %v, want an *IrregularError", err)
	}
	if _, err := TreeOfDir(t.Context(), filepath.Join(dir, "missing")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("error %v", err)
	}
}

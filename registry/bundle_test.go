package registry

import (
	"bytes"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/openpackage/opkg/ident"
)

func TestBundle(t *testing.T) {
	in := []Bundled{{"my-pkg", []byte("{\n}\n")}, {"@a/b", []byte("x 3\nabc")}, {"empty", nil}}
	text := FormatBundle(in)
	const want = "opkg indexes v1\n@a/b 7\nx 3\nabcempty 0\nmy-pkg 4\n{\n}\n"
	if string(text) != want {
		t.Errorf("%q, want %q", text, want)
	}
	got, err := ParseBundle("indexes.gz", text)
	if err != nil {
		t.Fatal(err)
	}
	for _, ix := range in {
		if !bytes.Equal(got[ix.Name], ix.Data) {
			t.Errorf("%s: %q", ix.Name, got[ix.Name])
		}
	}
	if len(got) != len(in) {
		t.Errorf("%d indexes", len(got))
	}
}

func TestMalformedBundles(t *testing.T) {
	for text, want := range map[string]string{
		"":                                  `indexes.gz:1: it does not begin with "opkg indexes v1"`,
		"<html>":                            "does not begin with",
		"opkg indexes v1\na":                "indexes.gz:2: want a name and a number of bytes",
		"opkg indexes v1\na \n":             "want a name and a number",
		"opkg indexes v1\na -1\n":           "want a name and a number",
		"opkg indexes v1\na +1\nx":          "want a name and a number",
		"opkg indexes v1\na 01\nx":          "want a name and a number",
		"opkg indexes v1\na 2\nx":           "it is cut short",
		"opkg indexes v1\nA 1\nx":           "indexes.gz:2: ",
		"opkg indexes v1\n../a 1\nx":        "indexes.gz:2: ",
		"opkg indexes v1\na 2\n\n\na 0\n":   "indexes.gz:5: a is not behind a",
		"opkg indexes v1\nb 1\nxa 1\nx":     "a is not behind b",
		"opkg indexes v1\na 99999999999999": "want a name and a number",
	} {
		_, err := ParseBundle("indexes.gz", []byte(text))
		var bad *Error
		if !errors.As(err, &bad) || !strings.Contains(bad.Error(), want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}

func TestNewerBundle(t *testing.T) {
	_, err := ParseBundle("indexes.gz", []byte("opkg indexes v2\nwhatever"))
	if newer := (*BundleFormError)(nil); !errors.As(err, &newer) || newer.Error() != "indexes.gz was written by a newer opkg" {
		t.Error(err)
	}
}

func FuzzBundle(f *testing.F) {
	f.Add([]byte("opkg indexes v1\na 1\nxb 0\n"))
	f.Add(FormatBundle([]Bundled{{"@a/b", []byte("{}")}, {"c", nil}}))
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := ParseBundle("indexes.gz", data)
		if err != nil {
			return
		}
		var list []Bundled
		for _, name := range slices.Collect(maps.Keys(got)) {
			if _, err := ident.ParseName(string(name)); err != nil {
				t.Error(err)
			}
			list = append(list, Bundled{name, got[name]})
		}
		if again := FormatBundle(list); !bytes.Equal(again, data) {
			t.Errorf("%q is read as %q", data, again)
		}
	})
}

package registry

import (
	"bytes"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/openpackage/opkg/ident"
)

func version(t testing.TB, s string) ident.Version {
	t.Helper()
	v, err := ident.ParseVersion(s)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestSearchIsCanonical(t *testing.T) {
	one, beta := version(t, "1.0.0"), version(t, "2.0.0-beta.1")
	s := &Search{Entries: []SearchEntry{
		{Name: "zed", Version: one, Yanked: true},
		{Name: "@a/b", Version: beta, Description: `says "</script>"`, Keywords: []string{"go", "review"}, Published: "2024-05-06T07:08:09Z"},
		{Name: "mid", Version: one, Yanked: true, YankReason: "leaks"},
	}}
	want := `{"format": 1, "packages": {
"@a/b": {"version": "2.0.0-beta.1", "description": "says \"</script>\"", "keywords": ["go", "review"], "published": "2024-05-06T07:08:09Z"},
"mid": {"version": "1.0.0", "yanked": "leaks"},
"zed": {"version": "1.0.0", "yanked": true}
}}
`
	got := s.Format()
	if string(got) != want {
		t.Errorf("got\n%s", got)
	}
	back, err := ParseSearch("search.json", got)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(back.Format(), got) {
		t.Errorf("read and written again:\n%s", back.Format())
	}
	if empty, err := ParseSearch("f", (&Search{}).Format()); err != nil || len(empty.Entries) != 0 {
		t.Error(empty, err)
	}
}

func TestSearchIsReadStrictly(t *testing.T) {
	for name, text := range map[string]string{
		"empty":            ``,
		"a page":           `<html>`,
		"a list":           `[]`,
		"no format":        `{"packages": {}}`,
		"no packages":      `{"format": 1}`,
		"format 0":         `{"format": 0, "packages": {}}`,
		"format text":      `{"format": "1", "packages": {}}`,
		"twice":            `{"format": 1, "packages": {"a": {"version": "1.0.0"}, "a": {"version": "1.0.0"}}}`,
		"case":             `{"format": 1, "Packages": {}, "packages": {}}`,
		"bad name":         `{"format": 1, "packages": {"../a": {"version": "1.0.0"}}}`,
		"markup name":      `{"format": 1, "packages": {"<b>": {"version": "1.0.0"}}}`,
		"no version":       `{"format": 1, "packages": {"a": {}}}`,
		"bad version":      `{"format": 1, "packages": {"a": {"version": "1"}}}`,
		"keywords no list": `{"format": 1, "packages": {"a": {"version": "1.0.0", "keywords": "x"}}}`,
		"a number":         `{"format": 1, "packages": {"a": {"version": "1.0.0", "keywords": [1]}}}`,
		"a long keyword":   `{"format": 1, "packages": {"a": {"version": "1.0.0", "keywords": ["` + strings.Repeat("k", MaxKeyword+1) + `"]}}}`,
		"many keywords":    `{"format": 1, "packages": {"a": {"version": "1.0.0", "keywords": [` + strings.Repeat(`"k",`, MaxKeywords) + `"k"]}}}`,
		"a long text":      `{"format": 1, "packages": {"a": {"version": "1.0.0", "description": "` + strings.Repeat("k", MaxText+1) + `"}}}`,
		"null":             `{"format": 1, "packages": {"a": {"version": "1.0.0", "description": null}}}`,
		"more behind":      `{"format": 1, "packages": {}} x`,
		"deep":             `{"format": 1, "x": ` + strings.Repeat("[", 100_000) + `, "packages": {}}`,
		"not UTF-8":        "{\"format\": 1, \"packages\": {}, \"x\": \"\xff\"}",
	} {
		var bad *Error
		if _, err := ParseSearch("f", []byte(text)); !errors.As(err, &bad) {
			t.Errorf("%s: %v", name, err)
		}
	}
	var newer *SearchFormatError
	if _, err := ParseSearch("f", []byte(`{"format": 2, "packages": [1, 2]}`)); !errors.As(err, &newer) {
		t.Error(err)
	}
	s, err := ParseSearch("f", []byte(`{"format": 1, "more": [1, {}], "packages": {"a": {"version": "1.0.0", "description": "one\ntwo\u001b[31m", "keywords": ["Go  Lang"], "more": 1}}}`))
	if err != nil {
		t.Fatal(err)
	}
	if e := s.Entries[0]; e.Description != "one two [31m" || !reflect.DeepEqual(e.Keywords, []string{"go lang"}) {
		t.Errorf("%+v", e)
	}
}

func TestFindRanks(t *testing.T) {
	one := version(t, "1.0.0")
	s := &Search{Entries: []SearchEntry{
		{Name: "@org/review", Version: one},
		{Name: "code-review", Version: one},
		{Name: "old-review", Version: one, Yanked: true},
		{Name: "preview", Version: one},
		{Name: "review-kit", Version: one},
		{Name: "style", Version: one, Description: "Words for a review"},
		{Name: "tests", Version: one, Keywords: []string{"review"}},
		{Name: "views", Version: one, Description: "Previews of changes"},
		{Name: "zzz", Version: one},
	}}
	names := func(term string) (out []string) {
		for _, i := range s.Find(term) {
			out = append(out, string(s.Entries[i].Name))
		}
		return out
	}
	want := []string{"@org/review", "review-kit", "code-review", "preview", "tests", "style", "views", "old-review"}
	if got := names("  ReView "); !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
	if got := names("review words"); !slices.Equal(got, []string{"style"}) {
		t.Errorf("got %q", got)
	}
	if got := names("@org"); !slices.Equal(got, []string{"@org/review"}) {
		t.Errorf("got %q", got)
	}
	if got := names(" "); got != nil {
		t.Errorf("got %q", got)
	}
}

func TestNewest(t *testing.T) {
	r := func(v string, yanked bool) Release { return Release{Version: version(t, v), Yanked: yanked} }
	for i, c := range []struct {
		releases []Release
		want     int
	}{
		{nil, -1},
		{[]Release{r("1.0.0", false), r("1.1.0", false), r("2.0.0-rc.1", false)}, 1},
		{[]Release{r("1.0.0", true), r("2.0.0-rc.1", false)}, 1},
		{[]Release{r("1.0.0", false), r("1.1.0", true)}, 0},
		{[]Release{r("1.0.0", true), r("1.1.0", true)}, 1},
	} {
		if got := Newest(c.releases); got != c.want {
			t.Errorf("%d: %d", i, got)
		}
	}
}

// Whatever is read can be written, and reads the same again.
func FuzzParseSearch(f *testing.F) {
	f.Add([]byte(`{"format": 1, "packages": {"@a/b": {"version": "1.0.0", "keywords": ["x"], "yanked": "y", "published": "2024-05-06T07:08:09Z"}}}`))
	f.Add([]byte(`{"format": 2}`))
	f.Add([]byte(`{"format": 1, "packages": {"a": {"version": "1.0.0", "description": "\u2028<script>"}}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := ParseSearch("f", data)
		if err != nil {
			return
		}
		text := s.Format()
		again, err := ParseSearch("f", text)
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		if !bytes.Equal(again.Format(), text) {
			t.Fatalf("%s\n%s", text, again.Format())
		}
		s.Find("a b")
	})
}

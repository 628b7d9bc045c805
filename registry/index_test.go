package registry

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/openpackage/opkg/ident"
)

const hash = "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"

// hostileRows are the rows of the hostile set; want is a part of the message, "" = accepted.
//
// url-loopback, url-ssrf-meta, url-idn, url-other-host, url-port and url-dotdot are well formed: where they lead, and
// whether they may, is judged by the HTTP source, which knows the registry's URL. They are accepted here.
var hostileRows = map[string]string{
	"dep-10k.json":             "dependencies: there are more than 5000",
	"dep-dot-dot-scope.json":   `is not a package name`,
	"dep-list.json":            `dependencies: want '{', found a list`,
	"dep-range-bomb.json":      "has more than 4096 bytes",
	"dep-range-garbage.json":   "is not a range",
	"dep-reserved.json":        "is a device name on Windows",
	"dep-scope-case.json":      "is not a package name",
	"dep-scope-encoded.json":   "is not a package name",
	"dep-self.json":            "",
	"build-meta-dup.json":      "differ in build metadata alone",
	"dup-case.json":            `key "VERSIONS": want "versions"`,
	"sha-empty.json":           `sha256: "" is not a sha256`,
	"sha-missing.json":         `sha256: want a string, found "null"`,
	"sha-short.json":           "want 64 hex digits",
	"sha-upper.json":           "",
	"name-confusable.json":     "the index is for",
	"name-esc.json":            `the index is for`,
	"name-mismatch.json":       `not for "demo"`,
	"good.json":                "",
	"good-unknown-fields.json": "",
	"bad-utf8.json":            "not UTF-8",
	"empty.json":               "it is empty",
	"html.json":                "not JSON (an HTML page?)",
	"nan.json":                 `found "NaN"`,
	"null.json":                `want a JSON object, found "null"`,
	"truncated.json":           "a string does not end",
	"url-backslash.json":       "holds a backslash",
	"url-crlf.json":            "white space or a control character",
	"url-dash.json":            "white space",
	"url-fragment.json":        "holds a fragment",
	"url-userinfo-trick.json":  "a user or a password",
	"url-dotdot.json":          "",
	"url-idn.json":             "",
	"url-loopback.json":        "",
	"url-other-host.json":      "",
	"url-port.json":            "",
	"url-ssrf-meta.json":       "",
	"ver-empty.json":           "is not a version",
	"ver-leading-zero.json":    "is not a version",
	"ver-partial.json":         "is not a version",
	"ver-path.json":            "is not a version",
	"ver-space.json":           "is not a version",
	"ver-star.json":            "is not a version",
	"ver-v-prefix.json":        "is not a version",
}

func TestHostileIndexes(t *testing.T) {
	files, err := filepath.Glob("testdata/hostile/*.json")
	if err != nil || len(files) != len(hostileRows) {
		t.Fatalf("%d files, %d rows: %v", len(files), len(hostileRows), err)
	}
	for _, file := range files {
		row := strings.TrimPrefix(filepath.Base(file), "index--")
		t.Run(row, func(t *testing.T) {
			want, ok := hostileRows[row]
			if !ok {
				t.Fatal("no verdict")
			}
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			ix, err := ParseIndex("index.json", "demo", data)
			checkVerdict(t, err, want)
			if want == "" && (len(ix.Releases) != 1 || ix.Releases[0].SHA256.String() != hash) {
				t.Errorf("releases %+v", ix.Releases)
			}
		})
	}
}

// checkVerdict wants an *Error with this part of a message, or none; whatever it says must be fit for a terminal.
func checkVerdict(t *testing.T, err error, want string) {
	t.Helper()
	if want == "" {
		if err != nil {
			t.Fatal(err)
		}
		return
	}
	var e *Error
	if !errors.As(err, &e) || !strings.Contains(e.Msg, want) {
		t.Fatalf("err = %v, want %q", err, want)
	}
	if strings.ContainsFunc(err.Error(), isControl) {
		t.Errorf("control characters in %q", err)
	}
	if len(err.Error()) > 1000 {
		t.Errorf("a message of %d bytes", len(err.Error()))
	}
}

// manyVersions is an index of n versions, highest first, each with two dependencies.
func manyVersions(n int) []byte {
	var b bytes.Buffer
	b.WriteString(`{"name": "demo", "versions": {`)
	for i := n; i > 0; i-- {
		if i < n {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `"1.%d.0": {"tarball": "1.%d.0.tgz", "sha256": "%s", "size": 18231, "tree": "blake3:%s", "dependencies": {"base": "^1.%d.0", "other": "*"}}`,
			i, i, hash, hash, i%100)
	}
	b.WriteString("}}")
	return b.Bytes()
}

// The two rows of the hostile set that are too large to keep as files.
func TestHugeIndexes(t *testing.T) {
	var b bytes.Buffer
	b.WriteString(`{"name": "demo", "versions": {`)
	for i := range 100_000 {
		fmt.Fprintf(&b, `"1.0.%d": {"tarball": "%d.tgz", "sha256": "%s", "dependencies": {}}`, i, i, hash)
		if i < 99_999 {
			b.WriteByte(',')
		}
	}
	b.WriteString("}}")
	ix, err := ParseIndex("index.json", "demo", b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if last := ix.Releases[len(ix.Releases)-1].Version.String(); len(ix.Releases) != 100_000 || last != "1.0.99999" {
		t.Errorf("%d releases, last %s", len(ix.Releases), last)
	}
	long := `{"name": "demo", "x": "` + strings.Repeat("a", 20<<20) + `", "versions": {}}`
	_, err = ParseIndex("index.json", "demo", []byte(long))
	checkVerdict(t, err, "more than 16 MiB")
}

// release is an index with one version, to which the members of a mutation are added.
func release(members string) string {
	return `{"name":"demo","versions":{"1.0.0":{"tarball":"x.tgz","sha256":"` + hash + `"` + members + `}}}`
}

func TestParseIndexRefuses(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{" ", "it is empty"},
		{"\ufeff{}", "want a JSON object"},
		{"[]", "want a JSON object, found a list"},
		{`{}`, `it has no "name"`},
		{`{"name":"demo"}`, `it has no "versions"`},
		{`{"versions":{}}`, `it has no "name"`},
		{`{"name":"demo","versions":{}} {}`, "want the end of the text"},
		{`{"name":"demo","versions":{},}`, "want a string, found"},
		{`{"name":"demo" "versions":{}}`, "want ','"},
		{`{"name":"demo","name":"demo","versions":{}}`, `key "name" stands twice`},
		{`{"name":"demo","n\u0061me":"demo","versions":{}}`, `key "name" stands twice`},
		{`{"name":"demo","versions":{},"x":1,"x":2}`, `key "x" stands twice`},
		{`{"name":"demo","versions":{},"x":{"y":1,"y":2}}`, `key "y" stands twice`},
		{`{"name":"demo","versions":{},"x":[1,]}`, "want a value"},
		{`{"name":"demo","versions":{},"x":01}`, "want ','"},
		{`{"name":"demo","versions":{},"x":1.}`, "want a number"},
		{`{"name":"demo","versions":{},"x":-}`, "want a number"},
		{`{"name":"demo","versions":{},"x":Infinity}`, `found "Infinity"`},
		{`{"name":"demo","versions":{},"x":"\x"}`, "malformed escape"},
		{`{"name":"demo","versions":{},"x":"\ud800"}`, "malformed escape"},
		{`{"name":"demo","versions":{},"x":"\ud800\u0041"}`, "malformed escape"},
		{"{\"name\":\"demo\",\"versions\":{},\"x\":\"a\nb\"}", "control character in a string"},
		{`{"name":"demo","versions":{},"x":"`, "a string does not end"},
		{`{"name":"demo","versions":{},"x":` + strings.Repeat("[", MaxDepth) + `}`, "nested more than 64 deep"},
		{`{"name":"demo","versions":{},"x":` + strings.Repeat(`{"a":`, 1000) + `}`, "nested more than 64 deep"},
		{`{"name":"demo","versions":[]}`, "want '{', found a list"},
		{`{"name":1,"versions":{}}`, "want a string, found a number"},
		{`{"name":"demo","versions":{"1.0.0":{}}}`, "version 1.0.0: it has no tarball"},
		{`{"name":"demo","versions":{"1.0.0":{"tarball":"x"}}}`, "version 1.0.0: it has no sha256"},
		{`{"name":"demo","versions":{"1.0.0":null}}`, `version 1.0.0: want '{', found "null"`},
		{release(`},"1.0.0":{"tarball":"x.tgz","sha256":"` + hash + `"`), "version 1.0.0 stands twice"},
		{release(`,"sha256":"` + hash + `"`), `key "sha256" stands twice`},
		{release(`,"SHA256":"` + hash + `"`), `want "sha256"`},
		{release(`,"\u017fize":1`), `want "size"`},
		{release(`,"size":0`), "size: 0 is not a whole number"},
		{release(`,"size":-1`), "size: -1 is not a whole number"},
		{release(`,"size":1.0`), "size: 1.0 is not a whole number"},
		{release(`,"size":1e3`), "size: 1e3 is not a whole number"},
		{release(`,"size":99999999999999999999`), "is not a whole number"},
		{release(`,"size":4294967297`), "is not a whole number"},
		{release(`,"size":"1"`), "size: want a number, found a string"},
		{release(`,"size":null`), "size: want a number"},
		{release(`,"tree":"` + hash + `"`), "want blake3:"},
		{release(`,"tree":"blake3:` + hash[1:] + `"`), "is not a tree"},
		{release(`,"yanked":""`), "yanked: it is empty"},
		{release(`,"yanked":1`), "yanked: want a string, found a number"},
		{release(`,"published":"yesterday"`), "is not a time"},
		{release(`,"description":"` + strings.Repeat("a", MaxText+1) + `"`), "more than 4096 bytes"},
		{release(`,"dependencies":{"base":"^1","base":"^1"}`), "base stands twice"},
		{release(`,"dependencies":{"base":null}`), "want a string"},
		{release(`,"dependencies":null`), "dependencies: want '{'"},
	} {
		_, err := ParseIndex("index.json", "demo", []byte(tt.text))
		if t.Run("", func(t *testing.T) { checkVerdict(t, err, tt.want) }); t.Failed() {
			t.Logf("text %.200s", tt.text)
			return
		}
	}
}

func TestParseIndexPlace(t *testing.T) {
	_, err := ParseIndex("https://h/packages/demo/index.json", "demo", []byte("{\"name\": \"demo\",\n \"versions\": {\"1.0\": {}}}"))
	if got, want := err.Error(), `https://h/packages/demo/index.json:2:15: "1.0" is not a version: want MAJOR.MINOR.PATCH, such as 1.2.0`; got != want {
		t.Errorf("got %s", got)
	}
}

func TestReference(t *testing.T) {
	for s, want := range map[string]string{
		"1.0.0.tgz":                         "",
		"./a/../1.0.0.tgz":                  "",
		"/opkg/1.0.0.tgz":                   "",
		"a%20b.tgz":                         "",
		"https://h/x.tgz":                   "",
		"http://127.0.0.1:8080/x.tgz":       "",
		"https://h/@scope/x.tgz":            "",
		"":                                  "is empty",
		"-x":                                "begins with a dash",
		"https://h/x?token=1":               "holds a query",
		"a%2":                               "percent",
		"a%zz":                              "percent",
		"//h/x":                             "neither",
		"file:///etc/passwd":                "neither",
		"git+ssh://h/x":                     "neither",
		"HTTPS://h/x":                       "neither",
		"https:///x":                        "no host",
		"https://h":                         "an empty part",
		"https://h/a/../x":                  "a . or ..",
		"https://h/a/%2e%2e/x":              "a . or ..",
		"https://h/a%2fx":                   "an escaped slash",
		"https://:443/x":                    "no host",
		"https://u:s3cr3t@h/x":              "user or a password",
		"https://h\u00a0/x":                 "white space",
		"https://h/\u202etgz":               "control character",
		strings.Repeat("a", MaxReference+1): "more than 2048 bytes",
	} {
		err := checkReference(s)
		switch {
		case want == "" && err != nil:
			t.Error(err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%q: %v, want %q", s, err, want)
		case err != nil && strings.Contains(err.Error(), "s3cr3t"):
			t.Errorf("a secret in %q", err)
		}
	}
}

func TestRFC3339(t *testing.T) {
	for s, want := range map[string]bool{
		"2024-05-06T07:08:09Z": true, "2024-02-29T23:59:60+05:30": true, "2024-05-06T07:08:09.123456Z": true,
		"2024-05-06T07:08:09-00:00": true, "2000-02-29T00:00:00Z": true,
		"2024-05-06": false, "2024-05-06T07:08:09": false, "2024-05-06 07:08:09Z": false, "2023-02-29T00:00:00Z": false,
		"1900-02-29T00:00:00Z": false, "2024-13-01T00:00:00Z": false, "2024-00-01T00:00:00Z": false, "2024-04-31T00:00:00Z": false,
		"2024-05-06T24:00:00Z": false, "2024-05-06T07:60:09Z": false, "2024-05-06T07:08:61Z": false, "2024-05-06T07:08:09.Z": false,
		"2024-05-06T07:08:09+24:00": false, "2024-05-06T07:08:09+05:60": false, "2024-05-06T07:08:09+0530": false,
		"2024-05-06T07:08:09ZZ": false, "2024-05-06T07:08:09z": false, "": false,
	} {
		if isRFC3339(s) != want {
			t.Errorf("%q: want %t", s, want)
		}
	}
}

func TestFormatIndex(t *testing.T) {
	text, err := os.ReadFile("testdata/canonical.json")
	if err != nil {
		t.Fatal(err)
	}
	ix, err := ParseIndex("index.json", "@myorg/demo", text)
	if err != nil {
		t.Fatal(err)
	}
	if got := ix.Format(); !bytes.Equal(got, text) {
		t.Errorf("Format(Parse(x)) is not x:\n%s", got)
	}
	first, last := ix.Releases[0], ix.Releases[2]
	if first.Version.String() != "1.0.0-rc.1" || !first.Yanked || first.YankReason != "" || first.Dependencies != nil {
		t.Errorf("first is %+v", first)
	}
	if last.YankReason != "leaks <secrets> & \"more\"" || last.Size != 18231 || last.Description != "Räksmörgås 🦐" || len(last.Dependencies) != 2 {
		t.Errorf("last is %+v", last)
	}
	ix.Releases[0], ix.Releases[2] = ix.Releases[2], ix.Releases[0]
	if got := ix.Format(); !bytes.Equal(got, text) {
		t.Error("Format depends on the order of the releases")
	}
	if got := string((&Index{Name: "demo"}).Format()); got != "{\n  \"name\": \"demo\",\n  \"versions\": {}\n}\n" {
		t.Errorf("an empty index is %q", got)
	}
}

func TestTextForPeopleIsCleaned(t *testing.T) {
	ix, err := ParseIndex("index.json", "demo", []byte(release(`,"description":" two\r\nlines \u001b[31m \u202e","yanked":"why\tnot"`)))
	if err != nil {
		t.Fatal(err)
	}
	if r := ix.Releases[0]; r.Description != "two lines [31m" || r.YankReason != "why not" {
		t.Errorf("%q, %q", r.Description, r.YankReason)
	}
}

func FuzzParseIndex(f *testing.F) {
	files, err := filepath.Glob("testdata/hostile/*.json")
	if err != nil || len(files) == 0 {
		f.Fatal(err, files)
	}
	for _, file := range append(files, "testdata/canonical.json") {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		if len(data) < 1<<14 {
			f.Add(data)
		}
	}
	f.Add([]byte(release(`,"size":1,"x":[{"y":-1.5e+3},"\ud83e\udd90",true,null]`)))
	f.Fuzz(func(t *testing.T, data []byte) {
		ix, err := ParseIndex("f", "demo", data)
		if err != nil {
			checkVerdict(t, err, err.(*Error).Msg)
			return
		}
		compareWithJSON(t, data, ix)
		text := ix.Format()
		again, err := ParseIndex("f", "demo", text)
		if err != nil {
			t.Fatalf("%v in\n%s", err, text)
		}
		if !reflect.DeepEqual(again, ix) || !bytes.Equal(again.Format(), text) {
			t.Errorf("%+v, again %+v", ix, again)
		}
	})
}

// compareWithJSON wants encoding/json to read the same from what ParseIndex accepted.
func compareWithJSON(t *testing.T, data []byte, ix *Index) {
	var v struct {
		Name     string
		Versions map[string]struct {
			Tarball      string
			SHA256       string
			Size         int64
			Dependencies map[string]string
		}
	}
	d := json.NewDecoder(bytes.NewReader(data))
	if err := d.Decode(&v); err != nil {
		t.Fatalf("encoding/json: %v", err)
	}
	if _, err := d.Token(); err != io.EOF {
		t.Fatalf("encoding/json finds more: %v", err)
	}
	if v.Name != string(ix.Name) || len(v.Versions) != len(ix.Releases) {
		t.Fatalf("encoding/json reads %+v", v)
	}
	for _, r := range ix.Releases {
		w := v.Versions[r.Version.String()]
		if w.Tarball != r.Artifact || !strings.EqualFold(w.SHA256, r.SHA256.String()) || w.Size != r.Size || len(w.Dependencies) != len(r.Dependencies) {
			t.Errorf("encoding/json reads %+v, ParseIndex %+v", w, r)
		}
		for _, dep := range r.Dependencies {
			if want, err := ident.ParseRange(w.Dependencies[string(dep.Name)]); err != nil || want.String() != dep.Range.String() {
				t.Errorf("%s: encoding/json reads %q, ParseIndex %q", dep.Name, w.Dependencies[string(dep.Name)], dep.Range)
			}
		}
	}
}

func BenchmarkParseIndex(b *testing.B) {
	for _, n := range []int{1, 20, 10_000, 50_000} {
		data := manyVersions(n)
		b.Run(fmt.Sprintf("versions=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(data)))
			for b.Loop() {
				if _, err := ParseIndex("f", "demo", data); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

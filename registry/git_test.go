package registry

import (
	"bytes"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func TestHostileGitIndexes(t *testing.T) {
	for row, want := range map[string]string{
		"alias-bomb": "anchor", "dup": "twice", "path-name": "is not a package name", "float-version": "number 1.0", "good": "",
	} {
		t.Run(row, func(t *testing.T) {
			data, err := os.ReadFile("testdata/hostile/index--" + row + ".yml")
			if err != nil {
				t.Fatal(err)
			}
			ix, err := ParseGitIndex("index.yml", data)
			checkVerdict(t, err, want)
			if want == "" && (len(ix.Packages) != 1 || len(ix.Packages[0].Releases) != 2) {
				t.Errorf("%+v", ix)
			}
		})
	}
}

func TestParseGitIndexRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"":                                       "it is empty",
		"[]":                                     "expected a mapping",
		"x: 1":                                   "it has no packages",
		"packages: []":                           "expected a mapping",
		"packages: {Demo: {}}":                   "is not a package name",
		"packages: {demo: }":                     "demo has no versions",
		"packages: {demo: [1.0.0]}":              "expected a mapping",
		"packages: {demo: {versions: 1}}":        "expected a list",
		"packages: {demo: {versions: [v1.0.0]}}": "is not a version",
		"packages: {demo: {versions: [1.0.0, 1.0.0]}}":                       "version 1.0.0 stands twice",
		"packages: {demo: {versions: [1.0.0+b, 1.0.0+a]}}":                   "versions 1.0.0+a and 1.0.0+b differ in build metadata alone",
		"packages: {demo: {versions: [1.0.0], yanked: [1.0.0]}}":             "expected a mapping",
		"packages: {demo: {versions: [1.0.0], yanked: {2.0.0: old}}}":        "yanked version 2.0.0 is not one of its versions",
		"packages: {demo: {versions: [1.0.0], yanked: {1.0.0+x: old}}}":      "is not one of its versions",
		"packages: {demo: {versions: [1.0.0], yanked: {1.0.0: }}}":           "has no value",
		"packages: {demo: {versions: [1.0.0], yanked: {1: x}}}":              "is not a version",
		"packages: {demo: {versions: [1.0.0], yanked: {1.0.0: \"\\n\"}}}":    "yanked: it is empty",
		"packages: {demo: {versions: [1.0.0]}}\n---\npackages: {}":           "second document",
		"packages:\n  demo:\n    versions:\n      - {}":                      "expected text",
		"packages: {demo: {versions: [" + strings.Repeat("[", 2000) + "]}}}": "nested deeper",
		"packages: {demo: {versions: [1.0.0], yanked: {1.0.0: \"a\\eb\"}}}":  "control character",
	} {
		_, err := ParseGitIndex("index.yml", []byte(text))
		if t.Run("", func(t *testing.T) { checkVerdict(t, err, want) }); t.Failed() {
			t.Fatalf("text %.200s", text)
		}
	}
	_, err := ParseGitIndex("index.yml", []byte("packages:\n  demo:\n    versions:\n      - 1.0.0\n      - 1.0\n"))
	if !strings.HasPrefix(err.Error(), "index.yml:5:9: ") {
		t.Errorf("no place in %v", err)
	}
}

func TestFormatGitIndex(t *testing.T) {
	text, err := os.ReadFile("testdata/canonical.yml")
	if err != nil {
		t.Fatal(err)
	}
	ix, err := ParseGitIndex("index.yml", text)
	if err != nil {
		t.Fatal(err)
	}
	if got := ix.Format(); !bytes.Equal(got, text) {
		t.Errorf("Format(Parse(x)) is not x:\n%s", got)
	}
	demo := ix.Find("@myorg/demo")
	if demo == nil || len(demo.Releases) != 3 || demo.Releases[2].YankReason != "leaks: \"tokens\" # all" || !demo.Releases[0].Yanked {
		t.Errorf("%+v", demo)
	}
	if ix.Find("dem") != nil {
		t.Error("found what is not there")
	}
	if got := GitPath("@myorg/demo", demo.Releases[2].Version); got != "packages/@myorg/demo/1.10.0" {
		t.Error(got)
	}
	if got := string((&GitIndex{}).Format()); got != "packages: {}\n" {
		t.Errorf("an empty index is %q", got)
	}
}

func FuzzParseGitIndex(f *testing.F) {
	files, _ := filepath.Glob("testdata/hostile/*.yml")
	for _, file := range append(files, "testdata/canonical.yml") {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		ix, err := ParseGitIndex("f", data)
		if err != nil {
			checkVerdict(t, err, err.(*Error).Msg)
			return
		}
		text := ix.Format()
		again, err := ParseGitIndex("f", text)
		if err != nil {
			t.Fatalf("%v in\n%s", err, text)
		}
		if !bytes.Equal(again.Format(), text) || len(ix.Packages) > 0 && !reflect.DeepEqual(again, ix) {
			t.Errorf("%+v, again %+v", ix, again)
		}
	})
}

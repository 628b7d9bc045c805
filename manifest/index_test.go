package manifest

import (
	"errors"
	"strings"
	"testing"

	"github.com/openpackage/opkg/ident"
)

const header = "# This file is managed by OpenPackage. Do not edit manually.\n\n"

func entryOf(name, version string) IndexEntry {
	return IndexEntry{Name: ident.Name(name), Path: "~/.openpackage/registry/" + name + "/" + version + "/", Version: version}
}

func linesOf(name, version string) string {
	return "    path: ~/.openpackage/registry/" + name + "/" + version + "/\n    version: " + version + "\n"
}

func TestUpdateIndex(t *testing.T) {
	theirs := header + `packages:
  beta: # theirs
    path: ~/.openpackage/registry/beta/1.0.0/
    version: '1.0.0'
    files:
      rules/a.md:
        - .cursor/rules/a.mdc
    sourceType: registry

  delta:
    files: {}
mcp:
  x: 1
`
	for _, tt := range []struct {
		name, before string
		entries      []IndexEntry
		after        string
	}{
		{"new file", "", []IndexEntry{entryOf("b", "1.0.0"), entryOf("@s/a", "2.0.0-rc.1")},
			header + "packages:\n  \"@s/a\":\n" + linesOf("@s/a", "2.0.0-rc.1") + "  b:\n" + linesOf("b", "1.0.0")},
		{"new file without packages", "", nil, header + "packages: {}\n"},
		{"header alone", header, []IndexEntry{entryOf("b", "1.0.0")}, header + "packages:\n  b:\n" + linesOf("b", "1.0.0")},
		{"empty mapping", "packages: {} # none\nx: 1\n", []IndexEntry{entryOf("b", "1.0.0")}, "packages: # none\n  b:\n" + linesOf("b", "1.0.0") + "x: 1\n"},
		{"no packages", "x: 1\n", []IndexEntry{entryOf("b", "1.0.0")}, "x: 1\npackages:\n  b:\n" + linesOf("b", "1.0.0")},
		{"nothing to do", theirs, []IndexEntry{entryOf("beta", "1.0.0")}, theirs},
		{"no entries", theirs, nil, theirs},
		{"new version", theirs, []IndexEntry{entryOf("beta", "1.1.0")}, strings.Replace(strings.Replace(theirs, "beta/1.0.0", "beta/1.1.0", 1), "'1.0.0'", "'1.1.0'", 1)},
		{"in order", theirs, []IndexEntry{entryOf("zeta", "1.0.0"), entryOf("alpha", "1.0.0"), entryOf("gamma", "1.0.0"), entryOf("cc", "1.0.0")},
			strings.NewReplacer("packages:\n", "packages:\n  alpha:\n"+linesOf("alpha", "1.0.0"),
				"sourceType: registry\n", "sourceType: registry\n  cc:\n"+linesOf("cc", "1.0.0"),
				"    files: {}\n", "    files: {}\n  gamma:\n"+linesOf("gamma", "1.0.0")+"  zeta:\n"+linesOf("zeta", "1.0.0")).Replace(theirs)},
		{"in no order", "packages:\n  d: {}\n  b: {}\n  f: {}\n", []IndexEntry{entryOf("c", "1.0.0"), entryOf("e", "1.0.0"), entryOf("g", "1.0.0")},
			"packages:\n  c:\n" + linesOf("c", "1.0.0") + "  d: {}\n  b: {}\n  e:\n" + linesOf("e", "1.0.0") + "  f: {}\n  g:\n" + linesOf("g", "1.0.0")},
		{"keys that are missing", theirs, []IndexEntry{entryOf("delta", "1.0.0"), entryOf("epsilon", "1.0.0")},
			strings.Replace(theirs, "    files: {}\n", "    files: {}\n"+linesOf("delta", "1.0.0")+"  epsilon:\n"+linesOf("epsilon", "1.0.0"), 1)},
		{"an entry of nothing", "packages:\n  a:\n  b: {}\n", []IndexEntry{entryOf("a", "1.0.0"), entryOf("b", "1.0.0")},
			"packages:\n  a:\n" + linesOf("a", "1.0.0") + "  b:\n" + linesOf("b", "1.0.0")},
		{"flow", `{"packages": {"a": {"path": "x", "version": "0.1.0"}}}`, []IndexEntry{entryOf("a", "1.0.0"), entryOf("b", "1.0.0")},
			`{"packages": {"a": {"path": "~/.openpackage/registry/a/1.0.0/", "version": "1.0.0"}, "b": {"path": "~/.openpackage/registry/b/1.0.0/", "version": "1.0.0"}}}`},
		{"CR LF", "packages:\r\n  a:\r\n    files: []\r\n", []IndexEntry{entryOf("b", "1.0.0")},
			strings.ReplaceAll("packages:\n  a:\n    files: []\n  b:\n"+linesOf("b", "1.0.0"), "\n", "\r\n")},
		{"wide indentation, no final line end", "packages:\n    '@a/b':\n        version: 1.0.0\n        path: x", []IndexEntry{entryOf("@a/b", "1.0.0"), entryOf("@a/c", "1.0.0")},
			"packages:\n    '@a/b':\n        version: 1.0.0\n        path: ~/.openpackage/registry/@a/b/1.0.0/\n    '@a/c':\n        path: ~/.openpackage/registry/@a/c/1.0.0/\n        version: 1.0.0"},
		{"version that is a number", "packages:\n  a:\n    path: x\n    version: 1.0\n", []IndexEntry{entryOf("a", "1.0.0")}, "packages:\n  a:\n" + linesOf("a", "1.0.0")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := UpdateIndex("i.yml", []byte(tt.before), tt.entries)
			if err != nil {
				t.Fatal(err)
			}
			if string(got) != tt.after {
				t.Errorf("got\n%s\nwant\n%s", visible(got), visible([]byte(tt.after)))
			}
			if again, err := UpdateIndex("i.yml", got, tt.entries); err != nil || string(again) != string(got) {
				t.Errorf("the same update again: %v\n%s", err, again)
			}
		})
	}
}

func TestUpdateIndexRefuses(t *testing.T) {
	for _, text := range []string{
		"packages: [a]\n", "packages: a\n", "packages:\n  b: 1\n", "packages:\n  b: [x]\n", "- a\n", "packages: {\n", "packages: {}\npackages: {}\n", "a: &a 1\n", "{}",
		"packages:\n  b:\n    version: |\n      1\n    path: [x\n",
	} {
		out, err := UpdateIndex("i.yml", []byte(text), []IndexEntry{entryOf("b", "1.0.0")})
		if e := (*Error)(nil); !errors.As(err, &e) || out != nil {
			t.Errorf("%q becomes %q, %v", text, out, err)
		}
	}
}

func FuzzUpdateIndex(f *testing.F) {
	f.Add([]byte(header + "packages:\n  a:\n    files: {}\n  c: {path: x}\n"))
	f.Add([]byte("packages: {a: {version: 1}}\n"))
	f.Add([]byte("x: |+\n  a\n\npackages:\r\n- b"))
	f.Fuzz(func(t *testing.T, data []byte) {
		entries := []IndexEntry{entryOf("b", "1.0.0"), entryOf("@s/p", "2.0.0")}
		out, err := UpdateIndex("i.yml", data, entries)
		if err != nil {
			return
		}
		if again, err := UpdateIndex("i.yml", out, entries); err != nil || string(again) != string(out) {
			t.Fatalf("%q, updated again, is %q: %v", out, again, err)
		}
	})
}

// TestWholeIndex holds the text that is written and recognized without reading YAML against the one that editing gives.
func TestWholeIndex(t *testing.T) {
	var entries []IndexEntry
	for _, name := range []string{"base", "@team/rules", "null", "true", "yes", "no", "on", "y", "n", "nan", "inf", "e1", "_1", "_", "@a/null", "x-y.z"} {
		entries = append(entries, entryOf(name, "2.0.0-rc.1+git.0123456789ab"))
		for _, start := range []string{header + "packages: {}\n", header + "packages:\n"} {
			edited, err := UpdateIndex("index", []byte(start), entries)
			if err != nil {
				t.Fatal(err)
			}
			whole, err := UpdateIndex("index", nil, entries)
			if err != nil || string(whole) != string(edited) {
				t.Errorf("written: %v\n%s\nedited:\n%s", err, whole, edited)
			}
			if err := verifyIndex("index", nil, whole, entries); err != nil {
				t.Errorf("%v: %s", err, whole)
			}
		}
	}
}

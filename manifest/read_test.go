package manifest

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/openpackage/opkg/ident"
)

// brief writes a dependency in one line.
func brief(d Dependency) string {
	s := string(d.Name)
	for _, p := range []struct{ key, value string }{
		{"registry", d.Registry}, {"git", d.Git}, {"ref", d.Ref}, {"base", d.Base}, {"path", d.Path},
	} {
		if p.value != "" {
			s += " " + p.key + "=" + p.value
		}
	}
	if d.HasRange {
		s += " range=" + d.Range.String()
	}
	if d.Dev {
		s += " dev"
	}
	return s
}

func TestDependency(t *testing.T) {
	for _, tt := range []struct{ name, entry, want, warning string }{
		{"bare", "name: a", "a", ""},
		{"range", "name: a\n  version: ^1.4.0", "a range=^1.4.0", ""},
		{"empty range", "name: a\n  version: ''", "a range=*", ""},
		{"scoped", "name: \"@myorg/rules\"\n  version: 1.0.0", "@myorg/rules range=1.0.0", ""},
		{"norway", "name: no", "no", ""},
		{"registry", "name: a\n  version: 1.0.0\n  registry: myorg", "a registry=myorg range=1.0.0", ""},
		{"git and ref", "name: a\n  git: https://github.com/author/tool.git\n  ref: v1.0.0", "a git=https://github.com/author/tool.git ref=v1.0.0", ""},
		{"git alone", "name: a\n  git: https://GitHub.com/author/tool.git/", "a git=https://github.com/author/tool.git", ""},
		{"scp form", "name: a\n  git: git@github.com:author/tool.git", "a git=git@github.com:author/tool.git", ""},
		{"semver fragment", "name: a\n  url: https://h.test/o.git#semver:^2.0.0", "a git=https://h.test/o.git range=^2.0.0", ""},
		{"ref fragment", "name: a\n  url: https://h.test/o.git#main\n  base: packages/part", "a git=https://h.test/o.git ref=main base=packages/part", ""},
		{"fragment of git", "name: a\n  git: https://h.test/o.git#main", "a git=https://h.test/o.git ref=main", ""},
		{"subdirectory", "name: a\n  git: https://h.test/o.git\n  ref: main\n  subdirectory: ./x/y/", "a git=https://h.test/o.git ref=main base=x/y", ""},
		{"base that is the root", "name: a\n  git: https://h.test/o.git\n  base: ./", "a git=https://h.test/o.git", ""},
		{"hub", "name: gh@Author/My-Tool", "my-tool git=https://github.com/Author/My-Tool.git", ""},
		{"hub with a directory", "name: gh@a/b/skills/pdf", "pdf git=https://github.com/a/b.git base=skills/pdf", ""},
		{"hub with a URL", "name: gh@a/b\n  url: https://h.test/x.git#v1", "b git=https://h.test/x.git ref=v1", ""},
		{"hub with a ref", "name: gh@a/b\n  ref: v1", "b git=https://github.com/a/b.git ref=v1", ""},
		{"directory", "name: a\n  base: ./tools/agent", "a path=./tools/agent", ""},
		{"git and version", "name: a\n  git: https://h.test/o.git\n  version: ^1.0.0", "a git=https://h.test/o.git range=^1.0.0", "version beside a git repository"},
		{"path alone", "name: a\n  path: ./tools/a", "a path=./tools/a", "path alone"},
		{"path into nested packages", "name: a\n  path: ./.openpackage/packages/a/", "a path=./.openpackage/packages/a/", "path alone"},
		{"path beside version", "name: a\n  version: 1.0.0\n  path: skills/x", "a range=1.0.0", ""},
		{"path beside url", "name: a\n  url: https://h.test/o.git\n  path: [skills/x]", "a git=https://h.test/o.git", ""},
		{"path beside base", "name: a\n  base: ./x\n  path: skills/x", "a path=./x", ""},
		{"path beside registry", "name: a\n  registry: corp\n  path: skills/x", "a registry=corp", ""},
		{"unknown keys", "name: a\n  version: 1.0.0\n  include: [x]\n  why: {a: b}", "a range=1.0.0", ""},
		{"misspelt key", "name: a\n  verison: 1.0.0", "a", `the key "verison" means nothing to opkg`},
		{"a key like one that is there", "name: a\n  version: 1.0.0\n  versions: [x]", "a range=1.0.0", ""},
		{"hex ref", "name: a\n  git: https://h.test/o.git\n  ref: 0123456789abcdef0123456789abcdef01234567", "a git=https://h.test/o.git ref=0123456789abcdef0123456789abcdef01234567", ""},
		{"local git", "name: a\n  git: ../tool", "a git=../tool", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m, err := Parse("m.yml", []byte("dependencies:\n- "+tt.entry+"\n"))
			if err != nil {
				t.Fatal(err)
			}
			if got := brief(m.Dependencies[0]); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
			var warnings string
			for _, w := range m.Warnings {
				warnings += w.Text
				if w.Hint == "" || w.Pos.Line == 0 {
					t.Errorf("warning %+v lacks a hint or place", w)
				}
			}
			if !strings.Contains(warnings, tt.warning) || (warnings == "") != (tt.warning == "") {
				t.Errorf("warnings %q, want %q", warnings, tt.warning)
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	for _, tt := range []struct{ name, text, want, hint string }{
		{"no mapping", "- a\n", "m.yml:1:1: the manifest is a list", ""},
		{"name", "name: My Package\n", `m.yml:1:7: "My Package" is not a package name`, ""},
		{"upper-case name", "name: MyPackage\n", "must", "mypackage"},
		{"empty name", "name:\n", "name has no value", ""},
		{"float version", "name: a\nversion: 1.10\n", "m.yml:2:10: version is the number 1.10", "1.10.0"},
		{"version", "name: a\nversion: latest\n", "m.yml:2:10: ", ""},
		{"mapping of dependencies", "dependencies:\n  a: ^1.0.0\n", "m.yml:2:3: dependencies is a mapping", "- name: NAME"},
		{"text for dependencies", "dependencies: a\n", "m.yml:1:15: dependencies is the text", ""},
		{"text entry", "dependencies:\n- a\n", "m.yml:2:3: an entry of dependencies is no mapping", "- name: a"},
		{"no name", "dependencies:\n- version: 1.0.0\n", "m.yml:2:3: an entry of dependencies has no name", ""},
		{"alias prefix", "dependencies:\n- name: myorg/my-pkg\n", "m.yml:2:9: ", "name: my-pkg and registry: myorg"},
		{"alias prefix, scoped", "dependencies:\n- name: myorg/@s/p\n", "m.yml:2:9: ", `name: "@s/p" and registry: myorg`},
		{"version in the name", "dependencies:\n- name: a@^1.0.0\n", "m.yml:2:9: ", `name: a and version: "^1.0.0"`},
		{"float range", "dependencies:\n- name: a\n  version: 1.10\n", "m.yml:3:12: the version of a is the number 1.10", `in quotes, "1.10", or whole, 1.10.0`},
		{"number range", "dependencies:\n- name: a\n  version: 1\n", "m.yml:3:12: the version of a is the number 1", `in quotes: "1"`},
		{"range", "dependencies:\n- name: a\n  version: foo\n", "m.yml:3:12: ", ""},
		{"ref", "dependencies:\n- name: a\n  git: https://h.test/x\n  ref: -x\n", "m.yml:4:8: ", ""},
		{"ref of a fragment", "dependencies:\n- name: a\n  url: https://h.test/x#a..b\n", "m.yml:3:8: ", ""},
		{"git URL", "dependencies:\n- name: a\n  git: \"ext::sh -c x\"\n", "m.yml:3:8: ", ""},
		{"plain http", "dependencies:\n- name: a\n  git: http://h.test/x.git\n", "m.yml:3:8: a is reached by http:", "https:"},
		{"git and url", "dependencies:\n- name: a\n  git: https://h.test/x\n  url: https://h.test/x\n", "m.yml:4:8: a has both git and url", ""},
		{"git and registry", "dependencies:\n- name: a\n  git: https://h.test/x\n  registry: b\n", "m.yml:4:13: a has both a git repository and a registry", ""},
		{"ref twice", "dependencies:\n- name: a\n  url: https://h.test/x#b\n  ref: c\n", "m.yml:4:8: a has both a ref and a #", ""},
		{"ref and version", "dependencies:\n- name: a\n  git: https://h.test/x\n  ref: c\n  version: ^1.0.0\n", "m.yml:5:12: a has both a ref and a version", ""},
		{"semver and version", "dependencies:\n- name: a\n  url: https://h.test/x#semver:^1.0.0\n  version: ^1.0.0\n", "m.yml:4:12: a has both #semver: and version", ""},
		{"ref alone", "dependencies:\n- name: a\n  ref: c\n", "m.yml:3:8: a has a ref, but neither git nor url", "git:"},
		{"subdirectory alone", "dependencies:\n- name: a\n  subdirectory: c\n", "m.yml:3:17: a has a subdirectory", ""},
		{"base and version", "dependencies:\n- name: a\n  base: ./c\n  version: 1.0.0\n", "m.yml:4:12: a has both a version and a directory", ""},
		{"base outside the repository", "dependencies:\n- name: a\n  git: https://h.test/x\n  base: x/../../y\n", "m.yml:4:9: base", ""},
		{"absolute directory", "dependencies:\n- name: a\n  base: /etc\n", "m.yml:3:9: base", "./tools/agent"},
		{"directory of the home", "dependencies:\n- name: a\n  base: ~/x\n", "m.yml:3:9: base", ""},
		{"drive", "dependencies:\n- name: a\n  base: \"C:/x\"\n", "m.yml:3:9: base", ""},
		{"drive in disguise", "dependencies:\n- name: a\n  base: \"./C:/x\"\n", "m.yml:3:9: base", "relative"},
		{"backslash", "dependencies:\n- name: a\n  base: .\\x\n", "m.yml:3:9: base", "slashes"},
		{"registry that is a URL", "dependencies:\n- name: a\n  registry: https://x.test/\n", "m.yml:3:13: registry", "config.yml"},
		{"empty registry", "dependencies:\n- name: a\n  registry: ''\n", "m.yml:3:13: registry is empty", ""},
		{"twice", "dependencies:\n- name: a\n- name: a\n", "m.yml:3:3: a stands twice: it is on line 2 too", ""},
		{"twice in two lists", "dependencies:\n- name: a\ndev-dependencies:\n- name: a\n", "m.yml:4:3: a stands twice: it is on line 2 too", ""},
		{"twice by the hub", "packages:\n- name: gh@x/a\n- name: a\n", "m.yml:3:3: a stands twice", ""},
		{"hub without repository", "packages:\n- name: gh@x\n", "m.yml:2:9: ", ""},
		{"hub with dots", "packages:\n- name: gh@x/..\n", "m.yml:2:9: ", ""},
		{"override", "overrides: {a: foo}\n", "m.yml:1:16: ", ""},
		{"override of no name", "overrides: {A: 1.0.0}\n", "m.yml:1:13: ", "lower case: a"},
		{"overrides as a list", "overrides: [a]\n", "m.yml:1:12: overrides is a list", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Parse("m.yml", []byte(tt.text))
			var e *Error
			if !errors.As(err, &e) {
				t.Fatalf("got %v, want an *Error", err)
			}
			if !strings.Contains(e.Error(), tt.want) || !strings.Contains(e.Hint(), tt.hint) {
				t.Errorf("got  %s\nhint %s\nwant %s (%s)", e, e.Hint(), tt.want, tt.hint)
			}
		})
	}
}

func TestParse(t *testing.T) {
	m, err := Parse("m.yml", []byte(`name: my-workspace
version: v1.2.0
description: 42
keywords: [a, 1]
repository: {type: git, url: https://h.test/x}
license: [MIT]
platforms: [claude]
dependencies:
  - name: a
packages:
  - name: b
dev-packages:
  - name: c
overrides: {base: 1.0.3, other: "*"}
`))
	if err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprintln(m.Name, m.Version, m.Description, m.Keywords, m.Repository, m.License, brief(m.Dependencies[0]), brief(m.Dependencies[1]),
		brief(m.DevDependencies[0]), m.Overrides[0].Name, m.Overrides[0].Range, m.Overrides[0].Pos, m.Overrides[1].Name)
	want := "my-workspace 1.2.0 42 [a 1] https://h.test/x  a b c dev base 1.0.3 {14 13} other"
	if strings.Join(strings.Fields(got), " ") != strings.Join(strings.Fields(want), " ") {
		t.Errorf("got %s, want %s", got, want)
	}
	if len(m.Warnings) != 1 || m.Warnings[0].Pos != (Position{10, 1}) {
		t.Errorf("warnings %+v", m.Warnings)
	}
	if m.Dependencies[0].Pos != (Position{9, 5}) {
		t.Errorf("position %v", m.Dependencies[0].Pos)
	}
	for _, empty := range []string{"", "# nothing\n", "dependencies:\n", "dependencies: []\ndev-dependencies: ~\n"} {
		if m, err := Parse("m.yml", []byte(empty)); err != nil || len(m.Dependencies) > 0 {
			t.Errorf("Parse(%q): %v", empty, err)
		}
	}
}

func TestParsePackage(t *testing.T) {
	for text, want := range map[string]string{
		"":               "it is empty",
		"version: 1.0.0": "the package has no name",
		"name: a\ndependencies: [{name: b, git: ../x}]":      "is in a directory of this machine",
		"name: a\ndependencies: [{name: b, git: /etc}]":      "is in a directory of this machine",
		"name: a\ndependencies: [{name: b, git: ~/x}]":       "is in a directory of this machine",
		"name: a\ndependencies: [{name: b, git: 'C:/x'}]":    "is in a directory of this machine",
		"name: a\ndependencies: [{name: b, git: file:///x}]": "is in a directory of this machine",
	} {
		if _, err := ParsePackage("m.yml", []byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("ParsePackage(%q): %v, want %s", text, err, want)
		}
	}
	for _, text := range []string{
		"name: a",
		"name: a\noverrides: {b: not a range}",
		"name: a\ndependencies: [{name: b, base: ../b}]",
		"name: a\ndependencies: [{name: b, git: 'git@h.test:x.git'}]",
	} {
		if _, err := ParsePackage("m.yml", []byte(text)); err != nil {
			t.Errorf("ParsePackage(%q): %v", text, err)
		}
	}
}

// TestHostile gives each file of the shared hostile set the verdict that its row asks for.
func TestHostile(t *testing.T) {
	data, err := os.ReadFile("testdata/hostile/verdicts.json")
	if err != nil {
		t.Fatal(err)
	}
	var rows []struct{ File, Expect, Why string }
	if err := json.Unmarshal(data, &rows); err != nil || len(rows) == 0 {
		t.Fatal(err)
	}
	for _, row := range rows {
		data, err := os.ReadFile(filepath.Join("testdata/hostile", row.File))
		if err != nil {
			t.Fatal(err)
		}
		m, err := ParsePackage(row.File, data)
		var e *Error
		switch {
		case row.Expect == "reject" && !errors.As(err, &e):
			t.Errorf("%s is accepted (%v): %s", row.File, err, row.Why)
		case row.Expect != "reject" && err != nil:
			t.Errorf("%s is refused: %v", row.File, err)
		case row.File == "openpackage--norway.yml" && m.Name != "no":
			t.Errorf("%s has the name %q", row.File, m.Name)
		case row.File == "openpackage--git-ref-hex-branch.yml":
			if _, err := ident.ParseCommit(m.Dependencies[0].Ref); err != nil {
				t.Error(err)
			}
		}
		if row.Expect == "reject" && row.File != "openpackage--git-file.yml" {
			if _, err := Parse(row.File, data); err == nil {
				t.Errorf("%s is accepted in a workspace: %s", row.File, row.Why)
			}
		}
	}
}

func FuzzParse(f *testing.F) {
	files, err := filepath.Glob("testdata/hostile/*.yml")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		if data, err := os.ReadFile(file); err == nil && len(data) < 1000 {
			f.Add(data)
		}
	}
	f.Add([]byte("packages:\n- name: gh@a/b\n- {name: c, url: 'https://h.test/x#semver:^1'}\n- name: d\n  path: x\noverrides: {e: 1}\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, parse := range []func(string, []byte) (*Manifest, error){Parse, ParsePackage} {
			m, err := parse("m.yml", data)
			var e *Error
			if err != nil && !errors.As(err, &e) {
				t.Fatalf("%v is no *Error", err)
			}
			if err != nil {
				continue
			}
			for _, d := range append(m.Dependencies, m.DevDependencies...) {
				if _, err := ident.ParseName(string(d.Name)); err != nil || d.Git != "" && d.Path != "" || d.Git != "" && d.Registry != "" {
					t.Fatalf("%s: %v", brief(d), err)
				}
			}
		}
	})
}

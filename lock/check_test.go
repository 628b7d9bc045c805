package lock

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/openpackage/opkg/ident"
)

func TestCheckClosed(t *testing.T) {
	text := good(t)
	tests := []struct {
		name     string
		old, new string // replaced in the good lock, once
		want     []string
	}{
		{"missing-dep", cut(text, "lint"), "", []string{"local-tools 0.0.0 needs lint >=1.0.0 <3.0.0 || ^4.0.0, which is not locked"}},
		{"required package gone", cut(text, "tool"), "", []string{"the manifest needs tool ^1.0.0, which is not locked"}},
		{"truncated", text[strings.Index(text, "\n[[package]]"):], "", []string{
			"the manifest needs @myorg/rules ^1.4.0, which is not locked", "the manifest needs local-tools *, which is not locked",
			"the manifest needs my-pkg 1.0.0, which is not locked", "the manifest needs part *, which is not locked",
			"the manifest needs tool ^1.0.0, which is not locked"}},
		{"range-violate", "version = \"1.4.2\"", "version = \"2.4.2\"", []string{"the manifest needs @myorg/rules ^1.4.0, but 2.4.2 is locked"}},
		{"dependency out of range", "lint >=1.0.0 <3.0.0 || ^4.0.0", "lint ^3.0.0", []string{"local-tools 0.0.0 needs lint ^3.0.0, but 2.0.0-beta.1+build.5 is locked"}},
		{"own name out of range", "my-pkg >=1.0.0", "my-pkg >=2.0.0", []string{"my-pkg 1.0.0 needs my-pkg >=2.0.0, but 1.0.0 is locked"}},
		{"override gone", "\n[[override]]\nname = \"base\"\nrange = \"1.0.3\"\n", "", []string{"@myorg/rules 1.4.2 needs base ^2.0.0, but 1.0.3 is locked"}},
		{"override not met", "range = \"1.0.3\"", "range = \"1.0.4\"", []string{"an override needs base 1.0.4, but 1.0.3 is locked"}},
		{"nothing needs it", "  \"base ^2.0.0\",\n", "", []string{"nothing needs base 1.0.3"}},
		{"require gone", "[[require]]\nname = \"tool\"\nrange = \"^1.0.0\"\ngit = \"https://github.com/author/tool.git\"\n\n", "", []string{"nothing needs tool 1.0.0"}},
		{"dev too much", "]\n\n[[package]]\nname = \"base\"", "]\ndev = true\n\n[[package]]\nname = \"base\"", []string{"@myorg/rules is marked dev, but not only dev-dependencies need it"}},
		{"dev too little", "]\ndev = true\n", "]\n", []string{"local-tools is not marked dev, but only dev-dependencies need it"}},
		{"another repository", "git = \"https://github.com/author/tool.git\"\nref", "git = \"https://github.com/evil/tool.git\"\nref", []string{"the manifest asks for tool from https://github.com/author/tool.git, but it is locked from https://github.com/evil/tool.git"}},
		{"another base", "base = \"packages/part\"\ncommit", "base = \"packages/other\"\ncommit", []string{`the manifest asks for part in "packages/part" of https://github.com/author/mono.git, but it is locked in "packages/other"`}},
		{"another ref", "ref = \"main\"\nbase = \"packages/part\"\ncommit", "ref = \"next\"\nbase = \"packages/part\"\ncommit", []string{`the manifest asks for part at main, but it is locked at "next"`}},
		{"another directory", "path = \"tools/agent\"", "path = \"tools/other\"", []string{"the manifest asks for local-tools from the directory ./tools/agent, but it is locked from the directory tools/other"}},
		{"a registry's name from git", "name = \"tool\"\nrange = \"^1.0.0\"\ngit = \"https://github.com/author/tool.git\"\n", "name = \"tool\"\nrange = \"^1.0.0\"\n", []string{"the manifest asks for tool from a registry, but it is locked from https://github.com/author/tool.git"}},
		{"a commit as ref", "ref = \"main\"", "ref = \"" + strings.Repeat("0", 40) + "\"", []string{
			`the manifest asks for part at ` + strings.Repeat("0", 40) + `, but it is locked at "main"`}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			mutated := strings.Replace(text, tt.old, tt.new, 1)
			if mutated == text {
				t.Fatal("nothing was replaced")
			}
			err := parse(t, mutated).CheckClosed("opkg.lock")
			var e *NotClosedError
			if !errors.As(err, &e) {
				t.Fatalf("err = %v", err)
			}
			if !slices.Equal(e.Problems, tt.want) {
				t.Errorf("problems\n%s", strings.Join(e.Problems, "\n"))
			}
			if e.Hint() != "run opkg lock" || !strings.HasPrefix(e.Error(), "opkg.lock is not closed: ") {
				t.Errorf("%v (%s)", e, e.Hint())
			}
		})
	}
}

// cut is the text of the package called name.
func cut(text, name string) string {
	from := strings.Index(text, "\n[[package]]\nname = \""+name+"\"\n")
	if to := strings.Index(text[from+1:], "\n[["); to >= 0 {
		return text[from : from+1+to]
	}
	return text[from:]
}

func TestCheckClosedCommit(t *testing.T) {
	commit, other := strings.Repeat("a", 40), strings.Repeat("b", 40)
	l := &Lock{
		Requires: []Require{{Name: "x", Git: "https://h/x.git", Ref: commit, Base: "./"}},
		Packages: []Package{{Name: "x", Version: version(t, "0.0.0"), Git: "https://h/x.git", Ref: commit, Commit: ident.Commit(commit)}},
	}
	if err := l.CheckClosed("f"); err != nil {
		t.Error(err)
	}
	l.Packages[0].Commit = ident.Commit(other)
	if err := l.CheckClosed("f"); err == nil || !strings.Contains(err.Error(), "locked at "+other) {
		t.Error(err)
	}
	l.Packages = append(l.Packages, l.Packages[0])
	if err := l.CheckClosed("f"); err == nil || !strings.Contains(err.Error(), "x is locked twice") {
		t.Error(err)
	}
}

// A lock that was just made has paths as the manifest writes them.
func TestPathsMayBeWrittenLoosely(t *testing.T) {
	made := &Lock{
		Requires: []Require{{Name: "x", Path: "./x/"}},
		Packages: []Package{{Name: "x", Version: version(t, "1.0.0"), Path: "./x/"}},
	}
	if err := made.CheckClosed("f"); err != nil {
		t.Error(err)
	}
	if read := parse(t, string(made.Format())); Diff(made, read) != nil || read.CheckClosed("f") != nil {
		t.Error("another lock when read")
	}
}

// A range that is none is a problem like any other, for a lock that did not come from Parse.
func TestCheckClosedMalformedRange(t *testing.T) {
	l := &Lock{
		Requires: []Require{{Name: "x", Range: "one"}},
		Packages: []Package{{Name: "x", Version: version(t, "1.0.0"), Source: "https://h/"}},
	}
	if err := l.CheckClosed("f"); err == nil || !strings.Contains(err.Error(), `the manifest needs x: "one" is not a range`) {
		t.Error(err)
	}
}

// Packages that need each other are fine, and hold nobody up.
func TestCycle(t *testing.T) {
	v := version(t, "1.0.0")
	l := &Lock{
		Requires: []Require{{Name: "a", Dev: true}},
		Packages: []Package{
			{Name: "a", Version: v, Source: "https://h/", Dependencies: []Dependency{{"b", "^1.0.0"}}},
			{Name: "b", Version: v, Source: "https://h/", Dependencies: []Dependency{{"a", "^1.0.0"}}},
		},
	}
	l.MarkDev()
	if !l.Packages[0].Dev || !l.Packages[1].Dev {
		t.Error("not dev")
	}
	if err := l.CheckClosed("f"); err != nil {
		t.Error(err)
	}
	l.Requires = append(l.Requires, Require{Name: "b"})
	l.MarkDev()
	if l.Packages[0].Dev || l.Packages[1].Dev {
		t.Error("still dev")
	}
}

func TestManyProblems(t *testing.T) {
	e := &NotClosedError{File: "opkg.lock", Problems: strings.Split(strings.Repeat("x", 30), "")}
	if got := e.Error(); !strings.HasSuffix(got, "; x; and 20 more") {
		t.Error(got)
	}
}

func TestCheckFresh(t *testing.T) {
	const file = "openpackage.yml"
	was := &Lock{
		Requires: []Require{
			{Name: "a", Range: "^1.0.0"},
			{Name: "g", Git: "https://h/g.git", Ref: "main"},
			{Name: "p", Path: "./p"},
		},
		Overrides: []Override{{"o", "1.0.0"}},
	}
	tests := []struct {
		name string
		edit func(r *[]Require, o *[]Override)
		want string
	}{
		{"nothing", func(*[]Require, *[]Override) {}, ""},
		{"order", func(r *[]Require, _ *[]Override) { slices.Reverse(*r) }, ""},
		{"range", func(r *[]Require, _ *[]Override) { (*r)[0].Range = "^2.0.0" }, "openpackage.yml now asks for a ^2.0.0; opkg.lock was made for ^1.0.0"},
		{"no longer", func(r *[]Require, _ *[]Override) { *r = (*r)[1:] }, "openpackage.yml no longer asks for a"},
		{"new", func(r *[]Require, _ *[]Override) { *r = append(*r, Require{Name: "y", Range: "^1.0.0"}) }, "openpackage.yml now asks for y ^1.0.0, which opkg.lock does not know"},
		{"new git", func(r *[]Require, _ *[]Override) {
			*r = append(*r, Require{Name: "y", Git: "https://h/y.git", Base: "b"})
		}, "openpackage.yml now asks for y from https://h/y.git in b, which opkg.lock does not know"},
		{"registry", func(r *[]Require, _ *[]Override) { (*r)[0].Registry = "myorg" }, "openpackage.yml now asks for a ^1.0.0 from registry myorg; opkg.lock was made for ^1.0.0"},
		{"ref", func(r *[]Require, _ *[]Override) { (*r)[1].Ref = "v1" }, "openpackage.yml now asks for g from https://h/g.git at v1; opkg.lock was made for g from https://h/g.git at main"},
		{"path", func(r *[]Require, _ *[]Override) { (*r)[2] = Require{Name: "p", Range: "*"} }, "openpackage.yml now asks for p *; opkg.lock was made for p from the directory ./p"},
		{"dev", func(r *[]Require, _ *[]Override) { (*r)[0].Dev = true }, "openpackage.yml now asks for a in dev-dependencies only"},
		{"override", func(_ *[]Require, o *[]Override) { (*o)[0].Range = "2.0.0" }, "openpackage.yml now overrides o with 2.0.0; opkg.lock was made for 1.0.0"},
		{"new override", func(_ *[]Require, o *[]Override) { *o = append(*o, Override{"q", "*"}) }, "openpackage.yml now overrides q with *, which opkg.lock does not know"},
		{"override gone", func(_ *[]Require, o *[]Override) { *o = nil }, "openpackage.yml no longer overrides o"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, o := slices.Clone(was.Requires), slices.Clone(was.Overrides)
			tt.edit(&r, &o)
			checkStale(t, was.CheckFresh("opkg.lock", file, r, o), tt.want)
		})
	}
	undev := &Lock{Requires: []Require{{Name: "a", Dev: true}, {Name: "b"}}}
	checkStale(t, undev.CheckFresh("opkg.lock", file, []Require{{Name: "a"}, {Name: "b", Range: "1"}}, nil),
		"openpackage.yml now asks for a in dependencies, no longer in dev-dependencies only; openpackage.yml now asks for b 1; opkg.lock was made for any version")
}

func checkStale(t *testing.T, err error, want string) {
	t.Helper()
	var e *StaleError
	switch {
	case want == "" && err != nil:
		t.Error(err)
	case want != "" && !errors.As(err, &e):
		t.Errorf("err = %v, want %s", err, want)
	case want != "" && (e.Error() != "opkg.lock is stale: "+want || e.Hint() == ""):
		t.Errorf("got\n%v, want\n%s", err, want)
	}
}

func TestCheckPaths(t *testing.T) {
	was := &Lock{Packages: []Package{
		{Name: "p", Version: version(t, "1.0.0"), Path: "../p", Dependencies: []Dependency{{"a", "^1.0.0"}, {"b", "*"}}},
		{Name: "q", Version: version(t, "1.0.0"), Source: "https://h/"},
	}}
	now := func(v string, deps ...Dependency) []Package {
		return []Package{
			{Name: "p", Version: version(t, v), Path: "../p", Dependencies: deps},
			{Name: "q", Version: version(t, "2.0.0"), Path: "q"},
			{Name: "r", Version: version(t, "2.0.0"), Path: "r"},
		}
	}
	checkStale(t, was.CheckPaths("opkg.lock", now("1.0.0", Dependency{"b", ""}, Dependency{"a", "^1.0.0"})), "")
	checkStale(t, was.CheckPaths("opkg.lock", now("1.1.0", Dependency{"a", "^2.0.0"}, Dependency{"c", "*"})),
		"../p/openpackage.yml now says version 1.1.0; opkg.lock was made for 1.0.0; "+
			"../p/openpackage.yml now asks for a ^2.0.0; opkg.lock was made for ^1.0.0; "+
			"../p/openpackage.yml no longer asks for b; "+
			"../p/openpackage.yml now asks for c *, which opkg.lock does not know")
}

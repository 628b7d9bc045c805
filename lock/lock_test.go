package lock

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/openpackage/opkg/ident"
)

// good is a canonical lock with every key and every kind of package.
func good(t testing.TB) string {
	t.Helper()
	data, err := os.ReadFile("testdata/good.lock")
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func parse(t testing.TB, text string) *Lock {
	t.Helper()
	l, err := Parse("opkg.lock", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func version(t testing.TB, s string) ident.Version {
	t.Helper()
	v, err := ident.ParseVersion(s)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestCanonicalTextIsKept(t *testing.T) {
	text := good(t)
	l := parse(t, text)
	if got := string(l.Format()); got != text {
		t.Errorf("Format(Parse(x)) is not x:\n%s", got)
	}
	if err := l.CheckClosed("opkg.lock"); err != nil {
		t.Error(err)
	}
	tool := l.Find("tool")
	if tool == nil || tool.Ref != "v1.0.0" || len(tool.Commit) != 64 {
		t.Errorf("tool is %+v", tool)
	}
	if l.Find("too") != nil {
		t.Error("found what is not there")
	}
	if got := string((&Lock{}).Format()); got != header+"version = 1\n" {
		t.Errorf("an empty lock is %q", got)
	}
}

// What people, merges and checkouts do to the text does not change its meaning.
func TestSameMeaning(t *testing.T) {
	text := good(t)
	want := parse(t, text)
	tables := strings.Split(text, "\n\n")
	slices.Reverse(tables[1:])
	for name, variant := range map[string]string{
		"CRLF":           strings.ReplaceAll(text, "\n", "\r\n"),
		"byte order":     "\ufeff" + text,
		"no last LF":     strings.TrimSuffix(text, "\n"),
		"tables turned":  strings.Join(tables, "\n\n"),
		"no comment":     strings.TrimPrefix(text, header),
		"more comments":  strings.ReplaceAll(text, "\n", " # note\n"),
		"no blanks":      strings.ReplaceAll(text, " = ", "="),
		"indented":       strings.ReplaceAll(text, "\n", "\n\t "),
		"one-line lists": strings.NewReplacer("[\n  ", "[", ",\n  ", ", ", ",\n]", "]").Replace(text),
		"literals":       strings.ReplaceAll(text, `"`, "'"),
		"escapes":        strings.ReplaceAll(text, `"tool"`, `"\u0074\U0000006fol"`),
		"keys turned":    strings.ReplaceAll(text, "name = \"tool\"\nversion = \"1.0.0\"\n", "version = \"1.0.0\"\nname = \"tool\"\n"),
		"list turned":    strings.Replace(text, "  \"base ^2.0.0\",\n  \"my-pkg *\",\n", "  \"my-pkg *\",\n  \"base ^2.0.0\"\n", 1),
		"empty list":     strings.Replace(text, "size = 1\n", "size = 1\ndependencies = []\n", 1),
	} {
		t.Run(name, func(t *testing.T) {
			if variant == text {
				t.Fatal("the variant is the text")
			}
			l := parse(t, variant)
			if !reflect.DeepEqual(l, want) {
				t.Errorf("another meaning: %+v", l)
			}
			if string(l.Format()) != text {
				t.Error("Format does not bring the canonical text back")
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	text := good(t)
	hash := strings.Repeat("ab", 32)
	pkg := "name = \"lint\"\nversion = \"2.0.0-beta.1+build.5\"\nsource = \"file:../team-registry\"\n"
	tests := []struct {
		name     string
		old, new string // replaced in the good lock, once
		line     string // the text of the line that the error must name, in the result; "" = the whole file
		want     string
	}{
		// The rows of the hostile set that the text alone shows. Host, http, scope-move, priority-move and
		// same-host-other-pkg need the configuration or the archive: the Router's and the store's tests.
		{"conflict-markers", "size = 18231\n", "<<<<<<< HEAD\nsize = 1\n=======\nsize = 2\n>>>>>>> theirs\n", "<<<<<<< HEAD", "git left a conflict marker"},
		{"conflict in a list", "  \"my-pkg *\",\n", "<<<<<<< HEAD\n  \"my-pkg *\",\n", "<<<<<<< HEAD", "git left a conflict marker"},
		{"conflict in the middle", "size = 18231\n", "=======\n", "=======", "git left a conflict marker"},
		{"dup-entry", "[[package]]\nname = \"base\"\n", "[[package]]\nname = \"@myorg/rules\"\n", "[[package]]#2", "stands here and in line 33"},
		{"mix", "[[package]]\nname = \"tool\"\n", "[[package]]\nname = \"base\"\n", "[[package]]#7", "package base stands here and in line"},
		{"future-version", "version = 1\n", "version = 999\n", "version = 999", "written by a newer opkg (lock version 999"},
		{"git-commit-branch", "commit = \"0123456789012345678901234567890123456789\"", "commit = \"main\"", "commit = \"main\"", "is not a commit"},
		{"git-commit-short", "commit = \"0123456789012345678901234567890123456789\"", "commit = \"0123456\"", "commit = \"0123456\"", "is not a commit"},
		{"no-version", "version = 1\n", "", "", "it has no version"},
		{"sha-case", "sha256 = \"" + hash, "sha256 = \"" + strings.ToUpper(hash), "sha256 = \"AB", "not in lower case"},
		{"tree case", "tree = \"blake3:" + hash, "tree = \"blake3:" + strings.ToUpper(hash), "tree = \"blake3:AB", "not in lower case"},
		{"sha-drop", "sha256 = \"" + hash + "\"\n", "", "[[package]]#1", "package @myorg/rules has no sha256"},
		{"sha-empty", "sha256 = \"" + hash + "\"\n", "sha256 = \"\"\n", "sha256 = \"\"", "sha256: it is empty"},
		{"token in artifact", "my-pkg/1.0.0.tgz", "my-pkg/1.0.0.tgz?token=s3cr3t", "artifact = \"https", "holds a query"},
		{"token in source", "source = \"https://registry.myorg.com/\"", "source = \"https://registry.myorg.com/?token=s3cr3t\"", "source = ", "source: "},
		{"token in git", "git = \"https://github.com/author/tool.git\"", "git = \"https://github.com/author/tool.git?token=s3cr3t\"", "git = \"https://github.com/author/tool.git?", "git: "},
		{"version-path", "version = \"1.4.2\"", "version = \"../../x\"", "version = \"../../x\"", "is not a version"},

		// Syntax.
		{"not UTF-8", "range = \"^1.4.0\"", "range = \"\xff\"", "range = \"\xff", "not UTF-8"},
		{"cut in a string", "  \"my-pkg *\",\n", "  \"my-pkg *\n", "  \"my-pkg *", "does not end on its line"},
		{"NUL", "size = 18231", "size = 18231\x00", "size = 18231", "want the end of the line"},
		{"carriage return", "size = 18231", "size =\r18231", "size =", "want a string"},
		{"bad escape", "\"^1.4.0\"", `"\q"`, `range = "\q"`, "unknown \\ escape"},
		{"surrogate escape", "\"^1.4.0\"", `"\ud800"`, `range = "\ud800"`, "unknown \\ escape"},
		{"multi-line string", "\"^1.4.0\"", `"""^1.4.0"""`, `range = """`, "strings of several lines"},
		{"plain table", "[[override]]", "[override]", "[override]", "want a table such as"},
		{"inline table", "size = 18231", "size = {a = 1}", "size = {", "want a string"},
		{"dotted key", "size = 18231", "size.a = 18231", "size.a", "want size = value"},
		{"float", "size = 18231", "size = 18231.5", "size = 18231.5", "want the end of the line"},
		{"underscores", "size = 18231", "size = 18_231", "size = 18_231", "want a string"},
		{"leading zero", "size = 18231", "size = 018231", "size = 018231", "want a string"},
		{"nested list", "  \"base ^2.0.0\",", "  [[[\"base ^2.0.0\"]]],", "  [[[", "want a string in quotes"},
		{"list without comma", "  \"base ^2.0.0\",\n", "  \"base ^2.0.0\"\n", "  \"my-pkg", "want a comma"},
		{"two keys on a line", "size = 18231\n", "size = 18231 ", "size = 18231", "want the end of the line"},

		// Keys.
		{"unknown key", "size = 18231", "sise = 18231", "sise = ", "unknown key sise in a [[package]]"},
		{"unknown top key", "version = 1\n", "version = 1\nflavour = 1\n", "flavour", "unknown key flavour"},
		{"unknown table", "[[override]]", "[[overrides]]", "[[overrides]]", "unknown table"},
		{"key twice", "size = 18231\n", "size = 18231\nsize = 18231\n", "size = 18231#2", "key size stands twice"},
		{"require twice", "name = \"my-pkg\"\nrange", "name = \"@myorg/rules\"\nrange", "[[require]]#3", "require @myorg/rules stands here and in line 4"},
		{"no name", "name = \"lint\"\n", "", "[[package]]#3", "a [[package]] has no name"},
		{"no package version", "version = \"1.4.2\"\n", "", "[[package]]#1", "package @myorg/rules has no version"},
		{"version zero", "version = 1\n", "version = 0\n", "version = 0", "0 is not between"},
		{"version is text", "version = 1\n", "version = \"1\"\n", "version = \"1\"", "want a whole number"},
		{"dev false", "dev = true", "dev = false", "dev = false", "leave the key out"},
		{"name with a slash", "name = \"tool\"", "name = \"a/tool\"", "name = \"a/tool\"", "is not a package name"},
		{"version with v", "version = \"1.4.2\"", "version = \"v1.4.2\"", "version = \"v1.4.2\"", "is not a version"},
		{"range", "range = \"^1.4.0\"", "range = \"one\"", "range = \"one\"", "range: "},
		{"blanks around a range", "range = \"^1.4.0\"", "range = \" ^1.4.0\"", "range = \" ^", "blanks around it"},
		{"override without range", "range = \"1.0.3\"\n", "", "[[override]]", "has no range"},
		{"dependency twice", "  \"my-pkg *\"", "  \"base *\"", "dependencies", "base stands twice"},
		{"dependency without range", "  \"my-pkg *\"", "  \"my-pkg\"", "  \"my-pkg", "want \"name range\""},
		{"dependency with two blanks", "  \"my-pkg *\"", "  \"my-pkg  *\"", "  \"my-pkg", "blanks around it"},
		{"dependency range", "  \"my-pkg *\"", "  \"my-pkg one\"", "  \"my-pkg", "dependencies: "},
		{"dependencies is text", "dependencies = [\n  \"base ^2.0.0\",\n  \"my-pkg *\",\n]", "dependencies = \"base\"", "dependencies = \"", "want a list of strings"},

		// The one origin of a package, and what goes with each.
		{"two origins", pkg, pkg + "path = \"x\"\n", "[[package]]#3", "exactly one of source, git and path"},
		{"no origin", "path = \"tools/agent\"\n", "", "[[package]]#4", "exactly one of source, git and path"},
		{"path with sha256", "path = \"tools/agent\"\n", "path = \"tools/agent\"\nsha256 = \"" + hash + "\"\n", "[[package]]#4", "has a sha256, which a package with a path cannot have"},
		{"git without commit", "ref = \"v1.0.0\"\ncommit = \"" + strings.Repeat("fedc", 16) + "\"\n", "ref = \"v1.0.0\"\n", "[[package]]#7", "has no commit"},
		{"git registry with size", "source = \"git:", "size = 1\nsource = \"git:", "[[package]]#2", "has a size"},
		{"archive with commit", "size = 18231", "size = 18231\ncommit = \"" + strings.Repeat("fedc", 10) + "\"", "[[package]]#1", "has a commit"},
		{"no artifact", "artifact = \"packages/@myorg/rules/1.4.2.tgz\"\n", "", "[[package]]#1", "has no artifact"},
		{"no size", "size = 18231\n", "", "[[package]]#1", "has no size"},
		{"no tree", "tree = \"blake3:" + hash + "\"\n", "", "[[package]]#1", "has no tree"},
		{"size zero", "size = 18231", "size = 0", "size = 0", "0 is not between"},
		{"size too large", "size = 4294967296", "size = 4294967297", "size = 4294967297", "is not between"},
		{"source not canonical", "source = \"https://registry.myorg.com/\"", "source = \"https://Registry.myorg.com\"", "source = \"https://R", "canonical"},
		{"require with path and range", "path = \"./tools/agent\"", "path = \"./tools/agent\"\nrange = \"*\"", "[[require]]#2", "has a path"},
		{"require with git and registry", "registry = \"myorg\"", "registry = \"myorg\"\ngit = \"https://github.com/author/tool.git\"", "[[require]]#3", "both git and registry"},
		{"require with ref alone", "registry = \"myorg\"", "ref = \"main\"", "[[require]]#3", "without git"},

		// Paths and URLs.
		{"absolute path", "\"tools/agent\"", "\"/tools/agent\"", "path = \"/", "not relative to the workspace"},
		{"drive", "\"tools/agent\"", "\"C:/tools\"", "path = \"C", "not relative to the workspace"},
		{"backslash in a path", "\"tools/agent\"", "'tools\\agent'", "path = 'tools", "backslash"},
		{"path not clean", "\"tools/agent\"", "\"./tools/agent\"", "path = \"./tools/agent\"#2", "shortest form, \"tools/agent\""},
		{"base leaves", "base = \"packages/part\"\ncommit", "base = \"../part\"\ncommit", "base = \"../part", "not a directory in the repository"},
		{"ref with a dash", "ref = \"v1.0.0\"", "ref = \"--upload-pack=x\"", "ref = \"--", "ref: "},
		{"ref with a blank", "ref = \"v1.0.0\"", "ref = \"a b\"", "ref = \"a", "ref: "},
		{"control character", "ref = \"v1.0.0\"", `ref = "v1\u001b[2J"`, "ref = \"v1", `holds a control character`},
		{"long value", "ref = \"v1.0.0\"", "ref = \"" + strings.Repeat("a", MaxValue+1) + "\"", "ref = \"aaa", "more than 8192 bytes"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			mutated := strings.Replace(text, tt.old, tt.new, 1)
			if mutated == text {
				t.Fatal("nothing was replaced")
			}
			l, err := Parse("opkg.lock", []byte(mutated))
			var e *Error
			if !errors.As(err, &e) {
				t.Fatalf("err = %v, lock %v", err, l)
			}
			if !strings.Contains(e.Msg, tt.want) {
				t.Errorf("message %q, want %q", e.Msg, tt.want)
			}
			if want := lineOf(mutated, tt.line); e.Line != want {
				t.Errorf("line %d, want %d: %v", e.Line, want, err)
			}
			if e.Hint() == "" {
				t.Error("no hint")
			}
			if strings.Contains(err.Error(), "s3cr3t") {
				t.Errorf("a secret in %q", err)
			}
		})
	}
}

// lineOf finds the line that begins with text, or with "text#n" the n-th such line.
func lineOf(all, text string) int {
	if text == "" {
		return 0
	}
	nth := 1
	if before, n, ok := strings.Cut(text, "#"); ok {
		text = before
		fmt.Sscan(n, &nth)
	}
	for i, l := range strings.Split(all, "\n") {
		if strings.HasPrefix(l, text) {
			if nth--; nth == 0 {
				return i + 1
			}
		}
	}
	return -1
}

func TestArtifact(t *testing.T) {
	for _, s := range []string{
		"packages/@myorg/rules/1.4.2.tgz", "1.0.0+build.tgz", "a%2Bb.tgz", "https://cdn.example.test:8443/x/y.tgz",
		"http://127.0.0.1:8080/x.tgz", "https://[::1]/x.tgz", "a/b-c/~d", "a/-d", "Ünï(1).tgz", "https://h/a:b(1).tgz",
	} {
		if why := artifactFault(s); why != "" {
			t.Errorf("%q %s", s, why)
		}
	}
	for _, s := range []string{
		"", "/etc/passwd", "../x", "a/../x", "./x", "a//b", "a/", "-x", `a\b`, "a b", "a\x00", "a?b", "a#b", "a%2e%2e/b%2",
		"%2e%2e/x", "a%2fb", "a%5Cb", "a%00b", "c:/x", "ftp://h/x", "//h/x", "https:x", "https://", "https:///x",
		"https://user@h/x", "https://u:p@h/x", "https://h@evil/x", "https://H/x", "https://h:/x", "https://h", "https://h/", "https://h/../x",
		"https://h/a%2f..%2fb", "https://h/x?token=1", "https://h/x#y", "https://h/x?", "https://h/x#", "https://rеgistry.example.test/x",
		"https://h:443/x", "https://h/a b", "https://h/Ünï", "https://h:0/x", "https://h:99999/x", "file:///x",
	} {
		if why := artifactFault(s); why == "" {
			t.Errorf("%q is accepted", s)
		}
	}
}

func TestArtifactBelongsToItsSource(t *testing.T) {
	for old, fresh := range map[string]string{
		`artifact = "packages/lint/2.0.0-beta.1+build.5.tgz"`: `artifact = "https://cdn.myorg.com/x.tgz"`,
		`artifact = "https://cdn.myorg.com/my-pkg/1.0.0.tgz"`: `artifact = "https://registry.myorg.com/x.tgz"`,
	} {
		text := strings.Replace(good(t), old, fresh, 1)
		if _, err := Parse("opkg.lock", []byte(text)); err == nil {
			t.Errorf("%s is accepted", fresh)
		}
	}
}

// A newer format may look like anything: its version is found before its novelties are stumbled upon.
func TestNewerFormat(t *testing.T) {
	for _, text := range []string{
		"version = 2\n[novelty]\nx = 1.5\n",
		"schema = {a = 1}\nversion = 99999999999999999999 # far\n",
		"\ufeffversion=2\r\n",
	} {
		_, err := Parse("opkg.lock", []byte(text))
		var e *Error
		if !errors.As(err, &e) || !strings.Contains(e.Msg, "newer opkg") || e.Hint() != "update opkg" || e.Line == 0 {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestFormatSortsAndEscapes(t *testing.T) {
	l := &Lock{
		Requires: []Require{{Name: "b", Registry: "tab\there \"quoted\" \\ \x7f ü"}, {Name: "a"}},
		Packages: []Package{{Name: "z", Version: version(t, "1.0.0"), Path: "./x/", Dependencies: []Dependency{{"y", ""}, {"a", "^1"}}}},
	}
	got := string(l.Format())
	want := header + `version = 1

[[require]]
name = "a"

[[require]]
name = "b"
registry = "tab\u0009here \"quoted\" \\ \u007F ü"

[[package]]
name = "z"
version = "1.0.0"
path = "x"
dependencies = [
  "a ^1",
  "y *",
]
`
	if got != want {
		t.Errorf("got\n%s", got)
	}
	if l.Requires[0].Name != "b" || l.Packages[0].Dependencies[0].Name != "y" {
		t.Error("Format changed its receiver")
	}
}

// npm's grammar allows tabs in a range; what its author wrote is kept.
func TestTabInRange(t *testing.T) {
	l := parse(t, strings.Replace(good(t), `range = "^1.4.0"`, `range = ">=1.4.0\u0009<2"`, 1))
	if l.Requires[0].Range != ">=1.4.0\t<2" || !strings.Contains(string(l.Format()), `">=1.4.0\u0009<2"`) {
		t.Errorf("%q", l.Requires[0].Range)
	}
	if err := l.CheckClosed("opkg.lock"); err != nil {
		t.Error(err)
	}
}

func TestDiff(t *testing.T) {
	old := parse(t, good(t))
	fresh := parse(t, good(t))
	if got := Diff(old, fresh); got != nil {
		t.Errorf("equal locks differ: %v", got)
	}
	fresh.Packages[0].Dependencies = slices.Clone(fresh.Packages[0].Dependencies)
	fresh.Packages[0].Dependencies[0].Range = "^3"
	fresh.Packages = slices.Delete(fresh.Packages, 2, 3)
	fresh.Packages = append(fresh.Packages, Package{Name: "zz"})
	var got []string
	for _, c := range Diff(old, fresh) {
		got = append(got, fmt.Sprintf("%s %t %t", c.Name, c.Old != nil, c.New != nil))
	}
	if want := []string{"@myorg/rules true true", "lint true false", "zz false true"}; !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
	if n := len(Diff(nil, old)); n != len(old.Packages) {
		t.Errorf("from nothing: %d", n)
	}
	if n := len(Diff(old, nil)); n != len(old.Packages) {
		t.Errorf("to nothing: %d", n)
	}
	if Diff(nil, nil) != nil {
		t.Error("nothing differs from nothing")
	}
}

func TestTooLarge(t *testing.T) {
	if _, err := Parse("opkg.lock", bytes.Repeat([]byte("#"), MaxSize+1)); err == nil || !strings.Contains(err.Error(), "128 MiB") {
		t.Error(err)
	}
}

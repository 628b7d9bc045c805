package archive

import (
	"strconv"
	"strings"
	"testing"
)

func TestCheckPath(t *testing.T) {
	long := strings.Repeat("n", MaxComponent)
	good := []string{
		"openpackage.yml", "a/b/c.md", "-rf", "~/.bashrc", "\U0001f600.md", "．．／x", ".gitmodules", ".gitignore", ".github/x",
		"agents/console.md", "comics.md", "com.md", "café.md", "क्\u200dष.md", "👨\u200d👩\u200d👧.md", "a b.md", "100%.md", "a~", "x~1",
		long, strings.Repeat("d/", MaxDepth-1) + "f", ".cursor/rules.md", "git", "opkg.md",
	}
	for _, p := range good {
		if err := CheckPath(p); err != nil {
			t.Errorf("%q: %v", p, err)
		}
	}
	bad := []string{
		"", "/", "/a", "a/", "a//b", ".", "..", "./a", "a/./b", "a/../b", "../a", "a/..",
		`a\b`, "c:", "a:b", "a<", "a>", `a"`, "a|b", "a?", "a*",
		" a", "a ", "a/ b", "a /b", "a.", "a./b", "...", "\u00a0a", "a\u3000",
		"con", "CON.md", "a/nul", "com1.txt", "LPT9", "COM¹.x", "aux.h.in", "conin$",
		"a\nb", "a\x7f", "a\u0085", "a\x00b", "a\t", "\x80", "\xed\xa0\x80", "a\u202eb", "a\u200bb", "a\ufeff", "a\u2028b", "a\u00adb",
		".git", ".GIT/x", "a/.Git", ".g\u200cit", ".gi\u200dt/config", "\u200c.git", "GIT~1", "git~1/x", ".ｇit" + "\u200b",
		".opkg", ".opkg-manifest.json", ".OPKG.lock", "a/.opkg-tmp",
		long + "n", strings.Repeat("d/", MaxDepth) + "f", strings.Repeat(long+"/", 4) + "n",
	}
	for _, p := range bad {
		if err := CheckPath(p); err == nil {
			t.Errorf("%q is accepted", p)
		}
	}
}

func TestNameSet(t *testing.T) {
	type add struct {
		path string
		dir  bool
	}
	tests := []struct {
		what string
		adds []add
		ok   bool
	}{
		{"a directory by its file, then itself", []add{{"d/e", false}, {"d", true}}, true},
		{"a directory, then its file", []add{{"d", true}, {"d/e", false}}, true},
		{"one name in two directories", []add{{"a/x", false}, {"b/x", false}, {"x", false}}, true},
		{"other letters", []add{{"ａ", false}, {"a", false}}, true},
		{"a file twice", []add{{"x", false}, {"x", false}}, false},
		{"a directory twice", []add{{"x", true}, {"x", true}}, false},
		{"a file that is a parent", []add{{"x", false}, {"x/y", false}}, false},
		{"a parent that is a file", []add{{"x/y", false}, {"x", false}}, false},
		{"a directory that is a file", []add{{"x", true}, {"x", false}}, false},
		{"case", []add{{"a.md", false}, {"A.md", false}}, false},
		{"case of a parent", []add{{"a/x", false}, {"A/y", false}}, false},
		{"normalization", []add{{"caf\u00e9", false}, {"cafe\u0301", false}}, false},
		{"normalization of a parent", []add{{"caf\u00e9/a", false}, {"cafe\u0301/b", false}}, false},
		{"sharp s", []add{{"straße", false}, {"STRASSE", false}}, false},
		{"capital sharp s", []add{{"ẞ", false}, {"ß", false}}, false},
		{"Kelvin", []add{{"\u212a", false}, {"k", false}}, false},
		{"long s", []add{{"ſ", false}, {"s", false}}, false},
		{"dotless i", []add{{"ı", false}, {"I", false}}, false},
		{"dotted I", []add{{"İ", false}, {"I\u0307", false}}, false},
		{"final sigma", []add{{"ς", false}, {"Σ", false}}, false},
		{"Greek with iota below", []add{{"ᾳ", false}, {"ΑΙ", false}}, false},
		{"order of marks", []add{{"a\u0323\u0307", false}, {"a\u0307\u0323", false}}, false},
		{"joiners", []add{{"ab", false}, {"a\u200db", false}}, false},
		{"ligature", []add{{"ﬁ", false}, {"fi", false}}, false},
	}
	for _, tt := range tests {
		var s NameSet
		var err error
		for _, a := range tt.adds {
			if err = s.Add(a.path, a.dir); err != nil {
				break
			}
		}
		if (err == nil) != tt.ok {
			t.Errorf("%s: error %v", tt.what, err)
		}
	}
}

func TestNameSetBoundsDirectories(t *testing.T) {
	var s NameSet
	for i := range MaxDirectories {
		if err := s.Add("d"+strconv.Itoa(i), true); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Add("one-more/f", false); err == nil {
		t.Error("one directory too many is accepted")
	}
}

func TestDropped(t *testing.T) {
	for path, want := range map[string]bool{
		".openpackage/openpackage.yml": true, ".openpackage/packages/x/a.md": true, "packages/x/openpackage.yml": true,
		"openpackage.index.yml": true, "a/openpackage.index.yml": true, "opkg.lock": true, "examples/opkg.lock": true,
		".DS_Store": true, "a/.DS_Store": true, "Thumbs.db": true, "._a": true, "a/._b": true, "a.md~": true,
		"openpackage.yml": false, "a/packages/x": false, "a/.openpackage/x": false, "packages": false, "~": false, "~/x": false,
		".gitmodules": false, "._dir/x": false, "a~/x": false, "thumbs.db.md": false,
	} {
		if got := Dropped(path); got != want {
			t.Errorf("Dropped(%q) = %v", path, got)
		}
	}
}

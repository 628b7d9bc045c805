package strictyaml

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

const maxSize = 1 << 20

func TestParseRefuses(t *testing.T) {
	deep := strings.Repeat("[", MaxDepth+1) + strings.Repeat("]", MaxDepth+1)
	for _, tt := range []struct{ name, text, want, hint string }{
		{"syntax", "a: 1\nb: [\n", "f.yml:2: it is not YAML", ""},
		{"duplicate key", "a: 1\nb: 2\na: 3\n", `f.yml:3:1: the key "a" stands twice: it is on line 1 too`, "keep one"},
		{"duplicate key, quoted", "a: 1\n'a': 2\n", `f.yml:2:1: the key "a" stands twice`, ""},
		{"duplicate key, number", "1: 1\n\"1\": 2\n", `f.yml:2:1: the key "1" stands twice`, ""},
		{"duplicate key, nested", "x:\n  - {a: 1, a: 2}\n", `f.yml:2:12: the key "a" stands twice`, ""},
		{"second document", "a: 1\n---\nb: 2\n", "f.yml:2:1: a second document", "---"},
		{"second document, empty", "a: 1\n---\n", "f.yml:2:1: a second document", ""},
		{"after the end", "a: 1\n...\nb: 2\n", "it is not YAML", ""},
		{"alias", "a: &a 1\nb: *a\n", "f.yml:1:4: the anchor &a", ""},
		{"unknown alias", "b: *a\n", "aliases are not read", ""},
		{"anchor cycle", "a: &a [*a]\n", "the anchor &a", ""},
		{"tag", "a: !!binary ZGVtbw==\n", "f.yml:1:4: a tag", ""},
		{"local tag", "a: !x b\n", "f.yml:1:4: a tag", ""},
		{"tag of no name", "a: ! b\n", "f.yml:1:4: a tag", ""},
		{"tagged mapping", "!!map\na: b\n", "a tag", ""},
		{"merge key", "a: {<<: {b: 1}}\n", "f.yml:1:5: the merge key", ""},
		{"key that is a list", "? [a]\n: b\n", "f.yml:1:3: a key is a list", ""},
		{"null key", "~: b\n", "f.yml:1:1: a key is empty", ""},
		{"tab", "a: b\n\tc: d\n", "f.yml:2:1: it is not YAML", "spaces"},
		{"tab behind blanks", "a:\n \tb: c\n", "f.yml:2:2: it is not YAML", "spaces"},
		{"tab behind a dash", "- \ta: b\n", "f.yml:1:3: it is not YAML", "spaces"},
		{"NUL", "a: b\x00\n", "f.yml:1:5: the control character U+0000", ""},
		{"escape", "a: \x1b[2J\n", "f.yml:1:4: the control character U+001B", ""},
		{"next line", "a: b\u0085c: d\n", "f.yml:1:5: the control character U+0085", ""},
		{"line separator", "a: b\u2028c: d\n", "f.yml:1:5: the control character U+2028", ""},
		{"lone carriage return", "a: b\rc: d\n", "f.yml:1:5: a carriage return", "CR LF"},
		{"not UTF-8", "a: é\nb: \xff\n", "f.yml:2:4: byte 0xff is not UTF-8", "UTF-8"},
		{"surrogate", "a: \xed\xa0\x80\n", "is not UTF-8", ""},
		{"UTF-16", "\xff\xfea\x00:\x00", "f.yml: it is UTF-16", "UTF-8"},
		{"UTF-16, big end first", "\xfe\xff\x00a\x00:", "f.yml: it is UTF-16", ""},
		{"inner byte order mark", "a: b\n\ufeffc: d\n", "f.yml:2:1: a byte order mark", ""},
		{"scope without quotes", "a: 1\nb:\n  - name: @x/y\n", "f.yml:3:11: it is not YAML", `write it in quotes: "@x/y"`},
		{"star without quotes", "a: 1\nb: *\n", "f.yml:2:4: it is not YAML", `"*"`},
		{"comparator without quotes", "b: >=1.0.0\n", "f.yml:1:4: it is not YAML", `">=1.0.0"`},
		{"depth", "a: " + deep, "nested deeper than 64", ""},
		{"depth of a real bomb", strings.Repeat("[", 50_000), "nested deeper than 64", ""},
		{"depth of dashes", strings.Repeat("- ", 50_000), "nested deeper than 64", ""},
		{"depth of mappings", strings.Repeat("{a: ", 50_000), "nested deeper than 64", ""},
		{"depth of questions", strings.Repeat("? ", 50_000), "nested deeper than 64", ""},
		{"depth of indentation", indented(100), "nested deeper than 64", ""},
		{"size", strings.Repeat("#", maxSize+1), "more than 1048576", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Parse("f.yml", []byte(tt.text), maxSize)
			var e *Error
			if !errors.As(err, &e) {
				t.Fatalf("error %v, want an *Error", err)
			}
			if !strings.Contains(e.Error(), tt.want) {
				t.Errorf("error %q, want %q", e, tt.want)
			}
			if !strings.Contains(e.Hint(), tt.hint) {
				t.Errorf("hint %q, want %q", e.Hint(), tt.hint)
			}
		})
	}
	if _, err := Parse("f.yml", []byte(strings.Repeat("\n", MaxItems+1)), 4*MaxItems); err == nil {
		t.Error("more than MaxItems lines are read")
	}
}

func indented(depth int) string {
	var b strings.Builder
	for i := range depth {
		b.WriteString(strings.Repeat(" ", i) + "a:\n")
	}
	return b.String()
}

func TestParse(t *testing.T) {
	for _, text := range []string{"", "\n", "# only a comment\n", "---\n", "---\n# c\n", "\ufeff", "\ufeff# c\n"} {
		n, err := Parse("f.yml", []byte(text), maxSize)
		if n != nil || err != nil {
			t.Errorf("Parse(%q) = %v, %v; want nothing", text, n, err)
		}
	}
	for text, want := range map[string]string{
		"null":                    "~",
		"a: 1\n...\n":             "{a: 1}",
		"---\na: 1\n":             "{a: 1}",
		"\ufeffa: no\nb: ~\n":     "{a: no, b: ~}",
		"a: 'it''s'\nb: \"\\n\"":  "{a: it's, b: \n}",
		"- a\n-\n- b: [c, {d}]\n": "[a, ~, {b: [c, {d: ~}]}]",
		"a: |\n  x\n   y\nb: c\n": "{a: x\n y\n, b: c}",
		"a:\r\n- b\r\n":           "{a: [b]}",
		"\"<<\": 1\n":             "{<<: 1}",
	} {
		n, err := Parse("f.yml", []byte(text), maxSize)
		if err != nil {
			t.Errorf("Parse(%q): %v", text, err)
		} else if got := show(n); got != want {
			t.Errorf("Parse(%q) = %s, want %s", text, got, want)
		}
	}
}

func show(n *Node) string {
	var parts []string
	switch n.Kind {
	case Scalar:
		if n.IsNull() {
			return "~"
		}
		return n.Text
	case Sequence:
		for _, item := range n.Items {
			parts = append(parts, show(item))
		}
		return "[" + strings.Join(parts, ", ") + "]"
	}
	for _, f := range n.Fields {
		parts = append(parts, f.Key.Text+": "+show(f.Value))
	}
	return "{" + strings.Join(parts, ", ") + "}"
}

func TestText(t *testing.T) {
	n, err := Parse("f.yml", []byte("name: no\nfloat: 1.10\nint: 1\nhex: 0x1f\nversion: 1.2.0\nyes: true\nnone:\ndate: 2024-01-01\nquoted: \"1.10\"\nesc: \"\\e[2J\"\nlist: [a, 1]\n"), maxSize)
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]string{"name": "no", "version": "1.2.0", "yes": "true", "date": "2024-01-01", "quoted": "1.10"} {
		if got, err := n.Get(key).AsText(key); got != want || err != nil {
			t.Errorf("%s: %q, %v; want %q", key, got, err, want)
		}
	}
	for key, want := range map[string]string{
		"float": "f.yml:2:8: float is the number 1.10, expected text",
		"int":   "f.yml:3:6: int is the number 1, expected text",
		"hex":   "hex is the number 0x1f",
		"none":  "none has no value",
		"esc":   "esc holds the control character U+001B",
		"list":  "list is a list, expected text",
	} {
		if got, err := n.Get(key).AsText(key); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %q, %v; want %q", key, got, err, want)
		}
	}
	if _, err := n.Get("list").AsTexts("list"); err == nil || !strings.Contains(err.Error(), "f.yml:11:11: an item of list is the number 1") {
		t.Errorf("list: %v", err)
	}
	if _, err := n.AsList("root"); err == nil {
		t.Error("a mapping is taken for a list")
	}
	if _, err := n.Get("list").AsMapping("list"); err == nil {
		t.Error("a list is taken for a mapping")
	}
	if b, err := n.Get("yes").AsBool("yes"); !b || err != nil {
		t.Errorf("true: %v, %v", b, err)
	}
	if _, err := n.Get("name").AsBool("name"); err == nil {
		t.Error("no is taken for a boolean")
	}
	if n.Get("absent") != nil {
		t.Error("an absent key is there")
	}
}

func TestOnlyKeys(t *testing.T) {
	n, err := Parse("f.yml", []byte("registries: {}\nscopse: {}\n"), maxSize)
	if err != nil {
		t.Fatal(err)
	}
	err = n.OnlyKeys("the file", "registries", "scopes")
	var e *Error
	if !errors.As(err, &e) || e.Line != 2 || e.Hint() != "did you mean scopes?" {
		t.Errorf("got %v, hint %q", err, e.Hint())
	}
	if err := n.OnlyKeys("the file", "registries", "scopse"); err != nil {
		t.Error(err)
	}
}

// TestExtent holds the bytes of each node against what they ought to be.
func TestExtent(t *testing.T) {
	for _, tt := range []struct{ text, path, want string }{
		{"a: b # c\n", "a", "b"},
		{"\ufeffa: b # c\n", "a", "b"},
		{"é: ü # c\n", "é", "ü"},
		{"a: one\n  two\n\n  three # c\nb: c\n", "a", "one\n  two\n\n  three"},
		{"a: 'it''s' # '\n", "a", "'it''s'"},
		{"a: \"q\\\"\" # \"\n", "a", `"q\""`},
		{"a: [b, 'c]', d]# x\n", "a", "[b, 'c]', d]"},
		{"a: [b, c, # ]\n ]\nd: e\n", "a", "[b, c, # ]\n ]"},
		{"a: {b: , c: } # }\n", "a", "{b: , c: }"},
		{"a: [] # ]\n", "a", "[]"},
		{"a: {it's: b}\n", "a", "{it's: b}"},
		{"a: [[b], {c: [d]}]\n", "a", "[[b], {c: [d]}]"},
		{"a:\n- b\n- c: d # e\n\n# f\ng: h\n", "a", "- b\n- c: d"},
		{"a:\n  - b:\n    c:   # e\nd: e\n", "a", "- b:\n    c:"},
		{"a: |\n  x\n\n  y\n\n# c\nb: c\n", "a", "|\n  x\n\n  y"},
		{"a: |\r\n  x\r\nb: c\r\n", "a", "|\r\n  x"},
		{"a: >-\n  x\n", "a", ">-\n  x"},
		{"a: |\nb: c\n", "a", "|"},
		{"a:\r\n  - b\r\n  - c\r\nd: e\r\n", "a", "- b\r\n  - c"},
		{"a:\n-\n    b: c\n", "a", "-\n    b: c"},
		{"a: {b: c,\n  d: \"é\"}\n", "a", "{b: c,\n  d: \"é\"}"},
		{"a: # none\nb: c\n", "a", ""},
		{"a: ~ # none\nb: c\n", "a", "~"},
	} {
		n, err := Parse("f.yml", []byte(tt.text), maxSize)
		if err != nil {
			t.Errorf("Parse(%q): %v", tt.text, err)
			continue
		}
		v := n.Get(tt.path)
		if got := tt.text[v.Start:v.End()]; got != tt.want {
			t.Errorf("%q of %q is %q, want %q", tt.path, tt.text, got, tt.want)
		}
	}
	n, _ := Parse("f.yml", []byte("a: # none\n\"b\" :\n"), maxSize)
	for i, want := range []int{2, 15} {
		if got := n.Fields[i].End(); got != want {
			t.Errorf("field %d ends at %d, want %d", i, got, want)
		}
	}
}

// A text of one long line must not take time in the square of its length.
func TestLongLine(t *testing.T) {
	text := "a: [" + strings.Repeat("é,", 300_000) + "]"
	n, err := Parse("f.yml", []byte(text), maxSize)
	if err != nil || len(n.Get("a").Items) != 300_000 {
		t.Fatal(err)
	}
	last := n.Get("a").Items[299_999]
	if text[last.Start:last.End()] != "é" {
		t.Errorf("the last item is %q", text[last.Start:last.End()])
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"a: b\n", "a: [b, {c: d}]\n", "- a\n- \"b\"\n- 'c'\n- |\n  d\n", "\ufeffa:\r\n", "a: &x [*x]", "? a\n: b\n", "a: {b: , c}\n# x", "[[[[", "- - - a", "a: !!str b", "%YAML 1.1\n---\na: b\n..."} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n, err := Parse("f.yml", []byte(s), 1<<16)
		if err != nil {
			var e *Error
			if !errors.As(err, &e) || strings.ContainsAny(e.Error(), "\x00\x1b\r") {
				t.Fatalf("%q is not a clean *Error", err)
			}
			return
		}
		if n != nil {
			checkTree(t, s, n, 1)
		}
	})
}

// checkTree holds that nodes lie within the text and within their parents, in order.
func checkTree(t *testing.T, s string, n *Node, depth int) {
	if n.Start < 0 || n.Start > len(s) || n.End() < n.Start || n.End() > len(s) || depth > MaxDepth {
		t.Fatalf("node %s has the bytes %d to %d of %d, depth %d", show(n), n.Start, n.End(), len(s), depth)
	}
	if n.Kind == Scalar && n.Style == Plain && !strings.ContainsAny(n.Text, " \n") && s[n.Start:n.End()] != n.Text {
		t.Fatalf("%q is found at %q", n.Text, s[n.Start:n.End()])
	}
	for _, item := range n.Items {
		checkTree(t, s, item, depth+1)
	}
	seen := map[string]bool{}
	for _, f := range n.Fields {
		if seen[f.Key.Text] {
			t.Fatalf("key %q twice", f.Key.Text)
		}
		seen[f.Key.Text] = true
		checkTree(t, s, f.Key, depth+1)
		checkTree(t, s, f.Value, depth+1)
	}
}

func ExampleParse() {
	n, err := Parse("openpackage.yml", []byte("name: demo\nname: evil\n"), 1<<20)
	fmt.Println(n, err)
	// Output: <nil> openpackage.yml:2:1: the key "name" stands twice: it is on line 1 too
}

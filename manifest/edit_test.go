package manifest

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/openpackage/opkg/ident"
)

var update = flag.Bool("update", false, "write the golden files anew")

// A golden file of testdata/edit has commands, one a line, and the manifest before and after them:
//
//	add NAME [KEY=VALUE]… [dev] [& NAME …]    KEY is version, registry, git, ref, base or path
//	remove NAME…
//	crlf | nofinal                            the manifest ends its lines with CR LF; has no final line end
//	--8<--
//	before
//
//	--8<--
//	after, or the error and hint of the last command
const separator = "\n--8<--\n"

type golden struct {
	commands      []string
	before, after []byte
	crlf, nofinal bool
}

func readGolden(t testing.TB, file string) golden {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(string(data), separator)
	if len(parts) != 3 {
		t.Fatalf("%s has %d parts", file, len(parts))
	}
	g := golden{}
	for _, line := range strings.Split(parts[0], "\n") {
		switch line {
		case "crlf":
			g.crlf = true
		case "nofinal":
			g.nofinal = true
		default:
			g.commands = append(g.commands, line)
		}
	}
	bytesOf := func(s string) []byte {
		if g.nofinal {
			s = strings.TrimSuffix(s, "\n")
		}
		if g.crlf {
			s = strings.ReplaceAll(s, "\n", "\r\n")
		}
		return []byte(s)
	}
	g.before, g.after = bytesOf(parts[1]), bytesOf(parts[2])
	if strings.HasPrefix(parts[2], "m.yml:") {
		g.after = []byte(parts[2])
	}
	return g
}

// write makes the golden file anew, with what the commands gave.
func (g golden) write(t *testing.T, file string, got []byte) {
	t.Helper()
	var words []string
	if g.crlf {
		words = append(words, "crlf")
	}
	if g.nofinal {
		words = append(words, "nofinal")
	}
	text := strings.Join(append(words, g.commands...), "\n")
	for _, part := range [][]byte{g.before, got} {
		part = bytes.ReplaceAll(part, []byte("\r\n"), []byte("\n"))
		if g.nofinal && !bytes.HasPrefix(part, []byte("m.yml:")) {
			part = append(part, '\n')
		}
		text += separator + string(part)
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func goldenFiles(t testing.TB) []string {
	t.Helper()
	files, err := filepath.Glob("testdata/edit/*.txt")
	if err != nil || len(files) < 80 {
		t.Fatalf("%d golden files, %v", len(files), err)
	}
	return files
}

func TestEdit(t *testing.T) {
	for _, file := range goldenFiles(t) {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			g := readGolden(t, file)
			got := g.before
			for i, command := range g.commands {
				next, err := runCommand(t, got, command)
				if e := (*Error)(nil); i == len(g.commands)-1 && errors.As(err, &e) {
					next = fmt.Appendf(nil, "%v\nhint: %s\n", e, e.HintText)
				} else if err != nil {
					t.Fatalf("%s: %v", command, err)
				}
				got = next
			}
			if *update {
				g.write(t, file, got)
			} else if !bytes.Equal(got, g.after) {
				t.Errorf("got\n%s\nwant\n%s", visible(got), visible(g.after))
			}
		})
	}
}

func visible(b []byte) string {
	return strings.NewReplacer("\r", "␍", " \n", "·\n").Replace(string(b))
}

// runCommand makes the edit that a line of a golden file asks for, and holds it against the model.
func runCommand(t *testing.T, data []byte, command string) (out []byte, err error) {
	t.Helper()
	words := strings.Fields(command)
	var deps []Dependency
	var names []ident.Name
	switch words[0] {
	case "add":
		for _, one := range strings.Split(strings.TrimPrefix(command, "add "), " & ") {
			deps = append(deps, dependencyOf(t, strings.Fields(one)))
		}
		out, err = Add("m.yml", data, deps...)
	case "remove":
		for _, w := range words[1:] {
			names = append(names, ident.Name(w))
		}
		out, _, err = Remove("m.yml", data, names...)
	default:
		t.Fatalf("unknown command %s", words[0])
	}
	if err == nil {
		checkEdit(t, data, out, deps, names)
	}
	return out, err
}

func dependencyOf(t *testing.T, words []string) Dependency {
	t.Helper()
	d := Dependency{Name: ident.Name(words[0]), Range: ident.Any()}
	for _, w := range words[1:] {
		key, value, _ := strings.Cut(w, "=")
		value = strings.ReplaceAll(value, "_", " ")
		switch key {
		case "version":
			r, err := ident.ParseRange(value)
			if err != nil {
				t.Fatal(err)
			}
			d.Range, d.HasRange = r, true
		case "registry":
			d.Registry = value
		case "git":
			d.Git = value
		case "ref":
			d.Ref = value
		case "base":
			d.Base = value
		case "path":
			d.Path = value
		case "dev":
			d.Dev = true
		}
	}
	return d
}

func TestRemoveMissing(t *testing.T) {
	data := []byte("dependencies:\n- name: a\n")
	out, missing, err := Remove("m.yml", data, "b", "a", "c")
	if err != nil || string(out) != "dependencies: []\n" || len(missing) != 2 || missing[0] != "b" || missing[1] != "c" {
		t.Errorf("got %q, %v, %v", out, missing, err)
	}
}

// What cannot be edited is an error, never a changed meaning.
func TestEditRefuses(t *testing.T) {
	for _, text := range []string{
		"description: |\n  a text at the end of the file", // a line end more would be one more in the text
		"dependencies:\n- name: a\n- name: a\n",
		"name: a\nname: b\n",
		"[",
	} {
		if out, err := Add("m.yml", []byte(text), Dependency{Name: "x", Range: ident.Any()}); err == nil {
			t.Errorf("%q becomes %q", text, out)
		} else if e := (*Error)(nil); !errors.As(err, &e) {
			t.Errorf("%v is no *Error", err)
		}
	}
}

func TestInit(t *testing.T) {
	for name, want := range map[ident.Name]string{
		"my-workspace": "name: my-workspace\ndependencies: []\ndev-dependencies: []\n",
		"@team/x":      "name: \"@team/x\"\ndependencies: []\ndev-dependencies: []\n",
		"no":           "name: \"no\"\ndependencies: []\ndev-dependencies: []\n",
	} {
		got := Init(name)
		if string(got) != want {
			t.Errorf("Init(%s) = %q", name, got)
		}
		if m, err := Parse("m.yml", got); err != nil || m.Name != name {
			t.Errorf("Init(%s) reads as %v, %v", name, m, err)
		}
	}
}

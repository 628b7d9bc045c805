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
//	add NAME [KEY=VALUE]… [dev]    KEY is version, registry, git, ref, base or path
//	remove NAME…
//	crlf | nofinal                 the manifest ends its lines with CR LF; has no final line end
//	--8<--
//	before
//
//	--8<--
//	after
const separator = "\n--8<--\n"

func TestEdit(t *testing.T) {
	files, err := filepath.Glob("testdata/edit/*.txt")
	if err != nil || len(files) < 40 {
		t.Fatalf("%d golden files, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			parts := strings.Split(string(data), separator)
			if len(parts) < 2 {
				t.Fatal("no manifest")
			}
			bytesOf := func(s string) []byte {
				if strings.Contains(parts[0], "nofinal") {
					s = strings.TrimSuffix(s, "\n")
				}
				if strings.Contains(parts[0], "crlf") {
					s = strings.ReplaceAll(s, "\n", "\r\n")
				}
				return []byte(s)
			}
			before := bytesOf(parts[1])
			got := edit(t, before, strings.Split(parts[0], "\n"))
			if *update {
				text := strings.ReplaceAll(string(got), "\r\n", "\n")
				if strings.Contains(parts[0], "nofinal") {
					text += "\n"
				}
				if err := os.WriteFile(file, []byte(parts[0]+separator+parts[1]+separator+text), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if want := bytesOf(parts[2]); !bytes.Equal(got, want) {
				t.Errorf("got\n%s\nwant\n%s", visible(got), visible(want))
			}
			if again := edit(t, got, strings.Split(parts[0], "\n")); !bytes.Equal(again, got) {
				t.Errorf("the same edit again changes\n%s\ninto\n%s", visible(got), visible(again))
			}
		})
	}
}

func visible(b []byte) string {
	return strings.NewReplacer("\r", "␍", " \n", "·\n").Replace(string(b))
}

// edit runs the commands of a golden file.
func edit(t *testing.T, data []byte, commands []string) []byte {
	t.Helper()
	for _, command := range commands {
		words := strings.Fields(command)
		if len(words) == 0 {
			continue
		}
		var err error
		switch words[0] {
		case "add":
			data, err = Add("m.yml", data, dependencyOf(t, words[1:]))
		case "remove":
			var names []ident.Name
			for _, w := range words[1:] {
				names = append(names, ident.Name(w))
			}
			data, _, err = Remove("m.yml", data, names...)
		case "crlf", "nofinal", "#":
		default:
			err = fmt.Errorf("unknown command %s", words[0])
		}
		if err != nil {
			t.Fatalf("%s: %v", command, err)
		}
	}
	return data
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

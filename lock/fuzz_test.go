package lock

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/BurntSushi/toml"

	"github.com/openpackage/opkg/ident"
)

// FuzzParse holds the promises of the format: one byte sequence for one meaning, and every accepted text
// is TOML that a full decoder reads alike.
func FuzzParse(f *testing.F) {
	text := good(f)
	f.Add([]byte(text))
	f.Add([]byte("\ufeff" + strings.ReplaceAll(text, "\n", "\r\n")))
	f.Add([]byte("version = 1 # x\n[[require]]\nname='a'\nrange=\"\\u003e1\\t\"\n[[package]]\nname='a'\nversion='1.0.0'\npath='x'\ndependencies=[ 'a >1' , #\n]"))
	for _, name := range []string{"lint", "tool"} {
		f.Add([]byte(header + "version = 1\n" + cut(text, name)))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		l, err := Parse("f", data)
		if err != nil {
			var e *Error
			if !errors.As(err, &e) || strings.ContainsFunc(err.Error(), func(r rune) bool { return r < ' ' }) || !utf8.ValidString(err.Error()) {
				t.Errorf("error %q", err)
			}
			return
		}
		compareWithTOML(t, data, l)
		canonical := l.Format()
		again, err := Parse("f", canonical)
		if err != nil {
			t.Fatalf("%v in\n%s", err, canonical)
		}
		if !reflect.DeepEqual(again, l) {
			t.Errorf("Parse(Format(l)) is not l:\n%+v\n%+v", again, l)
		}
		if !bytes.Equal(again.Format(), canonical) {
			t.Error("Format(Parse(x)) is not x")
		}
		again.MarkDev()
		_ = l.CheckClosed("f")
	})
}

// compareWithTOML wants a full TOML decoder to find the same strings in what Parse accepted.
func compareWithTOML(t *testing.T, data []byte, l *Lock) {
	t.Helper()
	var v struct {
		Version  int
		Require  []map[string]any
		Override []map[string]any
		Package  []map[string]any
	}
	if err := toml.Unmarshal(data, &v); err != nil {
		t.Fatalf("not TOML: %v", err)
	}
	var w Lock
	text := func(m map[string]any, key string) string { s, _ := m[key].(string); return s }
	for _, m := range v.Require {
		dev, _ := m["dev"].(bool)
		w.Requires = append(w.Requires, Require{Name: ident.Name(text(m, "name")), Range: text(m, "range"), Git: text(m, "git"),
			Ref: text(m, "ref"), Base: text(m, "base"), Registry: text(m, "registry"), Path: text(m, "path"), Dev: dev})
	}
	for _, m := range v.Override {
		w.Overrides = append(w.Overrides, Override{ident.Name(text(m, "name")), text(m, "range")})
	}
	for _, m := range v.Package {
		p := Package{Name: ident.Name(text(m, "name")), Source: ident.SourceID(text(m, "source")), Artifact: text(m, "artifact"),
			Git: text(m, "git"), Ref: text(m, "ref"), Base: text(m, "base"), Commit: ident.Commit(text(m, "commit")), Path: text(m, "path")}
		p.Version, _ = ident.ParseVersion(text(m, "version"))
		p.SHA256, _ = ident.ParseSHA256(text(m, "sha256"))
		p.Tree, _ = ident.ParseTreeID(text(m, "tree"))
		p.Size, _ = m["size"].(int64)
		p.Dev, _ = m["dev"].(bool)
		list, _ := m["dependencies"].([]any)
		for _, d := range list {
			name, rng, _ := strings.Cut(d.(string), " ")
			p.Dependencies = append(p.Dependencies, Dependency{ident.Name(name), rng})
		}
		p.Dependencies = sorted(p.Dependencies, dependencyName)
		w.Packages = append(w.Packages, p)
	}
	w.Requires, w.Overrides, w.Packages = sorted(w.Requires, requireName), sorted(w.Overrides, overrideName), sorted(w.Packages, packageName)
	if v.Version != FormatVersion || !reflect.DeepEqual(&w, l) {
		t.Errorf("a TOML decoder reads version %d and\n%+v, Parse\n%+v", v.Version, w, l)
	}
}

// large is a lock of n packages in one chain, with a second dependency each.
func large(t testing.TB, n int) *Lock {
	l := &Lock{Requires: []Require{{Name: "p0", Range: "^1.0.0"}}, Packages: make([]Package, n)}
	digest, err := ident.ParseSHA256(strings.Repeat("5a", 32))
	if err != nil {
		t.Fatal(err)
	}
	v := version(t, "1.2.3")
	for i := range l.Packages {
		name := ident.Name(fmt.Sprintf("p%d", i))
		p := Package{Name: name, Version: v, Source: "https://registry.myorg.com/", Size: int64(i + 1), SHA256: digest, Tree: ident.TreeID(digest),
			Artifact: "packages/" + string(name) + "/1.2.3.tgz"}
		if i+1 < n {
			p.Dependencies = []Dependency{{ident.Name(fmt.Sprintf("p%d", i+1)), "^1.0.0"}, {ident.Name(fmt.Sprintf("p%d", i/2)), fmt.Sprintf("^1.%d.0", i%3)}}
		}
		if i < 2 {
			p.Dependencies = p.Dependencies[:1]
		}
		l.Packages[i] = p
	}
	return parse(t, string(l.Format()))
}

// The row "100k" of the hostile set: linear time.
func TestHundredThousandPackages(t *testing.T) {
	n := 100_000
	if testing.Short() {
		n = 10_000
	}
	l := large(t, n)
	if len(l.Packages) != n {
		t.Fatalf("%d packages", len(l.Packages))
	}
	if err := l.CheckClosed("opkg.lock"); err != nil {
		t.Errorf("%.300s", err)
	}
}

func BenchmarkLock(b *testing.B) {
	for _, n := range []int{500, 10_000, 100_000} {
		l := large(b, n)
		text := l.Format()
		b.Run(fmt.Sprintf("parse/%d", n), func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				if _, err := Parse("opkg.lock", text); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(fmt.Sprintf("format/%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				l.Format()
			}
		})
		b.Run(fmt.Sprintf("closed/%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := l.CheckClosed("opkg.lock"); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	text := large(b, 10_000).Format()
	b.Run("toml/10000", func(b *testing.B) { // what a general decoder takes, to compare
		b.ReportAllocs()
		for b.Loop() {
			var v map[string]any
			if err := toml.Unmarshal(text, &v); err != nil {
				b.Fatal(err)
			}
		}
	})
}

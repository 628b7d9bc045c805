package ops

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/openpackage/opkg/ident"
	"github.com/openpackage/opkg/lock"
	"github.com/openpackage/opkg/registry"
)

func TestParseSpec(t *testing.T) {
	for _, c := range []struct{ in, alias, name, rng string }{
		{"my-pkg", "", "my-pkg", ""},
		{"my-pkg@1.0.0", "", "my-pkg", "1.0.0"},
		{"my-pkg@^1 || ^2", "", "my-pkg", "^1 || ^2"},
		{"my-pkg@latest", "", "my-pkg", "latest"},
		{"myorg/my-pkg@1.0.0", "myorg", "my-pkg", "1.0.0"},
		{"@scope/rules", "", "@scope/rules", ""},
		{"@scope/rules@~1.2", "", "@scope/rules", "~1.2"},
		{"myorg/@scope/rules@>=2", "myorg", "@scope/rules", ">=2"},
	} {
		got, err := ParseSpec(c.in)
		if err != nil {
			t.Errorf("%s: %v", c.in, err)
			continue
		}
		if got.Alias != c.alias || string(got.Name) != c.name || got.HasRange != (c.rng != "") {
			t.Errorf("%s: %+v", c.in, got)
		}
		want, _ := ident.ParseRange(c.rng)
		if got.HasRange && got.Range.String() != want.String() {
			t.Errorf("%s: range %s, want %s", c.in, got.Range, want)
		}
	}
	for _, in := range []string{"", "/", "a/", "/a", "a/b/c", "@", "@scope", "@scope/", "My-Pkg", "a@^^1", "myorg/", "-x", "../x", "a b", "http://x/y"} {
		var bad *SpecError
		if spec, err := ParseSpec(in); !errors.As(err, &bad) || bad.Hint() == "" {
			t.Errorf("%q: %+v, %v; want a *SpecError with a hint", in, spec, err)
		}
	}
}

func TestPickNewest(t *testing.T) {
	releases := func(versions ...string) (out []registry.Release) {
		for _, s := range versions {
			yanked := s[0] == '!'
			if yanked {
				s = s[1:]
			}
			v, err := ident.ParseVersion(s)
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, registry.Release{Version: v, Yanked: yanked})
		}
		return out
	}
	for _, c := range []struct {
		in   []registry.Release
		want string
	}{
		{releases("1.0.0", "1.2.0", "1.1.0"), "1.2.0"},
		{releases("1.0.0", "2.0.0-beta.1"), "1.0.0"},
		{releases("1.0.0-a", "1.0.0-b"), "1.0.0-b"},
		{releases("1.0.0", "!1.1.0"), "1.0.0"},
		{releases("!1.0.0", "0.1.0-x"), "0.1.0-x"},
		{releases("!1.0.0"), ""},
		{nil, ""},
	} {
		got := ""
		if r := pickNewest(c.in); r != nil {
			got = r.Version.String()
		}
		if got != c.want {
			t.Errorf("pickNewest: %q, want %q", got, c.want)
		}
	}
}

func TestSuggestName(t *testing.T) {
	for in, want := range map[string]string{
		"My Project": "my-project", "opkg": "opkg", "2024-notes": "notes", "---": "workspace", "Ünïcode": "n-code", "con": "workspace", "a__b": "a-b", "x.": "x",
	} {
		got := suggestName(in)
		if got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
		if _, err := ident.ParseName(got); err != nil {
			t.Errorf("%q: %v", in, err)
		}
	}
}

// graphOf builds a graph from "from to" pairs; "." is the manifest.
func graphOf(edges ...[2]ident.Name) *Graph {
	g := &Graph{Lock: &lock.Lock{}, out: map[ident.Name][]Edge{}, in: map[ident.Name][]Edge{}}
	seen := map[ident.Name]bool{}
	for _, e := range edges {
		from := e[0]
		if from == "." {
			from = ""
		}
		g.in[e[1]] = append(g.in[e[1]], Edge{From: from, To: e[1]})
		g.out[from] = append(g.out[from], Edge{From: from, To: e[1]})
		if !seen[e[1]] {
			g.Lock.Packages = append(g.Lock.Packages, lock.Package{Name: e[1]})
			seen[e[1]] = true
		}
	}
	slices.SortFunc(g.Lock.Packages, func(a, b lock.Package) int { return strings.Compare(string(a.Name), string(b.Name)) })
	return g
}

func TestPathsOfDiamondsAndCycles(t *testing.T) {
	g := graphOf([2]ident.Name{".", "a"}, [2]ident.Name{".", "d"}, [2]ident.Name{"a", "b"}, [2]ident.Name{"a", "c"},
		[2]ident.Name{"b", "d"}, [2]ident.Name{"c", "d"}, [2]ident.Name{"d", "a"}, [2]ident.Name{"d", "d"})
	paths, more, err := g.Paths("d")
	if err != nil || more {
		t.Fatal(more, err)
	}
	if len(paths) != 3 || len(paths[0]) != 1 || len(paths[1]) != 3 || len(paths[2]) != 3 {
		t.Errorf("paths %v; want the direct one and two through a", paths)
	}
	var none *NotLockedError
	if _, _, err := g.Paths("nowhere"); !errors.As(err, &none) {
		t.Errorf("error %v", err)
	}
}

func TestPathsAreBounded(t *testing.T) {
	edges := [][2]ident.Name{{".", "n0"}}
	name := func(i int) ident.Name { return ident.Name("n" + string(rune('a'+i/26)) + string(rune('a'+i%26))) }
	edges[0][1] = name(0)
	for i := range 60 { // each layer doubles the paths
		edges = append(edges, [2]ident.Name{name(3 * i), name(3*i + 1)}, [2]ident.Name{name(3 * i), name(3*i + 2)},
			[2]ident.Name{name(3*i + 1), name(3*i + 3)}, [2]ident.Name{name(3*i + 2), name(3*i + 3)})
	}
	paths, more, err := graphOf(edges...).Paths(name(180))
	if err != nil || !more || len(paths) != maxPaths {
		t.Errorf("%d paths, more %v, %v", len(paths), more, err)
	}
}

// Package opkg_test holds the architecture of ARCHITECTURE.md against the code.
package opkg_test

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/openpackage/opkg/"

// floors lists every room, lowest first. A package imports only packages of lower floors, or, where the
// floor says so, of its own.
var floors = []struct {
	rooms    []string
	siblings bool // rooms of this floor may import one another
	why      string
}{
	{[]string{"ident", "internal/origin", "internal/nearest", "internal/held"}, true, "words: values that everything speaks, and patience with files that others hold"},
	{[]string{"internal/event", "internal/strictyaml", "internal/atomicfile", "internal/dirfd", "internal/inflate", "internal/parallel"}, false, "small tools that know nothing of packages"},
	{[]string{"manifest", "config", "lock", "registry", "solver"}, false, "formats and the solver are pure: they are tested and fuzzed without a disk"},
	{[]string{"internal/site", "internal/serve"}, false, "pages are made of formats alone; the server knows files alone"},
	{[]string{"internal/archive", "internal/auth", "internal/transport"}, true, "the only unpacker, the only holder of secrets, the only user of the network"},
	{[]string{"cas", "sources"}, false, "what is kept, and where it comes from, know nothing of each other"},
	{[]string{"sources/sourcetest", "internal/badserver", "internal/gitserver"}, false, "what tests of sources share; no other room imports them"},
	{[]string{"sources/http", "sources/file", "sources/git"}, false, "each kind of source stands alone behind sources.Source"},
	{[]string{"materialize"}, false, "makes a directory equal a lock, from the store alone"},
	{[]string{"internal/ops"}, false, "what opkg can do, without a terminal"},
	{[]string{"bench"}, false, "measures the others, and is imported by none"},
	{[]string{"cmd/opkg"}, false, "alone prints, exits, reads environment and home"},
}

// confined lists what only some rooms may import.
var confined = []struct {
	path string // a package, or a module with all below it
	to   []string
	why  string
}{
	{"github.com/zeebo/blake3", []string{"cas"}, "content digests are the store's"},
	{"github.com/BurntSushi/toml", nil, "the lock has a reader of its own; tests hold it against this one"},
	{"go.yaml.in/yaml/v3", []string{"internal/strictyaml"}, "YAML is read strictly, in one place"},
	{"github.com/spf13/cobra", []string{"cmd/opkg"}, "flags belong to the command line"},
	{"github.com/Masterminds/semver/v3", nil, "versions have a reader of their own; tests hold it against this one"},
	{"github.com/klauspost/compress", []string{"internal/archive"}, "one unpacker"},
	{"archive/tar", []string{"internal/archive", "bench"}, "its reader accepts what two readers may read in two ways; its writer is good"},
	{"github.com/go-git/go-git/v5", []string{"sources/git"}, "one kind of source"},
	{"github.com/yuin/goldmark", []string{"internal/site"}, "what packages write is rendered in one place, which tames it"},
	{"html/template", []string{"internal/site"}, "one place makes pages"},
	{"text/template", nil, "it escapes nothing"},
	{"github.com/chromedp", nil, "a browser is for tests"},
	{"golang.org/x/crypto", []string{"sources/git"}, "ssh, where go-git speaks it"},
	{"golang.org/x/term", []string{"cmd/opkg"}, "only the command line knows terminals"},
	{"net/http", []string{"internal/transport", "internal/auth", "sources/http", "sources/git", "internal/serve", "internal/badserver", "internal/gitserver", "bench"}, "one client, with one set of rules; go-git has its own; one server"},
	{"os/exec", []string{"sources/git", "internal/gitserver", "bench"}, "opkg runs no program but git"},
}

// pure rooms touch neither disk, network, clock nor environment.
var pure = []string{"ident", "internal/nearest", "internal/event", "internal/strictyaml", "manifest", "config", "lock", "registry", "solver", "internal/site"}

// impure is what pure rooms must not import.
var impure = []string{"os", "net", "net/http", "io/ioutil", "os/exec", "syscall", "golang.org/x/sys/unix"}

type goPackage struct {
	ImportPath string
	Imports    []string
}

func listPackages(t *testing.T) []goPackage {
	t.Helper()
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports", "./...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var pkgs []goPackage
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p goPackage
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return pkgs
		} else if err != nil {
			t.Fatal(err)
		}
		pkgs = append(pkgs, p)
	}
}

func floorOf(room string) int {
	return slices.IndexFunc(floors, func(f struct {
		rooms    []string
		siblings bool
		why      string
	}) bool {
		return slices.Contains(f.rooms, room)
	})
}

func TestFloors(t *testing.T) {
	for _, p := range listPackages(t) {
		room, ours := strings.CutPrefix(p.ImportPath, module)
		if !ours {
			continue
		}
		here := floorOf(room)
		if here < 0 {
			t.Errorf("%s stands on no floor: give it one here and in ARCHITECTURE.md", room)
			continue
		}
		for _, imp := range p.Imports {
			below, ours := strings.CutPrefix(imp, module)
			if !ours {
				continue
			}
			there := floorOf(below)
			if there > here || there == here && !floors[here].siblings {
				t.Errorf("%s imports %s, which does not stand below it (%s)", room, below, floors[here].why)
			}
		}
	}
}

func TestConfinement(t *testing.T) {
	for _, p := range listPackages(t) {
		room := strings.TrimPrefix(p.ImportPath, module)
		for _, imp := range p.Imports {
			for _, c := range confined {
				if (imp == c.path || strings.HasPrefix(imp, c.path+"/")) && !slices.Contains(c.to, room) {
					t.Errorf("%s imports %s, which is confined to %v: %s", room, imp, c.to, c.why)
				}
			}
			if slices.Contains(pure, room) && slices.Contains(impure, imp) {
				t.Errorf("%s is pure, and imports %s", room, imp)
			}
		}
	}
}

// heavy are packages that opkg must not be linked with, directly or through others: each costs every start of opkg, whatever it was started for.
var heavy = map[string]string{
	"github.com/yuin/goldmark/extension": "it compiles large regular expressions and tables before main",
	"github.com/Masterminds/semver/v3":   "it compiles regular expressions before main",
	"github.com/BurntSushi/toml":         "for tests",
	"testing":                            "for tests",
	"net/http/pprof":                     "opkg serves no profiles",
	"expvar":                             "opkg serves no variables",
}

func TestWhatEveryStartPaysFor(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", "./cmd/opkg").Output()
	if err != nil {
		t.Fatal(err)
	}
	linked := strings.Fields(string(out))
	if !slices.Contains(linked, "github.com/yuin/goldmark") {
		t.Error("the list of what opkg is linked with is not whole")
	}
	for _, path := range linked {
		if why, ok := heavy[path]; ok {
			t.Errorf("opkg is linked with %s: %s", path, why)
		}
	}
}

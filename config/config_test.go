package config

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

var places = Places{Workspace: "/work/space", Home: "/home/eve", OPKGHome: "/home/eve/.openpackage"}

func load(workspace, user string) (*Config, error) {
	w, err := Parse("w.yml", []byte(workspace), Workspace, places)
	if err != nil {
		return nil, err
	}
	u, err := Parse("u.yml", []byte(user), User, places)
	if err != nil {
		return nil, err
	}
	return Merge(w, u)
}

func brief(c *Config) string {
	var parts []string
	show := func(prefix string, r Registry) {
		s := prefix + string(r.Source)
		if r.Dir != "" {
			s += " dir=" + r.Dir
		}
		if r.TokenEnv != "" {
			s += " token=" + r.TokenEnv
		}
		if len(r.HeaderEnv) > 0 {
			s += fmt.Sprint(" headers=", r.HeaderEnv)
		}
		if r.CAFile != "" {
			s += " ca=" + r.CAFile
		}
		if r.Insecure {
			s += " insecure"
		}
		parts = append(parts, s)
	}
	for _, r := range c.Registries {
		show(r.Alias+"=", r)
	}
	for _, s := range c.Scopes {
		show(s.Scope+"="+s.Registry.Alias+"=", s.Registry)
	}
	for _, h := range c.ArtifactHosts {
		parts = append(parts, "host="+h)
	}
	return strings.Join(parts, "; ")
}

func TestLoad(t *testing.T) {
	for _, tt := range []struct{ name, workspace, user, want string }{
		{"nothing", "", "", "default=https://registry.openpackage.dev/"},
		{"order of the file", "registries: {z: 'https://z.test', a: 'https://a.test'}", "", "z=https://z.test/; a=https://a.test/"},
		{"workspace first", "registries: {z: 'https://z.test'}", "registries: {a: 'https://a.test'}", "z=https://z.test/; a=https://a.test/"},
		{"canonical", "registries: {a: 'HTTPS://Host.TEST.:443/x'}", "", "a=https://host.test/x/"},
		{"branch", "registries: {a: 'git:https://h.test/r.git#beta'}", "", "a=git:https://h.test/r.git#beta"},
		{"long form", "", "registries:\n  a:\n    url: https://a.test/\n    token-env: TOKEN\n    header-env: {X-Key: KEY, Accept-Thing: _K2}\n    ca-file: corp.pem\n",
			"a=https://a.test/ token=TOKEN headers=[{Accept-Thing _K2} {X-Key KEY}] ca=/home/eve/.openpackage/corp.pem"},
		{"long form in a workspace", "registries: {a: {url: 'https://a.test/'}}", "", "a=https://a.test/"},
		{"directory of the workspace", "registries: {a: 'file:../team'}", "", "a=file:../team dir=/work/team"},
		{"directory of the user", "", "registries: {a: 'file:reg', b: 'file:~/reg', c: 'file:/srv/reg/'}",
			"a=file:reg dir=/home/eve/.openpackage/reg; b=file:~/reg dir=/home/eve/reg; c=file:/srv/reg dir=/srv/reg"},
		{"http on loopback", "registries: {a: 'http://127.0.0.1:8080/', b: 'http://localhost/', c: 'http://[::1]:1/'}", "",
			"a=http://127.0.0.1:8080/; b=http://localhost/; c=http://[::1]:1/"},
		{"insecure", "", "registries: {a: {url: 'http://h.test/', insecure: true}}", "a=http://h.test/ insecure"},
		{"what the user calls insecure", "registries: {b: 'http://h.test/'}", "registries: {a: {url: 'http://h.test/', insecure: true}}",
			"b=http://h.test/ insecure; a=http://h.test/ insecure"},
		{"scope by URL", "registries: {a: 'https://a.test'}\nscopes: {'@s': 'https://s.test'}", "", "a=https://a.test/; @s==https://s.test/"},
		{"scope by alias", "registries: {a: 'https://a.test'}\nscopes: {'@s': a}", "", "a=https://a.test/; @s=a=https://a.test/"},
		{"scope by the URL of an alias", "scopes: {'@s': 'https://a.test'}", "registries: {a: {url: 'https://a.test', token-env: T}}",
			"a=https://a.test/ token=T; @s=a=https://a.test/ token=T"},
		{"scope by the user's alias", "scopes: {'@s': a}", "registries: {a: 'https://a.test'}", "a=https://a.test/; @s=a=https://a.test/"},
		{"scope of the built-in registry", "", "scopes: {'@s': default}", "default=https://registry.openpackage.dev/; @s=default=https://registry.openpackage.dev/"},
		{"scopes are sorted", "scopes: {'@b': 'https://b.test'}", "scopes: {'@a': 'https://a.test'}", "default=https://registry.openpackage.dev/; @a==https://a.test/; @b==https://b.test/"},
		{"both agree", "registries: {a: 'https://a.test'}\nscopes: {'@s': a}", "registries: {a: {url: 'https://A.test/', token-env: T}}\nscopes: {'@s': 'https://a.test/'}",
			"a=https://a.test/ token=T; @s=a=https://a.test/ token=T"},
		{"one registry by one alias", "registries: {a: 'https://a.test/'}", "registries: {a: {url: 'https://a.test/', token-env: T}}", "a=https://a.test/ token=T"},
		{"plain http that the user allows", "registries: {a: 'http://a.test/'}", "registries: {a: {url: 'http://a.test/', insecure: true}}", "a=http://a.test/ insecure"},
		{"one registry by two aliases", "registries: {b: 'https://a.test/'}", "registries: {a: {url: 'https://a.test/', token-env: T}}", "b=https://a.test/ token=T; a=https://a.test/ token=T"},
		{"one directory in two spellings", "registries: {a: 'file:../../home/eve/reg'}", "registries: {a: 'file:~/reg'}", "a=file:../../home/eve/reg dir=/home/eve/reg"},
		{"artifact-hosts", "", "artifact-hosts: [CDN.test., 'b.test:443', 'c.test:8443', cdn.test]", "default=https://registry.openpackage.dev/; host=b.test; host=c.test:8443; host=cdn.test"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, err := load(tt.workspace, tt.user)
			if err != nil {
				t.Fatal(err)
			}
			if got := brief(c); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

func TestLoadRefuses(t *testing.T) {
	for _, tt := range []struct{ name, workspace, user, want, hint string }{
		{"unknown key", "registrys: {}", "", "w.yml:1:1: unknown key", "registries"},
		{"unknown key of the long form", "", "registries: {a: {url: 'https://a.test', tokn-env: T}}", "u.yml:1:41: unknown key", "token-env"},
		{"no mapping", "- a", "", "w.yml:1:1: the configuration is a list", ""},
		{"duplicate alias", "registries:\n  a: https://a.test\n  a: https://b.test\n", "", "w.yml:3:3: ", ""},
		{"alias", "registries: {'@a': 'https://a.test'}", "", "w.yml:1:14: \"@a\" is no alias", ""},
		{"no scheme", "registries: {a: ../reg}", "", "w.yml:1:17: registry a: ", "file:"},
		{"user name", "registries: {a: 'https://eve:secret@a.test'}", "", "w.yml:1:17: registry a: ", ""},
		{"ext", "registries: {a: 'git:ext::sh -c id'}", "", "w.yml:1:17: ", ""},
		{"dash", "registries: {a: 'git:--upload-pack=id'}", "", "w.yml:1:17: ", ""},
		{"empty url", "registries: {a: ''}", "", "w.yml:1:17: the url of registry a is empty", ""},
		{"no url", "registries: {a: }", "", "w.yml:1:17: the url of registry a has no value", ""},
		{"long form without url", "", "registries: {a: {token-env: T}}", "u.yml:1:17: registry a has no url", ""},
		{"http", "registries: {a: 'http://h.test/'}", "", "w.yml:1:14: registry a is reached by http:", "insecure: true"},
		{"http of the user", "", "registries: {a: 'http://h.test/'}", "u.yml:1:14: registry a is reached by http:", "insecure: true"},
		{"http of git", "registries: {a: 'git:http://h.test/x.git'}", "", "registry a is reached by http:", ""},
		{"http of a scope", "scopes: {'@s': 'http://h.test/'}", "", "w.yml:1:10: scope @s is reached by http:", ""},
		{"token-env in a workspace", "registries: {a: {url: 'https://a.test', token-env: HOME}}", "", "w.yml:1:41: token-env is not allowed in a workspace's config.yml", "~/.openpackage/config.yml"},
		{"header-env in a workspace", "registries: {a: {url: 'https://a.test', header-env: {X: HOME}}}", "", "header-env is not allowed", ""},
		{"ca-file in a workspace", "registries: {a: {url: 'https://a.test', ca-file: x}}", "", "ca-file is not allowed", ""},
		{"insecure in a workspace", "registries: {a: {url: 'http://a.test', insecure: true}}", "", "insecure is not allowed", ""},
		{"artifact-hosts in a workspace", "artifact-hosts: [a.test]", "", "artifact-hosts is not allowed", ""},
		{"insecure that is text", "", "registries: {a: {url: 'https://a.test', insecure: 'true'}}", "insecure is the text", ""},
		{"variable", "", "registries: {a: {url: 'https://a.test', token-env: sk-secret}}", "token-env is no name of a variable", "never stands in this file"},
		{"header", "", "registries: {a: {url: 'https://a.test', header-env: {'X Y': A}}}", "is no name of an HTTP header", ""},
		{"reserved header", "", "registries: {a: {url: 'https://a.test', header-env: {Host: A}}}", "the protocol's own", ""},
		{"header twice", "", "registries: {a: {url: 'https://a.test', header-env: {X-a: A, x-A: B}}}", "stands twice", ""},
		{"two authorizations", "", "registries: {a: {url: 'https://a.test', token-env: T, header-env: {authorization: A}}}", "both token-env and header-env", ""},
		{"token for a directory", "", "registries: {a: {url: 'file:x', token-env: T}}", "is a directory", ""},
		{"home of another user", "", "registries: {a: {url: 'https://a.test', ca-file: ~bob/x}}", "only ~/", ""},
		{"scope in upper case", "scopes: {'@MyOrg': 'https://a.test'}", "", "w.yml:1:10: ", ""},
		{"scope without @", "scopes: {myorg: 'https://a.test'}", "", "w.yml:1:10: ", ""},
		{"empty scope", "scopes: {'@s': ''}", "", "w.yml:1:16: the url of scope @s is empty", ""},
		{"unknown alias", "registries: {a: 'https://a.test'}\nscopes: {'@s': b}", "", `w.yml:2:10: scope @s is of registry "b", which is not configured`, "there are a"},
		{"the user's scope by the workspace's alias", "registries: {a: 'https://evil.test'}", "scopes: {'@s': a}", `u.yml:1:10: scope @s is of registry "a"`, ""},
		{"the user's scope by the workspace's default", "registries: {default: 'https://evil.test'}", "scopes: {'@s': default}", `u.yml:1:10: scope @s`, ""},
		{"pinned alias", "registries: {a: 'https://evil.test'}", "\nregistries: {a: 'https://a.test'}", "w.yml:1:14: registry a is https://evil.test/ here, but your own u.yml:2 says https://a.test/", ""},
		{"pinned scope", "scopes: {'@s': 'https://evil.test'}", "\nscopes: {'@s': 'https://a.test'}", "w.yml:1:10: scope @s is https://evil.test/ here, but your own u.yml:2 says https://a.test/", ""},
		{"pinned alias, branch", "registries: {a: 'git:https://a.test/r.git#evil'}", "registries: {a: 'git:https://a.test/r.git'}", "w.yml:1:14: registry a is", ""},
		{"one spelling of two directories", "registries: {a: 'file:../reg'}", "registries: {b: 'file:../reg'}", "u.yml:1:14: file:../reg is the directory /home/eve/reg here and /work/reg in w.yml:1", "~/"},
		{"settings that disagree", "", "registries: {a: {url: 'https://a.test', token-env: T}, b: {url: 'https://a.test', token-env: U}}", "has other settings here than in u.yml:1", ""},
		{"artifact-hosts with a path", "", "artifact-hosts: ['a.test/x']", "u.yml:1:18: ", ""},
		{"artifact-hosts with a star", "", "artifact-hosts: ['*.a.test']", "u.yml:1:18: ", ""},
		{"artifact-hosts with a user", "", "artifact-hosts: ['eve@a.test']", "u.yml:1:18: ", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, err := load(tt.workspace, tt.user)
			var e *Error
			if !errors.As(err, &e) {
				t.Fatalf("got %v, %v; want an *Error", c, err)
			}
			if !strings.Contains(e.Error(), tt.want) || !strings.Contains(e.Hint(), tt.hint) {
				t.Errorf("got  %s\nhint %s\nwant %s (%s)", e, e.Hint(), tt.want, tt.hint)
			}
			if strings.Contains(e.Error()+e.Hint(), "secret@") || strings.Contains(e.Error(), "sk-secret") {
				t.Errorf("the error holds a secret: %v", e)
			}
		})
	}
}

// A workspace registry that the user's file names too keeps its own place and origin.
func TestFind(t *testing.T) {
	c, err := load("registries: {b: 'https://b.test'}\nscopes: {'@s': 'https://s.test'}", "registries: {a: 'https://a.test'}")
	if err != nil {
		t.Fatal(err)
	}
	if r, ok := c.ByAlias("a"); !ok || r.Origin != User || r.File != "u.yml" || r.Line != 1 {
		t.Errorf("a is %+v", r)
	}
	if _, ok := c.ByAlias("c"); ok {
		t.Error("c is found")
	}
	for source, want := range map[ident.SourceID]bool{"https://a.test/": true, "https://b.test/": true, "https://s.test/": true, "https://c.test/": false} {
		if r, ok := c.BySource(source); ok != want || ok && r.Source != source {
			t.Errorf("%s: %+v, %v", source, r, ok)
		}
	}
	if c, err := Merge(nil, nil); err != nil || len(c.Registries) != 1 || c.Registries[0].Origin != BuiltIn {
		t.Errorf("Merge(nil, nil) = %+v, %v", c, err)
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
		for _, files := range [][2]string{{string(data), ""}, {"", string(data)}} {
			c, err := load(files[0], files[1])
			switch {
			case row.Expect == "reject" && err == nil:
				t.Errorf("%s is accepted: %s", row.File, row.Why)
			case row.Expect != "reject" && err != nil:
				t.Errorf("%s is refused: %v", row.File, err)
			case row.File == "config--order.yml" && c.Registries[0].Alias != "z":
				t.Errorf("%s: the order is lost", row.File)
			case row.File == "config--trailing-dot-host.yml" && c.Registries[0].Source != c.Registries[1].Source:
				t.Errorf("%s: %s and %s are two", row.File, c.Registries[0].Source, c.Registries[1].Source)
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
		if data, err := os.ReadFile(file); err == nil {
			f.Add(string(data), "")
			f.Add("", string(data))
		}
	}
	f.Add("scopes: {'@s': a}", "registries: {a: {url: 'https://a.test', token-env: T, header-env: {X: Y}, ca-file: x, insecure: true}}\nartifact-hosts: [b.test]")
	f.Fuzz(func(t *testing.T, workspace, user string) {
		c, err := load(workspace, user)
		if err != nil {
			if e := (*Error)(nil); !errors.As(err, &e) {
				t.Fatalf("%v is no *Error", err)
			}
			return
		}
		mentions := c.Registries
		for _, s := range c.Scopes {
			mentions = append(mentions, s.Registry)
		}
		for _, r := range mentions {
			if again, err := ident.ParseSource(string(r.Source)); err != nil || again != r.Source {
				t.Fatalf("%q is not canonical: %q, %v", r.Source, again, err)
			}
			if (r.Source.Kind() == ident.Directory) != filepath.IsAbs(r.Dir) {
				t.Fatalf("%+v has no place", r)
			}
			if plainHTTP(r.Source) && !r.Insecure {
				t.Fatalf("%s without insecure", r.Source)
			}
			if user == "" && r.hasSettings() {
				t.Fatalf("a workspace set %+v", r)
			}
		}
	})
}

func TestMirrors(t *testing.T) {
	c, err := load("registries:\n  a: https://a.test/\n", `mirrors:
  https://A.test: https://mirror.test/a
  https://b.test/x/: {url: "file:/srv/b"}
  git:https://git.test/r.git#beta: git:https://mirror.test/r.git#beta
  https://c.test/: {url: https://mirror.test/c, token-env: MIRROR}
`)
	if err != nil {
		t.Fatal(err)
	}
	for of, want := range map[ident.SourceID]string{
		"https://a.test/":                 "https://mirror.test/a/  ",
		"https://b.test/x/":               "file:/srv/b /srv/b ",
		"git:https://git.test/r.git#beta": "git:https://mirror.test/r.git#beta  ",
		"https://c.test/":                 "https://mirror.test/c/  MIRROR",
	} {
		m, ok := c.MirrorOf(of)
		if got := fmt.Sprintf("%s %s %s", m.Source, m.Dir, m.TokenEnv); !ok || got != want {
			t.Errorf("%s: %q, want %q", of, got, want)
		}
	}
	if _, ok := c.MirrorOf("https://mirror.test/a/"); ok {
		t.Error("a mirror has a mirror")
	}
	if r, _ := c.ByAlias("a"); r.Source != "https://a.test/" {
		t.Errorf("the registry became %s", r.Source)
	}
	for user, want := range map[string]string{
		"mirrors: [x]\n":                                                                                                            "mirrors",
		"mirrors: {nothing: https://a.test/}\n":                                                                                     "nothing",
		"mirrors: {https://a.test/: \"\"}\n":                                                                                        "empty",
		"mirrors: {https://a.test/: {token-env: X}}\n":                                                                              "has no url",
		"mirrors: {https://a.test/: http://mirror.test/}\n":                                                                         "reached by http",
		"mirrors: {https://a.test/: https://u:s3cret@mirror.test/}\n":                                                               "mirror of https://a.test/",
		"mirrors: {https://a.test/: git:https://mirror.test/r.git}\n":                                                               "cannot be",
		"mirrors: {\"git:https://a.test/r.git\": https://mirror.test/}\n":                                                           "cannot be",
		"mirrors: {\"git:https://a.test/r.git#x\": \"git:https://mirror.test/r.git#y\"}\n":                                          "another branch",
		"mirrors: {\"file:/a\": https://mirror.test/}\n":                                                                            "is a directory",
		"mirrors: {https://a.test/: https://m.test/, https://A.test: https://n.test/}\n":                                            "stands twice",
		"mirrors: {https://a.test/: {url: https://m.test/, tokn: X}}\n":                                                             "unknown key",
		"registries: {m: {url: https://m.test/, token-env: A}}\nmirrors: {https://a.test/: {url: https://m.test/, token-env: B}}\n": "other settings",
	} {
		if _, err := load("", user); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: %v, want %s", user, err, want)
		}
	}
	if _, err := load("mirrors: {https://a.test/: https://m.test/}\n", ""); err == nil || !strings.Contains(err.Error(), "not allowed in a workspace") {
		t.Errorf("a workspace's mirrors: %v", err)
	}
}

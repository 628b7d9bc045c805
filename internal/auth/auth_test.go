package auth

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/openpackage/opkg/config"
	"github.com/openpackage/opkg/ident"
	"github.com/openpackage/opkg/internal/origin"
)

const sesame = "s3cret-Sesame"

func env(pairs ...string) func(string) string {
	m := map[string]string{}
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i]] = pairs[i+1]
	}
	return func(k string) string { return m[k] }
}

func registryAt(t *testing.T, u string) config.Registry {
	t.Helper()
	id, err := ident.ParseSource(u)
	if err != nil {
		t.Fatal(err)
	}
	return config.Registry{Alias: "r", Source: id, Origin: config.User}
}

// sent is what c adds to a request for u.
func sent(t *testing.T, c *Credentials, u string) http.Header {
	t.Helper()
	req, err := http.NewRequest("GET", u, nil)
	if err != nil {
		t.Fatal(err)
	}
	c.Apply(req)
	return req.Header
}

func write(t *testing.T, name, text string, mode os.FileMode) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestTokenVariable(t *testing.T) {
	for o, want := range map[origin.Origin]string{
		"https://registry.myorg.com":     "OPKG_TOKEN_REGISTRY_MYORG_COM",
		"https://my-registry.my-org.com": "OPKG_TOKEN_MY__REGISTRY_MY__ORG_COM",
		"https://localhost:8443":         "OPKG_TOKEN_LOCALHOST_P8443",
		"http://127.0.0.1:8080":          "OPKG_TOKEN_127_0_0_1_P8080",
		"http://registry.myorg.com":      "", // a token never travels in the open
		"https://[::1]:8443":             "",
		"https://registry_myorg.com":     "", // would be registry.myorg.com's
		"https://a-.b.com":               "",
		"https://a.-b.com":               "",
		"https://host.p8443":             "", // would be https://host:8443's
		"https://host.":                  "",
	} {
		got, ok := TokenVariable(o)
		if got != want || ok != (want != "") {
			t.Errorf("%s: %q, %v", o, got, ok)
		}
	}
}

func TestPrecedence(t *testing.T) {
	const base = "https://registry.myorg.com/"
	saved := write(t, "credentials.yml", "credentials:\n  \"https://registry.myorg.com\":\n    token: \"saved\"\n", 0o600)
	netrc := write(t, "netrc", "machine registry.myorg.com login ci password pw\n", 0o600)
	reg := registryAt(t, base)
	reg.TokenEnv = "MINE"
	tests := []struct {
		name string
		opt  Options
		want string
	}{
		{"token-env", Options{Env: env("MINE", "mine", "OPKG_TOKEN_REGISTRY_MYORG_COM", "host"), CredentialsFile: saved, NetrcFile: netrc}, "Bearer mine"},
		{"host variable", Options{Env: env("OPKG_TOKEN_REGISTRY_MYORG_COM", " host\n"), CredentialsFile: saved, NetrcFile: netrc}, "Bearer host"},
		{"credentials.yml", Options{CredentialsFile: saved, NetrcFile: netrc}, "Bearer saved"},
		{"netrc", Options{NetrcFile: netrc}, "Basic Y2k6cHc="},
		{"nothing", Options{}, ""},
	}
	for _, tt := range tests {
		c, err := New(tt.opt).For(reg)
		if err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		if got := sent(t, c, base+"x").Get("Authorization"); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestHeaderEnv(t *testing.T) {
	reg := registryAt(t, "https://a.test/")
	reg.TokenEnv = "TOKEN"
	reg.HeaderEnv = []config.HeaderEnv{{Header: "x-api-key", Variable: "KEY"}, {Header: "X-Other", Variable: "UNSET"}}
	c, err := New(Options{Env: env("TOKEN", "t", "KEY", "a b")}).For(reg)
	if err != nil {
		t.Fatal(err)
	}
	h := sent(t, c, "https://a.test/x")
	if h.Get("X-Api-Key") != "a b" || h.Get("Authorization") != "Bearer t" || len(h) != 2 {
		t.Errorf("sent %v", h)
	}
	if e := c.Refused("https://a.test", "https://a.test/x", 401); !strings.Contains(e.Hint(), "$UNSET") {
		t.Errorf("hint: %s", e.Hint())
	}

	reg.HeaderEnv = []config.HeaderEnv{{Header: "Authorization", Variable: "KEY"}}
	if c, err = New(Options{Env: env("TOKEN", "t", "KEY", "Custom k")}).For(reg); err != nil {
		t.Fatal(err)
	}
	if got := sent(t, c, "https://a.test/x").Get("Authorization"); got != "Custom k" {
		t.Errorf("Authorization %q", got)
	}

	for _, name := range []string{"Host", "content-length", "Range", "Accept-Encoding", "a b", "", "X\r\nY"} {
		reg.HeaderEnv = []config.HeaderEnv{{Header: name, Variable: "KEY"}}
		if _, err := New(Options{Env: env("KEY", "k")}).For(reg); err == nil {
			t.Errorf("header %q was accepted", name)
		}
	}
}

// What is found for one origin goes to no other.
func TestBoundToOrigin(t *testing.T) {
	c, err := New(Options{Env: env("OPKG_TOKEN_A_TEST", sesame)}).For(registryAt(t, "https://a.test/opkg/"))
	if err != nil {
		t.Fatal(err)
	}
	for _, u := range []string{"https://a.test/", "https://A.test:443/other"} {
		if len(sent(t, c, u)) != 1 {
			t.Errorf("%s: no credentials", u)
		}
	}
	for _, u := range []string{"http://a.test/", "https://a.test:8443/", "https://b.test/", "https://x.a.test/", "https://a.test.evil/", "https://a.test./"} {
		if h := sent(t, c, u); len(h) != 0 {
			t.Errorf("%s was sent %v", u, h)
		}
	}
	open := registryAt(t, "http://a.test/") // with insecure: true in config.yml
	open.TokenEnv, open.HeaderEnv = "T", []config.HeaderEnv{{Header: "X-Key", Variable: "T"}}
	saved := write(t, "credentials.yml", "credentials:\n  \"http://a.test\":\n    token: \"t\"\n", 0o600)
	if c, err := New(Options{Env: env("T", sesame), CredentialsFile: saved}).For(open); err != nil || len(sent(t, c, "http://a.test/")) != 0 {
		t.Errorf("plain http was sent %v (%v)", sent(t, c, "http://a.test/"), err)
	}
	for _, u := range []string{"https://a.test:8443/", "https://a.tes/", "https://a.test.test/"} {
		c, err := New(Options{Env: env("OPKG_TOKEN_A_TEST", sesame)}).For(registryAt(t, u))
		if err != nil || len(sent(t, c, u)) != 0 {
			t.Errorf("%s was sent a.test's token (%v)", u, err)
		}
	}
}

func TestSecretsNeverPrint(t *testing.T) {
	reg := registryAt(t, "https://a.test/")
	reg.HeaderEnv = []config.HeaderEnv{{Header: "X-Key", Variable: "K"}}
	store := New(Options{Env: env("K", sesame, "OPKG_TOKEN_A_TEST", sesame)})
	c, err := store.For(reg)
	if err != nil {
		t.Fatal(err)
	}
	secret := NewSecret(sesame)
	values := []any{secret, &secret, c, *c, struct{ hidden Secret }{secret}, struct{ c *Credentials }{c}, Entry{Token: secret},
		map[string]Secret{"a": secret}, c.Refused("https://a.test", "https://a.test/x", 401), store}
	for _, v := range values {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			if got := fmt.Sprintf(verb, v); strings.Contains(got, sesame) || strings.Contains(got, fmt.Sprintf("%x", sesame)) {
				t.Errorf("%s of %T: %s", verb, v, got)
			}
		}
		if data, err := json.Marshal(v); err == nil && strings.Contains(string(data), sesame) {
			t.Errorf("JSON of %T: %s", v, data)
		}
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		if got := fmt.Sprintf(verb, secret); got != Redacted {
			t.Errorf("%s: %s", verb, got)
		}
	}
	if data, _ := json.Marshal(secret); string(data) != `"`+Redacted+`"` {
		t.Errorf("JSON: %s", data)
	}
}

func TestUnsendableVariable(t *testing.T) {
	for _, v := range []string{sesame + "\r\nX: y", sesame + "\x00", sesame + " x", sesame + "é"} {
		_, err := New(Options{Env: env("OPKG_TOKEN_A_TEST", v)}).For(registryAt(t, "https://a.test/"))
		if err == nil || strings.Contains(err.Error(), sesame) || !strings.Contains(err.Error(), "$OPKG_TOKEN_A_TEST") {
			t.Errorf("%q: %v", v, err)
		}
	}
}

func TestRefused(t *testing.T) {
	const u, o = "https://a.test/packages/x/index.json", origin.Origin("https://a.test")
	tests := []struct {
		c           *Credentials
		err, inHint string
	}{
		{nil, u + ": not authorized: 401 Unauthorized (no credentials were sent)", "run opkg login https://a.test, or set OPKG_TOKEN_A_TEST"},
		{&Credentials{origin: o, from: "$T"}, u + ": not authorized: 401 Unauthorized (it was sent the credentials of $T)", "$T may have expired"},
		{&Credentials{origin: o, from: "netrc"}, u + ": not authorized: 401 Unauthorized (it was sent the credentials of netrc)", "run opkg login https://a.test"},
		{&Credentials{origin: "https://b.test", from: "$T"}, u + ": not authorized: 401 Unauthorized (no credentials were sent)", "opkg login"},
	}
	for _, tt := range tests {
		e := tt.c.Refused(o, u, 401)
		if e.Error() != tt.err || !strings.Contains(e.Hint(), tt.inHint) {
			t.Errorf("%v\n%s", e, e.Hint())
		}
	}
}

func TestLoginLogout(t *testing.T) {
	path := filepath.Join(t.TempDir(), "home", "credentials.yml")
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(Login(path, "https://a.test", Entry{Token: NewSecret(`to"k\en`)}))
	must(Login(path, "https://b.test:8443", Entry{Username: "me", Password: NewSecret("p w: #é")}))
	must(Login(path, "https://a.test", Entry{Token: NewSecret("again")}))
	if fi, err := os.Stat(path); err != nil || runtime.GOOS != "windows" && fi.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", fi.Mode(), err)
	}
	origins, err := Saved(path)
	must(err)
	if fmt.Sprint(origins) != "[https://a.test https://b.test:8443]" {
		t.Errorf("saved %v", origins)
	}
	c, err := New(Options{CredentialsFile: path}).For(registryAt(t, "https://b.test:8443/"))
	must(err)
	u := &http.Request{Header: http.Header{"Authorization": {sent(t, c, "https://b.test:8443/").Get("Authorization")}}}
	if user, pass, ok := u.BasicAuth(); !ok || user != "me" || pass != "p w: #é" {
		t.Errorf("basic %q %q", user, pass)
	}

	had, err := Logout(path, "https://a.test")
	must(err)
	again, err := Logout(path, "https://a.test")
	must(err)
	if !had || again {
		t.Errorf("logout: %v, then %v", had, again)
	}
	if origins, _ := Saved(path); len(origins) != 1 {
		t.Errorf("saved %v", origins)
	}
	if had, err := Logout(filepath.Join(t.TempDir(), "none.yml"), "https://a.test"); had || err != nil {
		t.Errorf("logout without a file: %v, %v", had, err)
	}

	for _, e := range []Entry{{}, {Username: "x"}, {Token: NewSecret("a b")}, {Token: NewSecret("a"), Password: NewSecret("b")},
		{Username: "a:b", Password: NewSecret("c")}, {Username: "a", Password: NewSecret("b\nc")}, {Token: NewSecret("t"), Username: "u"}} {
		if Login(path, "https://c.test", e) == nil {
			t.Errorf("saved %+v", e)
		}
	}
}

func TestCredentialsFileFaults(t *testing.T) {
	if runtime.GOOS != "windows" {
		path := write(t, "credentials.yml", "credentials: {}\n", 0o640)
		_, err := Saved(path)
		if fe, ok := err.(*FileError); !ok || !strings.Contains(fe.HintText, "chmod 600") {
			t.Errorf("group-readable: %v", err)
		}
		if err := Login(path, "https://a.test", Entry{Token: NewSecret("t")}); err == nil {
			t.Error("login wrote to a file that others can read")
		}
	}
	for _, text := range []string{
		"credentials: [" + sesame + "]\n",
		"credentials:\n  \"https://a.test\": " + sesame + "\n",
		"credentials:\n  \"https://a.test\":\n    token: 12345678\n",
		"credentials:\n  \"https://a.test\":\n    token: \"" + sesame + "\n",
		"credentials:\n  \"https://a.test\":\n    " + sesame + ": x\n",
		"credentials:\n  \"https://a.test/path\":\n    token: " + sesame + "\n",
		"credentials:\n  \"https://A.test\":\n    token: " + sesame + "\n",
		"credentials:\n  a.test:\n    token: " + sesame + "\n",
		"credentials:\n  \"https://a.test\":\n    token: a\n    password: " + sesame + "\n",
		"credentials:\n  \"https://a.test\":\n    token: \"a\"\n    token: \"b\"\n",
		"other: {}\n",
		"credentials: {}\nmore: 1\n",
		sesame,
	} {
		_, err := Saved(write(t, "credentials.yml", text, 0o600))
		if err == nil {
			t.Errorf("accepted %q", text)
			continue
		}
		if strings.Contains(err.Error(), sesame) || strings.Contains(err.Error(), "12345678") {
			t.Errorf("leaked: %v", err)
		}
	}
	for _, text := range []string{"", "# nothing\n", "credentials:\n", "credentials: {}\n"} {
		if got, err := Saved(write(t, "credentials.yml", text, 0o600)); err != nil || len(got) != 0 {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
}

func TestNetrc(t *testing.T) {
	text := `# comment with machine evil
default login anybody password anywhere
machine a.test login ua password pa # more
machine b.test
	account acc
	login ub
	password "p \"b"
macdef init
	machine m.test login no password no

machine a.test:8443 login up password #pp
machine nopass.test login x
machine a.test login second password second`
	entries := parseNetrc(text)
	for _, tt := range []struct{ origin, want string }{
		{"https://a.test", "ua:pa"},
		{"https://a.test:8443", "up:#pp"},
		{"https://a.test:9", "ua:pa"},
		{"https://b.test", `ub:p "b`},
		{"https://m.test", ""},
		{"https://evil", ""},
		{"https://nopass.test", ""},
		{"https://other.test", ""},
	} {
		got := ""
		if e, ok := findNetrc(entries, origin.Origin(tt.origin)); ok {
			got = e.login + ":" + e.password.Reveal()
		}
		if got != tt.want {
			t.Errorf("%s: %q, want %q", tt.origin, got, tt.want)
		}
	}
	path := write(t, "netrc", text, 0o600)
	for u, want := range map[string]int{"http://a.test/": 0, "https://a.test/": 1} {
		c, err := New(Options{NetrcFile: path}).For(registryAt(t, u))
		if err != nil || len(sent(t, c, u)) != want {
			t.Errorf("%s: %v %v", u, sent(t, c, u), err)
		}
	}
}

func FuzzNetrc(f *testing.F) {
	for _, s := range []string{"machine a login b password c", "macdef x\n\n", `machine "a`, "machine\nlogin", "password \"\\"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) { parseNetrc(s) })
}

func FuzzCredentialsFile(f *testing.F) {
	f.Add([]byte("credentials:\n  \"https://a.test\":\n    token: \"t\"\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		all, err := parseFile("f", data)
		if err != nil {
			return
		}
		again, err := parseFile("f", format(all))
		if err != nil || len(again) != len(all) {
			t.Fatalf("%v: %q", err, format(all))
		}
		for o, e := range all {
			if g := again[o]; g.Token.Reveal() != e.Token.Reveal() || g.Username != e.Username || g.Password.Reveal() != e.Password.Reveal() {
				t.Fatalf("%s changed", o)
			}
		}
	})
}

// A token is sent to a git host as a password; what a netrc or header-env says is sent as it stands.
func TestGit(t *testing.T) {
	env := map[string]string{"OPKG_TOKEN_HOST_TEST": "t", "KEY": "k"}
	s := New(Options{Env: func(name string) string { return env[name] }})
	c, err := s.For(config.Registry{Source: "git:https://host.test/x.git#beta", HeaderEnv: []config.HeaderEnv{{Header: "X-Api-Key", Variable: "KEY"}}})
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(c.Git(), "\n"); got != "X-Api-Key: k\nAuthorization: Basic eC1hY2Nlc3MtdG9rZW46dA==" {
		t.Error(got)
	}
	for _, source := range []ident.SourceID{"git:git@host.test:x.git", "git:ssh://host.test/x", "git:../x", "git:/x"} {
		c, err := s.For(config.Registry{Source: source})
		if err != nil || c.Git() != nil {
			t.Errorf("%s: %v %v", source, c, err)
		}
	}
}

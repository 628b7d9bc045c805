package git

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/openpackage/opkg/config"
	"github.com/openpackage/opkg/ident"
	"github.com/openpackage/opkg/internal/auth"
	"github.com/openpackage/opkg/internal/gitserver"
	"github.com/openpackage/opkg/internal/origin"
	"github.com/openpackage/opkg/sources"
)

// guardedRepo is a repository behind a password, over https with a certificate of its own.
type guardedRepo struct {
	*harness
	server *gitserver.Server
	url    string
	caFile string
	token  string // the name of the variable
}

const password = "s3cret-t0ken"

func guardedServer(h *harness) *guardedRepo {
	demoRegistry(h).commit("one")
	s, err := gitserver.Start(h.top, gitserver.Options{Password: password, TLS: true})
	if err != nil {
		h.Fatal(err)
	}
	h.Cleanup(s.Close)
	g := &guardedRepo{harness: h, server: s, url: s.URL + "/reg", caFile: filepath.Join(h.TempDir(), "ca.pem")}
	data := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	if err := os.WriteFile(g.caFile, data, 0o644); err != nil {
		h.Fatal(err)
	}
	o, err := origin.Parse(s.URL)
	if err != nil {
		h.Fatal(err)
	}
	g.token, _ = auth.TokenVariable(o)
	return g
}

// list asks the registry with an environment, a netrc, and settings of the registry's entry.
func (g *guardedRepo) list(env map[string]string, netrc string, reg config.Registry, change ...func(*Options)) error {
	reg.Source, reg.Origin = ident.SourceID("git:"+g.url), config.User
	if reg.CAFile == "" {
		reg.CAFile = g.caFile
	}
	netrcFile := ""
	if netrc != "" {
		netrcFile = filepath.Join(g.TempDir(), "netrc")
		if err := os.WriteFile(netrcFile, []byte(netrc), 0o600); err != nil {
			g.Fatal(err)
		}
	}
	host := g.host(append(change, func(o *Options) {
		o.Registries = []config.Registry{reg}
		o.Auth = auth.New(auth.Options{Env: func(name string) string { return env[name] }, NetrcFile: netrcFile})
	})...)
	r, err := host.Registry(reg)
	if err != nil {
		return err
	}
	_, err = r.List(context.Background(), "tool")
	return err
}

func TestAuth(t *testing.T) {
	everywhere(t, func(h *harness) {
		g := guardedServer(h)
		hostname := strings.Split(strings.TrimPrefix(g.server.URL, "https://"), ":")[0]
		for name, c := range map[string]struct {
			env    map[string]string
			netrc  string
			reg    config.Registry
			status int
			unset  bool
		}{
			"token of the host":  {env: map[string]string{g.token: password}},
			"token of the entry": {env: map[string]string{"MINE": password}, reg: config.Registry{TokenEnv: "MINE"}},
			"netrc":              {netrc: "machine " + hostname + " login me password " + password + "\n"},
			"none":               {status: 401},
			"wrong":              {env: map[string]string{g.token: "other"}, status: 403},
			"wrong netrc":        {netrc: "machine " + hostname + " login me password other\n", status: 403},
			"unset":              {reg: config.Registry{TokenEnv: "MINE"}, status: 401, unset: true},
		} {
			h.cache = filepath.Join(h.TempDir(), "git")
			err := g.list(c.env, c.netrc, c.reg)
			var refused *auth.Error
			switch {
			case c.status == 0 && err != nil:
				h.Errorf("%s: %v", name, err)
			case c.status == 0:
			case !errors.As(err, &refused) || refused.Status != c.status || refused.Hint() == "" || strings.Contains(err.Error(), password) || c.unset != (len(refused.Unset) > 0):
				h.Errorf("%s: %v", name, err)
			}
		}
		h.cache = filepath.Join(h.TempDir(), "git")
		env := map[string]string{g.token: password}
		url := g.url
		g.url = g.server.URL + "/nothing"
		err := g.list(env, "", config.Registry{})
		var unavailable *sources.UnavailableError
		if !errors.As(err, &unavailable) || !strings.Contains(unavailable.Hint(), "check the URL") {
			h.Errorf("not there: %v", err)
		}
		g.url = url
		err = g.list(env, "", config.Registry{CAFile: filepath.Join(h.TempDir(), "none.pem")})
		if !errors.As(err, &unavailable) {
			h.Errorf("without the certificate: %v", err)
		}
	}, "http")
}

// What the mirror keeps, what is said, and what everybody can read of a process hold no secret.
func TestSecrets(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("it needs a shell script in place of git")
	}
	everywhere(t, func(h *harness) {
		g := guardedServer(h)
		real, err := exec.LookPath("git")
		if err != nil {
			h.Fatal(err)
		}
		bin := h.TempDir()
		log := filepath.Join(bin, "log")
		if err := os.WriteFile(filepath.Join(bin, "git"), []byte("#!/bin/sh\necho \"$@\" >>"+log+"\nexec "+real+" \"$@\"\n"), 0o755); err != nil {
			h.Fatal(err)
		}
		err = g.list(map[string]string{g.token: password, "KEY": "another-s3cret"}, "", config.Registry{HeaderEnv: []config.HeaderEnv{{Header: "X-API-Key", Variable: "KEY"}}}, func(o *Options) {
			o.Environ = append(o.Environ, "PATH="+bin+":"+os.Getenv("PATH"), "OPKG_TOKEN_X="+password, "GIT_TRACE_CURL="+filepath.Join(bin, "trace"), "GIT_CURL_VERBOSE=1")
		})
		if err != nil {
			h.Fatal(err)
		}
		if said := strings.Join(g.server.Log(), "\n"); !strings.Contains(said, "another-s3cret") {
			h.Errorf("the header of the entry was not sent:\n%s", said)
		}
		for _, dir := range []string{bin, h.cache} {
			err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
				if err != nil || d.IsDir() {
					return err
				}
				data, err := os.ReadFile(path)
				if strings.Contains(string(data), "s3cret") || strings.Contains(string(data), "x-access-token") {
					h.Errorf("%s holds a secret", path)
				}
				return err
			})
			if err != nil {
				h.Error(err)
			}
		}
		_, err = os.Stat(log)
		if h.engine == "system" != (err == nil) {
			h.Errorf("the log: %v", err)
		}
	}, "http")
}

// Secrets do not follow a server that points elsewhere.
func TestRedirect(t *testing.T) {
	everywhere(t, func(h *harness) {
		demoRegistry(h).commit("one")
		there, err := gitserver.Start(h.top, gitserver.Options{})
		if err != nil {
			h.Fatal(err)
		}
		defer there.Close()
		s, err := gitserver.Start(h.top, gitserver.Options{Redirect: strings.Replace(there.URL, "127.0.0.1", "localhost", 1)})
		if err != nil {
			h.Fatal(err)
		}
		defer s.Close()
		reg := config.Registry{Source: ident.SourceID("git:" + s.URL + "/reg"), TokenEnv: "MINE", Origin: config.User, HeaderEnv: []config.HeaderEnv{{Header: "X-API-Key", Variable: "MINE"}}}
		host := h.host(func(o *Options) {
			o.Registries = []config.Registry{reg}
			o.Auth = auth.New(auth.Options{Env: func(string) string { return password }})
		})
		r, err := host.Registry(reg)
		if err != nil {
			h.Fatal(err)
		}
		_, _ = r.List(context.Background(), "tool")
		if said := strings.Join(there.Log(), "\n"); strings.Contains(said, password) || strings.Contains(said, "Basic") {
			h.Errorf("%v\n%s", err, said)
		}
	}, "http")
}

// A server that asks for a password, or hangs up, does not make anybody ask a person; a helper of the user's is asked.
func TestNobodyIsAsked(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the helper is a shell script")
	}
	everywhere(t, func(h *harness) {
		if h.engine != "system" {
			return
		}
		g := guardedServer(h)
		marker := filepath.Join(h.TempDir(), "marker")
		asker := filepath.Join(h.TempDir(), "ask")
		if err := os.WriteFile(asker, []byte("#!/bin/sh\ntouch "+marker+"\necho x\n"), 0o755); err != nil {
			h.Fatal(err)
		}
		err := g.list(nil, "", config.Registry{}, func(o *Options) { o.Environ = append(o.Environ, "SSH_ASKPASS="+asker, "DISPLAY=:0") })
		var refused *auth.Error
		if !errors.As(err, &refused) {
			h.Errorf("%v", err)
		}
		if _, err := os.Stat(marker); err == nil {
			h.Error("somebody was asked")
		}
		helper := fmt.Sprintf("[credential]\n\thelper = \"!f() { echo username=me; echo password=%s; }; f\"\n", password)
		if err := os.WriteFile(filepath.Join(h.top, ".gitconfig"), []byte(helper), 0o644); err != nil {
			h.Fatal(err)
		}
		if err := g.list(nil, "", config.Registry{}); err != nil {
			h.Errorf("a credential helper: %v", err)
		}
	}, "http")
}

// A server that is not there, or fails, is unavailable; what it says does not drive a terminal.
func TestOutages(t *testing.T) {
	everywhere(t, func(h *harness) {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "\x1b[2Jboom", http.StatusInternalServerError)
		}))
		url := s.URL
		for _, stop := range []bool{false, true} {
			if stop {
				s.Close()
			}
			p, err := h.host().Package("tool", url+"/tool", "", "")
			if err != nil {
				h.Fatal(err)
			}
			_, err = p.Tags(context.Background())
			var unavailable *sources.UnavailableError
			if !errors.As(err, &unavailable) || strings.Contains(err.Error(), "\x1b") {
				h.Errorf("%v", err)
			}
		}
	}, "http")
}

package http

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/openpackage/opkg/config"
	"github.com/openpackage/opkg/ident"
	"github.com/openpackage/opkg/internal/auth"
	"github.com/openpackage/opkg/internal/transport"
	"github.com/openpackage/opkg/registry"
	"github.com/openpackage/opkg/sources"
	"github.com/openpackage/opkg/sources/sourcetest"
)

// quickLimits make a stalled server cost milliseconds. They are for servers that stall alone.
var quickLimits = transport.Limits{Idle: 300 * time.Millisecond, Header: 300 * time.Millisecond, RateWindow: 300 * time.Millisecond, MinRate: 10_000}

func quickClient() *transport.Client {
	return transport.New(transport.Options{UserAgent: "opkg/test",
		Sleep: func(ctx context.Context, _ time.Duration) error { return ctx.Err() }})
}

func sourceAt(t *testing.T, u string, reg config.Registry, opt Options) *Source {
	t.Helper()
	id, err := ident.ParseSource(u)
	if err != nil {
		t.Fatal(err)
	}
	reg.Alias, reg.Source, reg.Origin = "demo", id, config.User
	if opt.Client == nil {
		opt.Client = quickClient()
	}
	s, err := New(reg, opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestSuite(t *testing.T) {
	serve := func(t *testing.T, dir string, secure bool) (u, ca string) {
		srv := httptest.NewUnstartedServer(http.StripPrefix("/opkg/", http.FileServerFS(os.DirFS(dir))))
		srv.Config.ErrorLog = log.New(io.Discard, "", 0)
		t.Cleanup(srv.Close)
		if !secure {
			srv.Start()
			return srv.URL + "/opkg/", ""
		}
		srv.EnableHTTP2 = true
		srv.StartTLS()
		ca = filepath.Join(t.TempDir(), "ca.pem")
		if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw}), 0o600); err != nil {
			t.Fatal(err)
		}
		return srv.URL + "/opkg/", ca
	}
	t.Run("http", func(t *testing.T) {
		sourcetest.Run(t, func(t *testing.T, dir string) sources.Source {
			u, _ := serve(t, dir, false)
			return sourceAt(t, u, config.Registry{}, Options{})
		})
	})
	t.Run("https", func(t *testing.T) {
		sourcetest.Run(t, func(t *testing.T, dir string) sources.Source {
			u, ca := serve(t, dir, true)
			return sourceAt(t, u, config.Registry{CAFile: ca}, Options{})
		})
	})
	t.Run("cached", func(t *testing.T) {
		sourcetest.Run(t, func(t *testing.T, dir string) sources.Source {
			u, _ := serve(t, dir, false)
			return sources.NewCached(sourceAt(t, u, config.Registry{}, Options{}), sources.CacheOptions{Dir: t.TempDir(), Now: time.Now})
		})
	})
}

// The rows of the hostile set that are about where a tarball leads, and more.
func TestTarballReferences(t *testing.T) {
	const abs = "https://registry.example.test/opkg/packages/demo/1.0.0.tgz"
	tests := []struct{ base, ref, want string }{
		{"https://registry.example.test/opkg/", "1.0.0.tgz", "packages/demo/1.0.0.tgz"},
		{"https://registry.example.test/opkg/", "./1.0.0.tgz", "packages/demo/1.0.0.tgz"},
		{"https://registry.example.test/opkg/", "../other/1.0.0.tgz", "packages/other/1.0.0.tgz"},
		{"https://registry.example.test/opkg/", "/opkg/blobs/1", "blobs/1"},
		{"https://registry.example.test/opkg/", abs, "packages/demo/1.0.0.tgz"},
		{"https://registry.example.test/opkg/", "https://REGISTRY.example.test:443/opkg/a%20b.tgz", "a%20b.tgz"},
		{"https://registry.example.test/opkg/", "https://cdn.example.test/x.tgz", "https://cdn.example.test/x.tgz"},
		{"https://registry.example.test/opkg/", "https://CDN.example.test:443/x.tgz", "https://cdn.example.test/x.tgz"},
		{"https://registry.example.test/", "https://registry.example.test:8443/x.tgz", "https://registry.example.test:8443/x.tgz"},
		{"https://registry.example.test/", "https://r\u0435gistry.example.test/x.tgz", "https://xn--rgistry-7gg.example.test/x.tgz"},
		{"https://registry.example.test/", "../../../other/x.tgz", "other/x.tgz"},
		{"http://127.0.0.1:18080/m/", "http://127.0.0.1:18081/ok/x.tgz", "http://127.0.0.1:18081/ok/x.tgz"},
		{"https://10.0.0.1/", "https://10.0.0.2/x.tgz", "https://10.0.0.2/x.tgz"},
		{"https://registry.example.test/", "https://10.9.9.9/x.tgz", "https://10.9.9.9/x.tgz"}, // artifact-hosts

		{"https://registry.example.test/opkg/", "../../../other/x.tgz", ""},
		{"https://registry.example.test/opkg/", "https://registry.example.test/other/x.tgz", ""},
		{"https://registry.example.test/opkg/", "https://registry.example.test/opkg", ""},
		{"https://registry.example.test/opkg/", "/opkgx/x.tgz", ""},
		{"https://registry.example.test/opkg/", "%2e%2e/%2e%2e/%2e%2e/x.tgz", ""},
		{"https://registry.example.test/opkg/", "a%2fb.tgz", ""},
		{"https://registry.example.test/opkg/", "a%5cb.tgz", ""},
		{"https://registry.example.test/opkg/", "http://registry.example.test/opkg/x.tgz", ""},
		{"https://registry.example.test/opkg/", "http://cdn.example.test/x.tgz", ""},
		{"http://127.0.0.1:18080/", "http://cdn.example.test/x.tgz", ""},
		{"https://127.0.0.1:18080/", "http://127.0.0.1:18081/x.tgz", ""},
		{"https://registry.example.test/", "https://127.0.0.1:1/x.tgz", ""},
		{"https://registry.example.test/", "https://localhost/x.tgz", ""},
		{"https://registry.example.test/", "https://169.254.169.254/latest/meta-data", ""},
		{"https://127.0.0.1/", "https://169.254.169.254/latest/meta-data", ""},
		{"https://registry.example.test/", "https://registry.example.test@evil.example.test/x.tgz", ""},
		{"https://registry.example.test/", `https:\\evil.example.test\x.tgz`, ""},
		{"https://registry.example.test/", "https://registry.example.test/x\r\nHost: evil", ""},
		{"https://registry.example.test/", abs + "#sha256=00", ""},
		{"https://registry.example.test/", abs + "?token=s3cr3t", ""},
		{"https://registry.example.test/", "--upload-pack=touch opkg-pwn", ""},
		{"https://registry.example.test/", "//cdn.example.test/x.tgz", ""},
		{"https://registry.example.test/", "file:///etc/passwd", ""},
		{"https://registry.example.test/", "javascript:x", ""},
		{"https://registry.example.test/", "", ""},
		{"https://registry.example.test/", "/", ""},
	}
	for _, tt := range tests {
		s := sourceAt(t, tt.base, config.Registry{}, Options{ArtifactHosts: []string{"10.9.9.9"}})
		text := fmt.Sprintf(`{"name": "demo", "versions": {"1.0.0": {"tarball": %q, "sha256": "%064d", "dependencies": {}}}}`, tt.ref, 1)
		text = strings.ReplaceAll(text, `\x`, `\\x`)
		ix, err := s.Parse("demo", []byte(text))
		var malformed *registry.Error
		switch {
		case tt.want == "" && !errors.As(err, &malformed):
			t.Errorf("%s: %q: %v, %v", tt.base, tt.ref, ix, err)
		case tt.want != "" && (err != nil || ix.Releases[0].Artifact != tt.want):
			t.Errorf("%s: %q: %+v, %v", tt.base, tt.ref, ix, err)
		}
	}
}

func TestCredentialsStayHome(t *testing.T) {
	const token = "s3cret-Sesame"
	var seen []string
	note := func(who string, next http.HandlerFunc) *httptest.Server {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			seen = append(seen, fmt.Sprintf("%s %s %q %q", who, r.URL.Path, r.Header.Get("Authorization"), r.Header.Get("X-Key")))
			next(w, r)
		}))
		t.Cleanup(srv.Close)
		return srv
	}
	cdn := note("cdn", func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "archive") })
	home := note("home", func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Header.Get("Authorization") == "":
			w.WriteHeader(401)
		case strings.HasSuffix(r.URL.Path, ".tgz"):
			http.Redirect(w, r, cdn.URL+"/redirected", http.StatusFound)
		default:
			fmt.Fprintf(w, `{"name": "demo", "versions": {"1.0.0": {"tarball": "%s/x.tgz", "sha256": "%064d", "dependencies": {}}}}`, cdn.URL, 1)
		}
	})
	reg := config.Registry{TokenEnv: "T", HeaderEnv: []config.HeaderEnv{{Header: "X-Key", Variable: "K"}}}
	env := map[string]string{"T": token, "K": "k"}
	s := sourceAt(t, home.URL+"/", reg, Options{Auth: auth.New(auth.Options{Env: func(k string) string { return env[k] }})})
	ix, err := s.List(context.Background(), "demo")
	if err != nil {
		t.Fatal(err)
	}
	for _, artifact := range []string{ix.Releases[0].Artifact, "packages/demo/1.0.0.tgz"} {
		body, err := s.Open(context.Background(), sources.Ref{Name: "demo", Artifact: artifact})
		if err != nil {
			t.Fatal(err)
		}
		body.Close()
	}
	want := []string{
		`home /packages/demo/index.json "Bearer ` + token + `" "k"`,
		`cdn /x.tgz "" ""`,
		`home /packages/demo/1.0.0.tgz "Bearer ` + token + `" "k"`,
		`cdn /redirected "" ""`,
	}
	if fmt.Sprint(seen) != fmt.Sprint(want) {
		t.Errorf("saw %q", seen)
	}

	env["T"] = ""
	_, err = sourceAt(t, home.URL+"/", reg, Options{Auth: auth.New(auth.Options{Env: func(k string) string { return env[k] }})}).List(context.Background(), "demo")
	var refused *auth.Error
	if !errors.As(err, &refused) || !strings.Contains(refused.Hint(), "$T") {
		t.Errorf("%v", err)
	}
}

func TestNewRefuses(t *testing.T) {
	for what, reg := range map[string]config.Registry{
		"plain http": {Source: "http://registry.test/"},
		"ca-file":    {Source: "https://registry.test/", CAFile: filepath.Join(t.TempDir(), "none.pem")},
	} {
		reg.File, reg.Line = "config.yml", 7
		_, err := New(reg, Options{Client: quickClient()})
		var fault *config.Error
		if !errors.As(err, &fault) || fault.Line != 7 {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestFreshness(t *testing.T) {
	for _, tt := range []struct {
		cc, age string
		want    time.Duration
		noStore bool
	}{
		{"", "", 0, false},
		{"max-age=60", "", time.Minute, false},
		{"public, Max-Age=60", "20", 40 * time.Second, false},
		{"max-age=60", "60", 0, false},
		{"max-age=60, no-cache", "", 0, false},
		{"no-store, max-age=60", "", 0, true},
		{"max-age=31536000", "", MaxAge, false},
		{"max-age=-1", "", 0, false},
		{"max-age=99999999999999999999", "", MaxAge, false},
		{"max-age=60", "-5", 0, false},
		{"max-age=x", "", 0, false},
	} {
		got, noStore := freshness(http.Header{"Cache-Control": {tt.cc}, "Age": {tt.age}})
		if got != tt.want || noStore != tt.noStore {
			t.Errorf("%q, age %q: %v, %v", tt.cc, tt.age, got, noStore)
		}
	}
}

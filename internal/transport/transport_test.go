package transport

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/openpackage/opkg/internal/event"
	"github.com/openpackage/opkg/internal/origin"
)

// bench is a client whose clock does not tick by itself: it sleeps at once and notes how long.
type bench struct {
	mu     sync.Mutex
	slept  []time.Duration
	events []event.Event
}

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

func (b *bench) client(lim Limits, env func(string) string) *Client {
	return New(Options{
		UserAgent: "opkg/test",
		Env:       env,
		Limits:    lim,
		Now:       func() time.Time { return noon },
		Jitter:    func() float64 { return 1 },
		Sleep: func(ctx context.Context, d time.Duration) error {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.slept = append(b.slept, d)
			return ctx.Err()
		},
		Observer: func(e event.Event) {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.events = append(b.events, e)
		},
	})
}

func parse(t *testing.T, s string) *url.URL {
	t.Helper()
	u, err := origin.ParseURL(s)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func serve(t *testing.T, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	srv := httptest.NewUnstartedServer(h)
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	srv.Start()
	t.Cleanup(srv.Close)
	return srv
}

func site(t *testing.T, c *Client, opt SiteOptions) *Site {
	t.Helper()
	s, err := c.Site(opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// open is a site for a server with a fresh bench.
func open(t *testing.T, h http.HandlerFunc) (*Site, *url.URL, *bench) {
	t.Helper()
	b := &bench{}
	u := parse(t, serve(t, h).URL+"/")
	return site(t, b.client(Limits{}, nil), SiteOptions{Base: u}), u, b
}

func get(s *Site, u *url.URL) (*Document, error) {
	return s.Get(context.Background(), u, GetOptions{MaxSize: 1 << 20})
}

func TestRetryAndBackoff(t *testing.T) {
	tests := []struct {
		name   string
		status int
		after  string
		times  int // how often the server fails
		want   int // requests
		slept  []time.Duration
		ok     bool
	}{
		{"500 twice", 500, "", 2, 3, []time.Duration{500 * time.Millisecond, time.Second}, true},
		{"502 for ever", 502, "", 99, 4, []time.Duration{500 * time.Millisecond, time.Second, 2 * time.Second}, false},
		{"503 with seconds", 503, "7", 1, 2, []time.Duration{7500 * time.Millisecond}, true},
		{"429 with a date", 429, noon.Add(9 * time.Second).Format(http.TimeFormat), 1, 2, []time.Duration{9500 * time.Millisecond}, true},
		{"429 with a past date", 429, noon.Add(-time.Hour).Format(http.TimeFormat), 1, 2, []time.Duration{500 * time.Millisecond}, true},
		{"429 with nonsense", 429, "soon", 1, 2, []time.Duration{500 * time.Millisecond}, true},
		{"429 for a day", 429, "86400", 99, 1, nil, false},
		{"429 for longer than fits", 429, "99999999999999999999999", 99, 1, nil, false},
		{"404", 404, "", 99, 1, nil, false},
		{"401", 401, "5", 99, 1, nil, false},
		{"501", 501, "", 99, 1, nil, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			n := 0
			s, u, b := open(t, func(w http.ResponseWriter, r *http.Request) {
				if n++; n <= tt.times {
					if tt.after != "" {
						w.Header().Set("Retry-After", tt.after)
					}
					w.WriteHeader(tt.status)
					return
				}
				io.WriteString(w, "fine")
			})
			doc, err := get(s, u)
			if (err == nil) != tt.ok || tt.ok && string(doc.Body) != "fine" {
				t.Fatalf("%v, %v", doc, err)
			}
			if n != tt.want || !slices.Equal(b.slept, tt.slept) {
				t.Errorf("%d requests, slept %v", n, b.slept)
			}
			var status *StatusError
			if !tt.ok && (!errors.As(err, &status) || status.Status != tt.status) {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestLongWaitIsNamed(t *testing.T) {
	s, u, _ := open(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Retry-After", "86400")
		w.WriteHeader(429)
	})
	_, err := get(s, u)
	if want := u.String() + ": the server answered 429 Too Many Requests and asks to wait 24h0m0s"; err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}

func TestUnreachable(t *testing.T) {
	b := &bench{}
	srv := serve(t, nil)
	u := parse(t, srv.URL+"/x?token=s3cret")
	srv.Close()
	_, err := get(site(t, b.client(Limits{}, nil), SiteOptions{Base: u}), u)
	var network *NetworkError
	if !errors.As(err, &network) || network.Attempts != 4 || len(b.slept) != 3 {
		t.Fatalf("%v, slept %v", err, b.slept)
	}
	if strings.Contains(err.Error(), "s3cret") || !strings.Contains(err.Error(), "refused") {
		t.Error(err)
	}
	for _, e := range b.events {
		if strings.Contains(e.Text, "s3cret") {
			t.Errorf("event: %s", e.Text)
		}
	}
}

func TestCancelled(t *testing.T) {
	s, u, b := open(t, func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	ctx, cancel := context.WithCancel(context.Background())
	time.AfterFunc(20*time.Millisecond, cancel)
	if _, err := s.Get(ctx, u, GetOptions{MaxSize: 1}); !errors.Is(err, context.Canceled) || len(b.slept) != 0 {
		t.Errorf("%v, slept %v", err, b.slept)
	}
}

func TestRequestHeaders(t *testing.T) {
	var got http.Header
	s, u, _ := open(t, func(w http.ResponseWriter, r *http.Request) { got = r.Header })
	if _, err := s.Get(context.Background(), u, GetOptions{Accept: "application/json", IfNoneMatch: `"e"`, NoCache: true, MaxSize: 1}); err != nil {
		t.Fatal(err)
	}
	want := http.Header{"User-Agent": {"opkg/test"}, "Accept": {"application/json"}, "If-None-Match": {`"e"`}, "Cache-Control": {"no-cache"}, "Accept-Encoding": {"gzip"}}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("document: %v", got)
	}
	body, err := s.Download(context.Background(), u, DownloadOptions{MaxSize: 1})
	if err != nil {
		t.Fatal(err)
	}
	body.Close()
	if want := (http.Header{"User-Agent": {"opkg/test"}, "Accept-Encoding": {"identity"}}); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("download: %v", got)
	}
}

func TestDocumentSize(t *testing.T) {
	for _, length := range []bool{true, false} {
		s, u, _ := open(t, func(w http.ResponseWriter, r *http.Request) {
			if !length {
				w.(http.Flusher).Flush()
			}
			w.Write(make([]byte, 100))
		})
		for max, ok := range map[int64]bool{100: true, 99: false} {
			_, err := s.Get(context.Background(), u, GetOptions{MaxSize: max})
			var large *TooLargeError
			if (err == nil) != ok || !ok && (!errors.As(err, &large) || large.Limit != max) {
				t.Errorf("length said: %v, max %d: %v", length, max, err)
			}
		}
	}
}

func TestNotModified(t *testing.T) {
	n := 0
	s, u, _ := open(t, func(w http.ResponseWriter, r *http.Request) {
		n++
		w.WriteHeader(304)
	})
	if doc, err := s.Get(context.Background(), u, GetOptions{IfNoneMatch: `"e"`, MaxSize: 1}); err != nil || !doc.NotModified {
		t.Errorf("%v, %v", doc, err)
	}
	n = 0
	if _, err := get(s, u); err == nil || n != 2 {
		t.Errorf("a 304 that nobody asked for: %v after %d requests", err, n)
	}
}

func TestRedirects(t *testing.T) {
	other := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if back := r.URL.Query().Get("back"); back != "" {
			w.Header().Set("Location", back)
			w.WriteHeader(302)
		}
		fmt.Fprint(w, r.Header["Authorization"], r.Header["Referer"], r.Header["Cookie"])
	})
	targets := map[string]string{
		"/same":    "/final",
		"/other":   other.URL + "/x",
		"/loop":    "/loop",
		"/file":    "file:///etc/passwd",
		"/user":    strings.Replace(other.URL, "://", "://u:p@", 1),
		"/none":    "",
		"/ctl":     "/a\x01b",
		"/link":    "https://169.254.169.254/latest/",
		"/public":  "http://8.8.8.8/",
		"/decimal": "http://2130706433/",
	}
	s, u, _ := open(t, func(w http.ResponseWriter, r *http.Request) {
		if to, ok := targets[r.URL.Path]; ok {
			w.Header()["Location"] = []string{to}
			w.Header().Set("Set-Cookie", "a=b")
			w.WriteHeader(302)
			return
		}
		fmt.Fprint(w, "final", r.Header["Authorization"])
	})
	s.opt.Authorize = func(r *http.Request) { r.Header.Set("Authorization", "t") }
	targets["/thereandback"] = other.URL + "/x?back=" + url.QueryEscape(u.String()+"final")
	for path, want := range map[string]string{"/same": "final[t]", "/other": "[] [] []", "/thereandback": "final[]"} {
		doc, err := get(s, u.JoinPath(path))
		if err != nil || string(doc.Body) != want {
			t.Errorf("%s: %v, %v", path, doc, err)
		}
	}
	for path, want := range map[string]string{
		"/loop": "more than 10 redirects", "/file": "want an https: URL", "/user": "user name", "/none": "not a URL", "/ctl": "malformed",
		"/link": "link-local", "/public": "plain http", "/decimal": "IP address",
	} {
		_, err := get(s, u.JoinPath(path))
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "u:p") {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func tlsServer(t *testing.T, h2 bool, h http.HandlerFunc, configure ...func(*http.Server)) (srv *httptest.Server, caFile string) {
	t.Helper()
	srv = httptest.NewUnstartedServer(h)
	srv.EnableHTTP2 = h2
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	for _, f := range configure {
		f(srv.Config)
	}
	srv.StartTLS()
	t.Cleanup(srv.Close)
	caFile = filepath.Join(t.TempDir(), "ca.pem")
	data := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw})
	if err := os.WriteFile(caFile, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return srv, caFile
}

func TestTLS(t *testing.T) {
	plain := serve(t, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "leaked") })
	srv, ca := tlsServer(t, true, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/down" {
			w.Header().Set("Location", plain.URL)
			w.WriteHeader(302)
		}
		io.WriteString(w, r.Proto)
	})
	u := parse(t, srv.URL+"/")
	b := &bench{}
	c := b.client(Limits{}, nil)

	doc, err := get(site(t, c, SiteOptions{Base: u, CAFile: ca}), u)
	if err != nil || string(doc.Body) != "HTTP/2.0" {
		t.Errorf("%v, %v", doc, err)
	}
	_, err = get(site(t, c, SiteOptions{Base: u, CAFile: ca}), u.JoinPath("down"))
	var refused *RefusedError
	if !errors.As(err, &refused) {
		t.Errorf("downgrade: %v", err)
	}
	_, err = get(site(t, c, SiteOptions{Base: u}), u)
	var network *NetworkError
	if !errors.As(err, &network) || !network.TLS() || !strings.Contains(network.Hint(), "ca-file") || len(b.slept) != 0 {
		t.Errorf("unknown authority: %v, slept %v", err, b.slept)
	}
	wrong := parse(t, strings.Replace(srv.URL, "127.0.0.1", "localhost", 1))
	_, err = get(site(t, c, SiteOptions{Base: wrong, CAFile: ca}), wrong)
	if !errors.As(err, &network) || !network.TLS() || !strings.Contains(network.Hint(), "another host") {
		t.Errorf("wrong host: %v", err)
	}
	notTLS := parse(t, strings.Replace(plain.URL, "http:", "https:", 1))
	_, err = get(site(t, c, SiteOptions{Base: notTLS}), notTLS)
	if !errors.As(err, &network) || !network.TLS() || !strings.Contains(network.Hint(), "plain http") {
		t.Errorf("no TLS: %v", err)
	}
	for _, file := range []string{filepath.Join(t.TempDir(), "none"), os.Args[0]} {
		if _, err := c.Site(SiteOptions{Base: u, CAFile: file}); err == nil {
			t.Errorf("%s was read as certificates", file)
		}
	}
}

func TestPlainHTTP(t *testing.T) {
	c := New(Options{})
	for base, ok := range map[string]bool{"http://registry.test/": false, "http://10.0.0.1/": false, "http://127.0.0.1:1/": true, "http://[::1]/": true, "http://localhost/": true} {
		if _, err := c.Site(SiteOptions{Base: parse(t, base)}); (err == nil) != ok {
			t.Errorf("%s: %v", base, err)
		}
	}
	s := site(t, c, SiteOptions{Base: parse(t, "http://registry.test/"), Insecure: true})
	ctx := context.Background()
	for target, ok := range map[string]bool{"http://registry.test/x": true, "http://other.test/x": false, "https://other.test/x": true, "http://127.0.0.1/": false} {
		if err := s.checkTarget(ctx, s.opt.Base, parse(t, target)); (err == nil) != ok {
			t.Errorf("%s: %v", target, err)
		}
	}
}

// A public registry cannot send a client into the network that the client stands in.
func TestReachOfTargets(t *testing.T) {
	c := New(Options{})
	s := site(t, c, SiteOptions{Base: parse(t, "https://registry.test/"), Hosts: []string{"10.0.0.9", "10.0.0.8:8443"}})
	public := origin.Public
	s.reached = &public
	ctx := context.Background()
	for target, ok := range map[string]bool{
		"https://cdn.test/x": true, "https://8.8.8.8/x": true, "https://registry.test:8443/": true,
		"https://127.0.0.1:1/x": false, "https://localhost/": false, "https://10.0.0.1/": false, "https://[::1]/": false,
		"https://169.254.169.254/latest/meta-data": false, "https://[::ffff:127.0.0.1]/": false,
		"https://10.0.0.9/x": true, "https://10.0.0.9:444/x": false, "https://10.0.0.8:8443/": true,
	} {
		if err := s.checkTarget(ctx, s.opt.Base, parse(t, target)); (err == nil) != ok {
			t.Errorf("%s: %v", target, err)
		}
	}
	private := origin.Private
	s.reached = &private
	for target, ok := range map[string]bool{"https://10.0.0.1/": true, "https://cdn.test/": true, "https://127.0.0.1/": false, "https://169.254.169.254/": false} {
		if err := s.checkTarget(ctx, s.opt.Base, parse(t, target)); (err == nil) != ok {
			t.Errorf("from a private registry, %s: %v", target, err)
		}
	}
}

// A name says nothing about where it leads: what it resolves to counts.
func TestReachOfResolvedNames(t *testing.T) {
	hit := false
	srv := serve(t, func(w http.ResponseWriter, r *http.Request) { hit = true })
	addr := strings.Replace(strings.TrimPrefix(srv.URL, "http://"), "127.0.0.1", "localhost", 1)
	s := site(t, New(Options{}), SiteOptions{Base: parse(t, "https://registry.test/")})
	public := origin.Public
	s.reached = &public
	_, err := s.dial(context.Background(), "tcp", addr)
	var refused *RefusedError
	if !errors.As(err, &refused) || hit {
		t.Errorf("%v", err)
	}
	s.opt.Hosts = []string{addr}
	if conn, err := s.dial(context.Background(), "tcp", addr); err != nil {
		t.Error(err)
	} else {
		conn.Close()
	}
	if s.reached == nil || *s.reached != public {
		t.Error("another host's address was taken for the registry's")
	}
}

// Nor does it say anything that another site gave the name: what that site may reach counts.
func TestReachOfNamedSites(t *testing.T) {
	hits := 0
	srv := serve(t, func(w http.ResponseWriter, r *http.Request) { hits++ })
	inside := parse(t, strings.Replace(srv.URL, "127.0.0.1", "localhost", 1)+"/")
	public := origin.Public
	namer := site(t, New(Options{}), SiteOptions{Base: parse(t, "https://registry.test/")})
	namer.reached = &public
	var refused *RefusedError
	if _, err := get(site(t, New(Options{}), SiteOptions{Base: inside, NamedBy: namer}), inside); !errors.As(err, &refused) || hits != 0 {
		t.Errorf("%v after %d requests", err, hits)
	}
	loopback := origin.Loopback
	namer.reached = &loopback
	if _, err := get(site(t, New(Options{}), SiteOptions{Base: inside, NamedBy: namer}), inside); err != nil || hits != 1 {
		t.Errorf("%v after %d requests", err, hits)
	}
	if _, err := get(site(t, New(Options{}), SiteOptions{Base: inside, NamedBy: site(t, New(Options{}), SiteOptions{Base: inside})}), inside); err != nil {
		t.Errorf("the same host: %v", err)
	}
}

func TestProxy(t *testing.T) {
	var seen []string
	proxy := serve(t, func(w http.ResponseWriter, r *http.Request) {
		seen = append(seen, r.Method+" "+r.RequestURI)
		if r.Method == http.MethodConnect {
			w.WriteHeader(407)
			return
		}
		io.WriteString(w, "by proxy")
	})
	b := &bench{}
	env := map[string]string{"http_proxy": proxy.URL, "HTTPS_PROXY": strings.Replace(proxy.URL, "://", "://u:s3cret@", 1), "NO_PROXY": "direct.invalid"}
	c := b.client(Limits{Retries: -1}, func(k string) string { return env[k] })

	u := parse(t, "http://registry.test/x")
	doc, err := get(site(t, c, SiteOptions{Base: u, Insecure: true}), u)
	if err != nil || string(doc.Body) != "by proxy" {
		t.Errorf("%v, %v", doc, err)
	}
	u = parse(t, "https://registry.test/x")
	_, err = get(site(t, c, SiteOptions{Base: u}), u)
	if err == nil || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("%v", err)
	}
	direct := parse(t, "https://direct.invalid/x")
	if _, err = get(site(t, c, SiteOptions{Base: direct}), direct); err == nil {
		t.Error("direct.invalid exists")
	}
	if want := "[GET http://registry.test/x CONNECT registry.test:443]"; fmt.Sprint(seen) != want {
		t.Errorf("the proxy saw %v", seen)
	}
}

// readAll reads a file in small pieces.
func readAll(s *Site, u *url.URL, opt DownloadOptions) ([]byte, error) {
	body, err := s.Download(context.Background(), u, opt)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	var b bytes.Buffer
	_, err = io.CopyBuffer(struct{ io.Writer }{&b}, body, make([]byte, 1000))
	return b.Bytes(), err
}

func payload(seed string, n int) []byte {
	var out []byte
	sum := sha256.Sum256([]byte(seed))
	for len(out) < n {
		out = append(out, sum[:]...)
		sum = sha256.Sum256(sum[:])
	}
	return out[:n]
}

func TestResume(t *testing.T) {
	file, otherFile := payload("a", 50_000), payload("b", 50_000)
	whole := func(w http.ResponseWriter, data []byte) {
		w.Header().Set("Content-Length", fmt.Sprint(len(data)))
		w.Write(data)
	}
	breakAt := func(w http.ResponseWriter, data []byte, n int) {
		w.Header().Set("Content-Length", fmt.Sprint(len(data)))
		w.Write(data[:n])
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}
	part := func(w http.ResponseWriter, from int, rng string) {
		w.Header().Set("Content-Range", rng)
		w.WriteHeader(206)
		w.Write(file[from:])
	}
	tests := []struct {
		name     string
		tag      string
		serve    func(n int, w http.ResponseWriter, r *http.Request)
		requests int
		ranges   string // what the requests asked for
		want     string // of the error; "" = the file
	}{
		{"range", `"e"`, func(n int, w http.ResponseWriter, r *http.Request) {
			if n == 1 {
				breakAt(w, file, 20_000)
			}
			part(w, 20_000, "bytes 20000-49999/50000")
		}, 2, `["" "bytes=20000-|\"e\""]`, ""},
		{"no validator: again from the start", "", func(n int, w http.ResponseWriter, r *http.Request) {
			if n == 1 {
				breakAt(w, file, 20_000)
			}
			whole(w, file)
		}, 2, `["" ""]`, ""},
		{"weak validator", `W/"e"`, func(n int, w http.ResponseWriter, r *http.Request) {
			if n == 1 {
				breakAt(w, file, 20_000)
			}
			whole(w, file)
		}, 2, `["" ""]`, ""},
		{"range ignored", `"e"`, func(n int, w http.ResponseWriter, r *http.Request) {
			if n == 1 {
				breakAt(w, file, 20_000)
			}
			whole(w, file)
		}, 2, `["" "bytes=20000-|\"e\""]`, ""},
		{"wrong offset, then whole", `"e"`, func(n int, w http.ResponseWriter, r *http.Request) {
			switch n {
			case 1:
				breakAt(w, file, 20_000)
			case 2:
				part(w, 100, "bytes 100-49999/50000")
			default:
				whole(w, file)
			}
		}, 3, `["" "bytes=20000-|\"e\"" ""]`, ""},
		{"416, then whole", `"e"`, func(n int, w http.ResponseWriter, r *http.Request) {
			switch n {
			case 1:
				breakAt(w, file, 20_000)
			case 2:
				w.WriteHeader(416)
			default:
				whole(w, file)
			}
		}, 3, `["" "bytes=20000-|\"e\"" ""]`, ""},
		{"two breaks", `"e"`, func(n int, w http.ResponseWriter, r *http.Request) {
			switch n {
			case 1:
				breakAt(w, file, 20_000)
			case 2:
				w.Header().Set("Content-Range", "bytes 20000-49999/50000")
				w.Header().Set("Content-Length", "30000")
				w.WriteHeader(206)
				w.Write(file[20_000:30_000])
				w.(http.Flusher).Flush()
				panic(http.ErrAbortHandler)
			default:
				part(w, 30_000, "bytes 30000-49999/50000")
			}
		}, 3, `["" "bytes=20000-|\"e\"" "bytes=30000-|\"e\""]`, ""},
		{"another file, whole", `"e"`, func(n int, w http.ResponseWriter, r *http.Request) {
			if n == 1 {
				breakAt(w, file, 20_000)
			}
			w.Header().Set("ETag", `"f"`)
			whole(w, otherFile)
		}, 2, `["" "bytes=20000-|\"e\""]`, "changed on the server"},
		{"another file of another size", "", func(n int, w http.ResponseWriter, r *http.Request) {
			if n == 1 {
				breakAt(w, file, 20_000)
			}
			whole(w, otherFile[:40_000])
		}, 2, `["" ""]`, "changed on the server"},
		{"part of another file", `"e"`, func(n int, w http.ResponseWriter, r *http.Request) {
			if n == 1 {
				breakAt(w, file, 20_000)
			}
			w.Header().Set("ETag", `"f"`)
			part(w, 20_000, "bytes 20000-49999/50000")
		}, 3, `["" "bytes=20000-|\"e\"" ""]`, "206 Partial Content"},
		{"always breaks", `"e"`, func(n int, w http.ResponseWriter, r *http.Request) { breakAt(w, file, 20_000) },
			4, `["" "bytes=20000-|\"e\"" "bytes=20000-|\"e\"" "bytes=20000-|\"e\""]`, "broke off (after 4 attempts)"},
		{"gone after the break", `"e"`, func(n int, w http.ResponseWriter, r *http.Request) {
			if n == 1 {
				breakAt(w, file, 20_000)
			}
			w.WriteHeader(404)
		}, 2, `["" "bytes=20000-|\"e\""]`, "404"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var asked []string
			s, u, b := open(t, func(w http.ResponseWriter, r *http.Request) {
				entry := r.Header.Get("Range")
				if v := r.Header.Get("If-Range"); v != "" {
					entry += "|" + v
				}
				asked = append(asked, entry)
				if tt.tag != "" {
					w.Header().Set("ETag", tt.tag)
				}
				tt.serve(len(asked), w, r)
			})
			got, err := readAll(s, u, DownloadOptions{MaxSize: 1 << 20, MaxUnsized: 1 << 20})
			if tt.want == "" && (err != nil || !bytes.Equal(got, file)) {
				t.Errorf("%d bytes, %v", len(got), err)
			}
			if tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("%v, want %s", err, tt.want)
			}
			if len(asked) != tt.requests || fmt.Sprintf("%q", asked) != tt.ranges {
				t.Errorf("%d requests: %q", len(asked), asked)
			}
			if len(b.slept) != min(tt.requests-1, 3) {
				t.Errorf("slept %v", b.slept)
			}
		})
	}
}

func TestDownloadSizes(t *testing.T) {
	file := payload("a", 10_000)
	tests := []struct {
		name   string
		length bool // the server says how long
		opt    DownloadOptions
		want   string
	}{
		{"known", true, DownloadOptions{Size: 10_000}, ""},
		{"known, unsaid", false, DownloadOptions{Size: 10_000}, ""},
		{"unknown", true, DownloadOptions{MaxSize: 10_000}, ""},
		{"unknown, unsaid", false, DownloadOptions{MaxUnsized: 10_000}, ""},
		{"too long", true, DownloadOptions{Size: 9_999}, "has 10000 bytes, expected 9999"},
		{"too long, unsaid", false, DownloadOptions{Size: 9_999}, "bytes, expected 9999"},
		{"too short", true, DownloadOptions{Size: 10_001}, "has 10000 bytes, expected 10001"},
		{"too short, unsaid", false, DownloadOptions{Size: 10_001}, "broke off (after 4 attempts)"},
		{"over the bound", true, DownloadOptions{MaxSize: 9_999}, "more than 9999 bytes"},
		{"over the bound, unsaid", false, DownloadOptions{MaxSize: 1 << 20, MaxUnsized: 9_999}, "more than 9999 bytes"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, u, _ := open(t, func(w http.ResponseWriter, r *http.Request) {
				if tt.length {
					w.Header().Set("Content-Length", fmt.Sprint(len(file)))
				}
				w.Write(file)
			})
			got, err := readAll(s, u, tt.opt)
			if tt.want == "" && (err != nil || !bytes.Equal(got, file)) {
				t.Errorf("%d bytes, %v", len(got), err)
			}
			if tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("%v", err)
			}
			if tt.opt.Size > 0 && int64(len(got)) > tt.opt.Size {
				t.Errorf("%d bytes were handed out", len(got))
			}
		})
	}
}

func TestClosedDownload(t *testing.T) {
	s, u, _ := open(t, func(w http.ResponseWriter, r *http.Request) {
		w.Write([]byte("a"))
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	})
	body, err := s.Download(context.Background(), u, DownloadOptions{MaxUnsized: 10})
	if err != nil {
		t.Fatal(err)
	}
	body.Close()
	if _, err := body.Read(make([]byte, 1)); err == nil {
		t.Error("read after close")
	}
}

func TestSlow(t *testing.T) {
	lim := Limits{Idle: 60 * time.Millisecond, Header: 60 * time.Millisecond, RateWindow: 120 * time.Millisecond, MinRate: 1 << 20}
	for name, h := range map[string]http.HandlerFunc{
		"header": func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
		"stall": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "1000")
			w.Write([]byte("a"))
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		},
		"drip": func(w http.ResponseWriter, r *http.Request) {
			for {
				if _, err := w.Write([]byte("a")); err != nil {
					return
				}
				w.(http.Flusher).Flush()
				select {
				case <-r.Context().Done():
					return
				case <-time.After(10 * time.Millisecond):
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			var n atomic.Int32
			u := parse(t, serve(t, func(w http.ResponseWriter, r *http.Request) { n.Add(1); h(w, r) }).URL+"/")
			c := New(Options{Limits: lim, Sleep: func(context.Context, time.Duration) error { return nil }})
			_, err := readAll(site(t, c, SiteOptions{Base: u}), u, DownloadOptions{MaxSize: 1 << 20, MaxUnsized: 1 << 20})
			var network *NetworkError
			if !errors.As(err, &network) || n.Load() != maxStalls {
				t.Errorf("%v after %d requests", err, n.Load())
			}
		})
	}
}

func TestOptional(t *testing.T) {
	u := parse(t, serve(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }).URL+"/")
	c := New(Options{Limits: Limits{Optional: 60 * time.Millisecond}})
	_, err := site(t, c, SiteOptions{Base: u}).Get(t.Context(), u, GetOptions{MaxSize: 1, Optional: true})
	if network := (*NetworkError)(nil); !errors.As(err, &network) || !strings.Contains(err.Error(), "no answer began within 60ms") {
		t.Error(err)
	}
	u = parse(t, serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.(http.Flusher).Flush()
		time.Sleep(120 * time.Millisecond) // what has begun may take its time
		w.Write([]byte("a"))
	}).URL+"/")
	c = New(Options{Limits: Limits{Optional: 100 * time.Millisecond}})
	for range 2 { // the connection is there
		if doc, err := site(t, c, SiteOptions{Base: u}).Get(t.Context(), u, GetOptions{MaxSize: 1, Optional: true}); err == nil {
			if string(doc.Body) != "a" {
				t.Errorf("%q", doc.Body)
			}
			return
		}
	}
	t.Error("never answered")
}

func TestMessagesAreClean(t *testing.T) {
	err := &NetworkError{URL: "https://a.test/", Err: errors.New("bad \x1b[31m\u202e header " + strings.Repeat("x", 1000))}
	if s := err.Error(); strings.ContainsAny(s, "\x1b\u202e") || len(s) > 400 {
		t.Errorf("%q", s)
	}
}

// Redirects and errors do not cost a connection each.
func TestConnectionsAreReused(t *testing.T) {
	var conns atomic.Int32
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/moved" {
			http.Redirect(w, r, "/here", http.StatusFound)
			return
		}
		if r.URL.Path == "/gone" {
			http.NotFound(w, r)
			return
		}
		io.WriteString(w, "here")
	}))
	srv.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			conns.Add(1)
		}
	}
	srv.Start()
	t.Cleanup(srv.Close)
	u := parse(t, srv.URL+"/")
	s := site(t, (&bench{}).client(Limits{}, nil), SiteOptions{Base: u})
	for range 5 {
		for path, ok := range map[string]bool{"/moved": true, "/gone": false} {
			if _, err := get(s, u.JoinPath(path)); (err == nil) != ok {
				t.Error(err)
			}
		}
		if _, err := readAll(s, u.JoinPath("moved"), DownloadOptions{MaxSize: 100}); err != nil {
			t.Error(err)
		}
	}
	if n := conns.Load(); n != 1 {
		t.Errorf("%d connections", n)
	}
}

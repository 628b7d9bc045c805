package serve

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// registry is a directory to serve, and one beside it that must never be.
func registry(t testing.TB) *os.Root {
	t.Helper()
	top := t.TempDir()
	for path, text := range map[string]string{
		"secret.txt":                       "s3cret",
		"reg/index.html":                   "<h1>home</h1>",
		"reg/site/index.html":              "<h1>site</h1>",
		"reg/packages/a/index.json":        `{"name": "a"}`,
		"reg/packages/a/1.0.0.tgz":         "0123456789",
		"reg/packages/@s/b/1.0.0-a+b.tgz":  "b",
		"reg/packages/a/.1.0.0.tgz.tmp-12": "s3cret",
		"reg/.opkg/lock":                   "s3cret",
		"reg/.git/config":                  "s3cret",
	} {
		file := filepath.Join(top, filepath.FromSlash(path))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if runtime.GOOS != "windows" {
		for link, target := range map[string]string{"packages/a/out.json": "../../../secret.txt", "packages/up": "../..", "packages/abs.json": filepath.Join(top, "secret.txt")} {
			if err := os.Symlink(target, filepath.Join(top, "reg", filepath.FromSlash(link))); err != nil {
				t.Fatal(err)
			}
		}
	}
	root, err := os.OpenRoot(filepath.Join(top, "reg"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	return root
}

func ask(h http.Handler, method, target string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "http://localhost"+target, nil)
	for i := 0; i+1 < len(headers); i += 2 {
		if headers[i] == "Host" {
			r.Host = headers[i+1]
		}
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestFiles(t *testing.T) {
	h := Handler(registry(t), Options{Loopback: true})
	for target, want := range map[string]string{
		"/":                                "<h1>home</h1> text/html; charset=utf-8 public, no-cache",
		"/site/":                           "<h1>site</h1> text/html; charset=utf-8 public, no-cache",
		"/packages/a/index.json":           `{"name": "a"} application/json public, no-cache`,
		"/packages/a/1.0.0.tgz":            "0123456789 application/gzip public, max-age=31536000, immutable",
		"/packages/@s/b/1.0.0-a+b.tgz":     "b application/gzip public, max-age=31536000, immutable",
		"/packages/%40s/b/1.0.0-a%2Bb.tgz": "b application/gzip public, max-age=31536000, immutable",
	} {
		w := ask(h, "GET", target)
		if got := w.Body.String() + " " + w.Header().Get("Content-Type") + " " + w.Header().Get("Cache-Control"); w.Code != 200 || got != want {
			t.Errorf("%s: %d %s, want %s", target, w.Code, got, want)
		}
		tag := w.Header().Get("ETag")
		if again := ask(h, "GET", target, "If-None-Match", tag); tag == "" || again.Code != 304 || again.Body.Len() > 0 {
			t.Errorf("%s with its ETag %s: %d", target, tag, again.Code)
		}
		if head := ask(h, "HEAD", target); head.Code != 200 || head.Body.Len() > 0 || head.Header().Get("ETag") != tag {
			t.Errorf("HEAD %s: %d", target, head.Code)
		}
	}
	if w := ask(h, "GET", "/packages/a/1.0.0.tgz", "Range", "bytes=4-"); w.Code != 206 || w.Body.String() != "456789" {
		t.Errorf("a range: %d %s", w.Code, w.Body)
	}
}

func TestRefused(t *testing.T) {
	h := Handler(registry(t), Options{Loopback: true})
	for _, target := range []string{
		"/secret.txt", "/../secret.txt", "/%2e%2e/secret.txt", "/packages/../../secret.txt", "/packages/..%2f..%2fsecret.txt", "/packages/a/..%5c..%5csecret.txt",
		"/packages/a/out.json", "/packages/up/secret.txt", "/packages/abs.json", "/packages/a/.1.0.0.tgz.tmp-12", "/.opkg/lock", "/.git/config", "/%2egit/config",
		"/packages", "/packages/", "/packages/a", "/packages/a/", "//packages/a/index.json", "/packages//a/index.json", "/packages/a/index.json/", "/packages/a/index.json%00",
		"/packages/nothing/index.json", "/site", "/packages/a/index.json::$DATA",
	} {
		w := ask(h, "GET", target)
		if w.Code != 404 || strings.Contains(w.Body.String(), "s3cret") || w.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %d %s", target, w.Code, w.Body)
		}
	}
	if w := ask(h, "POST", "/packages/a/index.json"); w.Code != 405 || w.Header().Get("Allow") != "GET, HEAD" {
		t.Errorf("POST: %d", w.Code)
	}
	for _, host := range []string{"evil.example", "evil.example:8467", "10.0.0.1", ""} {
		if w := ask(h, "GET", "/", "Host", host); w.Code != 421 {
			t.Errorf("Host %q: %d", host, w.Code)
		}
	}
	for _, host := range []string{"localhost", "LOCALHOST:8467", "127.0.0.1:1", "[::1]:8467", "[::1]"} {
		if w := ask(h, "GET", "/", "Host", host); w.Code != 200 {
			t.Errorf("Host %q: %d", host, w.Code)
		}
	}
}

// An index that is replaced by one of the same size within the same second has another ETag.
func TestReplacedIndex(t *testing.T) {
	root := registry(t)
	h := Handler(root, Options{})
	was := ask(h, "GET", "/packages/a/index.json").Header()
	if was.Get("Last-Modified") != "" {
		t.Error("an index has a Last-Modified, which is too coarse")
	}
	if err := root.WriteFile("packages/a/index.json", []byte(`{"name": "b"}`), 0o644); err != nil {
		t.Fatal(err)
	}
	if w := ask(h, "GET", "/packages/a/index.json", "If-None-Match", was.Get("ETag")); w.Code != 200 || w.Body.String() != `{"name": "b"}` {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestToken(t *testing.T) {
	h := Handler(registry(t), Options{Token: "t0ken"})
	basic := func(password string) string {
		r := httptest.NewRequest("GET", "/", nil)
		r.SetBasicAuth("anybody", password)
		return r.Header.Get("Authorization")
	}
	for header, want := range map[string]int{"": 401, "Bearer t0ken": 200, "Bearer t0ke": 401, "Bearer ": 401, "bearer": 401, "t0ken": 401, basic("t0ken"): 200, basic(""): 401} {
		w := ask(h, "GET", "/packages/a/index.json", "Authorization", header)
		if w.Code != want || (want == 401) != (w.Header().Get("WWW-Authenticate") != "") {
			t.Errorf("%q: %d, want %d", header, w.Code, want)
		}
		if want == 200 && w.Header().Get("Cache-Control") != "private, no-cache" {
			t.Errorf("%q: %s", header, w.Header().Get("Cache-Control"))
		}
	}
	if w := ask(h, "GET", "/packages/nothing/index.json"); w.Code != 401 {
		t.Errorf("what is not there: %d", w.Code)
	}
}

// A request under way is answered to its end when the server is stopped; nobody is answered after that.
func TestGracefulStop(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	entered := make(chan bool)
	slow := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		entered <- true
		<-ctx.Done()
		time.Sleep(20 * time.Millisecond)
		io.WriteString(w, "whole")
	})
	ended := make(chan error)
	go func() { ended <- Serve(ctx, l, slow, Options{Grace: 10 * time.Second}) }()
	body := make(chan string)
	go func() {
		resp, err := http.Get("http://" + l.Addr().String())
		if err != nil {
			body <- err.Error()
			return
		}
		defer resp.Body.Close()
		data, _ := io.ReadAll(resp.Body)
		body <- string(data)
	}()
	<-entered
	stop()
	if got := <-body; got != "whole" {
		t.Errorf("the request under way: %s", got)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if _, err := net.Dial("tcp", l.Addr().String()); err == nil {
		t.Error("it still listens")
	}
}

// FuzzPath asks for any path: nothing that begins with a dot, or lies outside of the directory, is ever served.
func FuzzPath(f *testing.F) {
	for _, s := range []string{"/", "/packages/a/index.json", "/../secret.txt", "/.git/config", "/packages/a/out.json", "/packages/up/secret.txt", "/a\\..\\b"} {
		f.Add(s)
	}
	h := Handler(registry(f), Options{})
	f.Fuzz(func(t *testing.T, path string) {
		r := httptest.NewRequest("GET", "http://localhost/", nil)
		r.URL.Path = path
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if strings.Contains(w.Body.String(), "s3cret") || w.Code != 200 && w.Code != 404 {
			t.Errorf("%q: %d %s", path, w.Code, w.Body)
		}
	})
}

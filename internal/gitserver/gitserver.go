// Package gitserver serves git repositories over HTTP, as hosts do: for tests.
package gitserver

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
)

// Options of Start.
type Options struct {
	Password string // Basic password that each request must carry: without any it is answered 401, with another 403; "" for none
	TLS      bool
	V0       bool   // without protocol version 2: only what branches and tags lead to is given
	Dumb     bool   // plain files, as any web server has them: git update-server-info says which
	Redirect string // a base URL that every request is sent to
}

// Server is git http-backend behind net/http/cgi.
type Server struct {
	*httptest.Server
	bytes    atomic.Int64
	received atomic.Int64

	mu  sync.Mutex
	log []string
}

// Start serves the repositories below dir.
func Start(dir string, opt Options) (*Server, error) {
	out, err := exec.Command("git", "--exec-path").Output()
	if err != nil {
		return nil, fmt.Errorf("find git: %w", err)
	}
	var backend http.Handler = &cgi.Handler{
		Path:   filepath.Join(strings.TrimSpace(string(out)), "git-http-backend"),
		Stderr: io.Discard,
		Env:    []string{"GIT_PROJECT_ROOT=" + dir, "GIT_HTTP_EXPORT_ALL=1", "GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=safe.directory", "GIT_CONFIG_VALUE_0=*"},
	}
	if opt.Dumb {
		backend = http.FileServer(http.Dir(dir))
	}
	s := &Server{}
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.note(r)
		if opt.Redirect != "" {
			http.Redirect(w, r, opt.Redirect+r.URL.RequestURI(), http.StatusFound)
			return
		}
		if opt.Password != "" {
			switch _, password, ok := r.BasicAuth(); {
			case !ok:
				w.Header().Set("WWW-Authenticate", `Basic realm="git"`)
				http.Error(w, "who are you?", http.StatusUnauthorized)
				return
			case password != opt.Password:
				http.Error(w, "not you", http.StatusForbidden)
				return
			}
		}
		if opt.V0 {
			r.Header.Del("Git-Protocol")
		}
		switch {
		case strings.HasSuffix(r.URL.Path, "/info/lfs/objects/batch"):
			s.batch(w, r, dir)
		case strings.HasPrefix(r.URL.Path, "/lfs/"):
			http.ServeFile(w, r, filepath.Join(dir, "lfs", filepath.Base(r.URL.Path)))
		default:
			backend.ServeHTTP(&counting{w, &s.bytes}, r)
		}
	})
	if opt.TLS {
		s.Server = httptest.NewTLSServer(handler)
	} else {
		s.Server = httptest.NewServer(handler)
	}
	return s, nil
}

// batch answers the batch API of git-LFS: the objects are the files of dir/lfs, by their names.
func (s *Server) batch(w http.ResponseWriter, r *http.Request, dir string) {
	if _, err := os.Stat(filepath.Join(dir, "lfs")); err != nil {
		http.NotFound(w, r)
		return
	}
	type object struct {
		OID     string         `json:"oid"`
		Size    int64          `json:"size"`
		Actions map[string]any `json:"actions,omitempty"`
		Error   map[string]any `json:"error,omitempty"`
	}
	var body struct {
		Objects  []object `json:"objects"`
		Transfer string   `json:"transfer"`
	}
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	body.Transfer = "basic"
	for i := range body.Objects {
		o := &body.Objects[i]
		if _, err := os.Stat(filepath.Join(dir, "lfs", filepath.Base(o.OID))); err != nil {
			o.Error = map[string]any{"code": 404, "message": "not \x1b[2Jhere"}
			continue
		}
		o.Actions = map[string]any{"download": map[string]any{"href": s.URL + "/lfs/" + o.OID, "header": map[string]string{"Authorization": r.Header.Get("Authorization")}}}
	}
	w.Header().Set("Content-Type", "application/vnd.git-lfs+json")
	_ = json.NewEncoder(w).Encode(body)
}

func (s *Server) note(r *http.Request) {
	s.received.Add(max(r.ContentLength, 0))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.log = append(s.log, fmt.Sprintf("%s %s auth=%q key=%q", r.Method, r.URL.RequestURI(), r.Header.Get("Authorization"), r.Header.Get("X-API-Key")))
}

// Sent is how many bytes of answers went out, and Received how many bytes of requests are known to have come in.
func (s *Server) Sent() int64     { return s.bytes.Load() }
func (s *Server) Received() int64 { return s.received.Load() }

// Log lists the requests: method, path, and the credentials that they carried.
func (s *Server) Log() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.log...)
}

type counting struct {
	http.ResponseWriter
	n *atomic.Int64
}

func (c *counting) Write(p []byte) (int, error) {
	n, err := c.ResponseWriter.Write(p)
	c.n.Add(int64(n))
	return n, err
}

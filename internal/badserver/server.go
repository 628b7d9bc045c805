package badserver

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"time"
)

// Options of Start.
type Options struct {
	Good  []byte        // the archive that the index names
	Evil  []byte        // another archive
	Pause time.Duration // between the bytes of drip, and before the index of slow-index; default 1 s
	Now   func() time.Time
}

// Server is a running badserver.
type Server struct {
	A, B, C string // URLs of the origins, without a slash at the end
	CertPEM []byte // of origin C

	opt     Options
	servers []*httptest.Server
	done    chan struct{} // closed by Close: what stalls ends

	mu   sync.Mutex
	log  []Request
	seen map[string]int
}

// Request is what a client sent.
type Request struct {
	Origin         string // "A", "B", "C"
	Path           string
	Authorization  string
	Cookie         string
	APIKey         string // X-Api-Key
	Range          string
	IfRange        string
	IfNoneMatch    string
	AcceptEncoding string
	CacheControl   string
	Referer        string
	UserAgent      string
}

// Start starts the three origins.
func Start(opt Options) *Server {
	if opt.Pause == 0 {
		opt.Pause = time.Second
	}
	if opt.Now == nil {
		opt.Now = time.Now
	}
	s := &Server{opt: opt, done: make(chan struct{}), seen: map[string]int{}}
	for _, name := range []string{"A", "B", "C"} {
		srv := httptest.NewUnstartedServer(s.handler(name))
		srv.Config.ErrorLog = log.New(io.Discard, "", 0)
		s.servers = append(s.servers, srv)
	}
	a, b, c := s.servers[0], s.servers[1], s.servers[2]
	a.Start()
	b.Start()
	c.StartTLS()
	s.A, s.B, s.C = a.URL, b.URL, c.URL
	s.CertPEM = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Certificate().Raw})
	return s
}

// Close stops all origins.
func (s *Server) Close() {
	close(s.done)
	for _, srv := range s.servers {
		srv.CloseClientConnections()
		srv.Close()
	}
}

// Log is every request so far, in order.
func (s *Server) Log() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.log)
}

// Reset forgets the log and how often each path was asked for.
func (s *Server) Reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.log = nil
	clear(s.seen)
}

// Modes lists the names of all modes, sorted.
func Modes() []string {
	var names []string
	for name := range modes {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// SHA256 is the digest in hex that the index gives for an archive.
func SHA256(archive []byte) string {
	sum := sha256.Sum256(archive)
	return hex.EncodeToString(sum[:])
}

func (s *Server) handler(origin string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := r.Header
		s.mu.Lock()
		s.log = append(s.log, Request{origin, r.URL.Path, h.Get("Authorization"), h.Get("Cookie"), h.Get("X-Api-Key"), h.Get("Range"), h.Get("If-Range"),
			h.Get("If-None-Match"), h.Get("Accept-Encoding"), h.Get("Cache-Control"), h.Get("Referer"), h.Get("User-Agent")})
		key := origin + r.URL.Path
		s.seen[key]++
		x := &exchange{Server: s, w: w, r: r, origin: origin, n: s.seen[key]}
		s.mu.Unlock()
		x.serve()
	})
}

// exchange is one request and its answer.
type exchange struct {
	*Server
	w      http.ResponseWriter
	r      *http.Request
	origin string
	n      int // how often this path has been asked for on this origin, from 1

	mode  string
	index bool
	body  []byte // what a good server would send
	etag  string
}

func (x *exchange) serve() {
	name, _, _ := strings.Cut(strings.TrimPrefix(x.r.URL.Path, "/"), "/")
	m, ok := modes[name]
	file := x.r.URL.Path[strings.LastIndexByte(x.r.URL.Path, '/')+1:]
	if !ok || file != "index.json" && !strings.HasSuffix(file, ".tgz") {
		x.send(http.StatusNotFound, []byte("no such file"), nil)
		return
	}
	x.mode, x.index = name, file == "index.json"
	x.body, x.etag = x.opt.Good, `"v1-`+SHA256(x.opt.Good)[:12]+`"`
	if x.index {
		x.body, x.etag = x.indexOf("demo", x.opt.Good, "1.0.0"), `"i1"`
	}
	act := m.archive
	if x.index {
		act = m.index
	}
	if act == nil || x.origin == "B" && !m.everywhere {
		act = (*exchange).ok
	}
	act(x)
}

// base is the URL of the package's directory on this origin.
func (x *exchange) base(origin, mode string) string {
	return fmt.Sprintf("%s/%s/packages/demo", map[string]string{"A": x.A, "B": x.B, "C": x.C}[origin], mode)
}

// indexOf is an index.json with the given versions, all of one archive.
func (x *exchange) indexOf(name string, archive []byte, versions ...string) []byte {
	return x.indexAt(x.base(x.origin, x.mode), name, archive, versions...)
}

func (x *exchange) indexAt(base, name string, archive []byte, versions ...string) []byte {
	list := map[string]any{}
	for _, v := range versions {
		list[v] = map[string]any{"tarball": base + "/" + v + ".tgz", "sha256": SHA256(archive), "dependencies": map[string]string{}}
	}
	data, err := json.Marshal(map[string]any{"name": name, "versions": list})
	if err != nil {
		panic(err)
	}
	return data
}

// send answers with a whole body.
func (x *exchange) send(status int, body []byte, header map[string]string) {
	x.head(status, len(body), header)
	x.w.Write(body)
}

// head sends the header of an answer; a negative length is not said.
func (x *exchange) head(status, length int, header map[string]string) {
	for k, v := range header {
		x.w.Header().Set(k, v)
	}
	if length >= 0 && status != http.StatusNotModified {
		x.w.Header().Set("Content-Length", fmt.Sprint(length))
	}
	x.w.WriteHeader(status)
}

func (x *exchange) flush() { x.w.(http.Flusher).Flush() }

// wait sleeps, and reports false when the server or the client has gone.
func (x *exchange) wait(d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-x.done:
	case <-x.r.Context().Done():
	}
	return false
}

// raw writes bytes to the connection as they are, and closes it; reset does so with a RST.
func (x *exchange) raw(reset bool, write func(w rawWriter)) {
	conn, buf, err := x.w.(http.Hijacker).Hijack()
	if err != nil {
		panic(err)
	}
	defer conn.Close()
	write(buf)
	buf.Flush()
	if l, ok := conn.(interface{ SetLinger(int) error }); ok && reset {
		l.SetLinger(0)
	}
}

type rawWriter interface {
	Write([]byte) (int, error)
	Flush() error
}

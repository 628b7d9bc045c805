// Package serve is a small web server for the files of a static registry: with the headers that caches need, and nothing else of the
// directory than those files. It is for trying a registry out; a web server or a bucket serves it in earnest.
package serve

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path"
	"strconv"
	"strings"
	"time"
)

// MaxHashed is the size up to which a file that may change is read whole for its ETag, in bytes; a larger one has an ETag of its time and size.
const MaxHashed = 32 << 20

// Options of Handler and Serve.
type Options struct {
	Token    string                              // what each request must carry as a bearer token, or as a password; "": nothing
	Loopback bool                                // answer only those who ask for this machine by name: a page of the web cannot be one
	CertFile string                              // PEM; "": plain http
	KeyFile  string                              // PEM
	Log      func(method, path string, code int) // told of each request; nil: nobody is
	Grace    time.Duration                       // how long requests may go on when the server is stopped
}

// Handler serves the files below root: GET and HEAD, whole or ranges. Archives, which never change, may be kept for ever; all else is to
// be asked for again, which costs no bytes while its ETag holds. There are no listings; names that begin with a dot are not
// there, nor is anything that a link names outside of root.
func Handler(root *os.Root, opt Options) http.Handler {
	h := &handler{root: root, opt: opt}
	if opt.Token != "" {
		sum := sha256.Sum256([]byte(opt.Token))
		h.token = &sum
	}
	return h
}

type handler struct {
	root  *os.Root
	opt   Options
	token *[sha256.Size]byte
}

// recorder notes the status of an answer.
type recorder struct {
	http.ResponseWriter
	code int
}

func (r *recorder) WriteHeader(code int) {
	r.code = code
	r.ResponseWriter.WriteHeader(code)
}

// ReadFrom keeps the way from a file to a socket short.
func (r *recorder) ReadFrom(src io.Reader) (int64, error) { return io.Copy(r.ResponseWriter, src) }

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	rec := &recorder{ResponseWriter: w, code: http.StatusOK}
	h.serve(rec, r)
	if h.opt.Log != nil {
		h.opt.Log(r.Method, r.URL.EscapedPath(), rec.code)
	}
}

func (h *handler) serve(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Referrer-Policy", "no-referrer")
	switch {
	case h.opt.Loopback && !namesThisMachine(r.Host):
		refuse(w, http.StatusMisdirectedRequest)
	case !h.authorized(r):
		w.Header().Set("WWW-Authenticate", `Bearer realm="opkg"`)
		w.Header().Add("WWW-Authenticate", `Basic realm="opkg", charset="UTF-8"`)
		refuse(w, http.StatusUnauthorized)
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		w.Header().Set("Allow", "GET, HEAD")
		refuse(w, http.StatusMethodNotAllowed)
	default:
		h.file(w, r)
	}
}

// refuse answers without a word more than the status, which nobody is to keep.
func refuse(w http.ResponseWriter, code int) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(code)
	fmt.Fprintln(w, http.StatusText(code))
}

// namesThisMachine reports whether the Host of a request is this machine's own name or address. A page of the web that has its own name
// resolved to this machine sends that name.
func namesThisMachine(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.Trim(host, "[]")
	if a, err := netip.ParseAddr(host); err == nil {
		return a.Unmap().IsLoopback()
	}
	return strings.EqualFold(host, "localhost")
}

// authorized compares in constant time.
func (h *handler) authorized(r *http.Request) bool {
	if h.token == nil {
		return true
	}
	given, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		_, given, ok = r.BasicAuth()
	}
	sum := sha256.Sum256([]byte(given))
	return subtle.ConstantTimeCompare(sum[:], h.token[:]) == 1 && ok
}

// types are the media types of what a registry holds; anything else is bytes.
var types = map[string]string{
	".json": "application/json", ".tgz": "application/gzip", ".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8",
	".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml", ".png": "image/png", ".txt": "text/plain; charset=utf-8", ".md": "text/plain; charset=utf-8",
}

// file answers with a file.
func (h *handler) file(w http.ResponseWriter, r *http.Request) {
	name, ok := nameOf(r.URL.Path)
	if !ok {
		refuse(w, http.StatusNotFound)
		return
	}
	f, fi, err := h.open(name)
	if err != nil {
		code := http.StatusNotFound // also for what leads out of the directory: nobody needs to know that it is there
		if errors.Is(err, fs.ErrPermission) {
			code = http.StatusInternalServerError // 403 would mean that the token is wrong
		}
		refuse(w, code)
		return
	}
	defer f.Close()
	header := w.Header()
	kind := types[path.Ext(name)]
	if kind == "" {
		kind = "application/octet-stream"
	}
	header.Set("Content-Type", kind)
	if strings.HasPrefix(name, "packages/") && strings.HasSuffix(name, ".tgz") {
		header.Set("Cache-Control", h.scope()+"max-age=31536000, immutable")
		header.Set("ETag", stampTag(fi))
		http.ServeContent(w, r, "", fi.ModTime(), f)
		return
	}
	header.Set("Cache-Control", h.scope()+"no-cache")
	if fi.Size() > MaxHashed {
		header.Set("ETag", stampTag(fi))
		http.ServeContent(w, r, "", time.Time{}, f)
		return
	}
	// A file that is replaced twice in one second has the same Last-Modified: only its content tells.
	data, err := io.ReadAll(io.LimitReader(f, MaxHashed))
	if err != nil {
		header.Del("Content-Type")
		refuse(w, http.StatusInternalServerError)
		return
	}
	sum := sha256.Sum256(data)
	header.Set("ETag", `"`+hex.EncodeToString(sum[:16])+`"`)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(data))
}

// scope keeps what a token protects out of shared caches.
func (h *handler) scope() string {
	if h.token != nil {
		return "private, "
	}
	return "public, "
}

// stampTag is the ETag of a file by its size and time, in nanoseconds.
func stampTag(fi fs.FileInfo) string {
	return `"` + strconv.FormatInt(fi.ModTime().UnixNano(), 36) + "-" + strconv.FormatInt(fi.Size(), 36) + `"`
}

// nameOf is the name of the file that the path of a URL, unescaped, stands for.
func nameOf(urlPath string) (string, bool) {
	name, ok := strings.CutPrefix(urlPath, "/")
	if name == "" {
		return "index.html", ok
	}
	if strings.HasSuffix(name, "/") {
		name += "index.html"
	}
	if !fs.ValidPath(name) || strings.ContainsAny(name, "\\:\x00") {
		return "", false
	}
	for part := range strings.SplitSeq(name, "/") {
		if part[0] == '.' {
			return "", false
		}
	}
	return name, true
}

// open opens a regular file below the root. What is a pipe is not opened: that would wait.
func (h *handler) open(name string) (*os.File, fs.FileInfo, error) {
	fi, err := h.root.Stat(name)
	if err == nil && !fi.Mode().IsRegular() {
		err = fs.ErrNotExist
	}
	if err != nil {
		return nil, nil, err
	}
	f, err := h.root.Open(name)
	if err != nil {
		return nil, nil, err
	}
	if fi, err = f.Stat(); err == nil && !fi.Mode().IsRegular() {
		err = fs.ErrNotExist
	}
	if err != nil {
		f.Close()
		return nil, nil, err
	}
	return f, fi, nil
}

// Serve answers requests on l until ctx ends; then those that are under way may go on for opt.Grace. It closes l.
func Serve(ctx context.Context, l net.Listener, h http.Handler, opt Options) error {
	srv := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10}
	done := make(chan error, 1)
	go func() {
		if opt.CertFile != "" {
			done <- srv.ServeTLS(l, opt.CertFile, opt.KeyFile)
		} else {
			done <- srv.Serve(l)
		}
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), opt.Grace)
	defer cancel()
	if err := srv.Shutdown(last); err != nil {
		srv.Close()
	}
	<-done
	return nil
}

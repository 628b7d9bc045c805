package ops

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/openpackage/opkg/internal/event"
	"github.com/openpackage/opkg/internal/serve"
)

// ServeOptions of Serve. Paths are absolute.
type ServeOptions struct {
	Dir       string
	Addr      string // host:port; port 0 takes a free one
	TokenEnv  string // the variable that holds the token
	TokenFile string // or a file that holds it
	CertFile  string
	KeyFile   string
	Public    bool              // anybody who reaches this machine may read the registry
	Ready     func(base string) // told the URL when requests are answered
}

// serveGrace is how long requests may go on when the server is stopped.
const serveGrace = 5 * time.Second

// Serve serves the registry in a directory over HTTP until ctx ends. Beyond this machine it does so only with a token, or where Public says
// that anybody may read. Errors: *NotRegistryError; *ServeError for options that are not safe, or not right.
func (w *World) Serve(ctx context.Context, opt ServeOptions) error {
	d, err := openRegDir(opt.Dir)
	if err != nil {
		return err
	}
	defer d.close()
	token, err := w.serveToken(opt)
	if err != nil {
		return err
	}
	loopback, err := isLoopback(opt.Addr)
	switch {
	case err != nil:
		return err
	case (opt.CertFile == "") != (opt.KeyFile == ""):
		return &ServeError{"a certificate and its key belong together", "give --tls-cert and --tls-key"}
	case !loopback && token == "" && !opt.Public:
		return &ServeError{fmt.Sprintf("on %s everybody who reaches this machine could read the registry", opt.Addr), "give --token-env or --token-file, or say --public; or listen on 127.0.0.1"}
	case !loopback && token != "" && opt.CertFile == "":
		w.warn("the token comes over plain http, where everybody on the way can read it", "give --tls-cert and --tls-key; opkg sends a token to other machines over https alone")
	}
	l, err := net.Listen("tcp", opt.Addr)
	if err != nil {
		return &ServeError{err.Error(), "choose another --addr"}
	}
	scheme := "http"
	if opt.CertFile != "" {
		scheme = "https"
	}
	if opt.Ready != nil {
		opt.Ready(scheme + "://" + l.Addr().String() + "/")
	}
	so := serve.Options{Token: token, Loopback: loopback && token == "", CertFile: opt.CertFile, KeyFile: opt.KeyFile, Grace: serveGrace, Log: func(method, path string, code int) {
		w.Observer.Emit(event.Event{Kind: event.Request, Text: fmt.Sprintf("%s %s %d", method, path, code)})
	}}
	return serve.Serve(ctx, l, serve.Handler(d.root, so), so)
}

// serveToken finds the token; "" where none is asked for.
func (w *World) serveToken(opt ServeOptions) (string, error) {
	token, from := "", ""
	switch {
	case opt.TokenEnv != "" && opt.TokenFile != "":
		return "", &ServeError{"the token comes from a variable or from a file, not from both", ""}
	case opt.TokenEnv != "":
		from = "$" + opt.TokenEnv
		token = strings.TrimSpace(w.Env(opt.TokenEnv))
		if token == "" {
			return "", &ServeError{from + " is not set, or empty", "set it to the token that each request must carry"}
		}
	case opt.TokenFile != "":
		from = w.show(opt.TokenFile)
		data, err := readUserFile(opt.TokenFile)
		if errors.Is(err, fs.ErrNotExist) {
			return "", &FileError{from, "it does not exist"}
		}
		if err != nil {
			return "", err
		}
		token = strings.TrimSpace(string(data))
	default:
		return "", nil
	}
	if token == "" || len(token) > 4096 || strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return "", &ServeError{from + " holds no token", "a token is one word of visible ASCII characters"}
	}
	return token, nil
}

// isLoopback reports whether addr is one of this machine alone. A name other than localhost is not asked of a resolver, which may say anything.
func isLoopback(addr string) (bool, error) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return false, &ServeError{fmt.Sprintf("%q is no address to listen on", addr), "write host:port, such as 127.0.0.1:8467"}
	}
	if host == "localhost" {
		return true, nil
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.Unmap().IsLoopback(), nil
}

// ServeError is a server that is not started.
type ServeError struct{ Reason, HintText string }

func (e *ServeError) Error() string { return e.Reason }

// Hint says what to do, or "".
func (e *ServeError) Hint() string { return e.HintText }

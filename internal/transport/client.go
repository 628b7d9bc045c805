package transport

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/net/http/httpproxy"

	"github.com/openpackage/opkg/internal/event"
	"github.com/openpackage/opkg/internal/origin"
)

// MaxRedirects is how many redirects one request follows.
const MaxRedirects = 10

// Limits bound what a server may cost. Zero fields stand for the defaults.
type Limits struct {
	Connect    time.Duration // name, TCP and TLS, each; default 15 s
	Header     time.Duration // until the header of an answer is there; default 20 s
	Optional   time.Duration // the same, with all that comes before, of what can be done without; default 3 s
	Near       time.Duration // within which a server that is near answers: to others there are more connections; default 5 ms
	Idle       time.Duration // without a byte of a body; default 20 s
	MinRate    int64         // bytes a second of a body, on average over RateWindow of waiting; default 1,024
	RateWindow time.Duration // default 20 s
	HeaderSize int64         // bytes of an answer's header; default 256 KiB
	Retries    int           // after the first attempt; default 3; negative: none
	Backoff    time.Duration // before the first retry, doubled for each further one; default 500 ms
	MaxWait    time.Duration // the longest Retry-After that is waited for; default 60 s
}

func (l Limits) withDefaults() Limits {
	def := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	def(&l.Connect, 15*time.Second)
	def(&l.Header, 20*time.Second)
	def(&l.Optional, 3*time.Second)
	def(&l.Near, 5*time.Millisecond)
	def(&l.Idle, 20*time.Second)
	def(&l.RateWindow, 20*time.Second)
	def(&l.Backoff, 500*time.Millisecond)
	def(&l.MaxWait, 60*time.Second)
	if l.MinRate == 0 {
		l.MinRate = 1024
	}
	if l.HeaderSize == 0 {
		l.HeaderSize = 256 << 10
	}
	if l.Retries == 0 {
		l.Retries = 3
	}
	return l
}

// Options of New. The zero value is a client without a name or proxies.
type Options struct {
	UserAgent string
	Env       func(string) string // for the proxy variables; nil: no proxy
	Observer  event.Observer
	Limits    Limits
	Busy      func() bool                                // reports that more answers would only wait here; nil: they never do
	Now       func() time.Time                           // nil: time.Now
	Sleep     func(context.Context, time.Duration) error // nil: sleeps
	Jitter    func() float64                             // in [0, 1); nil: random
}

// Client makes Sites. It is safe for concurrent use.
type Client struct {
	opt     Options
	proxy   func(*url.URL) (*url.URL, error)
	deepest atomic.Int64 // the most round trips, one after the other, that an answer has taken
}

// New makes a client.
func New(opt Options) *Client {
	opt.Limits = opt.Limits.withDefaults()
	if opt.Now == nil {
		opt.Now = time.Now
	}
	if opt.Sleep == nil {
		opt.Sleep = sleep
	}
	if opt.Jitter == nil {
		opt.Jitter = rand.Float64
	}
	return &Client{opt: opt, proxy: proxyFrom(opt.Env)}
}

// proxyFrom reads the proxy variables, upper case first.
func proxyFrom(env func(string) string) func(*url.URL) (*url.URL, error) {
	if env == nil {
		return func(*url.URL) (*url.URL, error) { return nil, nil }
	}
	either := func(upper, lower string) string {
		if v := env(upper); v != "" {
			return v
		}
		return env(lower)
	}
	cfg := httpproxy.Config{
		HTTPProxy:  either("HTTP_PROXY", "http_proxy"),
		HTTPSProxy: either("HTTPS_PROXY", "https_proxy"),
		NoProxy:    either("NO_PROXY", "no_proxy"),
		CGI:        env("REQUEST_METHOD") != "",
	}
	return cfg.ProxyFunc()
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// SiteOptions describe one registry.
type SiteOptions struct {
	Base      *url.URL            // as origin.ParseURL returns it
	Authorize func(*http.Request) // adds credentials to a request to Base's origin; nil: none
	CAFile    string              // certificates to trust beside the system's; "": none
	Insecure  bool                // plain http to Base's origin is allowed
	Hosts     []string            // may serve artifacts, whatever their addresses: see origin.HostIn
	NamedBy   *Site               // whose answer named Base, which then may not lie further inside than that site; nil: the user named it
}

// Site is one registry as the client talks to it, with connections of its own. It is safe for concurrent use.
type Site struct {
	c         *Client
	opt       SiteOptions
	origin    origin.Origin
	transport *http.Transport
	pem       []byte    // of CAFile
	roots     sync.Once // reads the certificates: see readRoots

	mu      sync.Mutex
	reached *origin.Reach // of the addresses that the registry itself was reached at; nil: not yet
	proxies map[string]bool
	gates   map[origin.Origin]*gate
}

// ErrInsecure says that a registry's URL is plain http.
var ErrInsecure = errors.New("plain http is allowed only to this machine")

// Site prepares to talk to one registry. Nothing is sent yet.
func (c *Client) Site(opt SiteOptions) (*Site, error) {
	s := &Site{c: c, opt: opt, origin: origin.Of(opt.Base), proxies: map[string]bool{}, gates: map[origin.Origin]*gate{}}
	if opt.Base.Scheme != "https" && !s.origin.IsLoopback() && !opt.Insecure {
		return nil, &RefusedError{Target: origin.Show(opt.Base), Reason: ErrInsecure.Error(),
			HintText: "use https, or allow it with insecure: true in the config.yml of your own OPKG_HOME"}
	}
	var err error
	if s.pem, err = readCertificates(opt.CAFile); err != nil {
		return nil, err
	}
	lim := c.opt.Limits
	s.transport = &http.Transport{
		Proxy:                  s.proxyFor,
		DialContext:            s.dial,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    lim.Connect,
		ResponseHeaderTimeout:  lim.Header,
		MaxResponseHeaderBytes: lim.HeaderSize,
		IdleConnTimeout:        90 * time.Second,
		MaxIdleConnsPerHost:    maxFar,
		ForceAttemptHTTP2:      true,
		HTTP2:                  &http.HTTP2Config{SendPingTimeout: lim.Idle, PingTimeout: lim.Idle},
	}
	return s, nil
}

// gateOf is the gate of the host of u.
func (s *Site) gateOf(u *url.URL) *gate {
	host := origin.Of(u)
	s.mu.Lock()
	defer s.mu.Unlock()
	g := s.gates[host]
	if g == nil {
		g = newGate(u.Scheme)
		s.gates[host] = g
	}
	return g
}

// Close drops idle connections.
func (s *Site) Close() { s.transport.CloseIdleConnections() }

// readCertificates is the text of a file of certificates; nil for no file.
func readCertificates(file string) ([]byte, error) {
	if file == "" {
		return nil, nil
	}
	if fi, err := os.Stat(file); err == nil && !fi.Mode().IsRegular() { // a pipe would block
		return nil, fmt.Errorf("read ca-file: %s is not a regular file", file)
	}
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read ca-file: %w", err)
	}
	if !x509.NewCertPool().AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("ca-file %s holds no certificate in PEM form", file)
	}
	return pem, nil
}

// readRoots reads the certificates that the site's are judged by: the system's, which takes some milliseconds, and those of CAFile. It comes
// before the first handshake, whose configuration it completes.
func (s *Site) readRoots() {
	pool, err := x509.SystemCertPool()
	if s.pem == nil {
		return // the system's are known now
	}
	if err != nil {
		pool = x509.NewCertPool()
	}
	pool.AppendCertsFromPEM(s.pem)
	s.transport.TLSClientConfig.RootCAs = pool
}

package auth

import (
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"

	"golang.org/x/net/http/httpguts"

	"github.com/openpackage/opkg/config"
	"github.com/openpackage/opkg/ident"
	"github.com/openpackage/opkg/internal/origin"
)

// Options of New.
type Options struct {
	Env             func(string) string // nil: an empty environment
	CredentialsFile string              // credentials.yml; "" or absent: none
	NetrcFile       string              // "" or absent: none
}

// Store knows where credentials may be found. It is safe for concurrent use, and reads each file at most once.
type Store struct {
	opt   Options
	saved func() (map[origin.Origin]Entry, error)
	netrc func() ([]netrcEntry, error)
}

// New describes the places; nothing is read yet.
func New(opt Options) *Store {
	if opt.Env == nil {
		opt.Env = func(string) string { return "" }
	}
	return &Store{
		opt:   opt,
		saved: sync.OnceValues(func() (map[origin.Origin]Entry, error) { return readFile(opt.CredentialsFile) }),
		netrc: sync.OnceValues(func() ([]netrcEntry, error) { return readNetrc(opt.NetrcFile) }),
	}
}

// Credentials are what to send to one origin. A nil *Credentials sends nothing.
type Credentials struct {
	origin  origin.Origin
	headers []header
	from    string   // where the Authorization came from, for messages; "" when none is sent
	unset   []string // variables that the config names and that are not set
}

type header struct {
	name  string
	value Secret
}

// For finds the credentials for a registry. A directory has none, nor has plain http to another machine. The error is a *FileError, or
// says which variable holds something that cannot be sent.
func (s *Store) For(reg config.Registry) (*Credentials, error) {
	if reg.Source.Kind() == ident.Directory || !strings.Contains(reg.Source.URL(), "://") {
		return nil, nil
	}
	o, err := origin.Parse(reg.Source.URL())
	if err != nil {
		return nil, nil // ssh and the like: git has its own ways
	}
	c := &Credentials{origin: o}
	if !Secure(o) {
		return c, nil
	}
	for _, h := range reg.HeaderEnv {
		if err := s.addHeader(c, h); err != nil {
			return nil, err
		}
	}
	if c.from != "" {
		return c, nil
	}
	return c, s.addAuthorization(c, reg.TokenEnv)
}

// addHeader adds what a variable of header-env holds.
func (s *Store) addHeader(c *Credentials, h config.HeaderEnv) error {
	name := http.CanonicalHeaderKey(h.Header)
	if !httpguts.ValidHeaderFieldName(h.Header) || reserved(name) {
		return fmt.Errorf("header-env of %s: the header %q cannot be set", c.origin, h.Header)
	}
	value, err := s.variable(h.Variable, true)
	if err != nil {
		return err
	}
	if value == "" {
		c.unset = append(c.unset, h.Variable)
		return nil
	}
	if name == "Authorization" {
		c.from = "$" + h.Variable
	}
	c.headers = append(c.headers, header{name, NewSecret(value)})
	return nil
}

// reserved reports whether a header belongs to HTTP itself or to the transport.
func reserved(name string) bool {
	switch name {
	case "Host", "Connection", "Content-Length", "Transfer-Encoding", "Te", "Trailer", "Upgrade", "Expect", "Keep-Alive",
		"Proxy-Connection", "Accept-Encoding", "Range", "If-Range", "If-None-Match", "If-Modified-Since", "User-Agent":
		return true
	}
	return false
}

// addAuthorization adds the first of the four that package auth describes.
func (s *Store) addAuthorization(c *Credentials, tokenEnv string) error {
	variables := []string{tokenEnv}
	if name, ok := TokenVariable(c.origin); ok {
		variables = append(variables, name)
	}
	for _, v := range variables {
		if v == "" {
			continue
		}
		token, err := s.variable(v, false)
		if err != nil {
			return err
		}
		if token != "" {
			c.bearer(token, "$"+v)
			return nil
		}
		if v == tokenEnv {
			c.unset = append(c.unset, v)
		}
	}
	saved, err := s.saved()
	if err != nil {
		return err
	}
	if e, ok := saved[c.origin]; ok {
		if !e.Token.IsZero() {
			c.bearer(e.Token.Reveal(), "opkg login")
		} else {
			c.basic(e.Username, e.Password.Reveal(), "opkg login")
		}
		return nil
	}
	entries, err := s.netrc()
	if err != nil {
		return err
	}
	if e, ok := findNetrc(entries, c.origin); ok {
		c.basic(e.login, e.password.Reveal(), "netrc")
	}
	return nil
}

// variable reads a variable that holds a secret, with the blanks around it dropped.
func (s *Store) variable(name string, blanks bool) (string, error) {
	v := strings.TrimSpace(s.opt.Env(name))
	if !sendable(v, blanks) {
		return "", fmt.Errorf("$%s holds characters that cannot be sent in a header", name)
	}
	return v, nil
}

// sendable reports whether s is visible ASCII, with blanks inside if they are allowed.
func sendable(s string, blanks bool) bool {
	for _, c := range []byte(s) {
		if c > 0x7e || c < ' ' || c == ' ' && !blanks {
			return false
		}
	}
	return true
}

func (c *Credentials) bearer(token, from string) {
	c.headers = append(c.headers, header{"Authorization", NewSecret("Bearer " + token)})
	c.from = from
}

func (c *Credentials) basic(user, password, from string) {
	pair := base64.StdEncoding.EncodeToString([]byte(user + ":" + password))
	c.headers = append(c.headers, header{"Authorization", NewSecret("Basic " + pair)})
	c.from = from
}

// Apply sets the headers on a request to the origin that they are bound to, and on no other.
func (c *Credentials) Apply(req *http.Request) {
	if c == nil || origin.Of(req.URL) != c.origin {
		return
	}
	for _, h := range c.headers {
		req.Header.Set(h.name, h.value.Reveal())
	}
}

// Format implements fmt.Formatter for every verb.
func (c *Credentials) Format(f fmt.State, _ rune) {
	if c == nil {
		io.WriteString(f, "no credentials")
		return
	}
	fmt.Fprintf(f, "credentials for %s: %s", c.origin, Redacted)
}

// Sources says where what is sent comes from ("$OPKG_TOKEN_…", "opkg login", "netrc", "$X_API_KEY"), and which variables the configuration
// names that are not set.
func (c *Credentials) Sources() (from string, unset []string) { return c.from, c.unset }

// MarshalText implements encoding.TextMarshaler.
func (c *Credentials) MarshalText() ([]byte, error) { return []byte(Redacted), nil }

// Secure reports whether what is sent to o stays between two ends: https, or this machine. Others are sent no credentials.
func Secure(o origin.Origin) bool { return o.Scheme() == "https" || o.IsLoopback() }

// TokenVariable is the name of the variable that holds the token for an origin: OPKG_TOKEN_ and the host in
// upper case, with "." as "_" and "-" as "__", and a port that is not the default one as "_P8443".
//
//	https://registry.my-org.com       OPKG_TOKEN_REGISTRY_MY__ORG_COM
//	https://localhost:8443            OPKG_TOKEN_LOCALHOST_P8443
//
// No two hosts share a variable, nor two ports of one; http to this machine has that of https. Those that could have none: IPv6 addresses, host names with an underscore, with a
// label that begins or ends with a dash, or whose last label looks like a port; and plain http to another machine.
func TokenVariable(o origin.Origin) (name string, ok bool) {
	host := o.Hostname()
	if !Secure(o) || strings.ContainsAny(host, "_:") {
		return "", false
	}
	labels := strings.Split(host, ".")
	for _, l := range labels {
		if l == "" || l[0] == '-' || l[len(l)-1] == '-' {
			return "", false
		}
	}
	if last := labels[len(labels)-1]; last[0] == 'p' && len(last) > 1 && strings.Trim(last[1:], "0123456789") == "" {
		return "", false
	}
	name = "OPKG_TOKEN_" + strings.NewReplacer(".", "_", "-", "__").Replace(strings.ToUpper(host))
	if p := o.Port(); p != "" {
		name += "_P" + p
	}
	return name, true
}

// Git are the headers, each as "Name: value", that git sends to the origin. A token goes as a password: that is the one form that
// all git hosts take.
func (c *Credentials) Git() []string {
	if c == nil {
		return nil
	}
	var out []string
	for _, h := range c.headers {
		value := h.value.Reveal()
		if token, ok := strings.CutPrefix(value, "Bearer "); ok && h.name == "Authorization" {
			value = "Basic " + base64.StdEncoding.EncodeToString([]byte("x-access-token:"+token))
		}
		out = append(out, h.name+": "+value)
	}
	return out
}

package origin

import (
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// Origin is a scheme, host and port in canonical form: "https://host", "https://host:8443", "http://[::1]:8080".
// The host is lower case and ASCII, and a default port is left out. Origins are equal when their texts are.
type Origin string

// Of is the origin of an http or https URL that ParseURL returned, or that was made from one.
func Of(u *url.URL) Origin {
	host := strings.ToLower(u.Hostname())
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if p := u.Port(); p != "" && p != defaultPort(u.Scheme) {
		host += ":" + p
	}
	return Origin(u.Scheme + "://" + host)
}

// Parse reads an origin, or any http or https URL and drops all that follows the port.
func Parse(s string) (Origin, error) {
	u, err := ParseURL(s)
	if err != nil {
		return "", err
	}
	return Of(u), nil
}

// Scheme is "http" or "https".
func (o Origin) Scheme() string {
	scheme, _, _ := strings.Cut(string(o), "://")
	return scheme
}

// Hostname is the host without port and brackets.
func (o Origin) Hostname() string { return o.url().Hostname() }

// Port is the port where it is not the scheme's own, or "".
func (o Origin) Port() string { return o.url().Port() }

// HostPort is host:port with the port always there: what a client dials.
func (o Origin) HostPort() string {
	u := o.url()
	if u.Port() != "" {
		return u.Host
	}
	return u.Host + ":" + defaultPort(u.Scheme)
}

// Authority is the host with its port where it is not the scheme's own, as a URL has it.
func (o Origin) Authority() string { return o.url().Host }

// HostIn reports whether hostPort, as HostPort gives it, is one of hosts: each a host, which stands for its port 443, or
// host:port.
func HostIn(hostPort string, hosts []string) bool {
	return slices.Contains(hosts, hostPort) || slices.Contains(hosts, strings.TrimSuffix(hostPort, ":443"))
}

func (o Origin) url() *url.URL {
	u, err := url.Parse(string(o))
	if err != nil {
		return &url.URL{}
	}
	return u
}

func defaultPort(scheme string) string {
	switch scheme {
	case "http":
		return "80"
	case "https":
		return "443"
	}
	return ""
}

// URLError says why a text is not a URL that opkg sends requests to.
type URLError struct {
	URL    string // quoted, without what may be a secret
	Reason string
}

func (e *URLError) Error() string { return e.URL + ": " + e.Reason }

// ParseURL reads an absolute http or https URL in the strict form that opkg sends requests to, and returns it with
// its host in lower case and punycode and a default port left out. It refuses what two parsers could read in two ways:
// control characters, blanks, backslashes, user names, fragments, and hosts that are numbers but no plain IP address. The error is
// a *URLError.
func ParseURL(s string) (*url.URL, error) {
	bad := func(format string, a ...any) (*url.URL, error) {
		return nil, &URLError{URL: Quote(s), Reason: fmt.Sprintf(format, a...)}
	}
	if !utf8.ValidString(s) {
		return bad("a URL must be UTF-8")
	}
	for _, r := range s {
		if r <= ' ' || r == '\\' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return bad("a URL must not hold %q", r)
		}
	}
	u, err := url.Parse(s)
	switch {
	case err != nil:
		return bad("it is not a URL")
	case u.Scheme != "https" && u.Scheme != "http":
		return bad("want an https: URL")
	case u.User != nil:
		return bad("a URL must not hold a user name or password")
	case u.Fragment != "" || strings.Contains(s, "#"):
		return bad("a URL must not hold a fragment")
	case u.Opaque != "" || u.Hostname() == "":
		return bad("it names no host")
	}
	host, err := canonicalHost(u.Hostname())
	if err != nil {
		return bad("%v", err)
	}
	port := u.Port()
	if strings.HasSuffix(u.Host, ":") {
		return bad("its port is empty")
	}
	if port != "" {
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil || n == 0 || port[0] == '0' {
			return bad("its port is not a number from 1 to 65535")
		}
	}
	u.Host = host
	if port != "" && port != defaultPort(u.Scheme) {
		u.Host += ":" + port
	}
	return u, nil
}

// canonicalHost is the one spelling of a host: lower case, punycode, IPv6 in brackets.
func canonicalHost(host string) (string, error) {
	if strings.Contains(host, ":") {
		a, err := netip.ParseAddr(host)
		if err != nil || a.Zone() != "" {
			return "", fmt.Errorf("%q is not an IPv6 address", host)
		}
		return "[" + a.String() + "]", nil
	}
	ascii := strings.ToLower(host)
	if !plainHost(ascii) || strings.Contains(ascii, "xn--") {
		var err error
		ascii, err = idna.Lookup.ToASCII(host)
		again, errAgain := idna.Lookup.ToASCII(ascii)
		if err != nil || errAgain != nil || again != ascii || !plainHost(ascii) {
			return "", fmt.Errorf("%q is not a host name", host)
		}
	}
	last := strings.TrimSuffix(ascii, ".")
	last = last[strings.LastIndexByte(last, '.')+1:]
	if isNumber(last) {
		a, err := netip.ParseAddr(ascii)
		if err != nil {
			return "", fmt.Errorf("%q is not an IP address in its plain form", host)
		}
		return a.String(), nil
	}
	return ascii, nil
}

func plainHost(s string) bool {
	for _, c := range []byte(s) {
		ok := c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '.' || c == '-' || c == '_'
		if !ok {
			return false
		}
	}
	return s != "" && len(s) <= 253 && s[0] != '.' && s[0] != '-' && !strings.Contains(s, "..")
}

// isNumber reports whether some resolver would read the last label of a host as part of an IPv4 address:
// digits, or 0x and hex digits.
func isNumber(label string) bool {
	if hex, ok := strings.CutPrefix(label, "0x"); ok {
		return strings.Trim(hex, "0123456789abcdef") == ""
	}
	return label != "" && strings.Trim(label, "0123456789") == ""
}

// Show is u for messages: escaped, without user name, fragment and the values of its query, any of which may hold
// a secret.
func Show(u *url.URL) string {
	v := url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path, RawPath: u.RawPath, Opaque: u.Opaque}
	s := v.String()
	if u.RawQuery != "" {
		s += "?…"
	}
	if len(s) > maxShown {
		s = s[:maxShown] + "…"
	}
	return s
}

// maxShown bounds what of a URL or of text from the network stands in a message, in bytes.
const maxShown = 300

// Quote shows text of unknown origin in a message, without what may be a password in it.
func Quote(s string) string {
	if i, j := strings.Index(s, "//"), strings.LastIndexByte(s, '@'); i >= 0 && j > i {
		s = s[:i+2] + "…" + s[j:]
	}
	if i := strings.IndexByte(s, '?'); i >= 0 {
		s = s[:i+1] + "…"
	}
	if len(s) > maxShown {
		s = s[:maxShown] + "…"
	}
	return strconv.Quote(s)
}

package transport

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
	"unicode"

	"github.com/openpackage/opkg/internal/origin"
)

// StatusError is an answer that is none of those asked for.
type StatusError struct {
	URL      string // without secrets
	Origin   origin.Origin
	Status   int
	Wait     time.Duration // what Retry-After asks for; 0: nothing
	Attempts int
	Date     time.Time // by the server's clock; zero: it did not say
}

func (e *StatusError) Error() string {
	s := fmt.Sprintf("%s: the server answered %d %s", e.URL, e.Status, http.StatusText(e.Status))
	if e.Wait > 0 {
		s += fmt.Sprintf(" and asks to wait %s", e.Wait.Round(time.Second))
	}
	return strings.TrimSuffix(s, " ") + afterAttempts(e.Attempts)
}

// Hint says what to do, or "".
func (e *StatusError) Hint() string {
	if e.Wait > 0 {
		return fmt.Sprintf("try again in %s", e.Wait.Round(time.Second))
	}
	return ""
}

func (e *StatusError) temporary() bool {
	switch e.Status {
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests, http.StatusInternalServerError,
		http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

// NetworkError is a request that got no usable answer.
type NetworkError struct {
	URL      string // without secrets
	Attempts int
	Err      error
}

func (e *NetworkError) Error() string {
	return fmt.Sprintf("%s: %s", e.URL, describe(e.Err)) + afterAttempts(e.Attempts)
}

func (e *NetworkError) Unwrap() error { return e.Err }

// TLS reports whether it was the server's certificate, or its TLS at all.
func (e *NetworkError) TLS() bool {
	var cert *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	var alert tls.AlertError
	return errors.As(e.Err, &cert) || errors.As(e.Err, &record) || errors.As(e.Err, &alert)
}

// Hint says what to do, or "".
func (e *NetworkError) Hint() string {
	var authority x509.UnknownAuthorityError
	var host x509.HostnameError
	var invalid x509.CertificateInvalidError
	var dns *net.DNSError
	var record tls.RecordHeaderError
	switch {
	case errors.As(e.Err, &authority):
		return "if the registry's certificate is signed by an authority of your own, name its file with ca-file in the config.yml of your OPKG_HOME"
	case errors.As(e.Err, &host):
		return "the certificate is another host's: check the registry's URL"
	case errors.As(e.Err, &invalid) && invalid.Reason == x509.Expired:
		return "the certificate has expired or is not valid yet: check this machine's clock, then tell the registry's owner"
	case errors.As(e.Err, &record) && string(record.RecordHeader[:]) == "HTTP/":
		return "this server speaks plain http on that port"
	case errors.As(e.Err, &dns) && dns.IsNotFound:
		return "check the registry's host name in config.yml, and the network"
	}
	return ""
}

func afterAttempts(n int) string {
	if n > 1 {
		return fmt.Sprintf(" (after %d attempts)", n)
	}
	return ""
}

// RefusedError is a request that opkg will not make, whoever asks for it.
type RefusedError struct {
	From     string // who sent the client there; "": the configuration
	Target   string
	Reason   string
	HintText string
}

func (e *RefusedError) Error() string {
	if e.From == "" {
		return fmt.Sprintf("%s: %s", e.Target, e.Reason)
	}
	return fmt.Sprintf("%s points to %s: %s", e.From, e.Target, e.Reason)
}

// Hint says what to do, or "".
func (e *RefusedError) Hint() string { return e.HintText }

// TooLargeError is an answer with more bytes than were allowed.
type TooLargeError struct {
	URL   string
	Limit int64 // bytes
}

func (e *TooLargeError) Error() string {
	return fmt.Sprintf("%s: the answer has more than %d bytes", e.URL, e.Limit)
}

// SizeError is a download whose size is not the expected one.
type SizeError struct {
	URL       string
	Want, Got int64 // bytes
	AtLeast   bool  // Got is where reading stopped
}

func (e *SizeError) Error() string {
	more := ""
	if e.AtLeast {
		more = "at least "
	}
	return fmt.Sprintf("%s: the answer has %s%d bytes, expected %d", e.URL, more, e.Got, e.Want)
}

// ChangedError is a download that broke and could not be continued, since the file on the server is not the same any more.
type ChangedError struct{ URL string }

func (e *ChangedError) Error() string {
	return e.URL + ": the file changed on the server while it was downloaded"
}

// stalledError ends an answer that is too slow.
type stalledError struct{ reason string }

func (e *stalledError) Error() string { return e.reason }

var (
	errRedirects  = fmt.Errorf("more than %d redirects", MaxRedirects)
	errBadRange   = errors.New("the server answered with another range than was asked for")
	errUnasked304 = errors.New("the server answered 304 Not Modified to an unconditional request")
)

// describe is err for a message: short, in our words where the text would puzzle, without control characters.
func describe(err error) string {
	var timeout net.Error
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return "the connection broke off"
	case strings.Contains(err.Error(), "malformed HTTP"): // of no type
		return "the answer is not HTTP"
	case errors.As(err, &timeout) && timeout.Timeout():
		return "the server does not answer (" + clean(err.Error()) + ")"
	}
	return clean(strings.TrimPrefix(err.Error(), "net/http: HTTP/1.x transport connection broken: "))
}

// clean makes text that may come from the network fit for a terminal: printable, at most 300 bytes.
func clean(s string) string {
	const most = 300
	s = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '\ufffd'
		}
		return r
	}, s)
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "…"
	}
	return s
}

package auth

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/openpackage/opkg/internal/origin"
	"github.com/openpackage/opkg/internal/strictyaml"
)

// Error says that a registry wants other credentials than it was sent, or any at all.
type Error struct {
	Origin origin.Origin
	URL    string   // what was asked for, without secrets
	Status int      // 401, 403, or 407 from a proxy
	Sent   string   // where the credentials came from: "$OPKG_TOKEN_…", "opkg login", "netrc"; "" when none were sent
	Unset  []string // variables that config.yml names for this registry and that are not set
}

// Refused is the *Error for an answer of status 401 or 403. A nil c stands for no credentials.
func (c *Credentials) Refused(o origin.Origin, url string, status int) *Error {
	e := &Error{Origin: o, URL: url, Status: status}
	if c != nil && c.origin == o {
		e.Sent, e.Unset = c.from, c.unset
	}
	return e
}

func (e *Error) Error() string {
	sent := "no credentials were sent"
	if e.Sent != "" {
		sent = "it was sent the credentials of " + e.Sent
	}
	return fmt.Sprintf("%s: not authorized: %d %s (%s)", e.URL, e.Status, http.StatusText(e.Status), sent)
}

// Hint says which credentials would be used.
func (e *Error) Hint() string {
	if !Secure(e.Origin) {
		return "no credentials are sent over plain http to another machine: use https"
	}
	if len(e.Unset) > 0 {
		return fmt.Sprintf("config.yml names $%s for this registry, which is not set", strings.Join(e.Unset, " and $"))
	}
	name, ok := TokenVariable(e.Origin)
	switch {
	case strings.HasPrefix(e.Sent, "$"):
		return fmt.Sprintf("%s may have expired, or may not give access to this", e.Sent)
	case e.Sent != "":
		return fmt.Sprintf("they may have expired, or may not give access to this: run opkg login %s", e.Origin)
	case ok:
		return fmt.Sprintf("run opkg login %s, or set %s", e.Origin, name)
	}
	return fmt.Sprintf("run opkg login %s", e.Origin)
}

// FileError is a fault of credentials.yml or netrc. It never holds text of the file.
type FileError = strictyaml.Error

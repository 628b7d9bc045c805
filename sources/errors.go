package sources

import (
	"errors"
	"fmt"
	"strings"

	"github.com/openpackage/opkg/config"
	"github.com/openpackage/opkg/ident"
)

// NotFoundError says that no registry which may answer for a name has it, or that a registry does not have an
// artifact that it lists.
type NotFoundError struct {
	Name    ident.Name
	Version ident.Version // zero: the name itself
	Asked   []string      // the registries that were asked, as "alias (source)" or "source"
	Rule    string        // why no other was asked; "" when there is no other
	Near    ident.Name    // a name that is known, and perhaps was meant; or ""
	Git     string        // the URL of a registry that was asked as static files, and looks like one of git; or ""
}

func (e *NotFoundError) Error() string {
	asked := strings.Join(e.Asked, ", ")
	switch {
	case !e.Version.IsZero():
		return fmt.Sprintf("%s@%s: its archive is not in %s", e.Name, e.Version, asked)
	case len(e.Asked) == 1:
		return fmt.Sprintf("%s is not in %s", e.Name, asked)
	case len(e.Asked) == 0:
		return fmt.Sprintf("%s is in no registry: none is configured", e.Name)
	}
	return fmt.Sprintf("%s is in no registry (asked: %s)", e.Name, asked)
}

// Hint says why no other registry was asked, or what to check.
func (e *NotFoundError) Hint() string {
	switch {
	case !e.Version.IsZero():
		return "the registry lists this version and does not serve it: tell its owner"
	case e.Git != "":
		return fmt.Sprintf("did you mean git:%s? A registry in a git repository has git: before its URL in config.yml", e.Git)
	case e.Near != "" && e.Rule != "":
		return fmt.Sprintf("did you mean %s? %s", e.Near, e.Rule)
	case e.Near != "":
		return fmt.Sprintf("did you mean %s?", e.Near)
	case e.Rule != "":
		return e.Rule
	}
	return "check the spelling of the name, and the registries in config.yml"
}

// UnavailableError says that a source gave no usable answer: unreachable, broken, not in the cache while offline.
type UnavailableError struct {
	Source ident.SourceID
	Err    error
}

func (e *UnavailableError) Error() string {
	text := e.Err.Error()
	if strings.HasPrefix(text, string(e.Source)) { // a URL below it
		return text
	}
	return fmt.Sprintf("%s is not available: %s", e.Source, text)
}

func (e *UnavailableError) Unwrap() error { return e.Err }

// Hint is that of the cause, or what to do about one that says nothing.
func (e *UnavailableError) Hint() string {
	if hint := HintOf(e.Err); hint != "" {
		return hint
	}
	return "check the network and the registry's URL, and try again; opkg sync --offline takes what is in the store"
}

// NotAllowedError says that a package may not come from where somebody wants it to come from.
type NotAllowedError struct {
	Name     ident.Name // "": whatever the package
	Target   string     // a source, or the URL of an artifact
	Reason   string
	HintText string
}

func (e *NotAllowedError) Error() string {
	if e.Name == "" {
		return fmt.Sprintf("%s is not allowed: %s", e.Target, e.Reason)
	}
	return fmt.Sprintf("%s may not come from %s: %s", e.Name, e.Target, e.Reason)
}

// Hint says what to do, or "".
func (e *NotAllowedError) Hint() string { return e.HintText }

// NoRegistryHint is for failures of the registry that is asked where none is configured.
const NoRegistryHint = "no registry is configured: name yours in .openpackage/config.yml or your own config.yml, such as registries: {team: https://registry.example.com/}"

// StoppedError says that the search for a name ended at a registry that gave no answer, since going on would let an
// outage, a lost credential or a damaged file choose another publisher's package.
type StoppedError struct {
	Name     ident.Name
	Registry string   // the one that gave no answer, as "alias (source)"
	Below    []string // aliases of those further down, which were not asked
	Err      error
}

func (e *StoppedError) Error() string {
	if len(e.Below) == 0 {
		return fmt.Sprintf("ask %s for %s: %v", e.Registry, e.Name, e.Err)
	}
	return fmt.Sprintf("ask %s for %s: %v; it must answer before anything further down (%s) may answer for %s",
		e.Registry, e.Name, e.Err, strings.Join(e.Below, ", "), e.Name)
}

func (e *StoppedError) Unwrap() error { return e.Err }

// Hint is that of the cause.
func (e *StoppedError) Hint() string { return HintOf(e.Err) }

// PinError is a registry key, or an alias before a name, that cannot be followed.
type PinError struct {
	Name     ident.Name
	Alias    string
	Reason   string
	HintText string
}

func (e *PinError) Error() string {
	return fmt.Sprintf("%s is asked for from registry %q: %s", e.Name, e.Alias, e.Reason)
}

// Hint says what to do.
func (e *PinError) Hint() string { return e.HintText }

// hintOf is the hint of the first error in err's tree that has one.
// WithHint is err with a hint, in the place of its own if it has one.
func WithHint(err error, hint string) error { return &hinted{err, hint} }

type hinted struct {
	error
	hint string
}

func (e *hinted) Hint() string  { return e.hint }
func (e *hinted) Unwrap() error { return e.error }

// failureOf is what a registry failed with, and what to do where nobody configured it, nor any other.
func failureOf(reg config.Registry, err error) error {
	if reg.Origin == config.BuiltIn {
		return WithHint(err, NoRegistryHint)
	}
	return err
}

// HintOf is the hint of an error, or "".
func HintOf(err error) string {
	var h interface{ Hint() string }
	if errors.As(err, &h) {
		return h.Hint()
	}
	return ""
}

package ident

import (
	"fmt"
	"strings"
)

// Name is the name of a package: "name" or "@scope/name", 1 to 214 characters.
// A Name made by ParseName is also a safe relative path on every operating system.
type Name string

// MaxName is the longest name, in characters.
const MaxName = 214

// NameError says why a string is not a package name.
type NameError struct {
	Input  string
	Reason string
}

func (e *NameError) Error() string {
	return fmt.Sprintf("%s is not a package name: %s", quoteShort(e.Input), e.Reason)
}

// Hint says what was probably meant, or "".
func (e *NameError) Hint() string {
	if lower := strings.ToLower(e.Input); lower != e.Input {
		if _, err := ParseName(lower); err == nil {
			return "names are lower case: " + lower
		}
	}
	return ""
}

// ParseName checks s against the naming rules. The error is a *NameError.
func ParseName(s string) (Name, error) {
	bad := func(format string, a ...any) (Name, error) {
		return "", &NameError{Input: s, Reason: fmt.Sprintf(format, a...)}
	}
	if s == "" {
		return bad("it is empty")
	}
	if len(s) > MaxName {
		return bad("it has %d characters, more than %d", len(s), MaxName)
	}
	rest := s
	if strings.HasPrefix(s, "@") {
		scope, base, ok := strings.Cut(s[1:], "/")
		if !ok {
			return bad("a scope needs a name behind it, like @scope/name")
		}
		if why := segmentFault(scope); why != "" {
			return bad("the scope %s", why)
		}
		rest = base
	}
	if why := segmentFault(rest); why != "" {
		return bad("%s", why)
	}
	return Name(s), nil
}

// Scope is "@scope" of "@scope/name", or "".
func (n Name) Scope() string {
	if !strings.HasPrefix(string(n), "@") {
		return ""
	}
	scope, _, _ := strings.Cut(string(n), "/")
	return scope
}

func (n Name) String() string { return string(n) }

// ParseScope checks a scope as written in a config: "@scope".
func ParseScope(s string) (string, error) {
	if !strings.HasPrefix(s, "@") {
		return "", &NameError{Input: s, Reason: "a scope begins with @"}
	}
	if why := segmentFault(s[1:]); why != "" {
		return "", &NameError{Input: s, Reason: "the scope " + why}
	}
	return s, nil
}

// segmentFault says what is wrong with one segment of a name, or "".
func segmentFault(s string) string {
	if s == "" {
		return "is empty"
	}
	for i, c := range []byte(s) {
		lower := c >= 'a' && c <= 'z' || c == '_'
		inner := lower || c >= '0' && c <= '9' || c == '.' || c == '-'
		switch {
		case i == 0 && !lower:
			return "must begin with a lower-case letter or _"
		case c >= 'A' && c <= 'Z':
			return "must be lower case"
		case !inner:
			return "may hold only a-z, 0-9, dot, underscore and dash"
		}
	}
	for _, twice := range []string{"..", "__", "--"} {
		if strings.Contains(s, twice) {
			return fmt.Sprintf("must not hold %q", twice)
		}
	}
	if strings.HasSuffix(s, ".") {
		return "must not end with a dot"
	}
	if IsWindowsDevice(s) {
		return "is a device name on Windows"
	}
	return ""
}

// IsWindowsDevice reports whether a path component names a device on Windows,
// with or without an extension: con, prn, aux, nul, com0–9, lpt0–9 (superscript
// digits too), conin$, conout$.
func IsWindowsDevice(component string) bool {
	stem, _, _ := strings.Cut(component, ".")
	stem, _, _ = strings.Cut(stem, ":")
	stem = strings.ToLower(strings.TrimRight(stem, " "))
	switch stem {
	case "con", "prn", "aux", "nul", "conin$", "conout$":
		return true
	}
	for _, p := range []string{"com", "lpt"} {
		if d, ok := strings.CutPrefix(stem, p); ok {
			switch d {
			case "0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "¹", "²", "³":
				return true
			}
		}
	}
	return false
}

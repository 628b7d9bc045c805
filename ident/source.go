package ident

import (
	"fmt"
	"net/url"
	"path"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/openpackage/opkg/internal/origin"
)

// SourceID is the canonical identity of a registry, as it stands in a lock:
//
//	https://registry.myorg.com/            static HTTP: host lower case, no credentials, one trailing slash
//	git:https://host/repo.git#beta         a git registry; the branch where one is named
//	file:../team-registry                  a directory, as the config wrote it
//
// Its methods never panic; for text that ParseSource would refuse they mean nothing.
type SourceID string

// SourceKind tells the kinds of registry apart.
type SourceKind uint8

// The kinds of registry.
const (
	StaticHTTP SourceKind = iota + 1
	GitRegistry
	Directory
)

// MaxURL is the longest text of a source or git URL, in bytes.
const MaxURL = 2048

// maxPath leaves room for any host, so that no canonical form is longer than MaxURL.
const (
	maxPath     = 1024
	tooLongPath = "its path is longer than 1024 bytes"
)

const (
	gitPrefix  = "git:"
	filePrefix = "file:"
)

// SourceError says why a text names no registry, or no git repository.
type SourceError struct {
	Input  string // without what may be a password
	What   string // "registry" or "git URL"
	Reason string
	hint   string
}

func (e *SourceError) Error() string {
	return fmt.Sprintf("%s is not a %s: %s", quoteShort(e.Input), e.What, e.Reason)
}

// Hint says what to write instead, or "".
func (e *SourceError) Hint() string { return e.hint }

// ParseSource validates and canonicalizes the text of a config or lock. A path without a
// scheme is refused, as are credentials in a URL, "ext::", a leading dash, a query, control characters
// and a backslash. Plain http: is accepted here as a form; whether it is allowed is the config's question.
func ParseSource(s string) (SourceID, error) {
	bad := func(reason string) (SourceID, error) {
		return "", &SourceError{redact(s), "registry", reason, "write https://HOST/PATH/, git:URL or file:DIRECTORY"}
	}
	if why := textFault(s); why != "" {
		return bad(why)
	}
	scheme, rest, ok := strings.Cut(s, ":")
	if !ok {
		return bad("it has no scheme")
	}
	if isWebScheme(scheme) {
		u, err := parseWebURL(s, "registry")
		if err != nil {
			return "", err
		}
		return SourceID(u + "/"), nil
	}
	switch strings.ToLower(scheme) {
	case "file":
		dir, why := directoryPath(rest)
		if why != "" {
			return bad(why)
		}
		return SourceID(filePrefix + dir), nil
	case "git":
		repository, branch, named := strings.Cut(rest, "#")
		repository, err := ParseGitURL(repository)
		if err != nil {
			return "", err
		}
		if !named {
			return SourceID(gitPrefix + repository), nil
		}
		if why := refFault(branch); why != "" {
			return bad("its branch " + why)
		}
		if isCommit(branch) {
			return bad("its branch looks like a commit")
		}
		return SourceID(gitPrefix + repository + "#" + branch), nil
	}
	return bad("its scheme is none of https, git and file")
}

// Kind tells what sort of registry s names; 0 for none of them.
func (s SourceID) Kind() SourceKind {
	switch scheme, _, _ := strings.Cut(string(s), ":"); scheme {
	case "https", "http":
		return StaticHTTP
	case "git":
		return GitRegistry
	case "file":
		return Directory
	}
	return 0
}

// URL is the base URL (StaticHTTP), the git URL without branch (GitRegistry), or the path (Directory):
// absolute, relative, or under "~/".
func (s SourceID) URL() string {
	switch s.Kind() {
	case GitRegistry:
		u, _, _ := strings.Cut(strings.TrimPrefix(string(s), gitPrefix), "#")
		return u
	case Directory:
		return strings.TrimPrefix(string(s), filePrefix)
	}
	return string(s)
}

// Branch is the channel of a git registry, or "".
func (s SourceID) Branch() string {
	if s.Kind() != GitRegistry {
		return ""
	}
	_, branch, _ := strings.Cut(string(s), "#")
	return branch
}

func (s SourceID) String() string { return string(s) }

func isWebScheme(s string) bool { return strings.EqualFold(s, "https") || strings.EqualFold(s, "http") }

// parseWebURL reads an http or https URL without query, what says of what, and returns its canonical
// form without a slash at its end: see origin.ParseURL; and a host loses its trailing dot, a path its
// dot segments and needless escapes. Only a registry may have no path.
func parseWebURL(s, what string) (string, error) {
	u, err := origin.ParseURL(s)
	if err != nil {
		return "", err
	}
	p, why := urlPath(u)
	switch {
	case u.RawQuery != "" || u.ForceQuery:
		why = "it has a query"
	case p == "" && what != "registry":
		why = "it names no repository"
	}
	if why != "" {
		return "", &SourceError{Input: redact(s), What: what, Reason: why}
	}
	if host := undot(u); host != u.Host {
		return parseWebURL(u.Scheme+"://"+host+p, what) // a host that is checked again without its dot
	}
	return u.Scheme + "://" + u.Host + p, nil
}

// undot is the host and port of u without the dot that may end a host name: the same host for DNS,
// and another one for whoever compares text.
func undot(u *url.URL) string {
	name, ok := strings.CutSuffix(u.Hostname(), ".")
	if !ok {
		return u.Host
	}
	if port := u.Port(); port != "" {
		name += ":" + port
	}
	return name
}

// urlPath is the canonical path of u: clean, without a slash at its end, escaped only where it must be.
func urlPath(u *url.URL) (text, why string) {
	escaped := strings.ToLower(u.EscapedPath())
	if strings.Contains(escaped, "%2f") || strings.Contains(escaped, "%5c") {
		return "", "it has an escaped slash"
	}
	for _, r := range u.Path {
		if r == '\\' || r == utf8.RuneError || !unicode.IsPrint(r) {
			return "", fmt.Sprintf("its path must not hold %q", r)
		}
	}
	p := (&url.URL{Path: strings.TrimSuffix(path.Clean("/"+u.Path), "/")}).EscapedPath()
	if len(p) > maxPath {
		return "", tooLongPath
	}
	return p, ""
}

// directoryPath cleans the path behind "file:". "file:///path" is a URL, whose escapes are read.
func directoryPath(s string) (dir, why string) {
	if strings.HasPrefix(s, "//") {
		u, err := url.Parse(filePrefix + s)
		if err != nil || u.Host != "" || u.User != nil || !strings.HasPrefix(u.Path, "/") {
			return "", "it names a host, where file:DIRECTORY is wanted"
		}
		s = u.Path
	}
	switch {
	case s == "":
		return "", "it names no directory"
	case strings.ContainsAny(s, "?#"):
		return "", "a path must not hold ? or #"
	case s[0] == '-':
		return "", "its path begins with a dash"
	case s[0] == '~' && s != "~" && s[1] != '/':
		return "", "only ~/ is understood of what begins with ~"
	}
	cleaned := cleanPath(s)
	if s[0] == '.' && strings.ContainsRune("-~", rune(cleaned[0])) {
		cleaned = "./" + cleaned // still no option and no home directory
	}
	return cleaned, textFault(cleaned)
}

// cleanPath is path.Clean that keeps "~" in its place.
func cleanPath(s string) string {
	rest, ok := strings.CutPrefix(s, "~/")
	if !ok {
		return path.Clean(s)
	}
	if rest = path.Clean(strings.TrimLeft(rest, "/")); rest == "." {
		return "~"
	}
	return "~/" + rest
}

// textFault refuses what no source may hold, in whatever form it comes. A path may hold spaces.
func textFault(s string) string {
	switch {
	case s == "":
		return "it is empty"
	case len(s) > MaxURL:
		return fmt.Sprintf("it has %d bytes, more than %d", len(s), MaxURL)
	case !utf8.ValidString(s):
		return "it is not UTF-8"
	case s[0] == '-':
		return "it begins with a dash"
	case s != strings.Trim(s, " "):
		return "it has blanks around it"
	}
	for _, r := range s {
		if r == '\\' || !unicode.IsPrint(r) {
			return fmt.Sprintf("it must not hold %q", r)
		}
	}
	return ""
}

// redact is s without what may be a secret: the user name and password of a URL, the password
// elsewhere, and a query.
func redact(s string) string {
	if at := strings.LastIndexByte(s, '@'); at >= 0 {
		slashes := strings.Index(s[:at], "//")
		switch {
		case slashes >= 0 && !strings.HasPrefix(s, "ssh:"):
			s = s[:slashes+2] + ellipsis + s[at:]
		case strings.Contains(s[slashes+1:at], ":"):
			s = s[:slashes+1] + ellipsis + s[at:]
		}
	}
	if i := strings.IndexByte(s, '?'); i >= 0 {
		s = s[:i+1] + ellipsis
	}
	return s
}

package lock

import (
	"errors"
	"fmt"
	"net/url"
	"path"
	"strings"
	"unicode"

	"github.com/openpackage/opkg/ident"
	"github.com/openpackage/opkg/internal/origin"
)

// checked is the text of v if it is a string that any key may hold and in which fault finds nothing.
func (v value) checked(fault func(string) string) (string, error) {
	if v.kind != textValue {
		return "", v.mistyped(textValue)
	}
	s := v.text
	switch {
	case s == "":
		return "", errors.New("it is empty")
	case len(s) > MaxValue:
		return "", fmt.Errorf("it has more than %d bytes", MaxValue)
	case hasControl(s):
		return "", fmt.Errorf("%s holds a control character", quote(s))
	case fault == nil:
		return s, nil
	}
	if why := fault(s); why != "" {
		return "", fmt.Errorf("%s %s", quote(withoutSecrets(s)), why)
	}
	return s, nil
}

func hasControl(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c >= 0x7f { // only now look closer
			return strings.ContainsFunc(s[i:], unicode.IsControl)
		}
	}
	return false
}

func (v value) name() (ident.Name, error) {
	s, err := v.checked(nil)
	if err != nil {
		return "", err
	}
	return ident.ParseName(s)
}

func (v value) ref() (string, error) {
	s, err := v.checked(nil)
	if err == nil {
		err = ident.ParseRef(s)
	}
	return s, err
}

func (v value) number(low, high int64) (int64, error) {
	if v.kind != numberValue {
		return 0, v.mistyped(numberValue)
	}
	if v.num < low || v.num > high {
		return 0, fmt.Errorf("%d is not between %d and %d", v.num, low, high)
	}
	return v.num, nil
}

// truth is a flag. False has one spelling, which is to leave the key out.
func (v value) truth() (bool, error) {
	if v.kind != flagValue {
		return false, v.mistyped(flagValue)
	}
	if !v.flag {
		return false, errors.New("leave the key out for false")
	}
	return true, nil
}

func (v value) mistyped(want valueKind) error {
	return fmt.Errorf("it is %s, want %s", v.kind, want)
}

// fault says what is wrong with a require as a whole, or "".
func (r *Require) fault() string {
	switch {
	case r.Path != "" && (r.Git != "" || r.Registry != "" || r.Base != "" || r.Range != ""):
		return "has a path, and so may not have git, registry, base or range"
	case r.Git != "" && r.Registry != "":
		return "has both git and registry"
	case r.Git == "" && (r.Ref != "" || r.Base != ""):
		return "has a ref or base without git"
	}
	return ""
}

// optionalKeys are the keys of a package that not every kind of package has; the rules of keyRules follow their order.
var optionalKeys = [...]string{"artifact", "ref", "base", "commit", "size", "sha256", "tree"}

// keyRules say for each kind of package which optionalKeys it must (r) and may (o) have; the others (-) it may not.
var keyRules = [...]struct{ kind, rule string }{
	pathPackage:  {"a package with a path", "-------"},
	gitPackage:   {"a package from git", "-oor-rr"},
	filePackage:  {"a package from a registry of archives", "r---rrr"},
	gitRegistry:  {"a package from a git registry", "o--r-rr"},
	unsetPackage: {},
}

type packageKind uint8

const (
	unsetPackage packageKind = iota
	pathPackage
	gitPackage
	filePackage
	gitRegistry
)

// kind tells what sort of source k has; unset unless there is exactly one.
func (k *Package) kind() packageKind {
	switch {
	case k.Path != "" && k.Git == "" && k.Source == "":
		return pathPackage
	case k.Git != "" && k.Path == "" && k.Source == "":
		return gitPackage
	case k.Source == "" || k.Git != "" || k.Path != "":
		return unsetPackage
	case k.Source.Kind() == ident.GitRegistry:
		return gitRegistry
	}
	return filePackage
}

// fault says what is wrong with a package as a whole, or "".
func (k *Package) fault() string {
	kind := k.kind()
	switch {
	case k.Version.IsZero():
		return "has no version"
	case kind == unsetPackage:
		return "needs exactly one of source, git and path"
	}
	set := [len(optionalKeys)]bool{k.Artifact != "", k.Ref != "", k.Base != "", k.Commit != "", k.Size != 0,
		!k.SHA256.IsZero(), !k.Tree.IsZero()}
	for i, key := range optionalKeys {
		switch rule := keyRules[kind].rule[i]; {
		case rule == 'r' && !set[i]:
			return "has no " + key
		case rule == '-' && set[i]:
			return fmt.Sprintf("has a %s, which %s cannot have", key, keyRules[kind].kind)
		}
	}
	switch {
	case !isWebURL(k.Artifact):
		return ""
	case k.Source.Kind() != ident.StaticHTTP:
		return "has an artifact that is not in its source"
	case strings.HasPrefix(k.Artifact, string(k.Source)):
		return "has an artifact that should be written relative to its source"
	}
	return ""
}

// artifactFault judges where an archive is: a path below its source, or a web URL.
func artifactFault(s string) string {
	if !isWebURL(s) {
		if strings.ContainsAny(s, `:?#\`) || strings.ContainsFunc(s, unicode.IsSpace) {
			return "is neither a path below its source nor a URL without user, query and fragment"
		}
		if strings.HasPrefix(s, "-") {
			return "begins with a dash"
		}
		return segmentsFault(s)
	}
	u, err := origin.ParseURL(s)
	switch {
	case err != nil:
		return "is not a URL without user and fragment"
	case u.RawQuery != "" || u.ForceQuery:
		return "holds a query"
	case u.String() != s:
		return "is not in its canonical form, " + quote(u.String())
	}
	return segmentsFault(strings.TrimPrefix(u.EscapedPath(), "/"))
}

func isWebURL(s string) bool {
	return strings.HasPrefix(s, "https://") || strings.HasPrefix(s, "http://")
}

// segmentsFault judges a path, its percent escapes decoded: no empty or dot segment, and nothing decoded that would be another path.
func segmentsFault(s string) string {
	for segment := range strings.SplitSeq(s, "/") {
		plain, err := url.PathUnescape(segment)
		switch {
		case err != nil:
			return "holds a malformed percent escape"
		case plain == "" || plain == "." || plain == "..":
			return "holds an empty segment, . or .."
		case strings.ContainsFunc(plain, func(r rune) bool { return r < ' ' || r == 0x7f || r == '/' || r == '\\' }):
			return "hides a slash, a backslash or a control character behind a percent escape"
		}
	}
	return ""
}

// pathFault judges the directory of a path package: clean, and relative to the workspace.
func pathFault(s string) string {
	switch {
	case strings.Contains(s, `\`):
		return "holds a backslash"
	case path.IsAbs(s) || len(s) > 1 && s[1] == ':':
		return "is not relative to the workspace"
	case path.Clean(s) != s:
		return "is not in its shortest form, " + quote(path.Clean(s))
	}
	return ""
}

// insideFault judges a directory of a repository.
func insideFault(s string) string {
	if s == "." || s == ".." || strings.HasPrefix(s, "../") {
		return "is not a directory in the repository"
	}
	return pathFault(s)
}

func upperFault(s string) string {
	if s != strings.ToLower(s) {
		return "is not in lower case"
	}
	return ""
}

// withoutSecrets cuts out of a URL what may be a password or a token: it must not come into a message.
func withoutSecrets(s string) string {
	if i := strings.IndexAny(s, "?#"); i >= 0 {
		s = s[:i+1] + "…"
	}
	if scheme, rest, ok := strings.Cut(s, "://"); ok {
		if i := strings.LastIndexByte(rest, '@'); i >= 0 && !strings.Contains(rest[:i], "/") {
			s = scheme + "://…" + rest[i:]
		}
	}
	return s
}

// maxQuoted is how much of a value a message shows, in bytes.
const maxQuoted = 120

// quote makes s fit for a message.
func quote(s string) string { return fmt.Sprintf("%q", clip(s)) }

func clip(s string) string {
	if len(s) <= maxQuoted {
		return s
	}
	return strings.ToValidUTF8(s[:maxQuoted], "") + "…"
}

package sources

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/openpackage/opkg/ident"
	"github.com/openpackage/opkg/internal/origin"
	"github.com/openpackage/opkg/registry"
)

// Resolve reads the tarball reference of an index: relative to the index, as a browser would, or an absolute URL. An artifact
// under base, which ends with a slash, is returned as a path relative to base; one on another origin as its URL
// in canonical form. What lies on base's origin but not under base is refused.
func Resolve(base *url.URL, name ident.Name, ref string) (string, error) {
	if isPlain(ref) {
		return "packages/" + string(name) + "/" + ref, nil
	}
	if rest, ok := strings.CutPrefix(ref, base.String()); ok && CheckPath(rest) == nil {
		return rest, nil
	}
	u, err := resolveURL(base, name, ref)
	if err != nil {
		return "", err
	}
	if origin.Of(u) != origin.Of(base) {
		return u.String(), nil
	}
	rest, ok := strings.CutPrefix(u.EscapedPath(), base.EscapedPath())
	if !ok {
		return "", fmt.Errorf("%s leaves the registry", origin.Quote(ref))
	}
	if err := CheckPath(rest); err != nil {
		return "", err
	}
	return rest, nil
}

func resolveURL(base *url.URL, name ident.Name, ref string) (*url.URL, error) {
	if strings.Contains(ref, "://") {
		return origin.ParseURL(ref)
	}
	rel, err := url.Parse(ref)
	if err != nil || rel.Scheme != "" || rel.Host != "" || rel.User != nil {
		return nil, fmt.Errorf("%s is neither an https URL nor a path", origin.Quote(ref))
	}
	u := base.JoinPath(registry.IndexPath(name)).ResolveReference(rel)
	return origin.ParseURL(u.String())
}

// isPlain reports whether ref is just a file beside the index.
func isPlain(ref string) bool {
	for _, c := range []byte(ref) {
		ok := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '.' || c == '-' || c == '_' || c == '+'
		if !ok {
			return false
		}
	}
	return ref != "" && ref[0] != '.' && ref[0] != '-'
}

var errPath = errors.New("want a path below the registry as a URL has it, without . and .. and empty parts, query, fragment or backslash")

// CheckPath judges an artifact's path relative to its source, percent escapes included: what any server would
// read as a path below the registry.
func CheckPath(path string) error {
	plain, err := url.PathUnescape(path)
	if err != nil || path == "" || strings.ContainsAny(path, `\?#:`) || strings.Contains(plain, `\`) {
		return errPath
	}
	if strings.Count(plain, "/") != strings.Count(path, "/") {
		return errPath // an escaped slash
	}
	unseen := func(r rune) bool { return r <= ' ' || r >= 0x7f }
	if strings.ContainsFunc(path, unseen) || strings.ContainsFunc(plain, unicode.IsControl) || !utf8.ValidString(plain) {
		return errPath
	}
	for part := range strings.SplitSeq(plain, "/") {
		if part == "" || part == "." || part == ".." {
			return errPath
		}
	}
	if path[0] == '-' {
		return errPath
	}
	return nil
}

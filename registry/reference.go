package registry

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"unicode"
)

// checkReference judges the form of a tarball reference: an http or https URL, or a path. Where it
// leads, and whether it may lead there, is the business of the source that knows the registry's URL.
func checkReference(s string) error {
	switch {
	case s == "":
		return errors.New("it is empty")
	case len(s) > MaxReference:
		return fmt.Errorf("it has more than %d bytes", MaxReference)
	case strings.ContainsFunc(s, func(r rune) bool { return isControl(r) || unicode.IsSpace(r) }):
		return fmt.Errorf("%s holds white space or a control character", quote(s))
	case strings.Contains(s, `\`):
		return fmt.Errorf("%s holds a backslash", quote(s))
	case strings.Contains(s, "#"):
		return fmt.Errorf("%s holds a fragment", quote(s))
	case strings.Contains(s, "?"):
		return fmt.Errorf("%s holds a query, which a lock cannot keep", quote(s))
	case strings.HasPrefix(s, "-"):
		return fmt.Errorf("%s begins with a dash", quote(s))
	case !validEscapes(s):
		return fmt.Errorf("%s holds a malformed percent escape", quote(s))
	}
	rest, isURL := strings.CutPrefix(s, "https://")
	if !isURL {
		rest, isURL = strings.CutPrefix(s, "http://")
	}
	if !isURL {
		if strings.HasPrefix(s, "//") || strings.Contains(s, ":") {
			return fmt.Errorf("%s is neither an https: URL nor a path", quote(s))
		}
		return nil
	}
	host, path, _ := strings.Cut(rest, "/")
	switch {
	case strings.Contains(host, "@"):
		return fmt.Errorf("%s holds a user or a password", quoteNoUser(s))
	case host == "" || strings.HasPrefix(host, ":"):
		return fmt.Errorf("%s has no host", quote(s))
	}
	for part := range strings.SplitSeq(path, "/") {
		plain, err := url.PathUnescape(part)
		if err != nil || plain == "" || plain == "." || plain == ".." || strings.ContainsAny(plain, `/\`) || strings.ContainsFunc(plain, unicode.IsControl) {
			return fmt.Errorf("%s has an empty part, a . or .., or an escaped slash or control character in its path", quote(s))
		}
	}
	return nil
}

// quoteNoUser is quote without what stands before the @ of a URL: it may be a password.
func quoteNoUser(s string) string {
	scheme, rest, _ := strings.Cut(s, "://")
	host, path, _ := strings.Cut(rest, "/")
	return quote(scheme + "://…" + host[strings.LastIndexByte(host, '@'):] + "/" + path)
}

func validEscapes(s string) bool {
	for i := strings.IndexByte(s, '%'); i >= 0 && i < len(s); i++ {
		if s[i] == '%' && (i+2 >= len(s) || !isHex(s[i+1]) || !isHex(s[i+2])) {
			return false
		}
	}
	return true
}

func isHex(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}

// isControl finds what may not reach a terminal: control characters, and the invisible ones that change how others are shown.
func isControl(r rune) bool {
	return unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp)
}

// isRFC3339 reports whether s is a date and time with an offset, such as 2024-05-06T07:08:09Z.
func isRFC3339(s string) bool {
	const shape = "0000-00-00T00:00:00"
	if len(s) < len(shape)+1 || !hasShape(s[:len(shape)], shape) {
		return false
	}
	number := func(at int) int { return int(s[at]-'0')*10 + int(s[at+1]-'0') }
	month, day := number(5), number(8)
	days := [...]int{31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31}
	year := number(0)*100 + number(2)
	if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
		days[1] = 29
	}
	if month < 1 || month > 12 || day < 1 || day > days[month-1] || number(11) > 23 || number(14) > 59 || number(17) > 60 {
		return false
	}
	zone := s[len(shape):]
	if fraction, ok := strings.CutPrefix(zone, "."); ok {
		zone = strings.TrimLeft(fraction, "0123456789")
		if len(zone) == len(fraction) {
			return false
		}
	}
	return zone == "Z" || hasShape(zone, "+00:00") && zone[1:3] < "24" && zone[4:] < "60" ||
		hasShape(zone, "-00:00") && zone[1:3] < "24" && zone[4:] < "60"
}

// hasShape compares s with a shape in which 0 is any digit.
func hasShape(s, shape string) bool {
	if len(s) != len(shape) {
		return false
	}
	for i := range len(s) {
		if digit := s[i] >= '0' && s[i] <= '9'; digit != (shape[i] == '0') || !digit && s[i] != shape[i] {
			return false
		}
	}
	return true
}

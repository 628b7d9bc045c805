package ident

import (
	"fmt"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/openpackage/opkg/internal/origin"
)

// ParseGitURL validates the URL of a git repository and returns its canonical form:
//
//	https://host/path.git         also http:; no user name
//	ssh://git@host:2222/path.git  a user name, no password; port 22 left out
//	git@host:path.git             the scp form is kept, as its path may be relative
//	file:///path                  a local repository by URL
//	./dir ../dir /dir ~/dir       or by path; "dir" alone is refused, C:/dir becomes file:///C:/dir
//
// Hosts are lower case and punycode, paths clean and without a trailing slash. Refused are other
// transports ("ext::" above all), passwords, queries, fragments, blanks, control characters,
// backslashes, and whatever git or ssh could take for an option.
func ParseGitURL(s string) (string, error) {
	bad := func(reason string) (string, error) {
		return "", &SourceError{redact(s), "git URL", reason,
			"write https://HOST/PATH.git, git@HOST:PATH.git, or a directory as ./DIR or /DIR"}
	}
	if why := textFault(s); why != "" {
		return bad(why)
	}
	if strings.ContainsAny(s, "?#") {
		return bad("it has a query or a fragment")
	}
	if helper, _, ok := strings.Cut(s, "::"); ok && !strings.ContainsAny(helper, "/[@") {
		return bad("git's remote helpers are not allowed")
	}
	scheme, rest, isURL := strings.Cut(s, "://")
	if isURL && !strings.ContainsAny(scheme, "/:@") {
		switch strings.ToLower(scheme) {
		case "https", "http":
			u, err := parseWebURL(s)
			if err != nil {
				return "", err
			}
			if u = strings.TrimSuffix(u, "/"); strings.Count(u, "/") < 3 {
				return bad("it names no repository")
			}
			return u, nil
		case "ssh":
			return orBad(bad)(sshURL(rest))
		case "file":
			return orBad(bad)(fileURL(s))
		}
		return bad("its scheme is none of https, ssh and file")
	}
	if isDrive(s) {
		return orBad(bad)(fileURL("file:///" + (&url.URL{Path: s}).EscapedPath()))
	}
	if isLocalPath(s) && !strings.HasPrefix(s, "//") { // a URL without its scheme
		return orBad(bad)(localPath(s))
	}
	if host, dir, ok := cutSCP(s); ok {
		return orBad(bad)(scpForm(host, dir))
	}
	return bad("it has no scheme and is no path")
}

// orBad turns a reason into the caller's error.
func orBad(bad func(string) (string, error)) func(text, why string) (string, error) {
	return func(text, why string) (string, error) {
		if why != "" {
			return bad(why)
		}
		return text, nil
	}
}

// sshURL reads what follows "ssh://".
func sshURL(s string) (text, why string) {
	if strings.Contains(s, " ") {
		return "", "it holds a blank"
	}
	u, err := url.Parse("ssh://" + s)
	if err != nil {
		return "", "it is not a URL"
	}
	user := ""
	if u.User != nil {
		if _, has := u.User.Password(); has {
			return "", "it holds a password"
		}
		if user = u.User.Username(); !isUser(user) {
			return "", "its user name is not one"
		}
		user += "@"
	}
	host, why := gitHost(u.Hostname())
	if why != "" {
		return "", why
	}
	if strings.HasSuffix(u.Host, ":") {
		return "", "its port is empty"
	}
	if port := u.Port(); port != "" {
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 || port[0] == '0' {
			return "", "its port is not a number from 1 to 65535"
		}
		if port != "22" {
			host += ":" + port
		}
	}
	p, why := urlPath(u)
	if why != "" {
		return "", why
	}
	if p = strings.TrimSuffix(p, "/"); p == "" {
		return "", "it names no repository"
	}
	return "ssh://" + user + host + p, ""
}

func fileURL(s string) (text, why string) {
	u, err := url.Parse(s)
	if err != nil || u.Host != "" || u.User != nil || !strings.HasPrefix(u.Path, "/") {
		return "", "file: must have three slashes and no host"
	}
	p, why := urlPath(u)
	if why != "" {
		return "", why
	}
	if p = strings.TrimSuffix(p, "/"); p == "" {
		return "", "it names no repository"
	}
	return "file://" + p, ""
}

// cutSCP splits [user@]host:path as git does: the colon comes before any slash, an IPv6 address
// stands in brackets.
func cutSCP(s string) (host, dir string, ok bool) {
	from := 0
	if end := strings.Index(s, "]:"); end >= 0 && !strings.Contains(s[:end], "/") {
		from = end
	}
	colon := strings.IndexByte(s[from:], ':')
	if colon < 0 || strings.Contains(s[:from+colon], "/") {
		return "", "", false
	}
	return s[:from+colon], s[from+colon+1:], true
}

// notHosts are schemes that a missing slash would turn into the host of an scp form.
var notHosts = []string{"ext", "fd", "file", "ftp", "ftps", "git", "http", "https", "ssh"}

func scpForm(host, dir string) (text, why string) {
	user := ""
	if at := strings.LastIndexByte(host, '@'); at >= 0 {
		user, host = host[:at], host[at+1:]
		if strings.Contains(user, ":") {
			return "", "it holds a password"
		}
		if !isUser(user) {
			return "", "its user name is not one"
		}
		user += "@"
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	host, why = gitHost(host)
	if why != "" {
		return "", why
	}
	if user == "" && slices.Contains(notHosts, host) {
		return "", "it is neither a URL nor the form user@host:path"
	}
	switch cleaned := cleanPath(dir); {
	case strings.Contains(dir, " "):
		return "", "it holds a blank"
	case strings.Trim(cleaned, "/.") == "":
		return "", "it names no repository"
	case strings.HasPrefix(cleaned, "-"):
		return "", "its path begins with a dash"
	default:
		return user + host + ":" + cleaned, ""
	}
}

// gitHost is the canonical form of a host, IPv6 in brackets.
func gitHost(host string) (text, why string) {
	host = strings.TrimSuffix(host, ".")
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	u, err := origin.ParseURL("https://" + host + "/")
	if err != nil || u.Path != "/" || u.Port() != "" || u.RawQuery != "" {
		return "", fmt.Sprintf("%s is not a host", quoteShort(host))
	}
	return u.Host, ""
}

// isUser reports whether s is a user name for ssh that is no option and needs no escape.
func isUser(s string) bool {
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && (i == 0 || !strings.ContainsRune("._+-", rune(c))) && c != '_' {
			return false
		}
	}
	return s != ""
}

// isDrive reports whether s is an absolute path of Windows, which git elsewhere takes for the host C.
func isDrive(s string) bool {
	return len(s) > 2 && s[1] == ':' && s[2] == '/' && (s[0]|0x20 >= 'a' && s[0]|0x20 <= 'z')
}

func isLocalPath(s string) bool {
	for _, p := range []string{".", "..", "~"} {
		if s == p || strings.HasPrefix(s, p+"/") {
			return true
		}
	}
	return s[0] == '/'
}

// localPath cleans a path so that it is still one for isLocalPath.
func localPath(s string) (text, why string) {
	cleaned := cleanPath(s)
	if s[0] == '.' && cleaned != "." && cleaned != ".." && !strings.HasPrefix(cleaned, "../") {
		cleaned = "./" + cleaned
	}
	return cleaned, textFault(cleaned)
}

// MaxRef is the longest ref, in bytes.
const MaxRef = 255

// RefError says why a text is not the name of a tag or branch, nor a commit.
type RefError struct {
	Input  string
	Reason string
}

func (e *RefError) Error() string {
	return fmt.Sprintf("%s is not a tag, branch or commit: it %s", quoteShort(e.Input), e.Reason)
}

// ParseRef checks a ref as a manifest writes it: a tag, a branch, or a full commit (which 40 or 64
// lower-case hex digits always are, never a branch of that name). The rules are those of git
// check-ref-format, without what a refspec or an option could be made of. The error is a *RefError.
func ParseRef(s string) error {
	if why := refFault(s); why != "" {
		return &RefError{Input: s, Reason: why}
	}
	return nil
}

// isCommit reports whether git would take s for an object id, in either case.
func isCommit(s string) bool {
	_, err := ParseCommit(strings.ToLower(s))
	return err == nil
}

// refFault says what is wrong with a ref, or "".
func refFault(s string) string {
	switch {
	case s == "":
		return "is empty"
	case len(s) > MaxRef:
		return fmt.Sprintf("has %d bytes, more than %d", len(s), MaxRef)
	case !utf8.ValidString(s):
		return "is not UTF-8"
	case s[0] == '-' || s[0] == '+':
		return fmt.Sprintf("begins with %q", s[0])
	case s == "@" || strings.Contains(s, "@{") || strings.Contains(s, ".."):
		return `must not hold "..", "@{" or be "@"`
	case strings.HasSuffix(s, "."):
		return "ends with a dot"
	case path.Clean(s) != s || s[0] == '/':
		return "has a slash or dot too many"
	case isCommit(s) && s != strings.ToLower(s):
		return "is a commit in upper case"
	}
	for part := range strings.SplitSeq(s, "/") {
		if strings.HasPrefix(part, ".") || strings.HasSuffix(part, ".lock") {
			return `has a part that begins with a dot or ends with ".lock"`
		}
	}
	for _, r := range s {
		if r == ' ' || strings.ContainsRune(`~^:?*[\`, r) || !unicode.IsPrint(r) {
			return fmt.Sprintf("must not hold %q", r)
		}
	}
	return ""
}

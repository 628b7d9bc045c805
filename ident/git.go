package ident

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

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
	text, why := "", textFault(s)
	if why == "" {
		if scheme, _, ok := strings.Cut(s, "://"); ok && isWebScheme(scheme) {
			return parseWebURL(s, "git URL")
		}
		text, why = gitURL(s)
	}
	if why != "" {
		return "", &SourceError{redact(s), "git URL", why,
			"write https://HOST/PATH.git, git@HOST:PATH.git, or a directory as ./DIR or /DIR"}
	}
	return text, nil
}

// gitURL reads every form but that of the web.
func gitURL(s string) (text, why string) {
	if strings.ContainsAny(s, "?#") {
		return "", "it has a query or a fragment"
	}
	if helper, _, ok := strings.Cut(s, "::"); ok && !strings.ContainsAny(helper, "/[@") {
		return "", "git's remote helpers are not allowed"
	}
	if scheme, rest, ok := strings.Cut(s, "://"); ok && !strings.ContainsAny(scheme, "/:@") {
		switch strings.ToLower(scheme) {
		case "ssh":
			return sshURL(rest)
		case "file":
			return fileURL(s)
		}
		return "", "its scheme is none of https, ssh and file"
	}
	if isDrive(s) {
		return fileURL("file:///" + (&url.URL{Path: s}).EscapedPath())
	}
	if isLocalPath(s) && !strings.HasPrefix(s, "//") { // a URL without its scheme
		return localPath(s)
	}
	if host, dir, ok := cutSCP(s); ok {
		return scpForm(host, dir)
	}
	return "", "it has no scheme and is no path"
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
	if p == "" {
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
	if p == "" {
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
	case len(cleaned) > maxPath:
		return "", tooLongPath
	case strings.Trim(cleaned, "/.") == "":
		return "", "it names no repository"
	case cleaned[0] == '-' || cleaned[0] == ':': // an option, or a remote helper called host
		return "", fmt.Sprintf("its path begins with %q", cleaned[0])
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
	for _, c := range []byte(s) {
		alnum := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if !alnum && !strings.ContainsRune("._+-", rune(c)) {
			return false
		}
	}
	return s != "" && !strings.ContainsRune(".+-", rune(s[0]))
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

package ident

import (
	"fmt"
	"path"
	"strings"
	"unicode"
	"unicode/utf8"
)

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

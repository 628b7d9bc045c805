package lock

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// reader splits the text of a lock into tables and keys. It reads the part of TOML that a lock is made of, in
// linear time and with the line of everything: comments, [[tables]], and keys with a string (basic or literal,
// on one line), a whole number, a boolean, or an array of strings. Multi-line strings, inline tables, dotted keys and the other
// types of TOML have no place in a lock and are refused. Whatever it accepts, TOML reads the same way; a test
// compares it with a full TOML decoder.
type reader struct {
	text string
	pos  int
	line int // of pos, from 1
}

// item is one thing that a reader finds.
type item struct {
	kind  itemKind
	name  string // of the table or key
	line  int
	value value // keyItem
}

type itemKind uint8

const (
	endItem itemKind = iota
	tableItem
	keyItem
)

// value is what stands behind a key.
type value struct {
	kind valueKind
	text string
	num  int64
	flag bool
	list []element
}

type valueKind uint8

const (
	textValue valueKind = iota
	numberValue
	flagValue
	listValue
)

func (k valueKind) String() string {
	return [...]string{"a string", "a whole number", "true or false", "a list of strings"}[k]
}

// element is one string of a list.
type element struct {
	text string
	line int
}

// next finds the next table or key. The error is a *syntaxError.
func (r *reader) next() (item, error) {
	if err := r.skipBlank(); err != nil {
		return item{}, err
	}
	it := item{line: r.line}
	if r.pos == len(r.text) {
		return it, nil
	}
	var err error
	if rest := r.text[r.pos:]; rest[0] == '[' {
		it.kind = tableItem
		it.name, err = r.tableName()
	} else {
		it.kind = keyItem
		it.name, it.value, err = r.assignment()
	}
	if err != nil {
		return item{}, err
	}
	return it, r.endLine()
}

func (r *reader) tableName() (string, error) {
	rest, ok := strings.CutPrefix(r.text[r.pos:], "[[")
	if !ok {
		return "", r.fault("want a table such as [[package]]")
	}
	r.pos += len("[[")
	name := rest[:bareLen(rest)]
	r.pos += len(name)
	if name == "" || !strings.HasPrefix(r.text[r.pos:], "]]") {
		return "", r.fault("want a table such as [[package]]")
	}
	r.pos += len("]]")
	return name, nil
}

func (r *reader) assignment() (string, value, error) {
	rest := r.text[r.pos:]
	key := rest[:bareLen(rest)]
	if key == "" {
		return "", value{}, r.fault("want a key, a [[table]] or a comment")
	}
	r.pos += len(key)
	r.skipSpace()
	if !strings.HasPrefix(r.text[r.pos:], "=") {
		return "", value{}, r.fault(fmt.Sprintf("want %s = value", clip(key)))
	}
	r.pos++
	r.skipSpace()
	v, err := r.value()
	return key, v, err
}

func (r *reader) value() (value, error) {
	rest := r.text[r.pos:]
	if rest == "" {
		return value{}, r.fault("the value is missing")
	}
	switch c := rest[0]; {
	case c == '"' || c == '\'':
		s, err := r.str()
		return value{kind: textValue, text: s}, err
	case c == '[':
		list, err := r.list()
		return value{kind: listValue, list: list}, err
	}
	word := rest[:bareLen(rest)]
	r.pos += len(word)
	switch {
	case word == "true" || word == "false":
		return value{kind: flagValue, flag: word == "true"}, nil
	case word == "0" || word != "" && word[0] >= '1' && word[0] <= '9':
		if n, err := strconv.ParseInt(word, 10, 64); err == nil {
			return value{kind: numberValue, num: n}, nil
		}
	}
	r.pos -= len(word)
	return value{}, r.fault("want a string, a whole number, true, false, or a list of strings")
}

// list reads an array of strings; it may run over several lines and end with a comma.
func (r *reader) list() ([]element, error) {
	r.pos++
	var out []element
	for {
		if err := r.skipBlank(); err != nil {
			return nil, err
		}
		if r.take(']') {
			return out, nil
		}
		line := r.line
		s, err := r.str()
		if err != nil {
			return nil, err
		}
		out = append(out, element{s, line})
		if err := r.skipBlank(); err != nil {
			return nil, err
		}
		if r.take(']') {
			return out, nil
		}
		if !r.take(',') {
			return nil, r.fault("want a comma or ] behind a string of a list")
		}
	}
}

// str reads a basic or a literal string.
func (r *reader) str() (string, error) {
	rest := r.text[r.pos:]
	if rest == "" || rest[0] != '"' && rest[0] != '\'' {
		return "", r.fault("want a string in quotes")
	}
	quote := rest[0]
	if strings.HasPrefix(rest[1:], string([]byte{quote, quote})) {
		return "", r.fault("strings of several lines are not used in a lock")
	}
	for i := 1; i < len(rest); i++ {
		switch c := rest[i]; {
		case c == quote:
			r.pos += i + 1
			return rest[1:i], nil
		case c == '\\' && quote == '"':
			return r.escaped()
		case isControl(c) && c != '\t':
			return "", r.fault("a string does not end on its line, or holds a control character")
		}
	}
	return "", r.fault("a string does not end on its line")
}

// escaped reads a basic string that has a backslash in it.
func (r *reader) escaped() (string, error) {
	rest := r.text[r.pos:]
	var b strings.Builder
	for i := 1; i < len(rest); i++ {
		c := rest[i]
		switch {
		case c == '"':
			r.pos += i + 1
			return b.String(), nil
		case isControl(c) && c != '\t':
			return "", r.fault("a string does not end on its line, or holds a control character")
		case c != '\\':
			b.WriteByte(c)
			continue
		}
		ch, n := unescape(rest[i+1:])
		if n == 0 {
			return "", r.fault("a string holds an unknown \\ escape")
		}
		b.WriteRune(ch)
		i += n
	}
	return "", r.fault("a string does not end on its line")
}

// unescape reads what stands behind a backslash, and how many bytes of it; 0 where it is no escape of TOML 1.0.
func unescape(s string) (ch rune, n int) {
	if s == "" {
		return 0, 0
	}
	if i := strings.IndexByte(`btnfr"\`, s[0]); i >= 0 {
		return rune("\b\t\n\f\r\"\\"[i]), 1
	}
	digits := map[byte]int{'u': 4, 'U': 8}[s[0]]
	if digits == 0 || len(s) < 1+digits {
		return 0, 0
	}
	code, err := strconv.ParseUint(s[1:1+digits], 16, 32)
	if err != nil || code > utf8.MaxRune || !utf8.ValidRune(rune(code)) {
		return 0, 0
	}
	return rune(code), 1 + digits
}

// skipBlank goes over white space, line ends and comments.
func (r *reader) skipBlank() error {
	for {
		r.skipSpace()
		switch {
		case r.newline():
		case strings.HasPrefix(r.text[r.pos:], "#"):
			if err := r.comment(); err != nil {
				return err
			}
		default:
			return nil
		}
	}
}

// endLine wants nothing but a comment before the line ends.
func (r *reader) endLine() error {
	r.skipSpace()
	if strings.HasPrefix(r.text[r.pos:], "#") {
		if err := r.comment(); err != nil {
			return err
		}
	}
	if r.pos == len(r.text) || r.newline() {
		return nil
	}
	return r.fault("want the end of the line")
}

func (r *reader) comment() error {
	for ; r.pos < len(r.text); r.pos++ {
		switch c := r.text[r.pos]; {
		case c == '\n' || strings.HasPrefix(r.text[r.pos:], "\r\n"):
			return nil
		case isControl(c) && c != '\t':
			return r.fault("a comment holds a control character")
		}
	}
	return nil
}

func (r *reader) skipSpace() {
	for r.pos < len(r.text) && (r.text[r.pos] == ' ' || r.text[r.pos] == '\t') {
		r.pos++
	}
}

// newline takes one line end, LF or CRLF.
func (r *reader) newline() bool {
	switch rest := r.text[r.pos:]; {
	case strings.HasPrefix(rest, "\n"):
		r.pos++
	case strings.HasPrefix(rest, "\r\n"):
		r.pos += 2
	default:
		return false
	}
	r.line++
	return true
}

func (r *reader) take(c byte) bool {
	if r.pos < len(r.text) && r.text[r.pos] == c {
		r.pos++
		return true
	}
	return false
}

// syntaxError is text that is not a lock's.
type syntaxError struct {
	line int
	msg  string
	hint string
}

func (e *syntaxError) Error() string { return e.msg }

// fault is a syntaxError at the line that the reader stands in. Conflict markers of git are never TOML, so they are recognized here.
func (r *reader) fault(msg string) error {
	start := strings.LastIndexByte(r.text[:r.pos], '\n') + 1
	for _, marker := range []string{"<<<<<<<", "|||||||", "=======", ">>>>>>>"} {
		if strings.HasPrefix(r.text[start:], marker) {
			return &syntaxError{r.line, "git left a conflict marker here (" + marker + ")", hintConflict}
		}
	}
	return &syntaxError{r.line, msg, hintBroken}
}

const (
	hintConflict = "take either side whole (git checkout --ours opkg.lock, or --theirs), then run opkg lock"
	hintBroken   = "restore opkg.lock from version control, or remove it, and run opkg lock"
)

// bareLen is how many bytes at the front of s could be a bare key.
func bareLen(s string) int {
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '_' && c != '-' {
			return i
		}
	}
	return len(s)
}

func isControl(c byte) bool { return c < ' ' || c == 0x7f }

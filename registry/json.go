package registry

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// scanner reads JSON (RFC 8259) without the two habits of encoding/json that would let one text have two
// readings: keys are matched by their exact case, and a key that stands twice in an object is an error. The data
// must be valid UTF-8. It reads in one pass and allocates only the strings that are asked for.
type scanner struct {
	data  []byte
	pos   int
	depth int
}

// fault is an error at an offset.
type fault struct {
	pos int
	msg string
}

func (f *fault) Error() string { return f.msg }

func (s *scanner) fail(format string, args ...any) error {
	return &fault{s.pos, fmt.Sprintf(format, args...)}
}

// within says what err is about, and where: at pos unless err knows a place of its own. what may be "".
func within(what string, pos int, err error) error {
	if f := (*fault)(nil); errors.As(err, &f) {
		pos = f.pos
	}
	if what != "" {
		what += ": "
	}
	return &fault{pos, what + err.Error()}
}

// position is the line and the column, in bytes, of an offset; both count from 1.
func position(data []byte, pos int) (line, column int) {
	before := data[:min(pos, len(data))]
	return 1 + bytes.Count(before, []byte("\n")), len(before) - bytes.LastIndexByte(before, '\n')
}

// errorIn is what a reader of a file says of err.
func errorIn(file string, data []byte, err error) *Error {
	e := &Error{File: file, Msg: err.Error()}
	if f := (*fault)(nil); errors.As(err, &f) {
		e.Line, e.Column = position(data, f.pos)
	}
	return e
}

// badUTF8 is the offset of the first byte that is not UTF-8.
func badUTF8(data []byte) int {
	for pos := 0; pos < len(data); {
		r, n := utf8.DecodeRune(data[pos:])
		if r == utf8.RuneError && n == 1 {
			return pos
		}
		pos += n
	}
	return len(data)
}

// document reads all of the data, of at most so many bytes, as one object: of the keys that are known those that are wanted must stand there, and
// read is called at the value of each. what is said of a text that is something else.
func (s *scanner) document(what string, most int, known, wanted []string, read func(key string, pos int) error) error {
	switch c := s.peek(); {
	case len(s.data) > most && most%(1<<20) == 0:
		return fmt.Errorf("it has more than %d MiB", most>>20)
	case len(s.data) > most:
		return fmt.Errorf("it has more than %d bytes", most)
	case s.pos == len(s.data):
		return errors.New("it is empty")
	case c == '<':
		return s.fail("not JSON (an HTML page?)")
	case !utf8.Valid(s.data):
		return &fault{badUTF8(s.data), "it is not UTF-8 text"}
	case c != '{':
		return s.fail("not %s: want a JSON object, found %s", what, s.found())
	}
	keys := members{known: known}
	if err := s.fields(&keys, read); err != nil {
		return err
	}
	if s.peek(); s.pos != len(s.data) {
		return s.fail("want the end of the text, found %s", s.found())
	}
	for _, key := range wanted {
		if !keys.has(key) {
			return fmt.Errorf("it has no %q", key)
		}
	}
	return nil
}

// fields reads an object; read is called at the value of each key that keys knows, all others are passed over.
func (s *scanner) fields(keys *members, read func(key string, pos int) error) error {
	return s.object(func(key string, pos int) error {
		known, err := keys.check(key, pos)
		switch {
		case err != nil:
			return err
		case !known:
			return s.skip()
		}
		return read(key, pos)
	})
}

// peek is the first byte behind white space; 0 at the end.
func (s *scanner) peek() byte {
	for ; s.pos < len(s.data); s.pos++ {
		switch c := s.data[s.pos]; c {
		case ' ', '\t', '\n', '\r':
		default:
			return c
		}
	}
	return 0
}

// want takes the byte c.
func (s *scanner) want(c byte) error {
	if s.peek() != c {
		return s.fail("want %q, found %s", c, s.found())
	}
	s.pos++
	return nil
}

// found names what stands at the scanner's place, for messages.
func (s *scanner) found() string {
	switch c := s.peek(); {
	case s.pos == len(s.data):
		return "the end of the text"
	case c == '{':
		return "an object"
	case c == '[':
		return "a list"
	case c == '"':
		return "a string"
	case c == '-' || c >= '0' && c <= '9':
		return "a number"
	default:
		word := s.data[s.pos:]
		n := bytes.IndexFunc(word, func(r rune) bool { return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') })
		if n < 0 {
			n = len(word)
		}
		if n == 0 {
			_, n = utf8.DecodeRune(word)
		}
		return quote(string(word[:n]))
	}
}

// object calls member for each key, with the scanner before the value, which member must take. The keys are
// compared with each other by the caller.
func (s *scanner) object(member func(key string, pos int) error) error {
	if err := s.want('{'); err != nil {
		return err
	}
	if s.depth++; s.depth > MaxDepth {
		return s.fail("it is nested more than %d deep", MaxDepth)
	}
	defer func() { s.depth-- }()
	if s.peek() == '}' {
		s.pos++
		return nil
	}
	for {
		s.peek()
		pos := s.pos
		key, err := s.str()
		if err != nil {
			return err
		}
		if err := s.want(':'); err != nil {
			return err
		}
		s.peek()
		if err := member(key, pos); err != nil {
			return err
		}
		if s.peek() == '}' {
			s.pos++
			return nil
		}
		if err := s.want(','); err != nil {
			return err
		}
	}
}

// list calls element for each element of an array, which it must take.
func (s *scanner) list(element func() error) error {
	if err := s.want('['); err != nil {
		return err
	}
	if s.depth++; s.depth > MaxDepth {
		return s.fail("it is nested more than %d deep", MaxDepth)
	}
	defer func() { s.depth-- }()
	if s.peek() == ']' {
		s.pos++
		return nil
	}
	for {
		if err := element(); err != nil {
			return err
		}
		if s.peek() == ']' {
			s.pos++
			return nil
		}
		if err := s.want(','); err != nil {
			return err
		}
	}
}

// str reads a string.
func (s *scanner) str() (string, error) {
	if s.peek() != '"' {
		return "", s.fail("want a string, found %s", s.found())
	}
	start := s.pos + 1
	for i := start; i < len(s.data); i++ {
		switch c := s.data[i]; {
		case c == '"':
			s.pos = i + 1
			return string(s.data[start:i]), nil
		case c == '\\':
			return s.escaped(start, i)
		case c < ' ':
			s.pos = i
			return "", s.fail("a control character in a string")
		}
	}
	s.pos = len(s.data)
	return "", s.fail("a string does not end")
}

// escaped reads on in a string that began at start and has its first backslash at i.
func (s *scanner) escaped(start, i int) (string, error) {
	buf := append([]byte(nil), s.data[start:i]...)
	for i < len(s.data) {
		c := s.data[i]
		switch {
		case c == '"':
			s.pos = i + 1
			return string(buf), nil
		case c < ' ':
			s.pos = i
			return "", s.fail("a control character in a string")
		case c != '\\':
			buf = append(buf, c)
			i++
			continue
		}
		r, n := unescape(s.data[i:])
		if n == 0 {
			s.pos = i
			return "", s.fail("a malformed escape in a string")
		}
		buf = utf8.AppendRune(buf, r)
		i += n
	}
	s.pos = len(s.data)
	return "", s.fail("a string does not end")
}

// unescape reads one escape, its backslash included, and how many bytes it has; 0 where it is malformed. Half a
// surrogate pair is malformed: it is no character.
func unescape(b []byte) (r rune, n int) {
	if len(b) < 2 {
		return 0, 0
	}
	if i := strings.IndexByte(`"\/bfnrt`, b[1]); i >= 0 {
		return rune("\"\\/\b\f\n\r\t"[i]), 2
	}
	first, ok := unit(b)
	if !ok {
		return 0, 0
	}
	if !utf16.IsSurrogate(first) {
		return first, 6
	}
	second, ok := unit(b[6:])
	if r = utf16.DecodeRune(first, second); !ok || r == utf8.RuneError {
		return 0, 0
	}
	return r, 12
}

// unit reads \uXXXX.
func unit(b []byte) (rune, bool) {
	if len(b) < 6 || b[0] != '\\' || b[1] != 'u' {
		return 0, false
	}
	n, err := strconv.ParseUint(string(b[2:6]), 16, 16)
	return rune(n), err == nil
}

// whole reads a whole number without a sign, a fraction or an exponent.
func (s *scanner) whole(low, high int64) (int64, error) {
	s.peek()
	start := s.pos
	text, err := s.number()
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < low || n > high {
		return 0, &fault{start, fmt.Sprintf("%s is not a whole number between %d and %d", clip(text), low, high)}
	}
	return n, nil
}

// number takes any JSON number.
func (s *scanner) number() (string, error) {
	s.peek()
	start, i := s.pos, s.pos
	digits := func() bool {
		from := i
		for i < len(s.data) && s.data[i] >= '0' && s.data[i] <= '9' {
			i++
		}
		return i > from
	}
	take := func(set string) bool {
		if i < len(s.data) && strings.IndexByte(set, s.data[i]) >= 0 {
			i++
			return true
		}
		return false
	}
	take("-")
	ok := take("0") || digits()
	if ok && take(".") {
		ok = digits()
	}
	if ok && take("eE") {
		take("+-")
		ok = digits()
	}
	if !ok {
		return "", s.fail("want a number, found %s", s.found())
	}
	s.pos = i
	return string(s.data[start:i]), nil
}

// word takes one of true, false and null.
func (s *scanner) word(w string) bool {
	s.peek()
	if !bytes.HasPrefix(s.data[s.pos:], []byte(w)) {
		return false
	}
	s.pos += len(w)
	return true
}

// skip takes any value, as strictly as the ones that count.
func (s *scanner) skip() error {
	switch c := s.peek(); {
	case c == '{':
		keys := map[string]bool{}
		return s.object(func(key string, pos int) error {
			if keys[key] {
				return twice(key, pos)
			}
			keys[key] = true
			return s.skip()
		})
	case c == '[':
		return s.list(s.skip)
	case c == '"':
		_, err := s.str()
		return err
	case s.word("true"), s.word("false"), s.word("null"):
		return nil
	case c == '-' || c >= '0' && c <= '9':
		_, err := s.number()
		return err
	}
	return s.fail("want a value, found %s", s.found())
}

func twice(key string, pos int) error {
	return &fault{pos, "key " + quote(key) + " stands twice"}
}

// members keeps an object's keys apart: each once, and none that a reader without regard for case would take
// for one that counts.
type members struct {
	known  []string
	seen   uint32 // of known, by place
	others map[string]bool
}

// check returns an error for a key that may not stand here; known tells whether it is one of m.known.
func (m *members) check(key string, pos int) (known bool, err error) {
	for i, k := range m.known {
		if k == key {
			if m.seen&(1<<i) != 0 {
				return true, twice(key, pos)
			}
			m.seen |= 1 << i
			return true, nil
		}
	}
	for _, k := range m.known {
		if strings.EqualFold(k, key) {
			return false, &fault{pos, fmt.Sprintf("key %s: want %q", quote(key), k)}
		}
	}
	if m.others[key] {
		return false, twice(key, pos)
	}
	if m.others == nil {
		m.others = map[string]bool{}
	}
	m.others[key] = true
	return false, nil
}

// has reports whether a known key stood there.
func (m *members) has(key string) bool {
	for i, k := range m.known {
		if k == key {
			return m.seen&(1<<i) != 0
		}
	}
	return false
}

const maxQuoted = 120 // bytes of a value that a message shows

// quote makes s fit for a message: short, and without control characters.
func quote(s string) string { return fmt.Sprintf("%q", clip(s)) }

func clip(s string) string {
	if len(s) <= maxQuoted {
		return s
	}
	return strings.ToValidUTF8(s[:maxQuoted], "") + "…"
}

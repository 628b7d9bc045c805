package archive

import (
	"bytes"
	"io"
	"strconv"
	"strings"
)

const block = 512

// member is one entry of a tar as it stands there.
type member struct {
	name string // not yet checked
	dir  bool
	exec bool
	size int64
}

// tarReader reads the members of a tar one after the other. It accepts only what every reader of tar
// understands alike.
type tarReader struct {
	src     window
	entries int   // members so far
	left    int64 // bytes of the current member's body that are not read yet
	pad     int64 // zeros behind the body
}

// next returns the next member; io.EOF when the archive has ended as it must. What is left of the body
// before is read past.
func (t *tarReader) next() (member, error) {
	if err := t.src.skip(t.left + t.pad); err != nil {
		return member{}, early(err)
	}
	t.left, t.pad = 0, 0
	var ext *extended
	for {
		b, err := t.src.take(block)
		if err != nil {
			return member{}, early(err)
		}
		if isZero(b) {
			if ext != nil {
				return member{}, unsafef("an extended header has no entry behind it")
			}
			return member{}, t.end()
		}
		h, err := parseHeader(b)
		if err != nil {
			return member{}, about(err, "", name(b))
		}
		if t.entries++; t.entries > MaxEntries && ext == nil {
			return h.member, unsafef("there are more than %d entries", MaxEntries)
		}
		switch h.typ {
		case 'x', 'g', 'L':
			if ext != nil {
				return h.member, unsafef("two extended headers stand before one entry")
			}
			body, err := t.extended(h.size)
			if err != nil {
				return h.member, err
			}
			switch h.typ {
			case 'x':
				ext, err = parsePAX(body, false)
			case 'g':
				_, err = parsePAX(body, true)
			case 'L':
				ext, err = parseLongName(body)
			}
			if err != nil {
				return h.member, err
			}
			continue
		}
		if ext != nil {
			t.entries-- // counted with its header
			ext.apply(&h.member)
		}
		if h.dir && h.size != 0 {
			return h.member, unsafef("a directory has a body")
		}
		if h.size > MaxFile {
			return h.member, unsafef("the file has %d bytes, more than %d", h.size, int64(MaxFile))
		}
		t.left, t.pad = h.size, padding(h.size)
		return h.member, nil
	}
}

// extended reads the body of an extended header. It is valid until the next read.
func (t *tarReader) extended(size int64) ([]byte, error) {
	if size > MaxExtended {
		return nil, unsafef("an extended header has %d bytes, more than %d", size, MaxExtended)
	}
	b, err := t.src.take(int(size + padding(size)))
	if err != nil {
		return nil, early(err)
	}
	return b[:size], nil
}

// end checks that a second zero block and nothing but zeros follow the first.
func (t *tarReader) end() error {
	b, err := t.src.take(block)
	if err != nil {
		return early(err)
	}
	if !isZero(b) {
		return unsafef("entries follow a block of zeros")
	}
	for {
		b, err := t.src.some()
		if !isZero(b) {
			return unsafef("data follows the end of the archive")
		}
		if err != nil {
			return err
		}
	}
}

// body reads the current member.
func (t *tarReader) body() io.Reader { return (*bodyReader)(t) }

type bodyReader tarReader

func (r *bodyReader) Read(p []byte) (int, error) {
	if r.left == 0 {
		return 0, io.EOF
	}
	b, err := r.src.upTo(int(min(r.left, int64(len(p)))))
	r.left -= int64(copy(p, b))
	return len(b), early(err)
}

// early says in our words that the tar ends within an entry.
func early(err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return unsafef("the archive ends early")
	}
	return err
}

func padding(size int64) int64 { return -size & (block - 1) }

func isZero(b []byte) bool {
	var zero [block]byte
	for len(b) > block {
		if [block]byte(b) != zero {
			return false
		}
		b = b[block:]
	}
	return bytes.Equal(b, zero[:len(b)])
}

type header struct {
	member
	typ byte
}

// The fields of a header block: POSIX.1-1988 "ustar"; GNU and v7 have the same up to magic.
func name(b []byte) string   { return cString(b[0:100]) }
func prefix(b []byte) string { return cString(b[345:500]) }

// parseHeader reads one header block.
func parseHeader(b []byte) (h header, err error) {
	if err := checkSum(b); err != nil {
		return h, err
	}
	h.typ = b[156]
	switch h.typ {
	case '0', 0, '7':
	case '5':
		h.dir = true
	case 'x', 'g', 'L':
	case '1':
		return h, unsafef("it is a hard link; an archive may hold only files and directories")
	case '2':
		return h, unsafef("it is a symbolic link; an archive may hold only files and directories")
	case '3', '4', '6':
		return h, unsafef("it is a device or a pipe; an archive may hold only files and directories")
	case 'S':
		return h, unsafef("it is a sparse file; an archive may hold only plain files and directories")
	default:
		return h, unsafef("it is an entry of the unknown type %+q", h.typ)
	}
	if !cleanString(b[0:100]) {
		return h, unsafef("bytes follow the end of the name")
	}
	h.name = name(b)
	switch magic := string(b[257:265]); {
	case magic == "ustar\x0000":
		if !cleanString(b[345:500]) || !isZero(b[500:]) {
			return h, unsafef("bytes follow the end of the name")
		}
		if p := prefix(b); p != "" {
			h.name = p + "/" + h.name
		}
	case magic == "ustar  \x00" && isZero(b[345:]):
	case isZero(b[257:265]) && isZero(b[345:]):
	default:
		return h, unsafef("the header is of a tar format that not every reader understands")
	}
	if h.size, err = octal(b[124:136]); err != nil {
		return h, unsafef("the size %s", err)
	}
	mode, err := octal(b[100:108])
	if err != nil {
		return h, unsafef("the mode %s", err)
	}
	h.exec = mode&0o100 != 0
	for _, f := range []struct {
		name     string
		from, to int
	}{{"owner", 108, 116}, {"group", 116, 124}, {"time", 136, 148}, {"device", 329, 337}, {"device", 337, 345}} {
		if !isNumber(b[f.from:f.to]) {
			return h, unsafef("the %s in the header is no number", f.name)
		}
	}
	return h, nil
}

// checkSum compares the header's checksum: the sum of all its bytes, the checksum's own taken as blanks.
func checkSum(b []byte) error {
	want, err := octal(b[148:156])
	if err != nil {
		return unsafef("the header's checksum %s", err)
	}
	var sum int64 = 8 * ' '
	for _, c := range b[:148] {
		sum += int64(c)
	}
	for _, c := range b[156:block] {
		sum += int64(c)
	}
	if sum != want {
		return unsafef("the header's checksum is wrong")
	}
	return nil
}

type notOctal struct{}

func (notOctal) Error() string { return "is no octal number" }

// octal reads digits with blanks before and blanks or NULs behind them.
func octal(field []byte) (int64, error) {
	digits := bytes.TrimRight(bytes.TrimLeft(field, " "), " \x00")
	if len(digits) == 0 {
		return 0, notOctal{}
	}
	var v int64
	for _, c := range digits {
		if c < '0' || c > '7' {
			return 0, notOctal{}
		}
		v = v<<3 | int64(c-'0')
	}
	return v, nil
}

// isNumber accepts the fields that opkg does not use as widely as tar writers fill them: octal, nothing at all, or
// base 256 within 64 bits.
func isNumber(field []byte) bool {
	if field[0]&0x80 == 0 {
		_, err := octal(field)
		return err == nil || len(bytes.Trim(field, " \x00")) == 0
	}
	sign := byte(0) // what stands before the lower 64 bits
	if field[0]&0x40 != 0 {
		sign = 0xff
	}
	high, low := field[:max(len(field)-8, 0)], field[max(len(field)-8, 0):]
	for i, c := range high {
		if i == 0 {
			c ^= ^sign & 0x80 // the mark of base 256
		}
		if c != sign {
			return false
		}
	}
	return len(high) == 0 || low[0]&0x80 == sign&0x80
}

func cString(b []byte) string {
	if i := bytes.IndexByte(b, 0); i >= 0 {
		b = b[:i]
	}
	return string(b)
}

// cleanString reports whether only NULs follow the first.
func cleanString(b []byte) bool {
	i := bytes.IndexByte(b, 0)
	return i < 0 || isZero(b[i:])
}

// extended is what a PAX header or a GNU long name says about the entry behind it.
type extended struct {
	path    string
	size    int64
	hasSize bool
}

func (e *extended) apply(m *member) {
	if e.path != "" {
		m.name = e.path
	}
	if e.hasSize {
		m.size = e.size
	}
}

// parseLongName reads the body of a GNU long name: the name and a NUL.
func parseLongName(b []byte) (*extended, error) {
	s := strings.TrimSuffix(string(b), "\x00")
	if s == "" || strings.Contains(s, "\x00") {
		return nil, unsafef("a GNU long name is malformed")
	}
	return &extended{path: s}, nil
}

// parsePAX reads the records "<length> <key>=<value>\n" of POSIX.1-2001. A global header may hold none that says
// what an entry is.
func parsePAX(b []byte, global bool) (*extended, error) {
	e := &extended{}
	seen := make(map[string]bool)
	for len(b) > 0 {
		key, value, rest, err := paxRecord(b)
		if err != nil {
			return nil, err
		}
		b = rest
		if seen[key] {
			return nil, unsafef("a PAX header has %s twice", printable(key))
		}
		if seen[key] = true; len(seen) > MaxRecords {
			return nil, unsafef("a PAX header has more than %d records", MaxRecords)
		}
		if global && (key == "path" || key == "size") {
			return nil, unsafef("a global PAX header sets %s", key)
		}
		if err := e.set(key, value); err != nil {
			return nil, err
		}
	}
	return e, nil
}

func paxRecord(b []byte) (key, value string, rest []byte, err error) {
	malformed := func() (string, string, []byte, error) {
		return "", "", nil, unsafef("a PAX header is malformed")
	}
	sp := bytes.IndexByte(b[:min(len(b), 8)], ' ')
	if sp < 1 || b[0] < '1' || b[0] > '9' {
		return malformed()
	}
	n, err := strconv.ParseUint(string(b[:sp]), 10, 31)
	if err != nil || n < uint64(sp+4) || n > uint64(len(b)) || b[n-1] != '\n' {
		return malformed()
	}
	key, value, ok := strings.Cut(string(b[sp+1:n-1]), "=")
	if !ok || key == "" || strings.Contains(key, "\x00") {
		return malformed()
	}
	return key, value, b[n:], nil
}

// set takes one record. Records that change what an entry is, and that opkg does not know, are refused;
// vendors' (with a dot in the key) are read past unless they mark sparse files.
func (e *extended) set(key, value string) error {
	ok := true
	switch key {
	case "path":
		e.path = value
		ok = value != "" && !strings.Contains(value, "\x00")
	case "size":
		v, err := strconv.ParseUint(value, 10, 63)
		e.size, e.hasSize = int64(v), true
		ok = err == nil
	case "mtime", "atime", "ctime":
		ok = isTime(value)
	case "uid", "gid":
		_, err := strconv.ParseInt(value, 10, 64)
		ok = err == nil
	case "uname", "gname":
		ok = !strings.Contains(value, "\x00")
	case "comment":
	case "hdrcharset":
		ok = value == "ISO-IR 10646 2000 UTF-8"
	default:
		if !strings.Contains(key, ".") || strings.HasPrefix(key, "GNU.") || key == "SCHILY.realsize" {
			return unsafef("a PAX header has %s, which opkg does not unpack", printable(key))
		}
	}
	if !ok {
		return unsafef("a PAX header has a malformed %s", key)
	}
	return nil
}

// isTime reports whether s is seconds since 1970, with a fraction or without.
func isTime(s string) bool {
	whole, fraction, _ := strings.Cut(s, ".")
	_, err := strconv.ParseInt(whole, 10, 64)
	return err == nil && strings.Trim(fraction, "0123456789") == ""
}

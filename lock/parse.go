package lock

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/openpackage/opkg/ident"
)

// Parse reads an opkg.lock strictly: canonical values only, unknown keys refused, a newer version said so. It does not
// judge closedness. What it returns is sorted. The error is an *Error; file is for its message.
func Parse(file string, data []byte) (*Lock, error) {
	if len(data) > MaxSize {
		return nil, &Error{File: file, Msg: fmt.Sprintf("it has more than %d MiB", MaxSize>>20)}
	}
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	if !utf8.Valid(data) {
		return nil, &Error{File: file, Line: badUTF8Line(data), Msg: "it is not UTF-8 text", HintText: hintBroken}
	}
	p := parser{
		reader:  reader{text: string(data), line: 1},
		lock:    &Lock{},
		ranges:  map[string]error{},
		sources: map[string]error{},
		gits:    map[string]error{},
	}
	p.reserve()
	if err := p.parse(); err != nil {
		e := &Error{File: file, Line: p.reader.line, Msg: err.Error(), HintText: hintBroken}
		var at *syntaxError
		if errors.As(err, &at) {
			e.Line, e.HintText = at.line, at.hint
		}
		return nil, e
	}
	return p.lock, nil
}

// badUTF8Line is the line of the first byte that is not UTF-8.
func badUTF8Line(data []byte) int {
	line := 1
	for len(data) > 0 {
		r, n := utf8.DecodeRune(data)
		if r == utf8.RuneError && n == 1 {
			break
		}
		if r == '\n' {
			line++
		}
		data = data[n:]
	}
	return line
}

// parser gives the items of a reader their meaning.
type parser struct {
	reader  reader
	lock    *Lock
	version int64

	table string // where the parser is: "", "require", "override" or "package"
	line  int    // of the table
	seen  []string
	names map[tableName]int // lines

	// The same ranges and URLs stand in many packages; each is checked once.
	ranges, sources, gits map[string]error
}

// reserve makes room for the packages at once. No package is written in fewer than minPackage bytes, so that a
// text cannot ask for much more memory than it has.
func (p *parser) reserve() {
	const minPackage = len("[[package]]\nname=\"a\"\nversion=\"0.0.0\"\npath=\"b\"\n")
	n := min(strings.Count(p.reader.text, "\n[[package]]"), len(p.reader.text)/minPackage)
	p.names = make(map[tableName]int, n)
	if n > 0 {
		p.lock.Packages = make([]Package, 0, n)
	}
}

type tableName struct {
	table string
	name  ident.Name
}

func (p *parser) parse() error {
	// Before all else: a newer format may hold anything behind its version.
	if v, line := declaredVersion(p.reader.text); v > FormatVersion {
		return newer(v, line)
	}
	for {
		it, err := p.reader.next()
		if err != nil {
			return err
		}
		if it.kind != keyItem {
			if err := p.closeTable(); err != nil {
				return at(p.line, err)
			}
		}
		switch it.kind {
		case endItem:
			p.sort()
			return nil
		case tableItem:
			err = p.openTable(it)
		case keyItem:
			err = p.key(it)
		}
		if err != nil {
			return at(it.line, err)
		}
	}
}

// declaredVersion finds "version = N" before the first table, without reading anything else. 0: not found.
func declaredVersion(text string) (version int64, line int) {
	for n := 1; text != "" && text[0] != '['; n++ {
		var l string
		l, text, _ = strings.Cut(text, "\n")
		if key, v, ok := strings.Cut(l, "="); ok && strings.TrimSpace(key) == "version" {
			v, _, _ = strings.Cut(v, "#")
			i, err := strconv.ParseInt(strings.TrimSpace(v), 10, 64)
			if err == nil || errors.Is(err, strconv.ErrRange) {
				return i, n
			}
		}
	}
	return 0, 0
}

func newer(version int64, line int) error {
	return &syntaxError{line,
		fmt.Sprintf("written by a newer opkg (lock version %d; this opkg reads version %d)", version, FormatVersion),
		"update opkg"}
}

// at gives err the line that it belongs to, where it has none.
func at(line int, err error) error {
	if s := (*syntaxError)(nil); errors.As(err, &s) {
		return err
	}
	return &syntaxError{line, err.Error(), hintBroken}
}

func (p *parser) openTable(it item) error {
	p.table, p.line, p.seen = it.name, it.line, p.seen[:0]
	switch it.name {
	case "require":
		p.lock.Requires = append(p.lock.Requires, Require{})
	case "override":
		p.lock.Overrides = append(p.lock.Overrides, Override{})
	case "package":
		p.lock.Packages = append(p.lock.Packages, Package{})
	default:
		return fmt.Errorf("unknown table [[%s]]", clip(it.name))
	}
	return nil
}

// closeTable judges a table as a whole, once all its keys are read.
func (p *parser) closeTable() error {
	var name ident.Name
	var fault string
	switch p.table {
	case "":
		if p.version == 0 {
			return &syntaxError{0, "it has no version", hintBroken}
		}
		return nil
	case "require":
		r := &p.lock.Requires[len(p.lock.Requires)-1]
		name, fault = r.Name, r.fault()
	case "override":
		o := &p.lock.Overrides[len(p.lock.Overrides)-1]
		name = o.Name
		if o.Range == "" {
			fault = "has no range"
		}
	case "package":
		k := &p.lock.Packages[len(p.lock.Packages)-1]
		name, fault = k.Name, k.fault()
	}
	if name == "" {
		return fmt.Errorf("a [[%s]] has no name", p.table)
	}
	if fault != "" {
		return fmt.Errorf("%s %s %s", p.table, name, fault)
	}
	id := tableName{p.table, name}
	if first, twice := p.names[id]; twice {
		return fmt.Errorf("%s %s stands here and in line %d", p.table, name, first)
	}
	p.names[id] = p.line
	return nil
}

func (p *parser) key(it item) error {
	if slices.Contains(p.seen, it.name) {
		return fmt.Errorf("key %s stands twice", it.name)
	}
	var known bool
	var err error
	switch p.table {
	case "":
		if known = it.name == "version"; known {
			err = p.setVersion(it.value)
		}
	case "require":
		known, err = p.setRequire(&p.lock.Requires[len(p.lock.Requires)-1], it.name, it.value)
	case "override":
		known, err = p.setOverride(&p.lock.Overrides[len(p.lock.Overrides)-1], it.name, it.value)
	case "package":
		known, err = p.setPackage(&p.lock.Packages[len(p.lock.Packages)-1], it.name, it.value)
	}
	switch {
	case !known && p.table == "":
		return fmt.Errorf("unknown key %s", clip(it.name))
	case !known:
		return fmt.Errorf("unknown key %s in a [[%s]]", clip(it.name), p.table)
	case err != nil:
		if s := (*syntaxError)(nil); errors.As(err, &s) {
			return err
		}
		return fmt.Errorf("%s: %w", it.name, err)
	}
	p.seen = append(p.seen, it.name) // only known keys: the list stays short
	return nil
}

// sort puts all tables in the order of their names: a merge that was resolved by hand may have left them otherwise.
func (p *parser) sort() {
	l := p.lock
	l.Requires = sorted(l.Requires, requireName)
	l.Overrides = sorted(l.Overrides, overrideName)
	l.Packages = sorted(l.Packages, packageName)
}

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

func (p *parser) setVersion(v value) (err error) {
	if p.version, err = v.number(1, 1<<62); err != nil {
		return err
	}
	if p.version > FormatVersion {
		return newer(p.version, p.reader.line)
	}
	return nil
}

func (p *parser) setRequire(r *Require, key string, v value) (known bool, err error) {
	switch key {
	case "name":
		r.Name, err = v.name()
	case "range":
		r.Range, err = p.rangeText(v)
	case "git":
		r.Git, err = p.gitURL(v)
	case "ref":
		r.Ref, err = v.ref()
	case "base":
		r.Base, err = v.checked(nil)
	case "registry":
		r.Registry, err = v.checked(nil)
	case "path":
		r.Path, err = v.checked(nil)
	case "dev":
		r.Dev, err = v.truth()
	default:
		return false, nil
	}
	return true, err
}

func (p *parser) setOverride(o *Override, key string, v value) (known bool, err error) {
	switch key {
	case "name":
		o.Name, err = v.name()
	case "range":
		o.Range, err = p.rangeText(v)
	default:
		return false, nil
	}
	return true, err
}

func (p *parser) setPackage(k *Package, key string, v value) (known bool, err error) {
	var s string
	switch key {
	case "name":
		k.Name, err = v.name()
	case "version":
		if s, err = v.checked(nil); err == nil {
			k.Version, err = ident.ParseVersion(s)
		}
	case "source":
		k.Source, err = p.source(v)
	case "artifact":
		k.Artifact, err = v.checked(artifactFault)
	case "git":
		k.Git, err = p.gitURL(v)
	case "ref":
		k.Ref, err = v.ref()
	case "base":
		k.Base, err = v.checked(insideFault)
	case "commit":
		if s, err = v.checked(nil); err == nil {
			k.Commit, err = ident.ParseCommit(s)
		}
	case "path":
		k.Path, err = v.checked(pathFault)
	case "size":
		k.Size, err = v.number(1, MaxArtifactSize)
	case "sha256":
		if s, err = v.checked(upperFault); err == nil {
			k.SHA256, err = ident.ParseSHA256(s)
		}
	case "tree":
		if s, err = v.checked(upperFault); err == nil {
			k.Tree, err = ident.ParseTreeID(s)
		}
	case "dependencies":
		k.Dependencies, err = p.dependencies(v)
	case "dev":
		k.Dev, err = v.truth()
	default:
		return false, nil
	}
	return true, err
}

// dependencies reads a list of "name range".
func (p *parser) dependencies(v value) ([]Dependency, error) {
	if v.kind != listValue {
		return nil, v.mistyped(listValue)
	}
	if len(v.list) == 0 {
		return nil, nil
	}
	out := make([]Dependency, len(v.list))
	for i, e := range v.list {
		name, rng, _ := strings.Cut(e.text, " ")
		var err error
		if out[i].Name, err = ident.ParseName(name); err == nil {
			out[i].Range, err = p.rangeText(value{kind: textValue, text: rng})
		}
		if err != nil {
			return nil, at(e.line, fmt.Errorf("dependencies: %s: want \"name range\": %w", quote(e.text), err))
		}
	}
	slices.SortFunc(out, func(a, b Dependency) int { return strings.Compare(string(a.Name), string(b.Name)) })
	for i := 1; i < len(out); i++ {
		if out[i].Name == out[i-1].Name {
			return nil, fmt.Errorf("%s stands twice", out[i].Name)
		}
	}
	return out, nil
}

// rangeText is a range as its author wrote it, tabs and all.
func (p *parser) rangeText(v value) (string, error) {
	text := v.text
	v.text = strings.ReplaceAll(text, "\t", " ")
	_, err := p.once(v, p.ranges, func(s string) error {
		if s != strings.TrimSpace(s) {
			return fmt.Errorf("%s has blanks around it", quote(s))
		}
		_, err := ident.ParseRange(s)
		return err
	})
	return text, err
}

func (p *parser) source(v value) (ident.SourceID, error) {
	s, err := p.once(v, p.sources, func(s string) error {
		id, err := ident.ParseSource(s)
		if err == nil && string(id) != s {
			err = fmt.Errorf("%s is not in its canonical form, %s", quote(s), quote(string(id)))
		}
		return err
	})
	return ident.SourceID(s), err
}

func (p *parser) gitURL(v value) (string, error) {
	return p.once(v, p.gits, func(s string) error {
		u, err := ident.ParseGitURL(s)
		if err == nil && u != s {
			err = fmt.Errorf("%s is not in its canonical form, %s", quote(s), quote(u))
		}
		return err
	})
}

// once checks the text of v, or remembers what the check said.
func (p *parser) once(v value, known map[string]error, check func(string) error) (string, error) {
	s, err := v.checked(nil)
	if err != nil {
		return "", err
	}
	err, found := known[s]
	if !found {
		err = check(s)
		known[s] = err
	}
	return s, err
}

// sort puts all tables in the order of their names: a merge that was resolved by hand may have left them otherwise.
func (p *parser) sort() {
	l := p.lock
	l.Requires = sorted(l.Requires, requireName)
	l.Overrides = sorted(l.Overrides, overrideName)
	l.Packages = sorted(l.Packages, packageName)
}

package manifest

import (
	"errors"
	"fmt"
	"strings"
	"unicode"

	"github.com/openpackage/opkg/ident"
	"github.com/openpackage/opkg/internal/nearest"
	"github.com/openpackage/opkg/internal/strictyaml"
)

// The lists of a manifest, each with its older name.
var (
	prodKeys = []string{"dependencies", "packages"}
	devKeys  = []string{"dev-dependencies", "dev-packages"}
)

// document is a manifest and the nodes that it was read from.
type document struct {
	root     *strictyaml.Node // nil: nothing but blanks and comments
	manifest *Manifest
	entries  []entry // in the order of the lists
}

// entry is a dependency and the place of its item.
type entry struct {
	Dependency
	list  strictyaml.Field
	index int
}

func parse(file string, data []byte, foreign bool) (*Manifest, error) {
	doc, err := read(file, data, foreign)
	if err != nil {
		return nil, err
	}
	return doc.manifest, nil
}

// reader builds a document. foreign: the manifest is of a package that came from elsewhere.
type reader struct {
	*document
	foreign bool
	seen    map[ident.Name]entry
}

func read(file string, data []byte, foreign bool) (*document, error) {
	root, err := strictyaml.Parse(file, data, MaxSize)
	if err != nil {
		return nil, err
	}
	r := &reader{document: &document{root: root, manifest: &Manifest{File: file}}, foreign: foreign, seen: map[ident.Name]entry{}}
	switch {
	case root == nil && foreign:
		return nil, &Error{File: file, Msg: "it is empty, expected at least a name"}
	case root == nil:
		return r.document, nil
	}
	if _, err := root.AsMapping("the manifest"); err != nil {
		return nil, err
	}
	if err := r.header(); err != nil {
		return nil, err
	}
	r.slips(root, rootKeys)
	for _, key := range prodKeys {
		if err := r.list(key, &r.manifest.Dependencies, false); err != nil {
			return nil, err
		}
	}
	for _, key := range devKeys {
		if err := r.list(key, &r.manifest.DevDependencies, true); err != nil {
			return nil, err
		}
	}
	if !foreign {
		if err := r.overrides(); err != nil {
			return nil, err
		}
	}
	return r.document, nil
}

// header reads the keys that describe the package itself. What opkg only shows is read as
// far as it is text; it is no reason to refuse a package.
func (r *reader) header() error {
	m := r.manifest
	switch n := r.root.Get("name"); {
	case n != nil:
		s, err := n.AsText("name")
		if err != nil {
			return err
		}
		if m.Name, err = ident.ParseName(s); err != nil {
			return fault(n, err, nameHint(s))
		}
	case r.foreign:
		return r.root.Errorf("add a line such as name: my-package", "the package has no name")
	}
	if n := r.root.Get("version"); n != nil {
		s, err := n.AsText("version")
		if err != nil {
			return numberHint(err, n, "write all three numbers, such as %s.0")
		}
		if m.Version, err = ident.ParseVersionInput(s); err != nil {
			return fault(n, err, "")
		}
	}
	m.Description = shown(r.root.Get("description"))
	m.License = shown(r.root.Get("license"))
	m.Homepage = shown(r.root.Get("homepage"))
	m.Repository = shown(r.root.Get("repository"))
	if n := r.root.Get("keywords"); n != nil {
		for _, item := range append(n.Items, n) {
			if s := shown(item); s != "" {
				m.Keywords = append(m.Keywords, s)
			}
		}
	}
	return nil
}

// shown is the text of a scalar, or of the url in a mapping, without control characters; else "".
func shown(n *strictyaml.Node) string {
	switch {
	case n == nil || n.IsNull():
		return ""
	case n.Kind == strictyaml.Mapping:
		if url := n.Get("url"); url != nil && url.Kind == strictyaml.Scalar {
			return shown(url)
		}
		return ""
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\n' && r != '\t' {
			return -1
		}
		return r
	}, n.Text)
}

// list reads one list of dependencies into out.
func (r *reader) list(key string, out *[]Dependency, dev bool) error {
	field, ok := fieldOf(r.root, key)
	if !ok {
		return nil
	}
	if field.Value.Kind == strictyaml.Mapping {
		return field.Value.Errorf("write a list: - name: NAME", "%s is a mapping, expected a list", key)
	}
	items, err := field.Value.AsList(key)
	if err != nil {
		return err
	}
	if len(items) > 0 && len(*out) > 0 {
		r.warn(field.Key, "move its entries there",
			"%s is the older name of a list that stands in this file too; other readers ignore it", key)
	}
	for i, item := range items {
		d, err := r.dependency(item, key)
		if err != nil {
			return err
		}
		d.Dev = dev
		if other, twice := r.seen[d.Name]; twice {
			return item.Errorf("keep one of them", "%s stands twice: it is on line %d too", d.Name, other.Pos.Line)
		}
		e := entry{Dependency: d, list: field, index: i}
		r.seen[d.Name] = e
		r.entries = append(r.entries, e)
		*out = append(*out, d)
	}
	return nil
}

// The keys that decide what is installed. One that is nearly one of them is worth a word; all others are somebody else's.
var (
	rootKeys  = []string{"version", "dependencies", "dev-dependencies", "overrides"}
	entryKeys = []string{"version", "registry"}
)

// slips warns of the keys of a mapping that are nearly one of keys, where that one is not there.
func (r *reader) slips(n *strictyaml.Node, keys []string) {
	for _, f := range n.Fields {
		if key := nearest.Slip(strings.ToLower(f.Key.Text), keys); key != "" && n.Get(key) == nil {
			r.warn(f.Key, "did you mean "+key+"?", "the key %q means nothing to opkg", f.Key.Text)
		}
	}
}

// overrides reads the mapping of names to ranges.
func (r *reader) overrides() error {
	n := r.root.Get("overrides")
	if n == nil {
		return nil
	}
	fields, err := n.AsMapping("overrides")
	if err != nil {
		return err
	}
	for _, f := range fields {
		name, err := ident.ParseName(f.Key.Text)
		if err != nil {
			return fault(f.Key, err, nameHint(f.Key.Text))
		}
		rng, err := rangeOf(f.Value, "the override of "+string(name))
		if err != nil {
			return err
		}
		r.manifest.Overrides = append(r.manifest.Overrides, Override{Name: name, Range: rng, Pos: position(f.Key)})
	}
	return nil
}

func (r *reader) warn(n *strictyaml.Node, hint, format string, args ...any) {
	r.manifest.Warnings = append(r.manifest.Warnings, Warning{Pos: position(n), Text: fmt.Sprintf(format, args...), Hint: hint})
}

func position(n *strictyaml.Node) Position { return Position{Line: n.Line, Column: n.Column} }

// fieldOf finds the field of key in a mapping.
func fieldOf(n *strictyaml.Node, key string) (strictyaml.Field, bool) {
	for _, f := range n.Fields {
		if f.Key.Text == key {
			return f, true
		}
	}
	return strictyaml.Field{}, false
}

// rangeOf reads a range; what names the node in errors.
func rangeOf(n *strictyaml.Node, what string) (ident.Range, error) {
	s, err := n.AsText(what)
	if err != nil {
		if none := (*Error)(nil); n.IsNull() && errors.As(err, &none) {
			none.HintText = "write a range such as ^1.0.0, or remove the line"
		}
		return ident.Range{}, numberHint(err, n, "write it in quotes, \"%[1]s\", or whole, %[1]s.0")
	}
	rng, err := ident.ParseRange(s)
	if err != nil {
		return ident.Range{}, fault(n, err, "a range is such as ^1.2.0, ~1.2.0, >=1.0.0 <2.0.0 or *")
	}
	return rng, nil
}

// fault places an error of ident, keeping a hint that it has.
func fault(n *strictyaml.Node, err error, hint string) *Error {
	var h interface{ Hint() string }
	if errors.As(err, &h) && h.Hint() != "" {
		hint = h.Hint()
	}
	return n.Errorf(hint, "%v", err)
}

// numberHint gives the error about a number a hint that fits a version; format takes the number. A version such as
// 1.10 loses its last digit in readers that take it for a number.
func numberHint(err error, n *strictyaml.Node, format string) error {
	var e *Error
	if errors.As(err, &e) && n.Kind == strictyaml.Scalar && !n.IsNull() && strings.Count(n.Text, ".") == 1 {
		e.HintText = fmt.Sprintf(format, n.Text)
	}
	return err
}

// nameHint says how to mend what is not a name.
func nameHint(s string) string {
	if lower := strings.ToLower(s); lower != s {
		if _, err := ident.ParseName(lower); err == nil {
			return "write it in lower case: " + lower
		}
	}
	if i := strings.LastIndexByte(s, '@'); i > 0 {
		if _, err := ident.ParseName(s[:i]); err == nil {
			return fmt.Sprintf("write name: %s and version: %q", s[:i], s[i+1:])
		}
	}
	return ""
}

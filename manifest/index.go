package manifest

import (
	"bytes"
	"slices"
	"sort"
	"strings"

	"github.com/openpackage/opkg/ident"
	"github.com/openpackage/opkg/internal/strictyaml"
)

// IndexEntry is what opkg writes for one package into openpackage.index.yml.
type IndexEntry struct {
	Name    ident.Name
	Path    string // ~/.openpackage/registry/<name>/<version>/
	Version string
}

// MaxIndexSize bounds an openpackage.index.yml, in bytes.
const MaxIndexSize = 16 << 20

// indexHeader are the first lines of the file, as the OpenPackage client writes them.
var indexHeader = []string{"# This file is managed by OpenPackage. Do not edit manually.", ""}

const packagesKey = "packages"

// UpdateIndex returns the text of .openpackage/openpackage.index.yml with path and version of each
// entry set, and everything else byte for byte as it was; new entries are put in the order of names. data is nil
// when there is no file yet. The error is an *Error: the file is malformed, or cannot be edited
// without changing more than that.
func UpdateIndex(file string, data []byte, entries []IndexEntry) ([]byte, error) {
	entries = slices.Clone(entries)
	slices.SortFunc(entries, func(a, b IndexEntry) int { return strings.Compare(string(a.Name), string(b.Name)) })
	e := newEditor(data)
	whole := e.wholeIndex(entries)
	if empty := len(bytes.TrimSpace(data)) == 0; empty || string(data) == whole { // most often one of the two, and reading YAML takes long
		return []byte(whole), nil
	}
	root, err := strictyaml.Parse(file, data, MaxIndexSize)
	if err != nil {
		return nil, err
	}
	if err := e.index(root, entries); err != nil {
		return nil, err
	}
	out, err := e.result(file)
	if err != nil {
		return nil, err
	}
	if err := verifyIndex(file, root, out, entries); err != nil {
		return nil, err
	}
	return out, nil
}

// index makes the changes for entries.
func (e *editor) index(root *strictyaml.Node, entries []IndexEntry) error {
	if len(entries) == 0 {
		return nil
	}
	if root == nil {
		e.appendBlock(nil, e.indexLines(entries))
		return nil
	}
	if _, err := root.AsMapping("the index"); err != nil {
		return err
	}
	f, ok := fieldOf(root, packagesKey)
	if !ok && root.Style == strictyaml.Block {
		e.appendBlock(root, e.indexLines(entries))
		return nil
	} else if !ok {
		return root.Errorf("add packages: {}", "the index has no packages")
	}
	fields, err := f.Value.AsMapping(packagesKey)
	if err != nil {
		return err
	}
	at := make(map[string]int, len(fields))
	for i, f := range fields {
		at[f.Key.Text] = i
	}
	var fresh []IndexEntry
	for _, entry := range entries {
		i, known := at[string(entry.Name)]
		if !known {
			fresh = append(fresh, entry)
		} else if err := e.setIndexEntry(f.Value, fields[i], entry); err != nil {
			return err
		}
	}
	return e.addIndexEntries(root, f, fresh)
}

func (entry IndexEntry) pairs() []pair {
	return []pair{{"path", entry.Path}, {"version", entry.Version}}
}

// indexLines are the lines of the key packages with entries.
func (e *editor) indexLines(entries []IndexEntry) []string {
	lines := []string{packagesKey + ":"}
	for _, entry := range entries {
		lines = append(lines, e.indexEntry(entry, strictyaml.Plain, 2, 2))
	}
	return lines
}

// indexEntry writes an entry in block style, its name indented by indent and its keys by step more.
func (e *editor) indexEntry(entry IndexEntry, name strictyaml.Style, indent, step int) string {
	inner := indent + step
	return strings.Repeat(" ", indent) + scalar(string(entry.Name), name) + ":\n" +
		strings.Repeat(" ", inner) + lookOf(nil, nil).block(entry.pairs(), inner)
}

// wholeIndex is the text of an index that holds entries, sorted by name, and nothing else.
func (e *editor) wholeIndex(entries []IndexEntry) string {
	if len(entries) == 0 {
		return strings.Join(append(slices.Clone(indexHeader), packagesKey+": {}", ""), "\n")
	}
	return strings.Join(append(slices.Concat(indexHeader, e.indexLines(entries)), ""), "\n")
}

// setIndexEntry sets path and version of the entry f of packages.
func (e *editor) setIndexEntry(packages *strictyaml.Node, f strictyaml.Field, entry IndexEntry) error {
	fields, err := f.Value.AsMapping("the entry of " + string(entry.Name))
	if err != nil {
		return err
	}
	l := lookOf(nil, nil)
	if len(fields) == 0 {
		if at, ok := e.emptied(f); ok && packages.Style == strictyaml.Block {
			inner := packages.Column + 1
			e.insert(at, "\n"+strings.Repeat(" ", inner)+l.block(entry.pairs(), inner))
			return nil
		}
		return f.Value.Errorf("remove the entry", "the entry of %s is empty", entry.Name)
	}
	l.key = fields[0].Key.Style
	for _, p := range entry.pairs() {
		i := slices.IndexFunc(fields, func(f strictyaml.Field) bool { return f.Key.Text == p.key })
		switch {
		case i < 0:
			e.insertField(f.Value, len(fields)-1, p, l)
		case fields[i].Value.Text != p.value || !fields[i].Value.IsText():
			e.setScalar(fields[i], p.value, l)
		}
	}
	return nil
}

// addIndexEntries adds entries to the packages of f, each before the first name that is greater.
func (e *editor) addIndexEntries(root *strictyaml.Node, f strictyaml.Field, entries []IndexEntry) error {
	packages := f.Value
	if len(entries) == 0 {
		return nil
	}
	if len(packages.Fields) == 0 {
		at, ok := e.emptied(f)
		if !ok || root.Style != strictyaml.Block {
			return packages.Errorf("write packages: {} in a line of its own", "packages is empty in a way that opkg cannot edit")
		}
		for _, entry := range entries {
			e.insert(at, "\n"+e.indexEntry(entry, strictyaml.Plain, 2, 2))
		}
		return nil
	}
	quotes, step := strictyaml.Plain, 2
	for _, f := range packages.Fields {
		if f.Key.Style == strictyaml.SingleQuoted {
			quotes = strictyaml.SingleQuoted
		}
		if f.Value.Kind == strictyaml.Mapping && f.Value.Style == strictyaml.Block && f.Value.Column > packages.Column {
			step = f.Value.Column - packages.Column
		}
	}
	greatest := make([]string, len(packages.Fields)) // of the names up to each: they need not be sorted
	for i, f := range packages.Fields {
		if greatest[i] = f.Key.Text; i > 0 {
			greatest[i] = max(greatest[i-1], f.Key.Text)
		}
	}
	for _, entry := range entries {
		i := sort.Search(len(greatest), func(i int) bool { return greatest[i] > string(entry.Name) })
		switch {
		case packages.Style == strictyaml.Flow:
			l := look{key: packages.Fields[0].Key.Style, name: packages.Fields[0].Key.Style, value: packages.Fields[0].Key.Style}
			e.insert(packages.Fields[len(packages.Fields)-1].End(), ", "+scalar(string(entry.Name), l.key)+": "+l.flow(entry.pairs()))
		case i == 0:
			e.insert(e.lineEnd(f.ColonEnd()), "\n"+e.indexEntry(entry, nameStyle(entry.Name, quotes), packages.Column-1, step))
		default:
			e.insert(e.lineEnd(packages.Fields[i-1].End()), "\n"+e.indexEntry(entry, nameStyle(entry.Name, quotes), packages.Column-1, step))
		}
	}
	return nil
}

// nameStyle is the style of a key: plain where it can be, else as the file's other keys that need quotes.
func nameStyle(name ident.Name, quotes strictyaml.Style) strictyaml.Style {
	if plainIsText(string(name)) {
		return strictyaml.Plain
	}
	return quotes
}

// verifyIndex reads an edited index again: each entry must be there, and all else as it was.
func verifyIndex(file string, old *strictyaml.Node, data []byte, entries []IndexEntry) error {
	root, err := strictyaml.Parse(file, data, MaxIndexSize)
	if err != nil || root == nil {
		return uneditable(file)
	}
	packages := map[string]*strictyaml.Node{}
	if n := root.Get(packagesKey); n != nil {
		for _, f := range n.Fields {
			packages[f.Key.Text] = f.Value
		}
	}
	ours := make(map[string]bool, len(entries))
	for _, entry := range entries {
		n := packages[string(entry.Name)]
		if n == nil || n.Get("path") == nil || n.Get("path").Text != entry.Path || n.Get("version") == nil || n.Get("version").Text != entry.Version {
			return uneditable(file)
		}
		ours[string(entry.Name)] = true
	}
	if !slices.EqualFunc(restOfIndex(old, ours), restOfIndex(root, ours), func(a, b strictyaml.Field) bool {
		return a.Key.Text == b.Key.Text && strictyaml.Equal(a.Value, b.Value)
	}) {
		return uneditable(file)
	}
	return nil
}

// restOfIndex lists what an update must not change: other top-level keys, other packages, and other keys of ours.
func restOfIndex(root *strictyaml.Node, ours map[string]bool) (out []strictyaml.Field) {
	if root == nil {
		return nil
	}
	for _, f := range root.Fields {
		if f.Key.Text != packagesKey {
			out = append(out, f)
			continue
		}
		for _, p := range f.Value.Fields {
			if !ours[p.Key.Text] {
				out = append(out, p)
				continue
			}
			for _, key := range p.Value.Fields {
				if key.Key.Text != "path" && key.Key.Text != "version" {
					out = append(out, key)
				}
			}
		}
	}
	return out
}

package manifest

import (
	"path"
	"slices"
	"strings"

	"github.com/openpackage/opkg/ident"
	"github.com/openpackage/opkg/internal/strictyaml"
)

// Add returns data with deps added, or their entries changed where the name is there already, every
// other byte untouched. In a Dependency to write, HasRange tells whether to write version:. An entry that is there keeps
// its registry: if a registry dependency names none, keeps keys that opkg does not read, and moves as it is written if it
// stands in the other list. The error is an *Error: the file is malformed, or cannot be edited without changing more than
// was asked.
func Add(file string, data []byte, deps ...Dependency) ([]byte, error) {
	out := data
	for _, d := range deps {
		doc, err := read(file, out, false)
		if err != nil {
			return nil, err
		}
		if i := doc.find(d.Name); i >= 0 {
			old := doc.entries[i]
			if out, err = changeEntry(file, out, old, d); err != nil {
				return nil, err
			}
			if old.Dev != d.Dev {
				out, err = moveEntry(file, out, d.Name)
			}
		} else {
			out, err = addEntry(file, out, d.Dev, &item{pairs: pairsOf(d)})
		}
		if err != nil {
			return nil, err
		}
	}
	if err := verify(file, data, out, deps, nil); err != nil {
		return nil, err
	}
	return out, nil
}

// Remove returns data without the entries of names, in both lists, every other byte untouched; missing reports names not there. The error is
// as for Add.
func Remove(file string, data []byte, names ...ident.Name) (out []byte, missing []ident.Name, err error) {
	out = data
	for _, name := range names {
		doc, err := read(file, out, false)
		if err != nil {
			return nil, nil, err
		}
		if doc.find(name) < 0 {
			missing = append(missing, name)
			continue
		}
		if out, err = removeEntry(file, out, name); err != nil {
			return nil, nil, err
		}
	}
	if err := verify(file, data, out, nil, names); err != nil {
		return nil, nil, err
	}
	return out, missing, nil
}

// find is the index of the entry of name, or -1.
func (doc *document) find(name ident.Name) int {
	return slices.IndexFunc(doc.entries, func(e entry) bool { return e.Name == name })
}

// listFor is the list that a new dependency goes to: the current key, else the older one, else none.
func (doc *document) listFor(dev bool) (f strictyaml.Field, ok bool) {
	names := prodKeys
	if dev {
		names = devKeys
	}
	for _, key := range names {
		if f, ok = fieldOf(doc.root, key); ok {
			return f, true
		}
	}
	return f, false
}

// uneditable says that a splice would not have the meaning that was asked for.
func uneditable(file string) *Error {
	return &Error{File: file, Msg: "it is written in a way that opkg cannot edit without changing more than was asked", HintText: "edit this file by hand"}
}

func (e *editor) result(file string) ([]byte, error) {
	out, ok := e.bytes()
	if !ok {
		return nil, uneditable(file)
	}
	return out, nil
}

// pairsOf are the keys of an entry, in the order that they are written.
func pairsOf(d Dependency) []pair {
	out := []pair{{"name", string(d.Name)}}
	add := func(key, value string) {
		if value != "" {
			out = append(out, pair{key, value})
		}
	}
	switch {
	case d.Path != "":
		add("base", d.Path)
	case d.Git == "":
		if d.HasRange {
			add("version", d.Range.String())
		}
		add("registry", d.Registry)
	case d.HasRange:
		add("url", d.Git+"#"+semverFragment+d.Range.String())
		add("base", d.Base)
	case d.Base != "":
		add("url", withRef(d.Git, d.Ref))
		add("base", d.Base)
	default:
		add("git", d.Git)
		add("ref", d.Ref)
	}
	return out
}

func withRef(url, ref string) string {
	if ref == "" {
		return url
	}
	return url + "#" + ref
}

// addEntry appends an entry to a list, which it makes where there is none.
func addEntry(file string, data []byte, dev bool, it *item) ([]byte, error) {
	doc, err := read(file, data, false)
	if err != nil {
		return nil, err
	}
	e := newEditor(data)
	if doc.root == nil {
		e.appendList(nil, dev, it)
		return e.result(file)
	}
	f, ok := doc.listFor(dev)
	switch {
	case !ok && doc.root.Style == strictyaml.Flow:
		e.appendFlowList(doc.root, dev, it)
	case !ok:
		e.appendList(doc.root, dev, it)
	case len(f.Value.Items) > 0:
		e.appendItem(f.Value, it)
	default:
		e.firstItem(doc.root, f, it)
	}
	return e.result(file)
}

// moveEntry takes the entry of name to the other list, as it is written.
func moveEntry(file string, data []byte, name ident.Name) ([]byte, error) {
	doc, err := read(file, data, false)
	if err != nil {
		return nil, err
	}
	old := doc.entries[doc.find(name)]
	n := old.list.Value.Items[old.index]
	it := &item{pairs: pairsOf(old.Dependency), source: newEditor(data).source(old.list.Value, n), style: n.Style}
	if data, err = removeEntry(file, data, name); err != nil {
		return nil, err
	}
	return addEntry(file, data, !old.Dev, it)
}

// changeEntry edits the entry old key by key until it says d. Each step reads the text anew, so that the
// steps need not know of each other.
func changeEntry(file string, data []byte, old entry, d Dependency) ([]byte, error) {
	item := old.list.Value.Items[old.index]
	own := ownKeys
	if old.Path != "" && item.Get("base") == nil {
		own = append(slices.Clone(own), "path")
	}
	pairs := wanted(item, old.Dependency, d)
	for range 2 * len(own) {
		e := newEditor(data)
		if !e.step(item, pairs, own) {
			return data, nil
		}
		var err error
		if data, err = e.result(file); err != nil {
			return nil, err
		}
		root, err := strictyaml.Parse(file, data, MaxSize)
		if err != nil {
			return nil, uneditable(file)
		}
		item = root.Get(old.list.Key.Text).Items[old.index]
	}
	return nil, uneditable(file)
}

// ownKeys are the keys of an entry that say where it comes from; path is one more only where it stands alone.
var ownKeys = []string{"name", "version", "registry", "git", "url", "ref", "base", "subdirectory"}

// wanted are the keys that the item, whose meaning is old, must have to mean d, in the spelling that it has already.
func wanted(item *strictyaml.Node, old, d Dependency) []pair {
	if old.Git == "" && old.Path == "" && d.Git == "" && d.Path == "" && d.Registry == "" {
		d.Registry = old.Registry
	}
	if d.Git != "" && (item.Get("url") != nil || item.Get("git") != nil) {
		return gitPairs(item, old, d)
	}
	pairs := pairsOf(d)
	if old.Path != "" && d.Path != "" && item.Get("base") == nil {
		pairs[1].key = "path"
	}
	return pairs
}

// gitPairs are the keys of a git dependency in the spelling of item: git and ref, or url with a fragment, each with the URL as it is
// written there if that means the same.
func gitPairs(item *strictyaml.Node, old, d Dependency) []pair {
	source := keys{git: item.Get("git"), url: item.Get("url")}.source()
	url, fragment, _ := strings.Cut(source.Text, "#")
	if old.Git != d.Git {
		url = d.Git
	}
	pairs := []pair{{"name", item.Get("name").Text}}
	switch {
	case d.HasRange:
		key := "url"
		if item.Get("git") != nil && strings.HasPrefix(fragment, semverFragment) {
			key = "git"
		}
		pairs = append(pairs, pair{key, url + "#" + semverFragment + d.Range.String()})
	case item.Get("url") != nil:
		pairs = append(pairs, pair{"url", withRef(url, d.Ref)})
	case fragment != "":
		pairs = append(pairs, pair{"git", withRef(url, d.Ref)})
	default:
		pairs = append(pairs, pair{"git", url})
		if d.Ref != "" {
			pairs = append(pairs, pair{"ref", d.Ref})
		}
	}
	if d.Base != "" {
		base := pair{"base", d.Base}
		if item.Get("subdirectory") != nil {
			base.key = "subdirectory"
		}
		if n := item.Get(base.key); n != nil && path.Clean(n.Text) == d.Base {
			base.value = n.Text
		}
		pairs = append(pairs, base)
	}
	return pairs
}

// step makes one change that brings the item nearer to pairs, of which own are all possible keys; false if it
// says them already.
func (e *editor) step(item *strictyaml.Node, pairs []pair, own []string) bool {
	l := lookOf(item, e.data)
	behind := 0
	for _, p := range pairs {
		i := slices.IndexFunc(item.Fields, func(f strictyaml.Field) bool { return f.Key.Text == p.key })
		switch {
		case i < 0:
			e.insertField(item, behind, p, l)
			return true
		case item.Fields[i].Value.Text != p.value:
			e.setScalar(item.Fields[i], p.value, l)
			return true
		}
		behind = i
	}
	for i, f := range item.Fields {
		key := f.Key.Text
		if slices.Contains(own, key) && !slices.ContainsFunc(pairs, func(p pair) bool { return p.key == key }) {
			e.removeField(item, i)
			return true
		}
	}
	return false
}

// removeEntry cuts the entry of name out of its list; the last one leaves an empty list.
func removeEntry(file string, data []byte, name ident.Name) ([]byte, error) {
	doc, err := read(file, data, false)
	if err != nil {
		return nil, err
	}
	e := newEditor(data)
	if i := doc.find(name); i >= 0 {
		e.removeItem(doc.entries[i].list, doc.entries[i].index)
	}
	return e.result(file)
}

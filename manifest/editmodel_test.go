package manifest

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/openpackage/opkg/ident"
	"github.com/openpackage/opkg/internal/strictyaml"
)

// model is what a manifest asks for: the entries of each of its lists, in order. A list that the file does not have is absent.
type model map[string][]meaning

func modelOf(doc *document) model {
	m := model{}
	if doc.root == nil {
		return m
	}
	for _, f := range doc.root.Fields {
		if isList(f.Key.Text) {
			m[f.Key.Text] = nil
		}
	}
	for _, e := range doc.entries {
		m[e.list.Key.Text] = append(m[e.list.Key.Text], meaningOf(e.Dependency))
	}
	return m
}

func isList(key string) bool { return slices.Contains(prodKeys, key) || slices.Contains(devKeys, key) }

// add is what Add promises, without a text: in place where the name is there, else at the end of its list.
func (m model) add(d Dependency) {
	want := meaningOf(d)
	keys := prodKeys
	if d.Dev {
		keys = devKeys
	}
	for _, list := range m {
		for _, old := range list {
			if old.name == d.Name && want.registry+want.git+want.where+old.git+old.where == "" {
				want.registry = old.registry
			}
		}
	}
	for _, key := range keys {
		if i := slices.IndexFunc(m[key], func(e meaning) bool { return e.name == d.Name }); i >= 0 {
			m[key][i] = want
			return
		}
	}
	m.remove(d.Name)
	key := keys[0]
	if _, ok := m[keys[0]]; !ok {
		if _, ok := m[keys[1]]; ok {
			key = keys[1]
		}
	}
	m[key] = append(m[key], want)
}

func (m model) remove(name ident.Name) {
	for key, list := range m {
		m[key] = slices.DeleteFunc(list, func(e meaning) bool { return e.name == name })
	}
}

func (m model) equal(other model) bool {
	if len(m) != len(other) {
		return false
	}
	for key, list := range m {
		if there, ok := other[key]; !ok || !slices.Equal(list, there) {
			return false
		}
	}
	return true
}

// checkEdit holds that out is data with deps added and names removed: it asks for what the model says, leaves all else alone, stays as it is
// when edited again, and has the bytes of data when what was added is removed.
func checkEdit(t *testing.T, data, out []byte, deps []Dependency, names []ident.Name) {
	t.Helper()
	old, err := read("before", data, false)
	if err != nil {
		t.Fatal(err)
	}
	fresh, err := read("after", out, false)
	if err != nil {
		t.Fatalf("%q became %q: %v", data, out, err)
	}
	want := modelOf(old)
	for _, name := range names {
		want.remove(name)
	}
	for _, d := range deps {
		want.add(d)
		names = append(names, d.Name)
	}
	if got := modelOf(fresh); !got.equal(want) {
		t.Fatalf("%q became %q\nwhich asks for %v\nand not for %v", data, out, got, want)
	}
	checkUntouched(t, old, fresh, data, out, names)
	if len(deps) > 0 {
		if again, err := Add("m.yml", out, deps...); err != nil || !bytes.Equal(again, out) {
			t.Fatalf("%q, edited again, became %q: %v", out, again, err)
		}
	}
	if len(deps) == 1 && old.find(deps[0].Name) < 0 {
		checkUndone(t, old, data, out, deps[0])
	}
}

// checkUndone holds that removing d, which was added to data as out, gives the bytes back, where its list had entries or was [].
func checkUndone(t *testing.T, doc *document, data, out []byte, d Dependency) {
	t.Helper()
	if doc.root == nil {
		return
	}
	f, ok := doc.listFor(d.Dev)
	if !ok || len(f.Value.Items) == 0 && string(data[f.ColonEnd():f.Value.End()]) != " []" {
		return
	}
	if back, _, err := Remove("m.yml", out, d.Name); err != nil || !bytes.Equal(back, data) {
		t.Fatalf("%q\nwith %s is\n%q\nand without it again\n%q, %v", data, d.Name, out, back, err)
	}
}

// checkUntouched holds that an edit of the entries names left every other byte alone: the text of each other entry, and every line but
// those of the entries themselves and the frame of their lists, which is a list in brackets, or the key of one that was or became empty. A
// comment in such a frame stays as well, unless it follows an entry that went. Beside these lines blank ones may come and go.
func checkUntouched(t *testing.T, old, fresh *document, before, after []byte, names []ident.Name) {
	t.Helper()
	frames := map[string]bool{}
	for _, doc := range []*document{old, fresh} {
		for _, key := range slices.Concat(prodKeys, devKeys) {
			if f, ok := listField(doc, key); !ok || len(f.Value.Items) == 0 {
				frames[key] = true
			}
		}
		for _, e := range doc.entries {
			if slices.Contains(names, e.Name) && e.list.Value.Style == strictyaml.Flow {
				frames[e.list.Key.Text] = true
			}
		}
	}
	if a, b := entryTexts(old, before, names), entryTexts(fresh, after, names); !slices.Equal(a, b) {
		t.Fatalf("%q became %q\nother entries were\n%q\nand are\n%q", before, after, a, b)
	}
	if a, b := foreignKeys(old, fresh, names), foreignKeys(fresh, old, names); !slices.EqualFunc(a, b, strictyaml.Equal) {
		t.Fatalf("%q became %q without keys that opkg does not read", before, after)
	}
	if a, b := keptLines(old, before, names, frames), keptLines(fresh, after, names, frames); !slices.EqualFunc(a, b, sameLine) {
		t.Fatalf("%q became %q\nother lines were\n%+v\nand are\n%+v", before, after, a, b)
	}
	for _, comment := range frameComments(old, before, names, frames) {
		if !slices.Contains(frameComments(fresh, after, nil, frames), comment) {
			t.Fatalf("%q became %q without %q", before, after, comment)
		}
	}
}

func listField(doc *document, key string) (f strictyaml.Field, ok bool) {
	if doc.root == nil {
		return f, false
	}
	return fieldOf(doc.root, key)
}

// entryTexts are the entries but names, as they are written.
func entryTexts(doc *document, data []byte, names []ident.Name) (out []string) {
	for _, e := range doc.entries {
		if !slices.Contains(names, e.Name) {
			n := e.list.Value.Items[e.index]
			out = append(out, string(data[n.Start:n.End()]))
		}
	}
	return out
}

// keptLine is a line that an edit leaves alone.
type keptLine struct {
	text   string // without its line feed
	blanks int    // lines before it
	beside bool   // a line that may be edited is the one before, but for blank ones
	last   bool   // without a line end
}

func sameLine(a, b keptLine) bool {
	if a.last || b.last {
		a.text, b.text = strings.TrimSuffix(a.text, "\r"), strings.TrimSuffix(b.text, "\r")
	}
	return a.text == b.text && (a.blanks == b.blanks || a.beside || b.beside)
}

// editedLines are the numbers of the lines that an edit of names may change.
func editedLines(doc *document, data []byte, names []ident.Name, frames map[string]bool) map[int]bool {
	open := map[int]bool{}
	allow := func(from, to int) {
		for i := lineOf(data, from); i <= lineOf(data, to); i++ {
			open[i] = true
		}
	}
	for key := range frames {
		switch f, ok := listField(doc, key); {
		case !ok:
		case len(f.Value.Items) == 0 || f.Value.Style == strictyaml.Flow:
			allow(f.Key.Start, f.End())
		default:
			allow(f.Key.Start, f.Key.Start)
		}
	}
	if doc.root != nil && doc.root.Style == strictyaml.Flow && len(frames) > 0 && len(doc.root.Fields) > 0 {
		for i, f := range doc.root.Fields { // what stands before a new list gets a comma
			if i+1 == len(doc.root.Fields) || frames[doc.root.Fields[i+1].Key.Text] {
				allow(f.End(), f.End())
			}
		}
	}
	for _, e := range doc.entries {
		if item := e.list.Value.Items[e.index]; slices.Contains(names, e.Name) {
			start, end := item.Start, item.End()
			if e.list.Value.Style == strictyaml.Block {
				start = dashBefore(data, start)
				comments := fmt.Sprintf(`^[^\n]*(\n {%d,}#[^\n]*)*`, e.list.Value.Column)
				end += len(regexp.MustCompile(comments).Find(data[end:]))
			}
			allow(start, end)
		}
	}
	return open
}

func lineOf(data []byte, offset int) int { return bytes.Count(data[:offset], []byte("\n")) }

func keptLines(doc *document, data []byte, names []ident.Name, frames map[string]bool) (out []keptLine) {
	open := editedLines(doc, data, names, frames)
	next := keptLine{}
	for i, line := range strings.SplitAfter(string(data), "\n") {
		switch next.text = strings.TrimSuffix(line, "\n"); {
		case line == "":
		case open[i]:
			next.blanks, next.beside = 0, true
		case strings.TrimSpace(line) == "":
			next.blanks++
		default:
			next.last = next.text == line
			out = append(out, next)
			next = keptLine{}
		}
	}
	return out
}

// frameComments are the comments in the lines of frames but those that follow an entry of names.
func frameComments(doc *document, data []byte, names []ident.Name, frames map[string]bool) (out []string) {
	theirs := editedLines(doc, data, names, nil)
	lines := strings.Split(string(data), "\n")
	for i := range editedLines(doc, data, nil, frames) {
		if _, comment, ok := strings.Cut(lines[i], " #"); ok && !theirs[i] {
			out = append(out, strings.TrimSuffix(comment, "\r"))
		}
	}
	return out
}

// dashBefore is the offset of the line with the dash of a block list's item, which begins at offset start.
func dashBefore(data []byte, start int) int {
	for at := start; ; {
		line := bytes.LastIndexByte(data[:at], '\n') + 1
		if text := bytes.TrimLeft(data[line:start], " \t"); len(text) > 0 && text[0] == '-' || line == 0 {
			return line
		}
		at = line - 1
	}
}

package manifest

import (
	"bytes"
	"slices"
	"strings"

	"github.com/openpackage/opkg/internal/strictyaml"
)

// editor collects changes of a text at offsets of the text as it was read.
type editor struct {
	data    []byte
	eol     string // as the text's first line ends: for a line that has no end
	changes []change
}

// change replaces the bytes from from up to to.
type change struct {
	from, to int
	text     string
}

func newEditor(data []byte) *editor {
	e := &editor{data: data, eol: "\n"}
	if i := bytes.IndexByte(data, '\n'); i > 0 && data[i-1] == '\r' {
		e.eol = "\r\n"
	}
	return e
}

// replace writes text, whose lines end with LF, with the line ends that the text has there.
func (e *editor) replace(from, to int, text string) {
	if eol := e.eolOf(from); eol != "\n" {
		text = strings.ReplaceAll(text, "\n", eol)
	}
	e.changes = append(e.changes, change{from, to, text})
}

func (e *editor) insert(at int, text string) { e.replace(at, at, text) }

// bytes is the changed text. Changes at one place are made in the order of their making; ok is false if two overlap.
func (e *editor) bytes() (out []byte, ok bool) {
	slices.SortStableFunc(e.changes, func(a, b change) int { return a.from - b.from })
	done := 0
	for _, c := range e.changes {
		if c.from < done {
			return nil, false
		}
		out = append(append(out, e.data[done:c.from]...), c.text...)
		done = c.to
	}
	return append(out, e.data[done:]...), true
}

// lineStart is the offset of the first byte of the line of i.
func (e *editor) lineStart(i int) int { return bytes.LastIndexByte(e.data[:i], '\n') + 1 }

// lineEnd is the offset of the line end of i: of its CR LF or LF, or the end of the text.
func (e *editor) lineEnd(i int) int {
	end := len(e.data)
	if j := bytes.IndexByte(e.data[i:], '\n'); j >= 0 {
		end = i + j
	}
	if end > i && e.data[end-1] == '\r' {
		end--
	}
	return end
}

// eolOf is how the line of i ends.
func (e *editor) eolOf(i int) string {
	if end := e.lineEnd(i); end < len(e.data) {
		return string(e.data[end:e.nextLine(i)])
	}
	return e.eol
}

// nextLine is the offset of the line behind that of i, or the end of the text.
func (e *editor) nextLine(i int) int {
	if j := bytes.IndexByte(e.data[i:], '\n'); j >= 0 {
		return i + j + 1
	}
	return len(e.data)
}

// isBlank reports whether only blanks stand in a part of the text.
func (e *editor) isBlank(from, to int) bool { return len(bytes.TrimSpace(e.data[from:to])) == 0 }

// restIsComment reports whether only blanks and a comment follow i in its line.
func (e *editor) restIsComment(i int) bool {
	rest := bytes.TrimSpace(e.data[i:e.lineEnd(i)])
	return len(rest) == 0 || rest[0] == '#'
}

// ownsLine reports whether only blanks stand before i in its line.
func (e *editor) ownsLine(i int) bool { return e.isBlank(e.lineStart(i), i) }

// comma is the offset behind the comma that follows i, past blanks; ok is false where there is none.
func (e *editor) comma(i int) (behind int, ok bool) {
	for ; i < len(e.data) && (e.data[i] == ' ' || e.data[i] == '\t'); i++ {
	}
	if i < len(e.data) && e.data[i] == ',' {
		return i + 1, true
	}
	return i, false
}

// cutLines removes the lines of from to to. At the end of a text that has no final line end it removes the one before instead. Where
// the lines stood between blank lines, or are the last of a list, those before go too, but for what belongs to that which ends at prior.
func (e *editor) cutLines(prior, from, to int, last bool) {
	prior, from, to = e.nextLine(prior), e.lineStart(from), e.nextLine(to)
	before := from
	for before > prior && e.isBlank(e.lineStart(before-1), before) {
		before = e.lineStart(before - 1)
	}
	if before > 0 && before < from && (last || to == len(e.data) || e.isBlank(to, e.nextLine(to))) {
		from = before
	}
	if to == len(e.data) && from > 0 && (to == 0 || e.data[to-1] != '\n') {
		from = e.lineEnd(e.lineStart(from - 1))
	}
	e.replace(from, to, "")
}

// setScalar makes the text of a field's value s, quoted as it was.
func (e *editor) setScalar(f strictyaml.Field, s string, l look) {
	v := f.Value
	if v.IsNull() && v.Text == "" {
		e.insert(f.ColonEnd(), " "+scalar(s, l.value))
		return
	}
	style := v.Style
	if style != strictyaml.SingleQuoted && style != strictyaml.DoubleQuoted {
		style = strictyaml.Plain
	}
	e.replace(v.Start, v.End(), scalar(s, style))
}

// insertField adds p to the mapping m, behind its field i.
func (e *editor) insertField(m *strictyaml.Node, i int, p pair, l look) {
	end := m.Fields[i].End()
	if m.Style == strictyaml.Flow {
		behind, comma := e.comma(end)
		switch ownLine := e.ownsLine(m.Fields[i].Key.Start) && e.restIsComment(behind); {
		case !ownLine:
			e.insert(end, ", "+l.field(p))
			return
		case comma:
			e.insert(e.lineEnd(behind), "\n"+strings.Repeat(" ", m.Fields[i].Key.Column-1)+l.field(p)+",")
		default:
			e.insert(end, ",")
			e.insert(e.lineEnd(end), "\n"+strings.Repeat(" ", m.Fields[i].Key.Column-1)+l.field(p))
		}
		return
	}
	e.insert(e.lineEnd(end), "\n"+strings.Repeat(" ", m.Column-1)+l.field(p))
}

// removeField removes field i of the mapping m, which has others.
func (e *editor) removeField(m *strictyaml.Node, i int) {
	f := m.Fields[i]
	switch last := i == len(m.Fields)-1; {
	case m.Style == strictyaml.Block && e.ownsLine(f.Key.Start):
		e.cutLines(m.Fields[max(i-1, 0)].End(), f.Key.Start, f.End(), false)
	case !last:
		e.replace(f.Key.Start, m.Fields[i+1].Key.Start, "")
	default:
		e.replace(m.Fields[i-1].End(), f.End(), "")
	}
}

// emptied makes the field, whose value is nothing, ~, [] or {}, ready for a block behind its line, and returns
// where that begins. ok is false if the value must stay where it is.
func (e *editor) emptied(f strictyaml.Field) (at int, ok bool) {
	v := f.Value
	colon := f.ColonEnd()
	switch {
	case v.IsNull() && v.Text == "":
		return e.lineEnd(colon), true
	case bytes.ContainsAny(e.data[colon:v.Start], "\n#"):
		return 0, false
	case v.Kind != strictyaml.Scalar && !e.isBlank(v.Start+1, v.End()-1):
		return 0, false
	}
	e.replace(colon, v.End(), "")
	return e.lineEnd(v.End()), true
}

// appendBlock adds lines, the first of them a new key, to the end of the document.
func (e *editor) appendBlock(root *strictyaml.Node, lines []string) {
	text := strings.Join(lines, "\n")
	if root != nil && bytes.Contains(e.data[root.End():], []byte("\n...")) {
		e.insert(e.lineEnd(root.End()), "\n"+text)
		return
	}
	if n := len(e.data); n > 0 && e.data[n-1] != '\n' {
		e.insert(n, "\n"+text)
		return
	}
	e.insert(len(e.data), text+"\n")
}

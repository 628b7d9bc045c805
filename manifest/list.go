package manifest

import (
	"bytes"
	"strings"

	"github.com/openpackage/opkg/internal/strictyaml"
)

// shape is how a file writes its lists: the column of the dashes, and how far behind them an item begins.
type shape struct{ dash, gap int }

// shapeOf is the shape of a block list. An item that begins below its dash gets a line of its own no more.
func shapeOf(list *strictyaml.Node) shape {
	s := shape{dash: list.Column - 1, gap: 2}
	if last := list.Items[len(list.Items)-1]; last.Column-1 > s.dash && list.Items[0].Line == list.Line {
		s.gap = list.Items[0].Column - 1 - s.dash
	}
	return s
}

// shapeIn takes the shape of the first block list of a document; the OpenPackage client puts the dashes
// right below the key.
func shapeIn(root *strictyaml.Node) (shape, *strictyaml.Node) {
	if root != nil {
		for _, f := range root.Fields {
			if f.Value.Kind == strictyaml.Sequence && f.Value.Style == strictyaml.Block && len(f.Value.Items) > 0 {
				return shapeOf(f.Value), f.Value.Items[len(f.Value.Items)-1]
			}
		}
	}
	return shape{dash: 0, gap: 2}, nil
}

// item is an entry to be written: one of pairs, or one that stands in the file already and keeps its source.
type item struct {
	pairs  []pair
	source []string // its lines, as far indented as its first; nil: it is new
	style  strictyaml.Style
}

// source is the text of an item, line by line, with its comments.
func (e *editor) source(list, n *strictyaml.Node) []string {
	end := n.End()
	if list.Style == strictyaml.Block {
		end = e.lineEnd(e.itemEnd(list, n))
	}
	lines := strings.Split(string(e.data[n.Start:end]), "\n")
	for i, line := range lines {
		line = strings.TrimSuffix(line, "\r")
		if blanks := len(line) - len(strings.TrimLeft(line, " ")); i > 0 {
			line = line[min(blanks, n.Column-1):]
		}
		lines[i] = line
	}
	return lines
}

// line writes an item in block style, without its first line end.
func (e *editor) line(s shape, like *strictyaml.Node, it *item) string {
	l := lookOf(like, e.data)
	text := strings.Repeat(" ", s.dash) + "-" + strings.Repeat(" ", s.gap-1)
	switch {
	case it.source != nil:
		text += it.source[0]
		for _, line := range it.source[1:] {
			text += "\n"
			if line != "" {
				text += strings.Repeat(" ", s.dash+s.gap) + line
			}
		}
		return text
	case like != nil && like.Style == strictyaml.Flow:
		return text + l.flow(it.pairs)
	}
	return text + l.block(it.pairs, s.dash+s.gap)
}

// inFlow writes an item in braces.
func (it *item) inFlow(l look) string {
	if it.source != nil && it.style == strictyaml.Flow && !strings.Contains(it.source[len(it.source)-1], "#") {
		return strings.Join(it.source, "\n")
	}
	return l.flow(it.pairs)
}

// appendItem adds an item to a list that has some.
func (e *editor) appendItem(list *strictyaml.Node, it *item) {
	last := list.Items[len(list.Items)-1]
	if list.Style == strictyaml.Flow {
		e.appendFlowItem(last, it.inFlow(lookOf(last, e.data)))
		return
	}
	text := "\n" + e.line(shapeOf(list), last, it)
	if n := len(list.Items); n > 1 {
		// A file with a blank line between the items gets one more.
		if gap := e.lineEnd(e.itemEnd(list, list.Items[n-2])); e.isBlank(gap, e.nextLine(e.nextLine(gap))) {
			text = "\n" + text
		}
	}
	e.insert(e.lineEnd(e.itemEnd(list, last)), text)
}

// itemEnd is the end of an item of a block list with the comments right below it that are as far indented as it is: they are part of it.
func (e *editor) itemEnd(list, n *strictyaml.Node) int {
	return e.withComments(n.End(), list.Column)
}

// withComments is end, or the end of the comments in the lines right below it that are indented by indent or more.
func (e *editor) withComments(end, indent int) int {
	for {
		next := e.nextLine(end)
		line := e.data[next:e.lineEnd(next)]
		text := bytes.TrimLeft(line, " ")
		if len(text) == 0 || text[0] != '#' || len(line)-len(text) < indent {
			return end
		}
		end = next + len(line)
	}
}

// appendFlowItem adds an item behind the last of a list in brackets: on a line of its own where that is, and
// with a comma behind it where that has one.
func (e *editor) appendFlowItem(last *strictyaml.Node, text string) {
	end := last.End()
	behind, comma := e.comma(end)
	ownLine := e.ownsLine(last.Start) && e.restIsComment(behind)
	separator := " "
	if ownLine {
		separator = "\n" + strings.Repeat(" ", last.Start-e.lineStart(last.Start))
	}
	at := behind
	if !comma {
		e.insert(end, ",")
		at = end
	} else {
		text += ","
	}
	if ownLine {
		at = e.lineEnd(at)
	}
	e.insert(at, separator+text)
}

// firstItem adds an item to the field f of root, whose list is empty.
func (e *editor) firstItem(root *strictyaml.Node, f strictyaml.Field, it *item) {
	if root.Style == strictyaml.Block {
		if at, ok := e.emptied(f); ok {
			s, like := shapeIn(root)
			at = e.withComments(at, s.dash+1)
			e.insert(at, "\n"+e.line(s, like, it))
			return
		}
	}
	l := look{key: f.Key.Style, name: f.Key.Style, value: f.Key.Style}
	switch v := f.Value; {
	case v.Kind == strictyaml.Sequence:
		e.insert(v.End()-1, it.inFlow(l))
	case v.Text == "":
		e.insert(f.ColonEnd(), " ["+it.inFlow(l)+"]")
	default:
		e.replace(v.Start, v.End(), "["+it.inFlow(l)+"]")
	}
}

// appendList adds the key of a list and its first item to a document in block style; root is nil for one without content.
func (e *editor) appendList(root *strictyaml.Node, dev bool, it *item) {
	s, like := shapeIn(root)
	key := strictyaml.Plain
	if root != nil && len(root.Fields) > 0 {
		key = root.Fields[len(root.Fields)-1].Key.Style
	}
	e.appendBlock(root, []string{scalar(listKey(dev), key) + ":", e.line(s, like, it)})
}

// appendFlowList does so in a document that is one mapping in braces.
func (e *editor) appendFlowList(root *strictyaml.Node, dev bool, it *item) {
	if len(root.Fields) == 0 {
		e.insert(root.End()-1, listKey(dev)+": ["+it.inFlow(look{key: strictyaml.Plain, name: strictyaml.Plain, value: strictyaml.Plain})+"]")
		return
	}
	last := root.Fields[len(root.Fields)-1]
	style := last.Key.Style
	l := look{key: style, name: style, value: style}
	separator := ", "
	if e.ownsLine(last.Key.Start) {
		separator = ",\n" + strings.Repeat(" ", last.Key.Start-e.lineStart(last.Key.Start))
	}
	e.insert(last.End(), separator+scalar(listKey(dev), style)+": ["+it.inFlow(l)+"]")
}

func listKey(dev bool) string {
	if dev {
		return devKeys[0]
	}
	return prodKeys[0]
}

// removeItem cuts item i out of the list of f.
func (e *editor) removeItem(f strictyaml.Field, i int) {
	list := f.Value
	item := list.Items[i]
	only := len(list.Items) == 1
	prior := f.ColonEnd()
	if i > 0 {
		prior = list.Items[i-1].End()
	}
	if list.Style == strictyaml.Block {
		dash := e.dashOf(list, item)
		if only {
			e.insert(f.ColonEnd(), " []")
		}
		end := e.itemEnd(list, item)
		if first := e.lineStart(dash) == e.nextLine(f.ColonEnd()); first && !only && e.isBlank(e.nextLine(end), e.nextLine(e.nextLine(end))) {
			end = e.nextLine(end) // the blank line that kept it from the next one
		}
		e.cutLines(prior, dash, end, i > 0 && i == len(list.Items)-1)
		return
	}
	behind, comma := e.comma(item.End())
	switch ownLines := e.ownsLine(item.Start) && e.restIsComment(behind); {
	case only && e.isBlank(list.Start+1, item.Start) && e.isBlank(behind, list.End()-1):
		e.replace(list.Start+1, list.End()-1, "")
	case ownLines:
		if !comma && !only {
			if after, ok := e.comma(prior); ok {
				e.replace(after-1, after, "")
			}
		}
		e.cutLines(prior, item.Start, item.End(), false)
	case i+1 < len(list.Items):
		e.replace(item.Start, list.Items[i+1].Start, "")
	case only:
		e.replace(item.Start, behind, "")
	default:
		e.replace(prior, item.End(), "")
	}
}

// dashOf is the offset of the dash of a block list's item.
func (e *editor) dashOf(list, item *strictyaml.Node) int {
	for at := e.lineStart(item.Start); ; at = e.lineStart(at - 1) {
		if dash := at + list.Column - 1; dash < len(e.data) && e.data[dash] == '-' && e.isBlank(at, dash) || at == 0 {
			return min(dash, item.Start)
		}
	}
}

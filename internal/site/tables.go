package site

import (
	"bytes"

	"github.com/yuin/goldmark/ast"
	gfm "github.com/yuin/goldmark/extension/ast"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/text"
	"github.com/yuin/goldmark/util"
)

// maxColumns is how many columns a table may have. A short row is filled with empty cells, so that without a bound a README of 100 KB could
// ask for hundreds of millions of them.
const maxColumns = 100

// tables makes tables of paragraphs that hold a delimiter row, as GitHub does: https://github.github.com/gfm/#tables-extension-
type tables struct{}

// Transform implements parser.ParagraphTransformer.
func (tables) Transform(p *ast.Paragraph, reader text.Reader, _ parser.Context) {
	source, lines := reader.Source(), p.Lines()
	for i := 1; i < lines.Len(); i++ {
		columns := columnsOf(lines.At(i), source)
		header := cellsOf(lines.At(i-1), source)
		if len(columns) == 0 || len(columns) > maxColumns || len(header) != len(columns) {
			continue
		}
		table := gfm.NewTable()
		table.Alignments = columns
		table.AppendChild(table, gfm.NewTableHeader(rowOf(header, columns)))
		for j := i + 1; j < lines.Len(); j++ {
			table.AppendChild(table, rowOf(cellsOf(lines.At(j), source), columns))
		}
		parent := p.Parent()
		parent.InsertAfter(parent, p, table)
		if lines.SetSliced(0, i-1); lines.Len() == 0 {
			parent.RemoveChild(parent, p)
		} else {
			last := lines.At(lines.Len() - 1)
			lines.Set(lines.Len()-1, last.TrimRightSpace(source))
		}
		return
	}
}

// rowOf is a row with as many cells as there are columns.
func rowOf(cells []text.Segment, columns []gfm.Alignment) *gfm.TableRow {
	row := gfm.NewTableRow(columns)
	for i, alignment := range columns {
		cell := gfm.NewTableCell()
		if i < len(cells) {
			cell.Alignment = alignment
			cell.Lines().Append(cells[i])
		}
		row.AppendChild(row, cell)
	}
	return row
}

// cellsOf splits a line at the pipes that no backslash escapes. One at either end only closes the row.
func cellsOf(line text.Segment, source []byte) (cells []text.Segment) {
	line = line.TrimLeftSpace(source)
	line = line.TrimRightSpace(source)
	begin := line.Start
	if begin < line.Stop && source[begin] == '|' {
		begin++
	}
	for i := begin; i <= line.Stop; i++ {
		switch {
		case i == line.Stop && begin == i: // behind the last pipe
			continue
		case i < line.Stop && (source[i] != '|' || i > line.Start && source[i-1] == '\\'):
			continue
		}
		cell := text.NewSegment(begin, i)
		cell = cell.TrimLeftSpace(source)
		cells = append(cells, cell.TrimRightSpace(source))
		begin = i + 1
	}
	return cells
}

// columnsOf reads a delimiter row: hyphens in each cell, with colons for the alignment. nil where a line is none.
func columnsOf(line text.Segment, source []byte) (columns []gfm.Alignment) {
	text := line.Value(source)
	if indent, _ := util.IndentWidth(text, 0); indent > 3 || !bytes.ContainsAny(text, "|:") {
		return nil
	}
	for _, cell := range cellsOf(line, source) {
		mark := cell.Value(source)
		hyphens, left := bytes.CutPrefix(mark, []byte(":"))
		hyphens, right := bytes.CutSuffix(hyphens, []byte(":"))
		if len(hyphens) == 0 || len(bytes.Trim(hyphens, "-")) > 0 {
			return nil
		}
		alignment := gfm.AlignNone
		switch {
		case left && right:
			alignment = gfm.AlignCenter
		case left:
			alignment = gfm.AlignLeft
		case right:
			alignment = gfm.AlignRight
		}
		columns = append(columns, alignment)
	}
	return columns
}

// unescapePipes takes the backslashes off that kept pipes in a code span from ending a cell: elsewhere in a cell, Markdown itself does so.
func unescapePipes(code *ast.CodeSpan, source []byte) {
	for child := code.FirstChild(); child != nil; child = child.NextSibling() {
		t, ok := child.(*ast.Text)
		for ok {
			i := bytes.Index(t.Segment.Value(source), []byte(`\|`))
			if i < 0 {
				break
			}
			at := t.Segment.Start + i
			code.InsertBefore(code, t, ast.NewRawTextSegment(t.Segment.WithStop(at)))
			t.Segment = t.Segment.WithStart(at + 1)
		}
	}
}

// inCell reports whether a node stands in a cell of a table.
func inCell(n ast.Node) bool {
	for ; n != nil; n = n.Parent() {
		if n.Kind() == gfm.KindTableCell {
			return true
		}
	}
	return false
}

package site

import (
	"bytes"
	"strings"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	gfm "github.com/yuin/goldmark/extension/ast"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/renderer"
	"github.com/yuin/goldmark/text"
	"github.com/yuin/goldmark/util"
)

// github is what GitHub's Markdown has beyond CommonMark: tables, text that is struck out, boxes to tick, and links that are only written down
// (https://github.github.com/gfm/). goldmark has the like in its package extension, which compiles large regular expressions in every run of
// every program that imports it: about a fifth of the time in which opkg starts.
type github struct{}

// Extend implements goldmark.Extender.
func (github) Extend(m goldmark.Markdown) {
	m.Parser().AddOptions(
		parser.WithParagraphTransformers(util.Prioritized(tables{}, 200)),
		parser.WithInlineParsers(util.Prioritized(boxes{}, 0), util.Prioritized(strikes{}, 500), util.Prioritized(bareLinks{}, 999)),
	)
	m.Renderer().AddOptions(renderer.WithNodeRenderers(util.Prioritized(elements{}, 500)))
}

// elements renders the nodes of github.
type elements struct{}

// RegisterFuncs implements renderer.NodeRenderer.
func (elements) RegisterFuncs(reg renderer.NodeRendererFuncRegisterer) {
	between := func(before, after func(n ast.Node) string) renderer.NodeRendererFunc {
		return func(w util.BufWriter, _ []byte, n ast.Node, entering bool) (ast.WalkStatus, error) {
			text := after
			if entering {
				text = before
			}
			_, err := w.WriteString(text(n))
			return ast.WalkContinue, err
		}
	}
	always := func(s string) func(ast.Node) string { return func(ast.Node) string { return s } }
	reg.Register(gfm.KindStrikethrough, between(always("<del>"), always("</del>")))
	reg.Register(gfm.KindTaskCheckBox, between(func(n ast.Node) string {
		if n.(*gfm.TaskCheckBox).IsChecked {
			return `<input checked="" disabled="" type="checkbox"> `
		}
		return `<input disabled="" type="checkbox"> `
	}, always("")))
	reg.Register(gfm.KindTable, between(always("<table>\n"), always("</table>\n")))
	reg.Register(gfm.KindTableHeader, between(always("<thead>\n<tr>\n"), func(n ast.Node) string {
		if n.NextSibling() == nil {
			return "</tr>\n</thead>\n"
		}
		return "</tr>\n</thead>\n<tbody>\n"
	}))
	reg.Register(gfm.KindTableRow, between(always("<tr>\n"), func(n ast.Node) string {
		if n.NextSibling() != nil {
			return "</tr>\n"
		}
		return "</tr>\n</tbody>\n"
	}))
	tag := func(n ast.Node) string {
		if n.Parent().Kind() == gfm.KindTableHeader {
			return "th"
		}
		return "td"
	}
	reg.Register(gfm.KindTableCell, between(func(n ast.Node) string {
		if a := n.(*gfm.TableCell).Alignment; a != gfm.AlignNone {
			return "<" + tag(n) + ` align="` + a.String() + `">`
		}
		return "<" + tag(n) + ">"
	}, func(n ast.Node) string { return "</" + tag(n) + ">\n" }))
}

// boxes finds "[ ]" and "[x]" at the beginning of list items.
type boxes struct{}

// Trigger implements parser.InlineParser.
func (boxes) Trigger() []byte { return []byte{'['} }

// Parse implements parser.InlineParser.
func (boxes) Parse(block ast.Node, reader text.Reader, _ parser.Context) ast.Node {
	item, ok := block.Parent().(*ast.ListItem)
	if !ok || item.FirstChild() != block || block.HasChildren() {
		return nil
	}
	line, _ := reader.PeekLine()
	if len(line) < 3 || line[2] != ']' || strings.IndexByte(" \txX", line[1]) < 0 || len(line) > 3 && !util.IsSpace(line[3]) {
		return nil
	}
	rest := bytes.TrimLeft(line[3:], " \t")
	reader.Advance(len(line) - len(rest))
	return gfm.NewTaskCheckBox(line[1] == 'x' || line[1] == 'X')
}

// strikes finds text between one or two tildes.
type strikes struct{}

// Trigger implements parser.InlineParser.
func (strikes) Trigger() []byte { return []byte{'~'} }

// Parse implements parser.InlineParser.
func (strikes) Parse(_ ast.Node, reader text.Reader, pc parser.Context) ast.Node {
	before := reader.PrecendingCharacter()
	line, segment := reader.PeekLine()
	d := parser.ScanDelimiter(line, before, 1, tildes{})
	if d == nil || d.OriginalLength > 2 || before == '~' {
		return nil
	}
	d.Segment = segment.WithStop(segment.Start + d.OriginalLength)
	reader.Advance(d.OriginalLength)
	pc.PushDelimiter(d)
	return d
}

type tildes struct{}

// IsDelimiter implements parser.DelimiterProcessor.
func (tildes) IsDelimiter(c byte) bool { return c == '~' }

// CanOpenCloser implements parser.DelimiterProcessor.
func (tildes) CanOpenCloser(opener, closer *parser.Delimiter) bool {
	return opener.Char == closer.Char && opener.OriginalLength == closer.OriginalLength
}

// OnMatch implements parser.DelimiterProcessor.
func (tildes) OnMatch(int) ast.Node { return gfm.NewStrikethrough() }

package site

import (
	"bytes"
	"html/template"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/text"
	"github.com/yuin/goldmark/util"
	"golang.org/x/net/html"
)

// MaxReadme bounds what of a README is rendered, in bytes.
const MaxReadme = 128 << 10

// Markdown renders a README as HTML that can do nothing: raw HTML is dropped, links lead to https, http, mailto and places in the
// README alone, and images, which would be fetched from elsewhere, become their text. The result is read again,
// and held to a list of elements and attributes; what is not on it makes the whole README plain text.
//
// The README's headings begin at h3; a first one that says no more than title is left out.
func Markdown(readme []byte, title string) template.HTML {
	readme = clean(readme)
	if len(bytes.TrimSpace(readme)) == 0 {
		return ""
	}
	md := goldmark.New(
		goldmark.WithExtensions(github{}),
		goldmark.WithParserOptions(parser.WithASTTransformers(util.Prioritized(tamer{title}, 1000))),
	)
	var out bytes.Buffer
	if nested(readme) || md.Convert(readme, &out) != nil || !harmless(out.Bytes()) {
		return template.HTML(`<pre class="plain">` + template.HTMLEscapeString(string(readme)) + "</pre>")
	}
	return template.HTML(out.String())
}

// clean cuts a README to its bound, and leaves out what is no text: bytes that are not UTF-8, control characters, and those that
// turn the direction of a line.
func clean(readme []byte) []byte {
	if len(readme) > MaxReadme {
		cut := readme[:MaxReadme]
		for len(cut) > 0 && !utf8.RuneStart(readme[len(cut)]) {
			cut = cut[:len(cut)-1]
		}
		readme = append(bytes.Clone(cut), "\n\n…\n"...)
	}
	return bytes.Map(func(r rune) rune {
		switch {
		case r == '\n', r == '\t':
			return r
		case r == utf8.RuneError, unicode.Is(unicode.Cc, r), r >= 0x202a && r <= 0x202e, r >= 0x2066 && r <= 0x2069, r == 0xfeff:
			return -1
		}
		return r
	}, readme)
}

// nested reports a line that begins with more quotes and list items, one in the other, than people write: each costs the
// parser a look at all that stand around it.
func nested(readme []byte) bool {
	const most = 100
	for line := range bytes.Lines(readme) {
		depth := 0
		for word := range bytes.FieldsSeq(line) {
			word = bytes.TrimLeft(word, "0123456789")
			if len(bytes.Trim(word, "-+*>.)")) > 0 {
				break
			}
			if depth += len(word); depth > most {
				return true
			}
		}
	}
	return false
}

// tamer changes the tree before it is rendered.
type tamer struct{ title string }

// Transform implements parser.ASTTransformer.
func (t tamer) Transform(doc *ast.Document, reader text.Reader, _ parser.Context) {
	source := reader.Source()
	var loose, dropped []ast.Node
	if h, ok := doc.FirstChild().(*ast.Heading); ok && strings.EqualFold(strings.TrimSpace(plainText(h, source)), t.title) {
		doc.RemoveChild(doc, h)
	}
	top := 6
	_ = ast.Walk(doc, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if !entering {
			return ast.WalkContinue, nil
		}
		n.RemoveAttributes()
		switch n := n.(type) {
		case *ast.Link:
			n.Title = nil
			if n.Destination = []byte(safeLink(string(n.Destination))); len(n.Destination) == 0 {
				loose = append(loose, n)
			}
		case *ast.Image:
			loose = append(loose, n)
		case *ast.AutoLink:
			if n.AutoLinkType == ast.AutoLinkURL && safeLink(string(n.URL(source))) == "" {
				dropped = append(dropped, n)
			}
		case *ast.CodeSpan:
			if inCell(n) {
				unescapePipes(n, source)
			}
		case *ast.RawHTML, *ast.HTMLBlock:
			dropped = append(dropped, n)
		case *ast.Heading:
			top = min(top, n.Level)
		}
		return ast.WalkContinue, nil
	})
	for _, n := range loose { // their text stays
		parent := n.Parent()
		for child := n.FirstChild(); child != nil; {
			next := child.NextSibling()
			parent.InsertBefore(parent, n, child)
			child = next
		}
		parent.RemoveChild(parent, n)
	}
	for _, n := range dropped {
		n.Parent().RemoveChild(n.Parent(), n)
	}
	_ = ast.Walk(doc, func(n ast.Node, entering bool) (ast.WalkStatus, error) { // the page has an h1 and an h2 above
		if h, ok := n.(*ast.Heading); ok && entering {
			h.Level = min(6, h.Level-top+3)
		}
		return ast.WalkContinue, nil
	})
}

// plainText is the text of a node without its markup.
func plainText(n ast.Node, source []byte) string {
	var b strings.Builder
	_ = ast.Walk(n, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if t, ok := n.(*ast.Text); ok && entering {
			b.Write(t.Segment.Value(source))
		}
		return ast.WalkContinue, nil
	})
	return b.String()
}

// safeLink is a URL that a page may link to, or "".
func safeLink(s string) string {
	u, err := url.Parse(s)
	if err != nil || strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r == '\\' || r == 0x7f }) {
		return ""
	}
	switch u.Scheme {
	case "https", "http":
		if u.Host == "" || u.User != nil {
			return ""
		}
		return u.String()
	case "mailto":
		return u.String()
	}
	return "" // a relative link leads into the package, which the site does not serve
}

// linkTo is what a page makes of a URL in a manifest.
func linkTo(s string) link {
	s = registryText(s)
	u := strings.TrimPrefix(s, "git+")
	if safe := safeLink(u); safe != "" && !strings.HasPrefix(safe, "mailto:") {
		text := strings.TrimSuffix(strings.TrimPrefix(strings.TrimPrefix(safe, "https://"), "http://"), "/")
		return link{URL: safe, Text: strings.TrimSuffix(text, ".git")}
	}
	return link{Text: s}
}

// registryText is one line of text, at most 200 characters of it.
func registryText(s string) string {
	s = strings.Join(strings.FieldsFunc(strings.ToValidUTF8(s, ""), func(r rune) bool { return unicode.IsSpace(r) || unicode.Is(unicode.Cc, r) || unicode.Is(unicode.Cf, r) }), " ")
	if r := []rune(s); len(r) > 200 {
		s = string(r[:199]) + "…"
	}
	return s
}

// allowed is every element that a rendered README may hold, with its attributes.
var allowed = map[string][]string{
	"p": nil, "br": nil, "hr": nil, "em": nil, "strong": nil, "del": nil, "blockquote": nil, "ul": nil, "li": nil, "pre": nil,
	"h3": nil, "h4": nil, "h5": nil, "h6": nil, "table": nil, "thead": nil, "tbody": nil, "tr": nil,
	"ol": {"start"}, "code": {"class"}, "a": {"href"}, "th": {"align"}, "td": {"align"}, "input": {"checked", "disabled", "type"},
}

// harmless holds HTML to allowed, as a browser would read it.
func harmless(out []byte) bool {
	z := html.NewTokenizer(bytes.NewReader(out))
	for {
		switch z.Next() {
		case html.ErrorToken:
			return z.Err().Error() == "EOF"
		case html.TextToken, html.EndTagToken:
		case html.CommentToken:
			if string(z.Raw()) != "<!-- raw HTML omitted -->" {
				return false
			}
		case html.StartTagToken, html.SelfClosingTagToken:
			if !harmlessTag(z.Token()) {
				return false
			}
		default:
			return false
		}
	}
}

func harmlessTag(t html.Token) bool {
	attributes, ok := allowed[t.Data]
	if !ok {
		return false
	}
	for _, a := range t.Attr {
		known := false
		for _, name := range attributes {
			known = known || a.Key == name && a.Namespace == ""
		}
		switch {
		case !known:
			return false
		case a.Key == "href" && safeLink(a.Val) == "":
			return false
		case a.Key == "type" && a.Val != "checkbox":
			return false
		}
	}
	return true
}

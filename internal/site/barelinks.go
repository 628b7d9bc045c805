package site

import (
	"bytes"
	"strings"

	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/text"
)

// bareLinks finds web and mail addresses in text, as GitHub does: https://github.github.com/gfm/#autolinks-extension-
// What leads nowhere that a page may link to stays text.
type bareLinks struct{}

// maxLink and maxMailbox bound an address, and what of it stands before the @, in bytes. Without them, text of many beginnings and no end would be
// read again from each.
const (
	maxLink    = 2000
	maxMailbox = 64
)

// beforeLink may stand before a link, other than the beginning of a line.
const beforeLink = " *_~("

// Trigger implements parser.InlineParser: a space stands for the beginning of a line as well.
func (bareLinks) Trigger() []byte { return []byte(beforeLink) }

// Parse implements parser.InlineParser.
func (bareLinks) Parse(parent ast.Node, reader text.Reader, pc parser.Context) ast.Node {
	line, segment := reader.PeekLine()
	if pc.IsInLinkLabel() || len(line) == 0 || segment.Padding > 0 {
		return nil
	}
	skip := 0
	if strings.IndexByte(beforeLink, line[0]) >= 0 {
		skip = 1
	}
	n, protocol := webAddress(line[skip:])
	kind := ast.AutoLinkURL
	if n == 0 {
		n, kind = mailAddress(line[skip:]), ast.AutoLinkEmail
	}
	if n == 0 {
		return nil
	}
	if skip > 0 {
		ast.MergeOrAppendTextSegment(parent, segment.WithStop(segment.Start+skip))
	}
	start := segment.Start + skip
	reader.Advance(skip + n)
	link := ast.NewAutoLink(kind, ast.NewTextSegment(text.NewSegment(start, start+n)))
	if protocol != "" {
		link.Protocol = []byte(protocol)
	}
	return link
}

// webAddress is the length of the web address that line begins with, 0 for none, and the protocol that it does not name.
func webAddress(line []byte) (n int, protocol string) {
	before := 0
	switch {
	case bytes.HasPrefix(line, []byte("https://")):
		before = len("https://")
	case bytes.HasPrefix(line, []byte("http://")):
		before = len("http://")
	case bytes.HasPrefix(line, []byte("www.")):
		protocol = "http"
	default:
		return 0, ""
	}
	host := domain(line[before:], true)
	if host == 0 {
		return 0, ""
	}
	n = before + host
	for n < len(line) && line[n] > ' ' && line[n] != '<' {
		if n++; n > maxLink {
			return 0, ""
		}
	}
	n = before + host + len(withoutEnd(line[before+host:n], line[:before+host]))
	url := string(line[:n])
	if protocol != "" {
		url = protocol + "://" + url
	}
	if safeLink(url) == "" {
		return 0, ""
	}
	return n, protocol
}

// withoutEnd takes off what at the end of an address belongs to the sentence around it: punctuation, a parenthesis that was not opened in it, and
// an entity.
func withoutEnd(path, host []byte) []byte {
	for len(path) > 0 {
		switch last := path[len(path)-1]; last {
		case '?', '!', '.', ',', ':', '*', '_', '~', '"', '\'':
			path = path[:len(path)-1]
		case ')':
			if bytes.Count(path, []byte(")")) <= bytes.Count(path, []byte("("))+bytes.Count(host, []byte("(")) {
				return path
			}
			path = path[:len(path)-1]
		case ';':
			at := bytes.LastIndexByte(path, '&')
			if at < 0 || at == len(path)-2 || bytes.ContainsFunc(path[at+1:len(path)-1], func(r rune) bool { return r > 0x7f || !isAlphanumeric(byte(r)) }) {
				return path
			}
			path = path[:at]
		default:
			return path
		}
	}
	return path
}

// mailAddress is the length of the mail address that line begins with, 0 for none.
func mailAddress(line []byte) int {
	at := 0
	for at < min(len(line), maxMailbox+1) && (isAlphanumeric(line[at]) || at > 0 && strings.IndexByte(".-_+", line[at]) >= 0) {
		at++
	}
	if at == 0 || at == len(line) || line[at] != '@' {
		return 0
	}
	host := domain(line[at+1:], false)
	if host == 0 || line[at+host] == '-' || line[at+host] == '_' {
		return 0
	}
	if end := at + 1 + host; end < len(line) && line[end] == '@' {
		return 0
	}
	return at + 1 + host
}

// domain is the length of the domain that text begins with: two parts or more with periods between, 0 for none. strict says that there is no
// underscore in the last two.
func domain(text []byte, strict bool) (n int) {
	parts := 0
	for at := 0; at < min(len(text), maxLink); at++ {
		begin := at
		for at < len(text) && (isAlphanumeric(text[at]) || text[at] == '-' || text[at] == '_') {
			at++
		}
		if at == begin { // a period that ends a sentence
			break
		}
		if parts, n = parts+1, at; at == len(text) || text[at] != '.' {
			break
		}
	}
	if parts < 2 {
		return 0
	}
	last := bytes.LastIndexByte(text[:n], '.')
	if strict && bytes.IndexByte(text[bytes.LastIndexByte(text[:last], '.')+1:n], '_') >= 0 {
		return 0
	}
	return n
}

func isAlphanumeric(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

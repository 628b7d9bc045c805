package strictyaml

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/openpackage/opkg/internal/nearest"
)

// Kind tells nodes apart.
type Kind uint8

// The kinds of node.
const (
	Scalar Kind = iota + 1
	Mapping
	Sequence
)

// Style is how a node is written.
type Style uint8

// The styles: Plain, SingleQuoted, DoubleQuoted and Literal (| or >) of scalars; Block and Flow
// ({} or []) of mappings and sequences.
const (
	Plain Style = iota + 1
	SingleQuoted
	DoubleQuoted
	Literal
	Block
	Flow
)

// Node is one value of a document.
type Node struct {
	Kind   Kind
	Style  Style
	Text   string  // Scalar: its content, quotes and escapes resolved
	Fields []Field // Mapping: in the order of the file, no key twice
	Items  []*Node // Sequence

	Line, Column int // from 1; Column in characters
	Start        int // offset of the first byte; of a block sequence, of its first dash

	doc      *document
	resolved resolved
}

// Field is one key of a mapping. Key is a Scalar.
type Field struct{ Key, Value *Node }

// document is what all nodes of one text share.
type document struct {
	file string
	data []byte
}

// resolved is what YAML takes a scalar for.
type resolved uint8

const (
	isText resolved = iota
	isNull
	isNumber
	isBool
	isTime
)

// Errorf is an *Error at n.
func (n *Node) Errorf(hint, format string, args ...any) *Error {
	return &Error{File: n.doc.file, Line: n.Line, Column: n.Column, Msg: fmt.Sprintf(format, args...), HintText: hint}
}

// IsNull reports whether n is no value at all: nothing behind the colon, or an unquoted null or ~.
func (n *Node) IsNull() bool { return n.Kind == Scalar && n.resolved == isNull }

// Get returns the value of key, or nil if n is no mapping or does not have it.
func (n *Node) Get(key string) *Node {
	for _, f := range n.Fields {
		if f.Key.Text == key {
			return f.Value
		}
	}
	return nil
}

// AsMapping returns the fields of n; what names n in the error. No value at all is an empty mapping.
func (n *Node) AsMapping(what string) ([]Field, error) {
	if n.Kind != Mapping && !n.IsNull() {
		return nil, n.Errorf("", "%s is %s, expected a mapping of keys to values", what, n.shape())
	}
	return n.Fields, nil
}

// AsList returns the items of n; what names n in the error. No value at all is an empty list.
func (n *Node) AsList(what string) ([]*Node, error) {
	if n.Kind != Sequence && !n.IsNull() {
		return nil, n.Errorf("", "%s is %s, expected a list", what, n.shape())
	}
	return n.Items, nil
}

// AsText returns the text of a scalar as it is written: an unquoted no is "no". A number is refused,
// since YAML readers disagree with its writer about it: unquoted 1.10 is 1.1. So are an empty
// value and control characters other than tab and line feed. what names n in the error.
func (n *Node) AsText(what string) (string, error) {
	switch {
	case n.Kind != Scalar:
		return "", n.Errorf("", "%s is %s, expected text", what, n.shape())
	case n.IsNull():
		return "", n.Errorf("", "%s has no value", what)
	case n.resolved == isNumber:
		return "", n.Errorf(fmt.Sprintf("write it in quotes: %q", n.Text), "%s is the number %s, expected text", what, n.Text)
	}
	for _, r := range n.Text {
		if unicode.IsControl(r) && r != '\n' && r != '\t' {
			return "", n.Errorf("", "%s holds the control character %U", what, r)
		}
	}
	return n.Text, nil
}

// AsTexts returns a list of texts.
func (n *Node) AsTexts(what string) ([]string, error) {
	items, err := n.AsList(what)
	if err != nil {
		return nil, err
	}
	out := make([]string, 0, len(items))
	for _, item := range items {
		s, err := item.AsText("an item of " + what)
		if err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, nil
}

// AsBool returns an unquoted true or false.
func (n *Node) AsBool(what string) (bool, error) {
	if n.Kind != Scalar || n.resolved != isBool {
		return false, n.Errorf("", "%s is %s, expected true or false", what, n.shape())
	}
	return strings.EqualFold(n.Text, "true"), nil
}

// OnlyKeys returns an error at the first field of n that is none of keys.
func (n *Node) OnlyKeys(what string, keys ...string) error {
	for _, f := range n.Fields {
		if slices.Contains(keys, f.Key.Text) {
			continue
		}
		hint := "known are " + strings.Join(keys, ", ")
		if near := nearest.Word(f.Key.Text, keys); near != "" {
			hint = fmt.Sprintf("did you mean %s?", near)
		}
		return f.Key.Errorf(hint, "unknown key %q in %s", f.Key.Text, what)
	}
	return nil
}

// IsText reports whether n is a scalar that every reader takes for text.
func (n *Node) IsText() bool { return n.Kind == Scalar && n.resolved == isText }

// Equal reports whether a and b have the same content: the same keys in the same order, items, texts, and what YAML takes each scalar for.
// How they are written does not count.
func Equal(a, b *Node) bool {
	if a == nil || b == nil {
		return a == b
	}
	if a.Kind != b.Kind || a.Text != b.Text && !(a.IsNull() && b.IsNull()) || a.resolved != b.resolved {
		return false
	}
	return slices.EqualFunc(a.Items, b.Items, Equal) && slices.EqualFunc(a.Fields, b.Fields, func(f, g Field) bool {
		return f.Key.Text == g.Key.Text && Equal(f.Value, g.Value)
	})
}

// shape says what n is, for a message.
func (n *Node) shape() string {
	switch {
	case n.Kind == Mapping:
		return "a mapping"
	case n.Kind == Sequence:
		return "a list"
	case n.IsNull():
		return "empty"
	case n.resolved == isNumber:
		return "the number " + n.Text
	}
	const most = 60
	if len(n.Text) > most {
		return fmt.Sprintf("the text %.*q…", most, n.Text)
	}
	return fmt.Sprintf("the text %q", n.Text)
}

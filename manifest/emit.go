package manifest

import (
	"slices"
	"strings"

	"github.com/openpackage/opkg/ident"
	"github.com/openpackage/opkg/internal/strictyaml"
)

// pair is a key and its text, to be written.
type pair struct{ key, value string }

// scalar writes s in the style asked for, or in double quotes where that style cannot hold it.
func scalar(s string, style strictyaml.Style) string {
	switch {
	case style == strictyaml.SingleQuoted && !strings.ContainsAny(s, "\n\t"):
		return "'" + strings.ReplaceAll(s, "'", "''") + "'"
	case style == strictyaml.Plain && plainIsText(s):
		return s
	}
	if !strings.ContainsAny(s, "\\\"\n\t") {
		return `"` + s + `"`
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\t", `\t`).Replace(s) + `"`
}

// words are plain scalars that older readers take for a boolean or nothing.
var words = []string{"y", "n", "yes", "no", "on", "off", "true", "false", "null", "~", "="}

// plainIsText reports whether s without quotes is the text s, in block and in flow style.
func plainIsText(s string) bool {
	if slices.Contains(words, strings.ToLower(s)) || strings.Contains(s, "\n") || strings.HasPrefix(s, "@") { // YAML 1.2 §5.3 reserves @
		return false
	}
	if isPlainWord(s) {
		return true
	}
	n, err := strictyaml.Parse("", []byte("["+s+"]"), MaxSize)
	return err == nil && n != nil && len(n.Items) == 1 && n.Items[0].IsText() && n.Items[0].Style == strictyaml.Plain && n.Items[0].Text == s
}

// isPlainWord knows the texts that opkg writes most without asking YAML: names, versions and paths of the registry directory.
// False means that YAML must be asked.
func isPlainWord(s string) bool {
	dots := 0
	for i := range len(s) {
		switch c := s[i]; {
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9', c == '-' && i > 0, c == '/' && i > 0, c == '@' && i > 0, c == '~' && i == 0:
		case c == '.':
			dots++
		default:
			return false
		}
	}
	switch {
	case s == "":
		return false
	case s[0] >= 'a' && s[0] <= 'z': // the words are no matter here
		return true
	case s[0] == '~':
		return len(s) > 1 && s[1] == '/'
	}
	return s[0] >= '0' && s[0] <= '9' && dots > 1 // neither a number nor a time has two dots
}

// look is how the entries of a file are written, as far as its own lines show it.
type look struct {
	key, name, value strictyaml.Style // the style of keys, of names and of other values
	padded           bool             // { name: a } rather than {name: a}
	indent, end      int              // of the keys and the closing brace, where each key has a line of its own; else 0
}

// lookOf takes the look of an entry; nil gives the look of a new file.
func lookOf(n *strictyaml.Node, data []byte) look {
	l := look{key: strictyaml.Plain, name: strictyaml.Plain, value: strictyaml.Plain}
	if n == nil || n.Kind != strictyaml.Mapping {
		return l
	}
	l.padded = n.Style == strictyaml.Flow && n.Start+1 < len(data) && data[n.Start+1] == ' '
	if e := newEditor(data); n.Style == strictyaml.Flow && e.ownsLine(n.Fields[0].Key.Start) && e.ownsLine(n.End()-1) {
		l.indent, l.end = n.Fields[0].Key.Column-1, n.End()-1-e.lineStart(n.End()-1)
	}
	for _, f := range n.Fields {
		l.key = f.Key.Style
		switch {
		case f.Value.Kind != strictyaml.Scalar || f.Value.Style == strictyaml.Literal:
		case f.Key.Text != "name":
			l.value = f.Value.Style
		case f.Value.Style != strictyaml.Plain && !plainIsText(f.Value.Text):
			// The quotes had to be; their kind tells nothing of a name that needs none.
		default:
			l.name = f.Value.Style
		}
	}
	return l
}

// field writes "key: value".
func (l look) field(p pair) string {
	style := l.value
	if p.key == "name" {
		style = l.name
	}
	return scalar(p.key, l.key) + ": " + scalar(p.value, style)
}

// flow writes {key: value, …}.
func (l look) flow(pairs []pair) string {
	parts := make([]string, len(pairs))
	for i, p := range pairs {
		parts[i] = l.field(p)
	}
	switch {
	case l.indent > 0:
		line := "\n" + strings.Repeat(" ", l.indent)
		return "{" + line + strings.Join(parts, ","+line) + "\n" + strings.Repeat(" ", l.end) + "}"
	case l.padded:
		return "{ " + strings.Join(parts, ", ") + " }"
	}
	return "{" + strings.Join(parts, ", ") + "}"
}

// block writes the lines of a mapping; all but the first begin with a line end and indent.
func (l look) block(pairs []pair, indent int) string {
	parts := make([]string, len(pairs))
	for i, p := range pairs {
		parts[i] = l.field(p)
	}
	return strings.Join(parts, "\n"+strings.Repeat(" ", indent))
}

// Init is a new openpackage.yml, in the form that the OpenPackage client writes.
func Init(name ident.Name) []byte {
	return []byte("name: " + scalar(string(name), strictyaml.Plain) + "\ndependencies: []\ndev-dependencies: []\n")
}

// NewPackage is the openpackage.yml of a new package, for somebody to fill in.
func NewPackage(name ident.Name) []byte {
	return []byte("name: " + scalar(string(name), strictyaml.Plain) + `
version: 0.1.0
description: What the package is for, in one line
keywords: []
dependencies: []
`)
}

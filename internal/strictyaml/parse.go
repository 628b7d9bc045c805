package strictyaml

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// Limits of a document.
const (
	// MaxDepth is how deep mappings and sequences may nest.
	MaxDepth = 64
	// MaxItems bounds the commas and lines of a text, and with them the nodes and the memory that
	// reading takes: about 300 bytes for each.
	MaxItems = 1 << 20
	// maxOpen bounds the nesting that a glance at the bytes shows, before the YAML library builds
	// anything. It is lax: brackets within quotes and comments count.
	maxOpen = 16 * MaxDepth
)

// Parse reads the one document of a text of at most maxSize bytes. It returns nil for a text of only blanks
// and comments. file is for messages. The error is an *Error.
func Parse(file string, data []byte, maxSize int) (*Node, error) {
	if len(data) > maxSize {
		return nil, &Error{File: file, Msg: fmt.Sprintf("it has %d bytes, more than %d", len(data), maxSize)}
	}
	if err := checkBytes(file, data); err != nil {
		return nil, err
	}
	if err := checkNesting(file, data); err != nil {
		return nil, err
	}
	doc := &document{file: file, data: data}
	root, err := decode(doc)
	if err != nil || root == nil {
		return nil, err
	}
	c := &converter{doc: doc, line: 1, offset: len(data) - len(withoutBOM(data))}
	n, err := c.convert(root, 1)
	if err != nil {
		return nil, err
	}
	if n.IsNull() && n.Start >= len(data) { // only "---" and comments
		return nil, nil
	}
	return n, nil
}

const bom = "\ufeff"

func withoutBOM(data []byte) []byte { return bytes.TrimPrefix(data, []byte(bom)) }

// checkBytes refuses what is not plain UTF-8 text: other encodings, control characters, and the line
// separators that only some YAML readers take for the end of a line.
func checkBytes(file string, data []byte) error {
	if bytes.HasPrefix(data, []byte("\xff\xfe")) || bytes.HasPrefix(data, []byte("\xfe\xff")) {
		return &Error{File: file, Msg: "it is UTF-16, expected UTF-8", HintText: "save the file as UTF-8"}
	}
	line, start := 1, 0
	at := func(i int, hint, format string, args ...any) error {
		return &Error{File: file, Line: line, Column: utf8.RuneCount(data[start:i]) + 1, Msg: fmt.Sprintf(format, args...), HintText: hint}
	}
	for i := 0; i < len(data); {
		c := data[i]
		if c >= ' ' && c < 0x7f || c == '\t' {
			i++
			continue
		}
		r, size := utf8.DecodeRune(data[i:])
		switch {
		case r == '\n':
			line, start = line+1, i+1
		case r == '\r':
			if i+1 == len(data) || data[i+1] != '\n' {
				return at(i, "end lines with LF or CR LF", "a carriage return without a line feed")
			}
		case r == utf8.RuneError && size == 1:
			return at(i, "save the file as UTF-8", "byte %#02x is not UTF-8", c)
		case r == 0xfeff && i > 0:
			return at(i, "remove it", "a byte order mark within the text")
		case r < ' ' || r >= 0x7f && r < 0xa0 || r == 0x2028 || r == 0x2029 || r == 0xfffe || r == 0xffff:
			return at(i, "remove it", "the control character %U", r)
		}
		i += size
	}
	return nil
}

// checkNesting refuses a text that would make a tree far deeper or larger than any real file.
func checkNesting(file string, data []byte) error {
	open, items, line := 0, 0, 1
	lead := true // only indicators and blanks so far in this line
	leading := 0
	for i, c := range data {
		switch c {
		case '[', '{':
			open++
		case ']', '}':
			open = max(open-1, 0)
		case ',':
			items++
		case '\n':
			items++
			line++
			lead, leading = true, 0
			continue
		}
		if lead && c != ' ' && c != '\t' {
			lead = (c == '-' || c == '?' || c == ':') && i+1 < len(data) && (data[i+1] == ' ' || data[i+1] == '\t')
			leading++
		}
		if open > maxOpen || leading > maxOpen {
			return &Error{File: file, Line: line, Msg: fmt.Sprintf("nested deeper than %d", MaxDepth)}
		}
	}
	if items > MaxItems {
		return &Error{File: file, Msg: fmt.Sprintf("it has more than %d lines and list items", MaxItems)}
	}
	return nil
}

// decode runs the YAML library: the root of the one document, nil where there is none.
func decode(doc *document) (root *yaml.Node, err error) {
	defer func() {
		if r := recover(); r != nil {
			root, err = nil, &Error{File: doc.file, Msg: "it is not YAML that can be read"}
		}
	}()
	d := yaml.NewDecoder(bytes.NewReader(withoutBOM(doc.data)))
	var first, second yaml.Node
	switch err := d.Decode(&first); {
	case errors.Is(err, io.EOF):
		return nil, nil
	case err != nil:
		return nil, syntaxError(doc, err)
	case first.Kind != yaml.DocumentNode || len(first.Content) != 1:
		return nil, &Error{File: doc.file, Msg: "it is not YAML that can be read"}
	}
	switch err := d.Decode(&second); {
	case err == nil:
		return nil, &Error{File: doc.file, Line: second.Line, Column: second.Column, Msg: "a second document begins here, expected one", HintText: "remove the line ---"}
	case !errors.Is(err, io.EOF):
		return nil, syntaxError(doc, err)
	}
	return first.Content[0], nil
}

// What is looked for where there is an error alone; compiled with the first, since opkg is started more often.
var (
	unknownAlias = lazily(`^unknown anchor '(.*)' referenced$`)
	libraryError = lazily(`(?s)^yaml: (?:line (\d+): )?(.*)$`)
	needsQuotes  = lazily("(?:^[ ]*|[:-] +|[\\[{,] *)([@`%*&!|>][^ ,\\]}#][^,\\]}#]*)") // a value that begins with a character which means something else to YAML
)

func lazily(pattern string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(pattern) })
}

// aliasError is the error about *name, which refers to nothing: the library tells no line.
func aliasError(doc *document, name string) *Error {
	e := &Error{File: doc.file, Msg: fmt.Sprintf("the alias *%s: aliases are not read", name), HintText: fmt.Sprintf(`write the value out, or "*%s" in quotes`, name)}
	place := regexp.MustCompile(`(?m)(?:^ *|[:\-\[{,] +)(\*` + regexp.QuoteMeta(name) + `)(?:[ ,\]}\r]|$)`)
	if at := place.FindSubmatchIndex(withoutBOM(doc.data)); at != nil {
		before := withoutBOM(doc.data)[:at[2]]
		e.Line = bytes.Count(before, []byte("\n")) + 1
		e.Column = utf8.RuneCount(before[bytes.LastIndexByte(before, '\n')+1:]) + 1
	}
	return e
}

// syntaxError gives an error of the YAML library its place, and a hint for the common slips: a
// scoped name, a range or * without quotes, and tabs.
func syntaxError(doc *document, err error) error {
	e := &Error{File: doc.file, Msg: "it is not YAML"}
	m := libraryError().FindStringSubmatch(err.Error())
	if m == nil {
		return e
	}
	e.Msg = "it is not YAML: " + m[2]
	if alias := unknownAlias().FindStringSubmatch(m[2]); alias != nil {
		return aliasError(doc, alias[1])
	}
	e.Line, _ = strconv.Atoi(m[1])
	e.Line = max(e.Line, 1)
	lines := strings.Split(string(withoutBOM(doc.data)), "\n")
	if e.Line > len(lines) {
		e.Line = len(lines)
	}
	text := strings.TrimRight(lines[e.Line-1], " \r")
	if i := strings.IndexByte(text, '\t'); i >= 0 && strings.Trim(text[:i], " -?:") == "" {
		e.Column, e.HintText = i+1, "indent with spaces, not with tabs"
	} else if at := needsQuotes().FindStringSubmatchIndex(text); at != nil {
		e.Column = utf8.RuneCountInString(text[:at[2]]) + 1
		e.HintText = fmt.Sprintf("write it in quotes: %q", strings.TrimRight(text[at[2]:at[3]], " "))
	} else if strings.HasSuffix(text, " *") || strings.HasSuffix(text, ":*") {
		e.Column, e.HintText = utf8.RuneCountInString(text), `write it in quotes: "*"`
	}
	return e
}

// converter makes our tree of the library's, refusing what we do not read. Positions come in
// the order of the text nearly always, so a cursor finds each in a few steps.
type converter struct {
	doc          *document
	line, column int // of the cursor; column from 0
	offset       int
}

func (c *converter) convert(y *yaml.Node, depth int) (*Node, error) {
	n := &Node{Line: y.Line, Column: y.Column, Start: c.seek(y.Line, y.Column-1), doc: c.doc}
	switch {
	case depth > MaxDepth:
		return nil, n.Errorf("", "nested deeper than %d", MaxDepth)
	case y.Kind == yaml.AliasNode:
		return nil, n.Errorf("write the value out, or * in quotes", "the alias *%s: aliases are not read", y.Value)
	case y.Anchor != "":
		return nil, n.Errorf("remove &"+y.Anchor, "the anchor &%s: anchors are not read", y.Anchor)
	case y.Style&yaml.TaggedStyle != 0, n.Start < len(c.doc.data) && c.doc.data[n.Start] == '!':
		return nil, n.Errorf("remove the tag", "a tag such as !!str: tags are not read")
	}
	switch y.Kind {
	case yaml.ScalarNode:
		n.Kind, n.Text, n.Style = Scalar, y.Value, scalarStyle(y.Style)
		if n.Style == Plain {
			n.resolved = resolution(y.Tag)
		}
		return n, nil
	case yaml.SequenceNode:
		n.Kind, n.Style = Sequence, collectionStyle(y.Style)
		n.Items = make([]*Node, 0, len(y.Content))
		for _, item := range y.Content {
			child, err := c.convert(item, depth+1)
			if err != nil {
				return nil, err
			}
			n.Items = append(n.Items, child)
		}
		return n, nil
	case yaml.MappingNode:
		n.Kind, n.Style = Mapping, collectionStyle(y.Style)
		return n, c.convertFields(n, y.Content, depth)
	}
	return nil, n.Errorf("", "it is not YAML that can be read")
}

func (c *converter) convertFields(n *Node, content []*yaml.Node, depth int) error {
	n.Fields = make([]Field, 0, len(content)/2)
	seen := make(map[string]int, len(content)/2)
	for i := 0; i+1 < len(content); i += 2 {
		key, err := c.convert(content[i], depth+1)
		if err != nil {
			return err
		}
		switch {
		case key.Kind != Scalar || key.IsNull():
			return key.Errorf("", "a key is %s, expected text", key.shape())
		case content[i].Tag == "!!merge":
			return key.Errorf("write the keys out", "the merge key <<: merge keys are not read")
		}
		if line, twice := seen[key.Text]; twice {
			return key.Errorf("keep one of them", "the key %q stands twice: it is on line %d too", key.Text, line)
		}
		seen[key.Text] = key.Line
		value, err := c.convert(content[i+1], depth+1)
		if err != nil {
			return err
		}
		n.Fields = append(n.Fields, Field{key, value})
	}
	return nil
}

// seek moves the cursor to a line (from 1) and a column (from 0, in characters) and returns the byte offset.
// A place beyond the text is its end.
func (c *converter) seek(line, column int) int {
	data := c.doc.data
	for c.line < line {
		i := bytes.IndexByte(data[c.offset:], '\n')
		if i < 0 {
			return len(data)
		}
		c.line, c.column, c.offset = c.line+1, 0, c.offset+i+1
	}
	for c.line > line {
		i := bytes.LastIndexByte(data[:c.offset], '\n')
		if i < 0 {
			break
		}
		c.line, c.offset = c.line-1, i
		start := bytes.LastIndexByte(data[:i], '\n') + 1
		c.column = utf8.RuneCount(bytes.TrimPrefix(data[start:i], []byte(bom)))
	}
	for c.column < column && c.offset < len(data) && data[c.offset] != '\n' {
		_, size := utf8.DecodeRune(data[c.offset:])
		c.column, c.offset = c.column+1, c.offset+size
	}
	for c.column > column {
		_, size := utf8.DecodeLastRune(data[:c.offset])
		c.column, c.offset = c.column-1, c.offset-size
	}
	return c.offset
}

func scalarStyle(s yaml.Style) Style {
	switch {
	case s&yaml.DoubleQuotedStyle != 0:
		return DoubleQuoted
	case s&yaml.SingleQuotedStyle != 0:
		return SingleQuoted
	case s&(yaml.LiteralStyle|yaml.FoldedStyle) != 0:
		return Literal
	}
	return Plain
}

func collectionStyle(s yaml.Style) Style {
	if s&yaml.FlowStyle != 0 {
		return Flow
	}
	return Block
}

func resolution(tag string) resolved {
	switch tag {
	case "!!null":
		return isNull
	case "!!int", "!!float":
		return isNumber
	case "!!bool":
		return isBool
	case "!!timestamp":
		return isTime
	}
	return isText
}

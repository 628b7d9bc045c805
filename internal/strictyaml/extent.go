package strictyaml

import "bytes"

// End is the offset behind the last byte of n: of its last value, for a block mapping or sequence, without the
// comment or line end that follows. A value that is not written at all ends where it starts.
func (n *Node) End() int {
	data := n.doc.data
	switch {
	case n.Style == Flow:
		return n.flowEnd()
	case n.Kind == Mapping:
		if len(n.Fields) > 0 {
			return n.Fields[len(n.Fields)-1].End()
		}
	case n.Kind == Sequence:
		if len(n.Items) > 0 {
			return n.Items[len(n.Items)-1].End()
		}
	case n.Style == DoubleQuoted:
		for i := n.Start + 1; i < len(data); i++ {
			switch data[i] {
			case '\\':
				i++
			case '"':
				return i + 1
			}
		}
	case n.Style == SingleQuoted:
		for i := n.Start + 1; i < len(data); i++ {
			if data[i] != '\'' {
				continue
			}
			if i+1 == len(data) || data[i+1] != '\'' {
				return i + 1
			}
			i++
		}
	case n.Style == Literal:
		return n.literalEnd()
	case n.Style == Plain:
		return n.plainEnd()
	}
	return n.Start
}

// End is the offset behind the field's value, or behind its colon where no value is written.
func (f Field) End() int {
	if f.Value.IsNull() && f.Value.Text == "" {
		return f.ColonEnd()
	}
	return f.Value.End()
}

// ColonEnd is the offset behind the colon of the field, or behind the key where there is none.
func (f Field) ColonEnd() int {
	data, end := f.Key.doc.data, f.Key.End()
	i := skipBlanks(data, end)
	if i < len(data) && data[i] == ':' {
		return i + 1
	}
	return end
}

// flowEnd is behind the closing bracket: what stands between it and the last value is blanks, line ends,
// comments, and a comma or the indicators of an empty value.
func (n *Node) flowEnd() int {
	data, i := n.doc.data, n.Start+1
	if len(n.Items) > 0 {
		i = n.Items[len(n.Items)-1].End()
	} else if len(n.Fields) > 0 {
		i = n.Fields[len(n.Fields)-1].End()
	}
	for ; i < len(data); i++ {
		switch data[i] {
		case ']', '}':
			return i + 1
		case '#':
			i = lineEnd(data, i)
		}
	}
	return len(data)
}

// plainEnd follows the text of an unquoted scalar through its source: line breaks are folded, all else is as it is
// written.
func (n *Node) plainEnd() int {
	data, i := n.doc.data, n.Start
	for j := 0; j < len(n.Text) && i < len(data); {
		if !isBlank(n.Text[j]) {
			i, j = i+1, j+1
			continue
		}
		for j < len(n.Text) && isBlank(n.Text[j]) {
			j++
		}
		for i < len(data) && isBlank(data[i]) {
			i++
		}
	}
	return i
}

// literalEnd is the end of the last line of a | or > scalar that is not blank, or of its header; of |+ and >+, the last blank line behind it
// counts. Its content is as far indented as its first line that is not blank.
func (n *Node) literalEnd() int {
	data := n.doc.data
	end := lineEnd(data, n.Start)
	header, _, _ := bytes.Cut(data[n.Start:end], []byte("#"))
	keep := bytes.IndexByte(header, '+') >= 0
	indent := -1
	for start := end + 1; start < len(data); {
		stop := lineEnd(data, start)
		content := bytes.TrimRight(data[start:stop], " \t\r")
		if text := bytes.TrimLeft(content, " "); len(text) > 0 {
			depth := len(content) - len(text)
			if indent < 0 {
				if len(n.Text) == 0 || bytes.Trim([]byte(n.Text), "\n") == nil {
					break
				}
				indent = depth
			}
			if depth < indent {
				break
			}
			end = start + len(content)
		} else if keep {
			end = stop
		}
		start = stop + 1
	}
	return len(bytes.TrimRight(data[:end], "\r"))
}

// lineEnd is the offset of the line feed that ends the line of i, or the end of the text.
func lineEnd(data []byte, i int) int {
	if j := bytes.IndexByte(data[i:], '\n'); j >= 0 {
		return i + j
	}
	return len(data)
}

func skipBlanks(data []byte, i int) int {
	for i < len(data) && (data[i] == ' ' || data[i] == '\t') {
		i++
	}
	return i
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' }

package ident

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// MaxClean is the longest text that CleanText returns, in bytes.
const MaxClean = 1024

const ellipsis = "…"

// CleanText makes text that came from the network or a file safe to stand in a message: control
// characters, line breaks, invisible and direction-changing characters become \n, \x1b, \u202e and
// the like, as in a Go string without its quotes; bytes that are not UTF-8 become \x…; blanks other
// than the space are escaped. The result is one line of at most MaxClean bytes; what was cut is
// shown by "…".
func CleanText(s string) string {
	if len(s) <= MaxClean && isPlain(s) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		piece := s[i : i+size]
		switch {
		case r == utf8.RuneError && size == 1:
			piece = fmt.Sprintf(`\x%02x`, s[i])
		case !unicode.IsPrint(r): // all but letters, marks, numbers, symbols, punctuation and the space
			quoted := strconv.QuoteRune(r)
			piece = quoted[1 : len(quoted)-1]
		}
		room := MaxClean - b.Len() - len(piece)
		if room < 0 || room < len(ellipsis) && i+size < len(s) {
			b.WriteString(ellipsis)
			break
		}
		b.WriteString(piece)
		i += size
	}
	return b.String()
}

// isPlain reports whether s is printable ASCII.
func isPlain(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// quoteShort is %q of a text that is cut where it is long.
func quoteShort(s string) string {
	const limit = 256 // every good name and version stands whole
	if len(s) <= limit {
		return strconv.Quote(s)
	}
	cut := limit
	for cut > limit-utf8.UTFMax && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return strconv.Quote(s[:cut]) + ellipsis
}

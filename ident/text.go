package ident

import (
	"fmt"
	"strconv"
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
	var b []byte
	cut := 0 // the end of the last piece that leaves room for the ellipsis
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			b = fmt.Appendf(b, `\x%02x`, s[i])
		case unicode.IsPrint(r): // letters, marks, numbers, symbols, punctuation and the space
			b = append(b, s[i:i+size]...)
		default:
			quoted := strconv.QuoteRune(r)
			b = append(b, quoted[1:len(quoted)-1]...)
		}
		if len(b) > MaxClean {
			return string(b[:cut]) + ellipsis
		}
		if len(b) <= MaxClean-len(ellipsis) {
			cut = len(b)
		}
		i += size
	}
	return string(b)
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

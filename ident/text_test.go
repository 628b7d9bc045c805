package ident

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestCleanText(t *testing.T) {
	for in, want := range map[string]string{
		"":                       "",
		"plain text ~":           "plain text ~",
		"Größe, 日本語, ✓":          "Größe, 日本語, ✓",
		"\x1b[31mred\x1b[0m":     `\x1b[31mred\x1b[0m`,
		"a\r\nb\tc\x00\x7f":      `a\r\nb\tc\x00\x7f`,
		"a\u202eb\u2066c\u200bd": `a\u202eb\u2066c\u200bd`,
		"\u0085\u009b31m\u2028":  `\u0085\u009b31m\u2028`,
		"a\u00a0b\ufeffc":        `a\u00a0b\ufeffc`,
		"\xff\xfeok\xc3":         `\xff\xfeok\xc3`,
		"\ufffd":                 "\ufffd",
		"\U000e0001":             `\U000e0001`,
		"quote \" ' and \\ stay": "quote \" ' and \\ stay",
	} {
		if got := CleanText(in); got != want {
			t.Errorf("%q is %q, want %q", in, got, want)
		}
	}
	for _, unit := range []string{"a", "é", "日", "\x00", "\xff", "😀"} {
		for n := MaxClean - 8; n < MaxClean+8; n++ {
			in := strings.Repeat(unit, n)
			got := CleanText(in)
			if len(got) > MaxClean || !utf8.ValidString(got) || len(CleanText(in[:len(unit)]))*n > MaxClean && !strings.HasSuffix(got, "…") {
				t.Fatalf("%d of %q give %d bytes: …%q", n, unit, len(got), got[len(got)-16:])
			}
		}
	}
	if s := strings.Repeat("a", MaxClean); CleanText(s) != s {
		t.Error("a text of MaxClean bytes is cut")
	}
}

// isSafe reports whether s can stand in a message as it is: short, and one line of visible text.
func isSafe(s string) bool {
	return len(s) <= 4*MaxClean && utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) })
}

func FuzzCleanText(f *testing.F) {
	f.Add("\x1b[31m\u202e\xff")
	f.Fuzz(func(t *testing.T, s string) {
		got := CleanText(s)
		if len(got) > MaxClean || !utf8.ValidString(got) || !isSafe(got) || CleanText(got) != got {
			t.Errorf("%q is %q", s, got)
		}
	})
}

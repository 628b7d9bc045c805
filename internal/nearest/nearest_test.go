package nearest

import (
	"strings"
	"testing"
)

func TestWord(t *testing.T) {
	for _, tt := range []struct{ word, choices, want string }{
		{"registrys", "registries url", "registries"},
		{"lokced", "locked frozen", "locked"},
		{"xyz", "registries url", ""},
		{"ruels", "rules roles", "rules"},
		{"ab", "ba bb ab", "ab"},
		{"a", "b", "b"},
		{"", "b", "b"},
		{strings.Repeat("a", 65), strings.Repeat("a", 64), ""},
	} {
		if got := Word(tt.word, strings.Fields(tt.choices)); got != tt.want {
			t.Errorf("%q of %q: got %q, want %q", tt.word, tt.choices, got, tt.want)
		}
	}
}

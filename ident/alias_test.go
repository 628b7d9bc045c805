package ident

import (
	"strings"
	"testing"
)

func TestIsAlias(t *testing.T) {
	for s, want := range map[string]bool{
		"default": true, "myorg": true, "my-org.eu_1": true, "2nd": true, "Corp": true,
		"": false, "@myorg": false, "-x": false, ".x": false, "_x": false, "a/b": false, "a:b": false, "a b": false, "é": false,
		"https://x": false, strings.Repeat("a", MaxAlias): true, strings.Repeat("a", MaxAlias+1): false,
	} {
		if IsAlias(s) != want {
			t.Errorf("IsAlias(%q) = %v", s, !want)
		}
	}
}

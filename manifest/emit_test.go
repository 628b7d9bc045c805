package manifest

import (
	"slices"
	"strings"
	"testing"

	"github.com/openpackage/opkg/internal/strictyaml"
)

// FuzzPlainWord holds the texts that are known to be plain against YAML.
func FuzzPlainWord(f *testing.F) {
	for _, s := range []string{"base", "1.0.0", "1.2", "1.2.3-rc.1", "2001-12-14", "2001-12-14t21.59.43.1", "~/.openpackage/registry/@team/rules/1.0.0/", "~", "~a", "e1", "x-y", "0x1.2.3", "null", "1.2.3e4", "a/b@c", "nan", "inf", "a-", "a.", "1..2"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if !isPlainWord(s) || slices.Contains(words, strings.ToLower(s)) {
			return
		}
		for _, text := range []string{"[" + s + "]", "{" + s + ": " + s + "}", "- " + s, s + ": " + s} {
			n, err := strictyaml.Parse("", []byte(text), MaxSize)
			if err != nil {
				t.Fatalf("%q: %v", text, err)
			}
			for _, got := range append(slices.Clone(n.Items), valuesOf(n)...) {
				if !got.IsText() || got.Style != strictyaml.Plain || got.Text != s {
					t.Errorf("%q is read as %q", text, got.Text)
				}
			}
		}
	})
}

func valuesOf(n *strictyaml.Node) (out []*strictyaml.Node) {
	for _, f := range n.Fields {
		out = append(out, f.Key, f.Value)
	}
	return out
}

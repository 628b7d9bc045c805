package ident

import (
	"strings"
	"testing"
)

func TestDigests(t *testing.T) {
	hex := strings.Repeat("0123456789abcdef", 4)
	sha, err := ParseSHA256(strings.ToUpper(hex))
	if err != nil || sha.String() != hex || sha.IsZero() {
		t.Error(sha, err)
	}
	blob, err := ParseBlobID(hex)
	if err != nil || blob.String() != hex {
		t.Error(blob, err)
	}
	tree, err := ParseTreeID("blake3:" + hex)
	if err != nil || tree.String() != "blake3:"+hex || tree.Hex() != hex || tree.IsZero() {
		t.Error(tree, err)
	}
	if (SHA256{}).IsZero() != true || !(TreeID{}).IsZero() {
		t.Error("the zero digest is known")
	}
	for _, s := range []string{"", "0", hex[1:], hex + "0", hex[1:] + "g", hex[1:] + " ", hex[1:] + "\n", "0x" + hex[2:], "blake3:" + hex[7:], strings.Repeat("é", 32), strings.Repeat("0", 1<<20)} {
		if d, err := ParseSHA256(s); err == nil || !d.IsZero() || len(err.Error()) > 2000 {
			t.Errorf("%.80q is %s, %v", s, d, err)
		}
		if d, err := ParseBlobID(s); err == nil || d != (BlobID{}) {
			t.Errorf("%.80q is %s", s, d)
		}
		if d, err := ParseTreeID("blake3:" + s); err == nil || !d.IsZero() {
			t.Errorf("%.80q is %s", s, d)
		}
	}
	for _, s := range []string{hex, "BLAKE3:" + hex, "sha256:" + hex, " blake3:" + hex} {
		if _, err := ParseTreeID(s); err == nil {
			t.Errorf("%q is a tree", s)
		}
	}
}

func TestParseCommit(t *testing.T) {
	hex := strings.Repeat("0123456789abcdef", 4)
	for _, s := range []string{hex, hex[:40]} {
		if c, err := ParseCommit(s); err != nil || string(c) != s {
			t.Error(c, err)
		}
	}
	for _, s := range []string{"", "main", hex[:7], hex[:39], hex[:41], hex[:63], strings.ToUpper(hex), hex[:39] + "g", hex[:39] + "\n"} {
		if c, err := ParseCommit(s); err == nil || c != "" {
			t.Errorf("%q is %q", s, c)
		}
	}
}

func TestMismatchError(t *testing.T) {
	for _, c := range []struct {
		err  MismatchError
		want string
	}{
		{MismatchError{Name: "@myorg/rules", Version: mustVersion(t, "1.4.2"), Source: "opkg.lock", What: "sha256", Want: "aa", Got: "bb"},
			"@myorg/rules@1.4.2: sha256 is bb, expected aa (from opkg.lock)"},
		{MismatchError{Name: "demo", What: "name", Want: "demo", Got: "d\x1b[31mmo\n"}, `demo: name is d\x1b[31mmo\n, expected demo`},
		{MismatchError{What: "version", Want: "1.0.0", Source: "https://h/\u202e"}, `version is empty, expected 1.0.0 (from https://h/\u202e)`},
	} {
		if got := c.err.Error(); got != c.want {
			t.Errorf("%s\nwant %s", got, c.want)
		}
	}
}

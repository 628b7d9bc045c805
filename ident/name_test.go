package ident

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"
)

func TestParseName(t *testing.T) {
	for in, scope := range map[string]string{
		"demo": "", "a": "", "_": "", "my-pkg": "", "my_pkg.js": "", "x1": "", "a-": "", "a_": "", "console": "", "com": "", "com10": "", "a.con": "", "lpt": "",
		"@myorg/rules": "@myorg", "@_x/_y": "@_x", "no": "", strings.Repeat("a", MaxName): "", "@a/" + strings.Repeat("b", MaxName-3): "@a",
	} {
		n, err := ParseName(in)
		if err != nil || n.String() != in || n.Scope() != scope {
			t.Errorf("%q is %q, scope %q, %v", in, n, n.Scope(), err)
		}
	}
	for _, s := range []string{
		"", ".", "..", "...", "/", "a/b", "a/", "/a", "@", "@/", "@a", "@a/", "@/a", "@a/b/c", "@@a/b", "@../x", "@a/..", "@./x", "@a/@b", "%40myorg/x", "@MyOrg/x", "@myorg/X", "Demo", "DEMO", "d\u0435mo", "demo\x1b[31m",
		"demo ", " demo", "de mo", "demo\n", "demo\x00", "1demo", "-demo", ".demo", "@1a/x", "@-a/x", "a..b", "a__b", "a--b", "a.", "@a./b", "@a/b.", "a~1", "a:b", "a*", `a\b`, "a@1.0.0", "gh@user/repo", "a+b", "é", "ａ", "\xff",
		"con", "con.x", "nul", "nul.tar.gz", "prn", "aux", "com1", "com1.x", "com0", "lpt9", "lpt9.txt", "@con/x", "@a/nul", "@a/com1.x", "com¹",
		strings.Repeat("a", MaxName+1), "@a/" + strings.Repeat("b", MaxName-2), strings.Repeat("a", 1<<20), "../../../x", "file:x", "https://host/x",
	} {
		n, err := ParseName(s)
		var fault *NameError
		if !errors.As(err, &fault) || n != "" {
			t.Errorf("%.80q is %.80q, %v", s, n, err)
		} else if text := err.Error(); !isSafe(text) {
			t.Errorf("unsafe: %q", text)
		}
	}
}

func TestNameHint(t *testing.T) {
	for in, want := range map[string]string{"@MyOrg/Rules": "names are lower case: @myorg/rules", "Con": "", "a b": ""} {
		if got := (&NameError{Input: in}).Hint(); got != want {
			t.Errorf("%q: %q", in, got)
		}
	}
}

func TestParseScope(t *testing.T) {
	for _, s := range []string{"@myorg", "@_x", "@a.b"} {
		if got, err := ParseScope(s); err != nil || got != s {
			t.Errorf("%q is %q, %v", s, got, err)
		}
	}
	for _, s := range []string{"", "@", "myorg", "@MyOrg", "@a/b", "@a/", "@..", "@con", "@a.", "%40a", "@@a", "@a b"} {
		if got, err := ParseScope(s); err == nil || got != "" {
			t.Errorf("%q is %q", s, got)
		}
	}
}

func TestIsWindowsDevice(t *testing.T) {
	for _, s := range []string{"con", "CON", "Con.txt", "nul", "NUL .txt", "aux.tar.gz", "COM1", "com9.x", "lpt0", "LPT³", "conin$", "CONOUT$", "nul:", "com1:x"} {
		if !IsWindowsDevice(s) {
			t.Errorf("%q is no device", s)
		}
	}
	for _, s := range []string{"", "cons", "xcon", "com", "com10", "comx", "lpt", "nul-", ".con", "a.nul"} {
		if IsWindowsDevice(s) {
			t.Errorf("%q is a device", s)
		}
	}
}

func FuzzParseName(f *testing.F) {
	for _, s := range []string{"demo", "@myorg/rules", "@../x", "con.x", "a..b", "%40a/b", "demo\x1b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n, err := ParseName(s)
		if err != nil {
			if text := err.Error(); !isSafe(text) {
				t.Errorf("unsafe: %q", text)
			}
			return
		}
		if string(n) != s || !filepath.IsLocal(s) || filepath.Clean(s) != filepath.FromSlash(s) || strings.ToLower(s) != s || !isSafe(s) {
			t.Errorf("%q is accepted", s)
		}
		if scope := n.Scope(); scope != "" {
			if _, err := ParseScope(scope); err != nil {
				t.Error(err)
			}
		}
	})
}

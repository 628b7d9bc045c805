package ident

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/Masterminds/semver/v3"
)

func TestParseVersion(t *testing.T) {
	for _, s := range []string{
		"0.0.0", "1.2.3", "1.2.3-0", "1.2.3-alpha.1", "1.2.3-a-b.-", "1.2.3-0a", "1.2.3--", "1.2.3+b.01", "1.2.3-rc.1+git.0123456789ab",
		"9007199254740991.9007199254740991.9007199254740991",
		"1.2.3-99999999999999999999999999",
	} {
		v, err := ParseVersion(s)
		if err != nil || v.String() != s || v.IsZero() {
			t.Errorf("%q is %q, %v", s, v, err)
		}
	}
	for _, s := range []string{
		"", "1", "1.2", "1.2.3.4", "v1.2.3", " 1.2.3", "1.2.3 ", "01.2.3", "1.02.3", "1.2.03", "1.2.3-01", "1.2.3-a..b", "1.2.3-", "1.2.3+",
		"1.2.3-+b", "1.2.3-a+b+c", "1.2.3+a..b", "1.2.3-é", "１.2.3", "1.2.3\n", "1.2.3\x00", "-1.2.3", "+1.2.3", "1.-2.3", "1.2.x", "*", "../../../x",
		"1.2.3-a/b", `1.2.3-a\b`, "0x1.2.3", "1e1.0.0", "1_0.0.0", "9007199254740992.0.0", "0.18446744073709551616.0",
		"1.2.3-" + strings.Repeat("a", MaxVersion),
	} {
		v, err := ParseVersion(s)
		var fault *VersionError
		if !errors.As(err, &fault) || !v.IsZero() {
			t.Errorf("%q is %q, %v", s, v, err)
		}
	}
	if v, err := ParseVersionInput("v1.2.3"); err != nil || v.String() != "1.2.3" {
		t.Error(v, err)
	}
	if _, err := ParseVersionInput("vv1.2.3"); err == nil {
		t.Error("vv1.2.3 is accepted")
	}
}

func TestVersionErrorIsSafe(t *testing.T) {
	_, err := ParseVersion("\x1b[31m\u202e" + strings.Repeat("é", 1<<20))
	if s := err.Error(); len(s) > 1000 || strings.ContainsAny(s, "\x1b\u202e") {
		t.Errorf("%q", s)
	}
}

// ordered ascends strictly.
var ordered = []string{
	"0.0.0-0", "0.0.0-0.0", "0.0.0", "0.0.1-0", "1.0.0-0", "1.0.0-1", "1.0.0-2", "1.0.0-10", "1.0.0-99999999999999999999999", "1.0.0-100000000000000000000000",
	"1.0.0--", "1.0.0-1-", "1.0.0-1a", "1.0.0-A", "1.0.0-alpha", "1.0.0-alpha.0", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-beta", "1.0.0-beta.2",
	"1.0.0-beta.11", "1.0.0-rc.1", "1.0.0", "1.0.1-0", "1.0.1", "1.1.0", "1.10.0", "2.0.0",
}

func TestCompare(t *testing.T) {
	for i, a := range ordered {
		for j, b := range ordered {
			v, w := mustVersion(t, a+"+x"), mustVersion(t, b+"+y")
			if got, want := v.Compare(w), compareInts(i, j); got != want {
				t.Errorf("%s to %s: %d, want %d", a, b, got, want)
			}
		}
	}
}

func compareInts(i, j int) int {
	switch {
	case i < j:
		return -1
	case i > j:
		return 1
	}
	return 0
}

func TestNextIsTheSuccessor(t *testing.T) {
	for i, s := range ordered {
		v := mustVersion(t, s)
		next := v.next()
		if back, ok := next.previous(); !ok || back != v {
			t.Errorf("%s comes before %s, not %s", back, next, v)
		}
		if v.Compare(next) >= 0 {
			t.Errorf("%s is not above %s", next, v)
		}
		if i+1 < len(ordered) && next.Compare(mustVersion(t, ordered[i+1])) > 0 {
			t.Errorf("%s is between %s and its successor %s", ordered[i+1], v, next)
		}
	}
}

func TestNoAllocation(t *testing.T) {
	v, w := mustVersion(t, "1.2.3-alpha.beta.1"), mustVersion(t, "1.2.3-alpha.beta.2")
	r := mustRange(t, "^1.0.0 || 2 - 3 || >=5")
	if n := testing.AllocsPerRun(100, func() {
		v.Compare(w)
		r.Contains(v)
		r.Exact()
		r.SubsetOf(r)
	}); n > 1 { // Exact makes one bound
		t.Errorf("%v allocations", n)
	}
	if n := testing.AllocsPerRun(100, func() { v.Compare(w); r.Contains(v); r.Contains(w) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestGitVersion(t *testing.T) {
	commit := Commit("0123456789abcdef0123456789abcdef01234567")
	for _, c := range []struct{ base, want string }{
		{"", "0.0.0+git.0123456789ab"},
		{"1.2.0", "1.2.0+git.0123456789ab"},
		{"1.2.0-rc.1+old", "1.2.0-rc.1+git.0123456789ab"},
	} {
		var base Version
		if c.base != "" {
			base = mustVersion(t, c.base)
		}
		got := GitVersion(base, commit)
		if got.String() != c.want || !got.IsGit() {
			t.Errorf("%q: %s", c.base, got)
		}
		if again := mustVersion(t, c.want); again != got {
			t.Errorf("%s does not parse to itself", got)
		}
		if c.base != "" && (base.IsGit() || got.Compare(base) != 0 || got == base || !Exactly(base).Contains(got)) {
			t.Errorf("%s and %s", got, base)
		}
	}
	for _, s := range []string{"1.0.0", "1.0.0+git", "1.0.0+git.0123", "1.0.0+git.0123456789AB", "1.0.0+git.0123456789ab.1", "1.0.0-git.0123456789ab"} {
		if mustVersion(t, s).IsGit() {
			t.Errorf("%s is a git version", s)
		}
	}
}

func TestSortVersions(t *testing.T) {
	var versions []Version
	for _, s := range ordered {
		versions = append(versions, mustVersion(t, s))
	}
	slices.Reverse(versions)
	slices.SortFunc(versions, Version.Compare)
	for i, v := range versions {
		if v.String() != ordered[i] {
			t.Fatalf("%d: %s, want %s", i, v, ordered[i])
		}
	}
}

func FuzzParseVersion(f *testing.F) {
	for _, s := range append(slices.Clone(ordered), "1.2.3+b", "v1.2.3", "01.2.3", "1.2.3-01", "1.2.3-", "1.2.3+", "1.2.3-a..b", "1.2.3-a+b.c+d", "1.2.3+-",
		"1.2", "1.2.", "1.2.3.4", "1-2.3.4", "1.2+3.4", "1.2.+3", "1.2.3- 1", "1.2.3-0a.00-1", "1.2.3+00", "18446744073709551616.0.0", "1.2.3-\u00e9", "") {
		f.Add(s, "1.0.0-beta.2")
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		v, err := ParseVersion(a)
		switch lib, libErr := semver.StrictNewVersion(a); {
		case libErr != nil && err == nil:
			t.Fatalf("%q is a version; the library says %v", a, libErr)
		case libErr == nil && err != nil && max(lib.Major(), lib.Minor(), lib.Patch()) <= MaxNumber:
			t.Fatalf("%q: %v; the library takes it", a, err)
		}
		if err != nil {
			if s := err.Error(); !isSafe(s) {
				t.Errorf("unsafe: %q", s)
			}
			return
		}
		if v.String() != a {
			t.Fatalf("%q is %s", a, v)
		}
		w, err := ParseVersion(b)
		if err != nil {
			return
		}
		got := v.Compare(w)
		if w.Compare(v) != -got || (got == 0) != (v.withoutBuild() == w.withoutBuild()) {
			t.Fatalf("%s to %s: %d, and back %d", v, w, got, w.Compare(v))
		}
		if got < 0 && v.next().Compare(w) > 0 {
			t.Fatalf("%s is between %s and its successor", w, v)
		}
		if longNumber(v.pre) || longNumber(w.pre) {
			return // the library compares numbers above uint64 as words
		}
		if want := semver.MustParse(a).Compare(semver.MustParse(b)); got != want {
			t.Fatalf("%s to %s: %d, the library says %d", v, w, got, want)
		}
	})
}

func longNumber(pre string) bool {
	return slices.ContainsFunc(strings.Split(pre, "."), func(s string) bool { return isDigits(s) && len(s) > 19 })
}

func BenchmarkCompare(b *testing.B) {
	v, w := mustVersion(b, "1.2.3-alpha.beta.1"), mustVersion(b, "1.2.3-alpha.beta.2")
	b.ReportAllocs()
	for b.Loop() {
		v.Compare(w)
	}
}

func BenchmarkParseVersion(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ParseVersion("1.2.3-beta.1"); err != nil {
			b.Fatal(err)
		}
	}
}

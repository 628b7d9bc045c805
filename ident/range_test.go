package ident

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestParseRangeSets(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"", "*"}, {"  ", "*"}, {"*", "*"}, {"latest", "*"}, {"x", "*"}, {"||", "*"}, {"1.2.3 ||", "*"}, {"^x", "*"}, {"~*", "*"}, {">=*", "*"}, {"<=x", "*"},
		{">=0.0.0-0", "*"}, {"<1 || >=1", "*"}, {"<=1.2.3 || >1.2.3", "*"}, {"<=1.0.0 || >=1.0.1-0", "*"},
		{">*", nothing}, {"<x", nothing}, {"<0.0.0-0", nothing}, {"<0", nothing}, {">2 <1", nothing}, {">1.2.3 <1.2.4-0", nothing},
		{"1.2.3", "1.2.3"}, {"=1.2.3", "1.2.3"}, {"v1.2.3", "1.2.3"}, {"= v1.2.3", "1.2.3"}, {"1.2.3+build", "1.2.3"}, {">=1.2.3 <=1.2.3", "1.2.3"}, {"1.2.3-rc.1", "1.2.3-rc.1"},
		{"1", ">=1 <2"}, {"1.x", ">=1 <2"}, {"1.2", ">=1.2 <1.3"}, {"1.2.x", ">=1.2 <1.3"}, {"1.2.*", ">=1.2 <1.3"}, {"0", "<1"},
		{"^1.2.3", ">=1.2.3 <2"}, {"^0.2.3", ">0.2.2 <0.3"}, {"^0.0.3", ">0.0.2 <=0.0.3"}, {"^0", "<1"}, {"^0.0", "<0.1"}, {"^1.2", ">=1.2 <2"}, {"^1.2.3-rc.1", ">=1.2.3-rc.1 <2"},
		{"^0.2.3-rc.1", ">=0.2.3-rc.1 <0.3"}, {"~1.2.3", ">=1.2.3 <1.3"}, {"~>1.2.3", ">=1.2.3 <1.3"}, {"~1.2", ">=1.2 <1.3"}, {"~1", ">=1 <2"}, {"^ 1.2.3", ">=1.2.3 <2"},
		{">1", ">=2"}, {">1.2", ">=1.3"}, {">1.2.3", ">1.2.3"}, {">=1.2.4-0", ">1.2.3"}, {"<=1", "<2"}, {"<=1.2.3", "<=1.2.3"}, {"<2", "<2"}, {"<2.0.0", "<2.0.0"}, {"<2.0.0-0", "<2"},
		{"> 1.2.3", ">1.2.3"}, {"> =1.2.3", ">=1.2.3"}, {">\t1.2.3", ">1.2.3"}, {">1.2.3-rc", ">=1.2.3-rc.0"}, {"<=1.2.3-rc", "<=1.2.3-rc"},
		{"1.2.3 - 2.3.4", ">1.2.2 <=2.3.4"}, {"1.2.3 - 2", ">1.2.2 <3"}, {"1.2 - 2.3", ">=1.2 <2.4"}, {"* - 2", "<3"}, {"1 - *", ">=1"}, {"1.2.3-rc - 2.0.0-rc", ">=1.2.3-rc <=2.0.0-rc"},
		{">=1.2.0 <2.0.0 || 3.1.0", ">=1.2.0 <2.0.0 || 3.1.0"}, {"3.1.0||>=1.2.0 <2.0.0", ">=1.2.0 <2.0.0 || 3.1.0"}, {"1 || 2 || 1.5", ">=1 <3"}, {">2 <1 || 1.0.0", "1.0.0"},
	} {
		r, err := ParseRange(c.in)
		if err != nil {
			t.Errorf("%v", err)
			continue
		}
		if got := formatSet(r.set); got != c.want {
			t.Errorf("%q is %q, want %q", c.in, got, c.want)
		}
		want := strings.TrimSpace(c.in)
		if want == "" {
			want = "*"
		}
		if r.String() != want {
			t.Errorf("%q is written %q", c.in, r)
		}
		if r.IsAny() != (c.want == "*") || r.IsEmpty() != (c.want == nothing) {
			t.Errorf("%q: any %v, empty %v", c.in, r.IsAny(), r.IsEmpty())
		}
		if again := mustRange(t, formatSet(r.set)); !again.Equal(r) {
			t.Errorf("%q is written %q, which is %v", c.in, formatSet(r.set), again.set)
		}
	}
}

func TestParseRangeRefuses(t *testing.T) {
	for _, s := range []string{
		"foo", "latest; rm -rf /", "latest || 1", "Latest", "1.2.3.4", "1.x.5", "x.1", "01.2.3", "1.02", "^01", ">=09090", "1.2.3-01", "1.2.3-", "1.2-rc", "1-rc", "1.2.3+", "1.2+",
		">", "^", "~>", "1.2.3 >", "=>1.2.3", "!=1.2.3", "!1", "<>1", ">>1", "~^1", "1,2", ">=1.0.0,<2", ">=1.0.0<2.0.0", "1.2.3 | 2", "|", "1 |||| x |",
		"-", "1 -", "- 1", "1 - 2 - 3", "1-2", "1.2.3 -2.0.0", ">=1 - 2", "1 - 2 3", "vv1", "v", "v 1", "a.b.c", "1.2.3beta", "~1.2.3beta", "1..2", ".1", "1.", "1.2.", "x.x.x.x",
		"^9007199254740991.0.0", "9007199254740992", ">9007199254740991", "~1.9007199254740991", "99999999999999999999999", "1.2.3\n", "1\n||2", "1\u00a0||2", "\ufeff1", "1.2.3\x00", "git+ssh://x", "file:../x",
		"workspace:*", "npm:x@1", "1.2.3-é", "１.2.3",
		strings.Repeat(" ", MaxRange) + "1 x" + strings.Repeat("1", MaxRange),
		strings.Repeat(">=0 ", MaxComparators+1),
		strings.Repeat("1||", MaxAlternatives) + "1",
	} {
		_, err := ParseRange(s)
		var fault *RangeError
		if !errors.As(err, &fault) {
			t.Errorf("%.80q is accepted: %v", s, err)
		} else if text := err.Error(); !isSafe(text) || len(text) > 1000 {
			t.Errorf("unsafe: %q", text)
		}
	}
}

// A range of 20,000 parts in an index must not make a client build a set of them.
func TestRangeBomb(t *testing.T) {
	var b strings.Builder
	for i := range 20_000 {
		fmt.Fprintf(&b, ">=%d.0.0 <%d.0.0 || ", i, i+1)
	}
	var fault *RangeError
	if _, err := ParseRange(b.String() + "1"); !errors.As(err, &fault) || !strings.Contains(fault.Reason, "more than") {
		t.Error(err)
	}
}

func TestRangeAtItsLimits(t *testing.T) {
	var parts []string
	for i := range MaxAlternatives {
		parts = append(parts, fmt.Sprintf("<%d.1 >=%d", i, i))
	}
	r := mustRange(t, strings.Join(parts, "||"))
	if len(r.Intervals()) != MaxAlternatives || !r.Contains(mustVersion(t, "500.0.7")) || r.Contains(mustVersion(t, "500.1.0")) {
		t.Errorf("%d intervals", len(r.Intervals()))
	}
	if !r.Complement().Complement().Equal(r) {
		t.Error("the complement of the complement is another set")
	}
	mustRange(t, strings.TrimSpace(strings.Repeat(">=0 ", MaxComparators)))
}

func TestExact(t *testing.T) {
	for in, want := range map[string]string{
		"1.2.3": "1.2.3", "=1.2.3": "1.2.3", "v1.2.3-rc.1+b": "1.2.3-rc.1", ">=1.2.3 <=1.2.3": "1.2.3", "<0.0.0-0.0": "", "0.0.0": "0.0.0",
		"^1.2.3": "", "1.2.3 || 1.2.4": "", "*": "", ">*": "", "1.2.x": "", "1.2.3 1.2.3": "1.2.3", "1.2.3 || 1.2.3": "1.2.3",
	} {
		v, ok := mustRange(t, in).Exact()
		if ok != (want != "") || v.String() != want {
			t.Errorf("%q is exactly %q", in, v)
		}
	}
	git := mustVersion(t, "1.2.3+git.0123456789ab")
	if r := Exactly(git); !r.Contains(mustVersion(t, "1.2.3")) || r.Contains(mustVersion(t, "1.2.4-0")) || !mustRange(t, r.String()).Equal(r) {
		t.Errorf("%v", r.set)
	}
	if !Exactly(Version{}).IsEmpty() || Any().Contains(Version{}) {
		t.Error("the zero Version is in a range")
	}
}

func TestZeroRange(t *testing.T) {
	var r Range
	if !r.IsEmpty() || r.IsAny() || r.Contains(mustVersion(t, "1.0.0")) || r.String() != nothing || !r.Complement().IsAny() || !r.SubsetOf(r) {
		t.Error("the zero Range holds something")
	}
	if !Any().Complement().IsEmpty() || Any().Complement().String() != nothing {
		t.Error("something is not in *")
	}
}

func TestCaret(t *testing.T) {
	for in, want := range map[string]string{"1.2.3": "^1.2.3", "0.1.0-rc.1+b": "^0.1.0-rc.1"} {
		v := mustVersion(t, in)
		if got := Caret(v); got != want || !mustRange(t, got).Contains(v) {
			t.Errorf("%s: %s", in, got)
		}
	}
}

// sampleRanges and ordered versions prove the algebra by exhaustion: the result of every operation
// holds exactly the versions that the operation on memberships says.
var sampleRanges = []string{
	"*", ">*", "1.0.0", "1.0.0-alpha", "^1.0.0-beta", "~1.0", "<1", "<1.0.0", "<=1.0.0-alpha", ">1.0.0-alpha", ">=1.0.0-alpha.0 <1.0.0-rc.1", "1.0.0 || 2.0.0", "0.0.0-0",
	"<1.0.0-1 || 1.0.0-alpha.1 || >1.0.0", ">0.0.0 <1.0.1", "1.x || 0.0.1", ">=2", "0.0.0 - 1.0.0",
}

func TestAlgebra(t *testing.T) {
	for _, a := range sampleRanges {
		for _, b := range sampleRanges {
			checkAlgebra(t, mustRange(t, a), mustRange(t, b), ordered)
		}
	}
}

func checkAlgebra(t *testing.T, a, b Range, versions []string) {
	t.Helper()
	union, both, not := a.Union(b), a.Intersect(b), a.Complement()
	for _, s := range versions {
		v := mustVersion(t, s)
		inA, inB := a.Contains(v), b.Contains(v)
		if slices.ContainsFunc(a.set, func(iv Interval) bool { return iv.Contains(v) }) != inA {
			t.Errorf("%s in %s: %v", v, a, inA)
		}
		if union.Contains(v) != (inA || inB) || both.Contains(v) != (inA && inB) || not.Contains(v) == inA {
			t.Errorf("%s, %q, %q: union %v, intersection %v, complement %v", v, a, b, union.Contains(v), both.Contains(v), not.Contains(v))
		}
		if inA && !inB && a.SubsetOf(b) {
			t.Errorf("%q is not a subset of %q: %s", a, b, v)
		}
	}
	for _, r := range []Range{a, union, both, not} {
		checkNormal(t, r)
	}
	if !union.Equal(b.Union(a)) || !both.Equal(b.Intersect(a)) || !not.Complement().Equal(a) || !a.Union(not).IsAny() || !a.Intersect(not).IsEmpty() {
		t.Errorf("%q, %q: a law of sets is broken", a, b)
	}
	if !not.Union(b.Complement()).Complement().Equal(both) {
		t.Errorf("%q, %q: De Morgan", a, b)
	}
	if a.SubsetOf(b) != both.Equal(a) || a.SubsetOf(b) != union.Equal(b) || a.Intersects(b) == both.IsEmpty() {
		t.Errorf("%q, %q: SubsetOf is %v, Intersects %v", a, b, a.SubsetOf(b), a.Intersects(b))
	}
}

// checkNormal checks what Intervals promises, and that the computed text parses to the same set.
func checkNormal(t *testing.T, r Range) {
	t.Helper()
	for i, iv := range r.set {
		if !iv.valid() {
			t.Errorf("%q has the empty interval %v", r, iv)
		}
		if i > 0 && (r.set[i-1].Hi.IsZero() || iv.Lo.IsZero() || r.set[i-1].Hi.Compare(iv.Lo) >= 0) {
			t.Errorf("%q: %v and %v overlap, touch or are not in order", r, r.set[i-1], iv)
		}
	}
	text := formatSet(r.set)
	if len(text) > MaxRange {
		return
	}
	if again, err := ParseRange(text); err != nil || !again.Equal(r) {
		t.Errorf("%v is written %q, which is %v, %v", r.set, text, again.set, err)
	}
}

func TestUnionDoesNotShare(t *testing.T) {
	a, b := mustRange(t, "1 || 3"), mustRange(t, "2")
	before := slices.Clone(a.set)
	a.Union(b)
	if !slices.Equal(a.set, before) {
		t.Errorf("Union changed its operand: %v", a.set)
	}
}

func FuzzParseRange(f *testing.F) {
	for i, s := range sampleRanges {
		f.Add(s, sampleRanges[len(sampleRanges)-1-i], "1.0.0-alpha.1")
	}
	f.Add(">=1.2.0 <2.0.0 || 3.1.0", "1.2.3 - 2 || ~>0.1", "0.0.0-0")
	f.Fuzz(func(t *testing.T, a, b, version string) {
		r, err := ParseRange(a)
		if err != nil {
			if text := err.Error(); !isSafe(text) {
				t.Errorf("unsafe: %q", text)
			}
			return
		}
		if again, err := ParseRange(r.String()); err != nil || !again.Equal(r) || again.String() != r.String() {
			t.Fatalf("%q is written %q: %v", a, r, err)
		}
		o, err := ParseRange(b)
		if err != nil {
			return
		}
		versions := slices.Clone(ordered)
		if _, err := ParseVersion(version); err == nil {
			versions = append(versions, version)
		}
		checkAlgebra(t, r, o, versions)
	})
}

func BenchmarkParseRange(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ParseRange("^1.2.3"); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkContains(b *testing.B) {
	r, v := mustRange(b, "^1.2.3"), mustVersion(b, "1.4.0")
	b.ReportAllocs()
	for b.Loop() {
		r.Contains(v)
	}
}

package ident

import (
	"slices"
	"strings"
	"testing"
)

// primitive is a comparator of npm's release form: what a range means where includePrerelease
// is not set. It exists to prove the parser with the many facts known for that setting.
type primitive struct {
	op operator
	v  Version // zero: any version
}

// releaseForm lowers a range text by npm's rules without includePrerelease.
func releaseForm(t *testing.T, text string) [][]primitive {
	t.Helper()
	text = strings.Trim(text, blanks)
	if text == "latest" {
		text = "*"
	}
	alternatives, err := parseAlternatives(text)
	if err != nil {
		t.Fatal(err)
	}
	var out [][]primitive
	for _, comparators := range alternatives {
		var list []primitive
		for _, c := range comparators {
			list = append(list, lower(t, c)...)
		}
		if null := slices.IndexFunc(list, isNull); null >= 0 {
			list = list[null : null+1]
		}
		list = slices.DeleteFunc(list, func(p primitive) bool { return p.v.IsZero() })
		out = append(out, list)
	}
	if len(out) > 1 {
		first := out[0]
		out = slices.DeleteFunc(out, func(l []primitive) bool { return len(l) > 0 && isNull(l[0]) })
		if len(out) == 0 {
			return [][]primitive{first}
		}
		if slices.ContainsFunc(out, func(l []primitive) bool { return len(l) == 0 }) {
			return [][]primitive{nil}
		}
	}
	return out
}

func isNull(p primitive) bool { return p.op == opLess && p.v.String() == "0.0.0-0" }

func lower(t *testing.T, c comparator) []primitive {
	t.Helper()
	bump := func(v Version, n int) Version {
		w, err := v.bump(n)
		if err != nil {
			t.Fatal(err)
		}
		return w
	}
	release := func(v Version) Version { v.pre = ""; return v }
	atLeast := func(v Version) []primitive {
		if v.String() == "0.0.0" {
			return []primitive{{}}
		}
		return []primitive{{opAtLeast, v}}
	}
	p := c.from
	if c.op == opHyphen {
		var out []primitive
		if p.given > 0 {
			out = append(out, atLeast(p.v)...)
		}
		switch to := c.to; to.given {
		case 0:
		case 3:
			out = append(out, primitive{opAtMost, to.v})
		default:
			out = append(out, primitive{opLess, bump(to.v, to.given)})
		}
		return out
	}
	if p.given == 0 {
		if c.op == opLess || c.op == opMore {
			return []primitive{{opLess, mustVersion(t, "0.0.0-0")}}
		}
		return []primitive{{}}
	}
	switch c.op {
	case opTilde:
		return append(atLeast(p.v), primitive{opLess, bump(p.v, min(p.given, 2))})
	case opCaret:
		n := 1
		if p.v.major == 0 && p.given > 1 {
			n = 2
			if p.v.minor == 0 && p.given == 3 {
				n = 3
			}
		}
		return append(atLeast(p.v), primitive{opLess, bump(p.v, n)})
	case opAtLeast:
		return atLeast(p.v)
	case opMore:
		if p.given < 3 {
			return []primitive{{opAtLeast, release(bump(p.v, p.given))}}
		}
	case opAtMost:
		if p.given < 3 {
			return []primitive{{opLess, bump(p.v, p.given)}}
		}
	case opLess:
		return []primitive{{opLess, p.floor()}}
	case opEqual:
		if p.given < 3 {
			return append(atLeast(p.v), primitive{opLess, bump(p.v, p.given)})
		}
	}
	return []primitive{{c.op, p.v}}
}

// testReleases is npm's rule: a prerelease counts only where a comparator names a prerelease of
// the same three numbers.
func testReleases(list []primitive, v Version) bool {
	named := v.Prerelease() == ""
	for _, p := range list {
		if p.v.IsZero() {
			continue
		}
		c := v.Compare(p.v)
		ok := map[operator]bool{opEqual: c == 0, opLess: c < 0, opAtMost: c <= 0, opMore: c > 0, opAtLeast: c >= 0}[p.op]
		if !ok {
			return false
		}
		named = named || p.v.pre != "" && p.v.major == v.major && p.v.minor == v.minor && p.v.patch == v.patch
	}
	return named
}

func formatReleaseForm(alternatives [][]primitive) string {
	var out []string
	for _, list := range alternatives {
		var words []string
		for _, p := range list {
			if word := string(p.op) + p.v.String(); !slices.Contains(words, word) {
				words = append(words, word)
			}
		}
		out = append(out, strings.Join(words, " "))
	}
	if text := strings.Join(out, "||"); text != "" {
		return text
	}
	return "*"
}

// witnesses are versions at, below and above every bound of the two ranges: where the ranges
// differ or meet, they do so at one of these.
func witnesses(t *testing.T, texts ...string) []Version {
	out := []Version{mustVersion(t, "0.0.0-0"), mustVersion(t, "0.0.0"), mustVersion(t, "9999.0.0")}
	for _, text := range texts {
		for _, list := range releaseForm(t, text) {
			for _, p := range list {
				if p.v.IsZero() {
					continue
				}
				v := p.v
				out = append(out, v, v.next(), v.next().next())
				for _, pre := range []string{"", "0", "a", "zzz"} {
					v.pre = pre
					out = append(out, v, v.next())
					w := v
					w.patch++
					out = append(out, w)
					if w = v; w.patch > 0 {
						w.patch--
						out = append(out, w)
					}
				}
			}
		}
	}
	return out
}

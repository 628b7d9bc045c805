package ident

import (
	"slices"
	"strings"
)

// Interval is one run of versions in precedence order: Lo ≤ v < Hi. An unset bound (zero
// Version) is infinite. Bounds carry no build metadata.
//
// Half-open intervals are enough, and give each set one form only, because every version has
// an immediate successor: after 1.2.3 comes 1.2.4-0, after 1.2.3-rc comes 1.2.3-rc.0. So
// ">1.2.3" begins at 1.2.4-0 and "<=1.2.3" ends before it. The lowest version of all is
// 0.0.0-0; an interval that begins there has no Lo.
type Interval struct {
	Lo, Hi Version
}

// lowestPrerelease is the prerelease that comes before all others of its version.
const lowestPrerelease = "0"

// only is the interval that holds v alone.
func only(v Version) Interval { return between(v, v.next()) }

// between is the interval lo ≤ v < hi; either may be unset.
func between(lo, hi Version) Interval {
	lo, hi = lo.withoutBuild(), hi.withoutBuild()
	if lo == (Version{pre: lowestPrerelease, set: true}) {
		lo = Version{}
	}
	return Interval{Lo: lo, Hi: hi}
}

// Contains reports whether v is in the interval.
func (iv Interval) Contains(v Version) bool {
	return (iv.Lo.IsZero() || iv.Lo.Compare(v) <= 0) && !iv.endsBelow(v)
}

// endsBelow reports whether all of iv is below v.
func (iv Interval) endsBelow(v Version) bool { return !iv.Hi.IsZero() && iv.Hi.Compare(v) <= 0 }

// valid reports whether iv holds any version.
func (iv Interval) valid() bool {
	if iv.Hi.IsZero() {
		return true
	}
	lo := iv.Lo
	if lo.IsZero() {
		lo = Version{pre: lowestPrerelease, set: true}
	}
	return lo.Compare(iv.Hi) < 0
}

// covers reports whether all of o is in iv.
func (iv Interval) covers(o Interval) bool {
	return compareLo(iv.Lo, o.Lo) <= 0 && compareHi(o.Hi, iv.Hi) <= 0
}

// compareLo orders lower bounds; an unset one comes first.
func compareLo(a, b Version) int {
	switch {
	case a.IsZero() && b.IsZero():
		return 0
	case a.IsZero():
		return -1
	case b.IsZero():
		return 1
	}
	return a.Compare(b)
}

// compareHi orders upper bounds; an unset one comes last.
func compareHi(a, b Version) int {
	switch {
	case a.IsZero() && b.IsZero():
		return 0
	case a.IsZero():
		return 1
	case b.IsZero():
		return -1
	}
	return a.Compare(b)
}

// overlap is what a and b share; it may not be valid.
func overlap(a, b Interval) Interval {
	if compareLo(a.Lo, b.Lo) < 0 {
		a.Lo = b.Lo
	}
	if compareHi(b.Hi, a.Hi) < 0 {
		a.Hi = b.Hi
	}
	return a
}

// normalize sorts and joins the valid intervals of set, in place.
func normalize(set []Interval) []Interval {
	set = slices.DeleteFunc(set, func(iv Interval) bool { return !iv.valid() })
	slices.SortFunc(set, func(a, b Interval) int { return compareLo(a.Lo, b.Lo) })
	out := set[:0]
	for _, iv := range set {
		last := len(out) - 1
		if last >= 0 && (out[last].Hi.IsZero() || iv.Lo.IsZero() || iv.Lo.Compare(out[last].Hi) <= 0) {
			if compareHi(out[last].Hi, iv.Hi) < 0 {
				out[last].Hi = iv.Hi
			}
			continue
		}
		out = append(out, iv)
	}
	return out
}

// intersectSets walks two sorted sets once.
func intersectSets(a, b []Interval) []Interval {
	var out []Interval
	for i, j := 0, 0; i < len(a) && j < len(b); {
		if iv := overlap(a[i], b[j]); iv.valid() {
			out = append(out, iv)
		}
		if compareHi(a[i].Hi, b[j].Hi) <= 0 {
			i++
		} else {
			j++
		}
	}
	return out
}

// complementSet is the gaps before, between and behind the intervals of a sorted set.
func complementSet(set []Interval) []Interval {
	out := make([]Interval, 0, len(set)+1)
	lo, open := Version{}, true // open: something above lo is left
	for _, iv := range set {
		if !iv.Lo.IsZero() {
			out = append(out, Interval{Lo: lo, Hi: iv.Lo})
		}
		lo, open = iv.Hi, !iv.Hi.IsZero()
	}
	if open {
		out = append(out, Interval{Lo: lo})
	}
	return out
}

// String is the interval in npm's grammar, in its shortest plain form: "<2" ends before
// 2.0.0-0, which "<2.0.0" would not.
func (iv Interval) String() string {
	if iv == (Interval{}) {
		return "*"
	}
	if !iv.Lo.IsZero() && !iv.Hi.IsZero() && iv.Lo.next() == iv.Hi {
		return iv.Lo.String()
	}
	var parts []string
	if !iv.Lo.IsZero() {
		parts = append(parts, formatLo(iv.Lo))
	}
	if !iv.Hi.IsZero() {
		parts = append(parts, formatHi(iv.Hi))
	}
	return strings.Join(parts, " ")
}

func formatLo(lo Version) string {
	if lo.pre == lowestPrerelease {
		if text, ok := lo.partial(); ok {
			return ">=" + text
		}
	}
	if v, ok := lo.previous(); ok && (lo.pre == lowestPrerelease || len(lo.String()) > MaxVersion) {
		return ">" + v.String()
	}
	return ">=" + lo.String()
}

func formatHi(hi Version) string {
	if hi.pre == lowestPrerelease {
		if text, ok := hi.partial(); ok {
			return "<" + text
		}
	}
	if v, ok := hi.previous(); ok {
		return "<=" + v.String()
	}
	return "<" + hi.String()
}

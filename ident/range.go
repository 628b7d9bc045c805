package ident

import (
	"fmt"
	"sort"
	"strings"
)

// Range is a set of versions, written in npm's range grammar and evaluated with
// prereleases included: then every range is a plain union of intervals, and union,
// intersection and complement are exact. The zero Range holds no version.
//
// A range does not see build metadata: 1.2.3 holds 1.2.3+git.0123456789ab.
type Range struct {
	text string // as written; "" where the set was computed
	set  []Interval
}

// Requirement is one dependency: a name and the versions of it that will do.
type Requirement struct {
	Name  Name
	Range Range
}

// RangeError says why a string is not a range.
type RangeError struct {
	Input  string
	Reason string
}

func (e *RangeError) Error() string {
	return fmt.Sprintf("%s is not a range: %s", quoteShort(e.Input), e.Reason)
}

// Hint shows the forms that are understood.
func (e *RangeError) Hint() string {
	return `write a range such as ^1.2.0, ~1.2.0, >=1.2.0 <2.0.0, 1.2.x, 1.2.0 - 1.4.0 or *`
}

// Any is the range "*".
func Any() Range { return Range{text: "*", set: []Interval{{}}} }

// Exactly is the range that holds v alone (and what equals it but for build metadata).
// The zero Version gives the empty range.
func Exactly(v Version) Range {
	if v.IsZero() {
		return Range{}
	}
	return Range{text: v.String(), set: []Interval{only(v)}}
}

// Caret is the range that "opkg add" writes for v: "^1.2.3".
func Caret(v Version) string { return "^" + v.withoutBuild().String() }

// String is the range as it was written, blanks trimmed ("" is "*"). For a range that was
// computed it is a range text that parses to the same set.
func (r Range) String() string {
	if r.text != "" {
		return r.text
	}
	return formatSet(r.set)
}

// Contains reports whether v is in r.
func (r Range) Contains(v Version) bool {
	if v.IsZero() {
		return false
	}
	// The first interval that does not end below v is the only one that can hold it.
	i := sort.Search(len(r.set), func(i int) bool { return !r.set[i].endsBelow(v) })
	return i < len(r.set) && r.set[i].Contains(v)
}

// Exact returns the one version that r holds, without build metadata, if it holds just one:
// "1.2.3", and also ">=1.2.3 <=1.2.3".
func (r Range) Exact() (Version, bool) {
	if len(r.set) != 1 {
		return Version{}, false
	}
	iv := r.set[0]
	if iv.Lo.IsZero() || iv.Hi.IsZero() || iv.Lo.next() != iv.Hi {
		return Version{}, false
	}
	return iv.Lo, true
}

// IsEmpty reports whether no version at all is in r.
func (r Range) IsEmpty() bool { return len(r.set) == 0 }

// IsAny reports whether every version is in r.
func (r Range) IsAny() bool { return len(r.set) == 1 && r.set[0] == Interval{} }

// Intervals are sorted, disjoint and not adjacent, and two ranges hold the same versions
// exactly if their intervals are equal. The caller must not change them.
func (r Range) Intervals() []Interval { return r.set }

// Equal reports whether r and o hold the same versions, however they are written.
func (r Range) Equal(o Range) bool {
	if len(r.set) != len(o.set) {
		return false
	}
	for i := range r.set {
		if r.set[i] != o.set[i] {
			return false
		}
	}
	return true
}

// Intersect holds what both hold.
func (r Range) Intersect(o Range) Range { return Range{set: intersectSets(r.set, o.set)} }

// Union holds what either holds.
func (r Range) Union(o Range) Range {
	return Range{set: normalize(append(append(make([]Interval, 0, len(r.set)+len(o.set)), r.set...), o.set...))}
}

// Complement holds what r does not.
func (r Range) Complement() Range { return Range{set: complementSet(r.set)} }

// SubsetOf reports whether o holds all of r.
func (r Range) SubsetOf(o Range) bool {
	j := 0
	for _, iv := range r.set {
		for j < len(o.set) && !o.set[j].covers(iv) {
			j++
		}
		if j == len(o.set) {
			return false
		}
	}
	return true
}

// Intersects reports whether some version is in both.
func (r Range) Intersects(o Range) bool {
	for i, j := 0, 0; i < len(r.set) && j < len(o.set); {
		if overlap(r.set[i], o.set[j]).valid() {
			return true
		}
		if compareHi(r.set[i].Hi, o.set[j].Hi) <= 0 {
			i++
		} else {
			j++
		}
	}
	return false
}

// formatSet writes a set as a range text.
func formatSet(set []Interval) string {
	if len(set) == 0 {
		return nothing
	}
	parts := make([]string, len(set))
	for i, iv := range set {
		parts[i] = iv.String()
	}
	return strings.Join(parts, " || ")
}

// nothing is the shortest range text that holds no version: nothing is below 0.0.0-0.
const nothing = "<0.0.0-0"

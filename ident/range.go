package ident

// Range is a set of versions, written in npm's range grammar and evaluated with
// prereleases included: then every range is a plain union of intervals, and union,
// intersection and complement are exact. The zero Range holds no version.
type Range struct {
	text string
	set  []Interval
}

// Interval is one run of versions in precedence order, from Lo to Hi. An unset bound (zero
// Version) is infinite.
type Interval struct {
	Lo, Hi         Version
	LoOpen, HiOpen bool // the bound itself is outside
}

// Requirement is one dependency: a name and the versions of it that will do.
type Requirement struct {
	Name  Name
	Range Range
}

// ParseRange parses npm's range grammar whole. The error is a *RangeError.
func ParseRange(s string) (Range, error) { panic("stub") }

// RangeError says why a string is not a range.
type RangeError struct {
	Input  string
	Reason string
}

func (e *RangeError) Error() string { return "" }

// Any is the range "*".
func Any() Range { panic("stub") }

// Exactly is the range that holds v alone (and what equals it but for build metadata).
func Exactly(v Version) Range { panic("stub") }

// String is the range as it was written, blanks trimmed ("" is "*").
func (r Range) String() string { return r.text }

// Contains reports whether v is in r.
func (r Range) Contains(v Version) bool { panic("stub") }

// Exact returns the one version that r was written to hold, if it names just one.
func (r Range) Exact() (Version, bool) { panic("stub") }

// IsEmpty reports whether no version at all is in r.
func (r Range) IsEmpty() bool { panic("stub") }

// Intervals are sorted, disjoint and not adjacent. The caller must not change them.
func (r Range) Intervals() []Interval { return r.set }

// Intersect, Union and Complement are exact; the text of the result is computed.
func (r Range) Intersect(o Range) Range { panic("stub") }

// Union holds what either holds.
func (r Range) Union(o Range) Range { panic("stub") }

// Complement holds what r does not.
func (r Range) Complement() Range { panic("stub") }

// SubsetOf reports whether o holds all of r.
func (r Range) SubsetOf(o Range) bool { panic("stub") }

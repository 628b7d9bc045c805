package ident

import (
	"fmt"
	"strconv"
	"strings"
)

// What a range text may hold. npm knows no limits; without them one line of an index could
// make every client build a set of any size.
const (
	MaxRange        = 16 << 10 // bytes of text
	MaxAlternatives = 1000     // parts between "||"
	MaxComparators  = 2000     // comparators in all alternatives together
)

// ParseRange parses npm's range grammar (the BNF of node-semver's README and what its code takes
// besides: "v" before a version, blanks behind an operator), and "latest" for "*":
//
//	range       = alternative { "||" alternative } | "latest"
//	alternative = partial " - " partial | { comparator }        none at all is "*"
//	comparator  = [ "<" | "<=" | ">" | ">=" | "=" | "~" | "~>" | "^" ] partial
//	partial     = [ "v" ] xr [ "." xr [ "." xr [ "-" pre ] ] ] [ "+" build ]
//	xr          = "x" | "X" | "*" | number without leading zeros
//
// No number may follow an x: 1.x.5 is refused. Blanks are spaces and tabs; the words of an
// alternative must have some between them. The error is a *RangeError.
func ParseRange(s string) (Range, error) {
	text := strings.Trim(s, blanks)
	if text == "" || text == "latest" || text == "*" {
		r := Any()
		if text != "" {
			r.text = text
		}
		return r, nil
	}
	alternatives, err := parseAlternatives(text)
	if err != nil {
		return Range{}, &RangeError{Input: s, Reason: err.Error()}
	}
	set := make([]Interval, len(alternatives))
	for i, comparators := range alternatives {
		for _, c := range comparators {
			iv, err := c.interval()
			if err != nil {
				return Range{}, &RangeError{Input: s, Reason: err.Error()}
			}
			set[i] = overlap(set[i], iv)
		}
	}
	return Range{text: text, set: normalize(set)}, nil
}

const blanks = " \t"

// operator is how a comparator begins; "=" is read as none.
type operator string

const (
	opEqual   operator = ""
	opLess    operator = "<"
	opAtMost  operator = "<="
	opMore    operator = ">"
	opAtLeast operator = ">="
	opTilde   operator = "~"
	opCaret   operator = "^"
	opHyphen  operator = "-" // from "-" to
)

// spellings are the operators as written, each before those that are its prefix.
var spellings = []struct {
	text string
	op   operator
}{
	{"<=", opAtMost}, {"<", opLess}, {">=", opAtLeast}, {">", opMore}, {"=", opEqual},
	{"~>", opTilde}, {"~", opTilde}, {"^", opCaret},
}

// comparator is one condition as written.
type comparator struct {
	op       operator
	from, to partial // to for opHyphen alone
}

// partial is a version of which only the first numbers may be given; the others are 0.
type partial struct {
	v     Version
	given int // 0 to 3; 0 is "*"
}

func parseAlternatives(text string) ([][]comparator, error) {
	if len(text) > MaxRange {
		return nil, fmt.Errorf("it has %d bytes, more than %d", len(text), MaxRange)
	}
	if n := strings.Count(text, "||") + 1; n > MaxAlternatives {
		return nil, fmt.Errorf("it has %d alternatives, more than %d", n, MaxAlternatives)
	}
	var out [][]comparator
	total := 0
	for alternative := range strings.SplitSeq(text, "||") {
		comparators, err := parseAlternative(alternative)
		if err != nil {
			return nil, err
		}
		if total += len(comparators); total > MaxComparators {
			return nil, fmt.Errorf("it has more than %d comparators", MaxComparators)
		}
		out = append(out, comparators)
	}
	return out, nil
}

func parseAlternative(s string) ([]comparator, error) {
	words := strings.FieldsFunc(s, func(r rune) bool { return strings.ContainsRune(blanks, r) })
	if len(words) == 3 && words[1] == "-" {
		from, err := parsePartial(strings.TrimPrefix(words[0], "="))
		if err != nil {
			return nil, err
		}
		to, err := parsePartial(strings.TrimPrefix(words[2], "="))
		if err != nil {
			return nil, err
		}
		return []comparator{{op: opHyphen, from: from, to: to}}, nil
	}
	out := make([]comparator, 0, len(words))
	for i := 0; i < len(words); i++ {
		op, rest := cutOperator(words[i])
		if rest == "" && i+1 < len(words) { // "> 1.2.3"
			i++
			op, rest = op.joined(words[i])
		}
		if op == opTilde || op == opCaret { // "^=1.2.3" is npm too
			rest = strings.TrimPrefix(rest, "=")
		}
		p, err := parsePartial(rest)
		if err != nil {
			return nil, err
		}
		out = append(out, comparator{op: op, from: p})
	}
	return out, nil
}

func cutOperator(word string) (operator, string) {
	for _, s := range spellings {
		if rest, ok := strings.CutPrefix(word, s.text); ok {
			return s.op, rest
		}
	}
	return opEqual, word
}

// joined is the operator and the rest where a blank stood behind op: "> =1.2.3" is ">=1.2.3".
func (op operator) joined(word string) (operator, string) {
	if rest, ok := strings.CutPrefix(word, "="); ok && (op == opLess || op == opMore) {
		return op + "=", rest
	}
	return op, word
}

func parsePartial(s string) (partial, error) {
	text := strings.TrimPrefix(s, "v")
	core := text
	if end := strings.IndexAny(text, "-+"); end >= 0 {
		core = text[:end]
	}
	numbers := strings.SplitN(core, ".", 4)
	if len(numbers) > 3 || len(numbers) < 3 && strings.HasPrefix(text[len(core):], "-") {
		return partial{}, notVersion(s)
	}
	p := partial{v: Version{set: true}}
	into := [3]*uint64{&p.v.major, &p.v.minor, &p.v.patch}
	for i, n := range numbers {
		if n == "x" || n == "X" || n == "*" {
			continue
		}
		value, ok := parseNumber(n)
		if !ok || p.given != i { // a number behind an x
			return partial{}, notVersion(s)
		}
		*into[i], p.given = value, i+1
	}
	// What follows must be well formed even behind an x, where it says nothing.
	pre, build, hasBuild := strings.Cut(text[len(core):], "+")
	if hasBuild && !isBuild(build) {
		return partial{}, notVersion(s)
	}
	if pre == "" {
		return p, nil
	}
	full, err := ParseVersion("0.0.0" + pre)
	if err != nil {
		return partial{}, notVersion(s)
	}
	if p.given == 3 {
		p.v.pre = full.pre
	}
	return p, nil
}

// isBuild reports whether s is build metadata, which a range drops however long it is.
func isBuild(s string) bool {
	for part := range strings.SplitSeq(s, ".") {
		if part == "" || strings.IndexFunc(part, notIdentifier) >= 0 {
			return false
		}
	}
	return true
}

func notIdentifier(c rune) bool {
	return c != '-' && (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z')
}

func notVersion(s string) error {
	if s == "" {
		return fmt.Errorf("an operator has no version behind it")
	}
	return fmt.Errorf("%s is neither a version nor a part of one", quoteShort(s))
}

// parseNumber reads digits without leading zeros, up to MaxNumber.
func parseNumber(s string) (uint64, bool) {
	if s == "" || len(s) > 1 && s[0] == '0' {
		return 0, false
	}
	for _, c := range []byte(s) {
		if c < '0' || c > '9' {
			return 0, false
		}
	}
	n, err := strconv.ParseUint(s, 10, 64)
	return n, err == nil && n <= MaxNumber
}

// interval is what node-semver's desugaring gives with includePrerelease set: where a version
// is only partly given, the interval begins and ends at prerelease 0.
func (c comparator) interval() (Interval, error) {
	p := c.from
	if c.op == opHyphen {
		return hyphenInterval(c.from, c.to)
	}
	if p.given == 0 { // "^*" and "<=*" are everything, "<*" and ">*" nothing
		if c.op == opLess || c.op == opMore {
			return between(Version{}, Version{pre: lowestPrerelease, set: true}), nil
		}
		return Interval{}, nil
	}
	switch c.op {
	case opLess:
		return between(Version{}, p.floor()), nil
	case opAtLeast:
		return between(p.floor(), Version{}), nil
	case opMore:
		above, err := p.above()
		return between(above, Version{}), err
	case opAtMost:
		above, err := p.above()
		return between(Version{}, above), err
	case opTilde:
		hi, err := p.v.bump(min(p.given, 2))
		return between(p.floor(), hi), err
	case opCaret:
		return caretInterval(p)
	}
	above, err := p.above()
	return between(p.floor(), above), err
}

// caretInterval ends where the leftmost number that is not 0 would change.
func caretInterval(p partial) (Interval, error) {
	lo, keep := p.floor(), 1
	if p.v.major == 0 && p.given > 1 {
		keep = 2
		if p.v.minor == 0 && p.given > 2 {
			keep = 3
		}
		// node-semver lets ^0.1.2, but not ^1.2.3, begin at its own prereleases.
		if p.given == 3 && p.v.pre == "" {
			lo.pre = lowestPrerelease
		}
	}
	hi, err := p.v.bump(keep)
	return between(lo, hi), err
}

// hyphenInterval is inclusive at both ends; what is not given of an end may be anything.
func hyphenInterval(from, to partial) (Interval, error) {
	var lo, hi Version
	var err error
	if from.given > 0 {
		lo = from.floor()
		if lo.pre == "" { // "1.2.3 - 2" begins at the prereleases of 1.2.3
			lo.pre = lowestPrerelease
		}
	}
	if to.given > 0 {
		hi, err = to.above()
	}
	return between(lo, hi), err
}

// floor is the lowest version that p stands for.
func (p partial) floor() Version {
	if p.given < 3 {
		p.v.pre = lowestPrerelease
	}
	return p.v
}

// above is the lowest version above all that p stands for.
func (p partial) above() (Version, error) {
	if p.given == 3 {
		return p.v.next(), nil
	}
	return p.v.bump(p.given)
}

// bump is the lowest version whose first n numbers (1 to 3) are above those of v.
func (v Version) bump(n int) (Version, error) {
	w := Version{major: v.major, pre: lowestPrerelease, set: true}
	last := &w.major
	if n > 1 {
		w.minor, last = v.minor, &w.minor
	}
	if n > 2 {
		w.patch, last = v.patch, &w.patch
	}
	if *last >= MaxNumber {
		return Version{}, fmt.Errorf("nothing comes after %d", uint64(MaxNumber))
	}
	*last++
	return w, nil
}

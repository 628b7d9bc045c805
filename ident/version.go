package ident

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
)

// Version is a SemVer 2.0 version. It is comparable with == (which build metadata
// takes part in) and usable as a map key. The zero Version is no version.
type Version struct {
	major, minor, patch uint64
	pre, build          string
	set                 bool
}

// VersionError says why a string is not a version.
type VersionError struct {
	Input  string
	Reason string
}

func (e *VersionError) Error() string {
	return fmt.Sprintf("%s is not a version: %s", quoteShort(e.Input), e.Reason)
}

// npm's limits.
const (
	MaxVersion = 256       // bytes of a version text
	MaxNumber  = 1<<53 - 1 // each of major, minor and patch
)

// ParseVersion parses the exact SemVer 2.0 form: MAJOR.MINOR.PATCH[-pre][+build].
// The error is a *VersionError.
func ParseVersion(s string) (Version, error) {
	if len(s) > MaxVersion {
		return Version{}, &VersionError{Input: s, Reason: fmt.Sprintf("it has %d bytes, more than %d", len(s), MaxVersion)}
	}
	v, ok := parseVersion(s)
	if !ok {
		return Version{}, &VersionError{Input: s, Reason: "want MAJOR.MINOR.PATCH, such as 1.2.0"}
	}
	if max(v.major, v.minor, v.patch) > MaxNumber {
		return Version{}, &VersionError{Input: s, Reason: fmt.Sprintf("a number is above %d", uint64(MaxNumber))}
	}
	return v, nil
}

// parseVersion reads the grammar of SemVer 2.0, with numbers below 2^64.
func parseVersion(s string) (v Version, ok bool) {
	rest, build, hasBuild := strings.Cut(s, "+")
	numbers, pre, hasPre := strings.Cut(rest, "-")
	major, rest, okMajor := strings.Cut(numbers, ".")
	minor, patch, okMinor := strings.Cut(rest, ".")
	if !okMajor || !okMinor || hasPre && !areIdentifiers(pre, true) || hasBuild && !areIdentifiers(build, false) {
		return v, false
	}
	v = Version{pre: pre, build: build, set: true}
	for _, n := range []struct {
		text string
		to   *uint64
	}{{major, &v.major}, {minor, &v.minor}, {patch, &v.patch}} {
		var err error
		if *n.to, err = strconv.ParseUint(n.text, 10, 64); err != nil || len(n.text) > 1 && n.text[0] == '0' {
			return v, false
		}
	}
	return v, true
}

// areIdentifiers reports whether s is identifiers of letters, digits and dashes, between dots. With canonical, as in a prerelease,
// numbers have no leading zero.
func areIdentifiers(s string, canonical bool) bool {
	for part := range strings.SplitSeq(s, ".") {
		if part == "" || canonical && len(part) > 1 && part[0] == '0' && isDigits(part) {
			return false
		}
		for i := range len(part) {
			if c := part[i]; c != '-' && !('0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z') {
				return false
			}
		}
	}
	return true
}

// ParseVersionInput is ParseVersion with one leading "v" dropped, as in git tags and
// on a command line.
func ParseVersionInput(s string) (Version, error) {
	return ParseVersion(strings.TrimPrefix(s, "v"))
}

const (
	gitBuild     = "git."
	gitHexDigits = 12
)

// GitVersion is the version of a git dependency that is not at a semver tag:
// "<base, or 0.0.0>+git.<12 hex digits of the commit>". It equals base for every range, and yet
// is a directory of its own.
func GitVersion(base Version, c Commit) Version {
	base.set = true
	base.build = gitBuild + string(c[:min(len(c), gitHexDigits)])
	return base
}

// IsGit reports whether v has the form that GitVersion makes.
func (v Version) IsGit() bool {
	digits, ok := strings.CutPrefix(v.build, gitBuild)
	return ok && len(digits) == gitHexDigits && isLowerHex(digits)
}

// IsZero reports whether v is no version at all.
func (v Version) IsZero() bool { return !v.set }

// Compare orders by SemVer precedence: −1, 0 or +1. Build metadata does not count.
// The zero Version compares as 0.0.0. Compare does not allocate.
func (v Version) Compare(w Version) int {
	if c := cmp.Compare(v.major, w.major); c != 0 {
		return c
	}
	if c := cmp.Compare(v.minor, w.minor); c != 0 {
		return c
	}
	if c := cmp.Compare(v.patch, w.patch); c != 0 {
		return c
	}
	return comparePrerelease(v.pre, w.pre)
}

// comparePrerelease orders two prereleases by SemVer 2.0 §11; "" (a release) comes last.
func comparePrerelease(a, b string) int {
	switch {
	case a == b:
		return 0
	case a == "":
		return 1
	case b == "":
		return -1
	}
	for {
		x, moreA, okA := strings.Cut(a, ".")
		y, moreB, okB := strings.Cut(b, ".")
		if c := compareIdentifier(x, y); c != 0 {
			return c
		}
		switch {
		case !okA && !okB:
			return 0
		case !okA:
			return -1
		case !okB:
			return 1
		}
		a, b = moreA, moreB
	}
}

// compareIdentifier orders numbers by value and before words, words by their bytes. A number
// has no leading zeros, so the longer one is the greater, however long.
func compareIdentifier(a, b string) int {
	numA, numB := isDigits(a), isDigits(b)
	switch {
	case numA && numB && len(a) != len(b):
		return cmp.Compare(len(a), len(b))
	case numA != numB:
		if numA {
			return -1
		}
		return 1
	}
	return strings.Compare(a, b)
}

func isDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

// next is the immediate successor of v in precedence order.
func (v Version) next() Version {
	v.build = ""
	if v.pre == "" {
		v.patch++
		v.pre = lowestPrerelease
	} else {
		v.pre += "." + lowestPrerelease
	}
	return v
}

// previous undoes next, for a version that is the successor of one.
func (v Version) previous() (Version, bool) {
	if v.pre == lowestPrerelease && v.patch > 0 {
		v.patch--
		v.pre = ""
		return v, true
	}
	pre, ok := strings.CutSuffix(v.pre, "."+lowestPrerelease)
	v.pre = pre
	return v, ok
}

// partial is the shortest text of which v is the lowest version: "1" for 1.0.0-0, "1.2" for
// 1.2.0-0.
func (v Version) partial() (text string, ok bool) {
	if v.pre != lowestPrerelease || v.patch != 0 {
		return "", false
	}
	text = strconv.FormatUint(v.major, 10)
	if v.minor != 0 {
		text += "." + strconv.FormatUint(v.minor, 10)
	}
	return text, true
}

// withoutBuild is v without its build metadata.
func (v Version) withoutBuild() Version {
	v.build = ""
	return v
}

// Release is v without prerelease and build metadata: the version that 1.2.0-rc.1 comes before.
func (v Version) Release() Version {
	v.pre, v.build = "", ""
	return v
}

// Prerelease is the part behind "-", or "".
func (v Version) Prerelease() string { return v.pre }

// Build is the part behind "+", or "".
func (v Version) Build() string { return v.build }

// Major is the first number.
func (v Version) Major() uint64 { return v.major }

// Minor is the second number.
func (v Version) Minor() uint64 { return v.minor }

// Patch is the third number.
func (v Version) Patch() uint64 { return v.patch }

// String is the canonical text; "" for the zero Version.
func (v Version) String() string {
	if !v.set {
		return ""
	}
	b := make([]byte, 0, 16+len(v.pre)+len(v.build))
	b = strconv.AppendUint(b, v.major, 10)
	b = append(b, '.')
	b = strconv.AppendUint(b, v.minor, 10)
	b = append(b, '.')
	b = strconv.AppendUint(b, v.patch, 10)
	if v.pre != "" {
		b = append(append(b, '-'), v.pre...)
	}
	if v.build != "" {
		b = append(append(b, '+'), v.build...)
	}
	return string(b)
}

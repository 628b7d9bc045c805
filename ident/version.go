package ident

import (
	"fmt"
	"strings"

	"github.com/Masterminds/semver/v3"
)

// Version is a SemVer 2.0 version. It is comparable with == (which build metadata
// takes part in) and usable as a map key. The zero Version is no version.
type Version struct {
	v   semver.Version
	set bool
}

// VersionError says why a string is not a version.
type VersionError struct {
	Input  string
	Reason string
}

func (e *VersionError) Error() string {
	return fmt.Sprintf("%q is not a version: %s", e.Input, e.Reason)
}

// MaxVersion is the longest version text, in bytes (npm's limit).
const MaxVersion = 256

// ParseVersion parses the exact SemVer 2.0 form: MAJOR.MINOR.PATCH[-pre][+build].
// The error is a *VersionError.
func ParseVersion(s string) (Version, error) {
	if len(s) > MaxVersion {
		return Version{}, &VersionError{Input: s[:32] + "…", Reason: fmt.Sprintf("it has more than %d bytes", MaxVersion)}
	}
	v, err := semver.StrictNewVersion(s)
	if err != nil {
		return Version{}, &VersionError{Input: s, Reason: "want MAJOR.MINOR.PATCH, such as 1.2.0"}
	}
	return Version{v: *semver.New(v.Major(), v.Minor(), v.Patch(), v.Prerelease(), v.Metadata()), set: true}, nil
}

// ParseVersionInput is ParseVersion with one leading "v" dropped, as in git tags and
// on a command line.
func ParseVersionInput(s string) (Version, error) {
	return ParseVersion(strings.TrimPrefix(s, "v"))
}

// IsZero reports whether v is no version at all.
func (v Version) IsZero() bool { return !v.set }

// Compare orders by SemVer precedence: −1, 0 or +1. Build metadata does not count.
func (v Version) Compare(w Version) int { return v.v.Compare(&w.v) }

// Prerelease is the part behind "-", or "".
func (v Version) Prerelease() string { return v.v.Prerelease() }

// Build is the part behind "+", or "".
func (v Version) Build() string { return v.v.Metadata() }

// Major, Minor and Patch are the three numbers.
func (v Version) Major() uint64 { return v.v.Major() }

// Minor is the second number.
func (v Version) Minor() uint64 { return v.v.Minor() }

// Patch is the third number.
func (v Version) Patch() uint64 { return v.v.Patch() }

// String is the canonical text; "" for the zero Version.
func (v Version) String() string {
	if !v.set {
		return ""
	}
	return v.v.String()
}

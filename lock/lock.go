package lock

import "github.com/openpackage/opkg/ident"

// FormatVersion is the version that this opkg writes.
const FormatVersion = 1

// Lock is one opkg.lock.
type Lock struct {
	Requires  []Require  // sorted by name
	Overrides []Override // sorted by name
	Packages  []Package  // sorted by name
}

// Require is what the manifest asked for: how staleness is explained.
type Require struct {
	Name     ident.Name
	Range    string // as written
	Registry string
	Git      string
	Ref      string
	Base     string
	Path     string
	Dev      bool
}

// Override is one entry of the manifest's overrides.
type Override struct {
	Name  ident.Name
	Range string
}

// Dependency is one requirement of a locked package, with its range as written.
type Dependency struct {
	Name  ident.Name
	Range string
}

// Package is one locked package: exactly one of Source, Git and Path is set.
type Package struct {
	Name         ident.Name
	Version      ident.Version
	Source       ident.SourceID
	Artifact     string // relative to Source where it can be, else an absolute URL
	Git          string
	Ref          string
	Base         string
	Commit       ident.Commit
	Path         string // slash-separated, relative to the workspace
	Size         int64  // bytes of the artifact
	SHA256       ident.SHA256
	Tree         ident.TreeID
	Dependencies []Dependency // sorted by name
	Dev          bool         // only dev-dependencies need it
}

// Error is a lock that does not parse (Closed false) or is not closed (Closed true: a *NotClosedError instead).
type Error struct {
	File     string
	Line     int
	Msg      string
	HintText string
}

func (e *Error) Error() string { panic("stub") }

// Hint says what to do.
func (e *Error) Hint() string { return e.HintText }

// NotClosedError lists what is missing, unreachable or out of range in a lock that parses.
type NotClosedError struct {
	File     string
	Problems []string
}

func (e *NotClosedError) Error() string { panic("stub") }

// StaleError says how the manifest and the lock differ, one sentence a difference.
type StaleError struct {
	File        string
	Differences []string
}

func (e *StaleError) Error() string { panic("stub") }

// Parse reads an opkg.lock strictly: canonical values only, unknown keys refused, a newer version said so. It does not
// judge closedness.
func Parse(file string, data []byte) (*Lock, error) { panic("stub") }

// Format is the one canonical byte sequence of l. It sorts a copy.
func (l *Lock) Format() []byte { panic("stub") }

// CheckClosed returns a *NotClosedError unless every dependency is a package in the lock whose version it accepts
// (overrides counted), and every package is reached from a require.
func (l *Lock) CheckClosed(file string) error { panic("stub") }

// CheckFresh returns a *StaleError unless l was made for these requires and overrides. manifestFile is for messages.
func (l *Lock) CheckFresh(lockFile, manifestFile string, requires []Require, overrides []Override) error {
	panic("stub")
}

// MarkDev sets Dev on each package that only dev requires reach.
func (l *Lock) MarkDev() { panic("stub") }

// Find returns the package called name, or nil.
func (l *Lock) Find(name ident.Name) *Package { panic("stub") }

// Change is one line of the difference between two locks.
type Change struct {
	Name     ident.Name
	Old, New *Package // nil: added, removed
}

// Diff lists what changed from old to new, sorted by name; either may be nil.
func Diff(old, new *Lock) []Change { panic("stub") }

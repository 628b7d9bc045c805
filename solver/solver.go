package solver

import (
	"context"

	"github.com/openpackage/opkg/ident"
)

// Candidate is one version that a package could have.
type Candidate struct {
	Version ident.Version
	Yanked  bool
}

// Provider answers the solver's questions. It is asked from several goroutines at once, and answers
// each question the same way however often it is asked.
type Provider interface {
	// Versions lists every version of name that its owning registry has, in any order. A name that no
	// registry has is an empty list and no error. An error ends the solve and is returned as it is.
	Versions(ctx context.Context, name ident.Name) ([]Candidate, error)
	// Requirements lists what one version needs, in any order; a name may occur once.
	Requirements(ctx context.Context, name ident.Name, v ident.Version) ([]ident.Requirement, error)
}

// Root is one requirement of the user's own, and where it was written.
type Root struct {
	ident.Requirement
	Where string // "openpackage.yml:7", for messages
}

// Problem is what to solve.
type Problem struct {
	Root      []Root
	Locked    map[ident.Name]ident.Version // kept while they fit
	Overrides map[ident.Name]ident.Range   // replace every range that anybody but… asks of the name
}

// Options tune a solve. The zero value is fine.
type Options struct {
	Parallel int // metadata requests under way at once; 0 = 16
}

// Decision is one chosen package.
type Decision struct {
	Name         ident.Name
	Version      ident.Version
	Requirements []ident.Requirement // sorted by name
}

// Solution is the answer: decisions sorted by name.
type Solution struct {
	Decisions []Decision
	Stats     Stats
}

// Stats counts what a solve did.
type Stats struct {
	Decisions, Conflicts, Backjumps  int
	VersionsAsked, RequirementsAsked int
}

// NoSolutionError holds the derivation of why there is no solution.
type NoSolutionError struct{}

func (e *NoSolutionError) Error() string { panic("stub") }

// Solve finds one version for each package that is needed.
func Solve(ctx context.Context, p Problem, prov Provider, opt Options) (*Solution, error) {
	panic("stub")
}

package solver

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/openpackage/opkg/ident"
)

// Candidate is one version that a package could have.
type Candidate struct {
	Version ident.Version
	Yanked  bool
}

// Provider answers the solver's questions. It is asked from several goroutines at once, and answers
// each question the same way however often it is asked. What it returns is not changed.
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
	Dev   bool   // it stands in dev-dependencies, for messages
}

// Problem is what to solve.
type Problem struct {
	Root      []Root
	Locked    map[ident.Name]ident.Version // kept while they fit
	Unlock    []ident.Name                 // to upgrade: their locks do not count, and they go before the other locks
	Overrides map[ident.Name]ident.Range   // replace every range that anybody, the root too, asks of the name

	OverrideWhere map[ident.Name]string // where they were written: "openpackage.yml:12", for messages
}

// Options tune a solve. The zero value is fine.
type Options struct {
	Parallel int // metadata requests under way at once; 0 = 16; 1 = none ahead of need
}

// Decision is one chosen package.
type Decision struct {
	Name         ident.Name
	Version      ident.Version
	Requirements []ident.Requirement // sorted by name; as the provider gave them
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

// Solve finds one version for each package that is needed.
func Solve(ctx context.Context, p Problem, prov Provider, opt Options) (*Solution, error) {
	ctx, cancel := context.WithCancel(ctx)
	r := newResolver(ctx, &p, prov, opt)
	defer r.fetch.stop()
	defer cancel()
	if err := r.require(); err != nil {
		return nil, r.stopped(err)
	}
	ok, err := r.search(query{assume: noTerm})
	if err != nil {
		return nil, r.stopped(err)
	}
	if !ok {
		none := r.noSolution()
		if err := ctx.Err(); err != nil {
			return nil, r.stopped(err)
		}
		return nil, none
	}
	best, err := r.improve(r.assignment())
	if err != nil {
		return nil, r.stopped(err)
	}
	return r.solution(best), nil
}

// stopped adds to the error of a context how far the solve came.
func (r *resolver) stopped(err error) error {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return &StoppedError{Stats: r.stats, Packages: len(r.pkgs), Err: err}
	}
	return err
}

// assignment is the chosen version of each package that the root comes to need, else -1, as the engine has it now. (What
// was learned in an improvement pass may have a package chosen that nothing needs.)
func (r *resolver) assignment() []int32 {
	out := make([]int32, len(r.meta))
	for p := range out {
		out[p] = -1
	}
	var todo []int32
	need := func(name ident.Name) {
		if p := r.pkgs[name]; out[p] < 0 {
			out[p] = r.e.chosen(p)
			todo = append(todo, p)
		}
	}
	for _, q := range r.problem.Root {
		need(q.Name)
	}
	for len(todo) > 0 {
		p := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		for _, q := range r.meta[p].requirements(out[p]) {
			need(q.Name)
		}
	}
	return out
}

// requirements are those of version v, which was read.
func (m *packMeta) requirements(v int32) []ident.Requirement {
	i := slices.IndexFunc(m.reads, func(x reading) bool { return x.version == v })
	return m.reads[i].reqs
}

// solution writes an assignment as an answer.
func (r *resolver) solution(versions []int32) *Solution {
	sol := &Solution{}
	for p, v := range versions {
		if m := &r.meta[p]; v >= 0 {
			sol.Decisions = append(sol.Decisions, Decision{Name: m.name, Version: m.versions[v], Requirements: m.requirements(v)})
		}
	}
	slices.SortFunc(sol.Decisions, func(a, b Decision) int { return strings.Compare(string(a.Name), string(b.Name)) })
	r.stats.Backjumps = r.e.backjumps
	sol.Stats = r.stats
	return sol
}

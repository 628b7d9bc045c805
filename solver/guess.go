package solver

import (
	"slices"

	"github.com/openpackage/opkg/ident"
)

// guesser picks, of the versions of name in ascending order, the one that the search will probably choose where these ranges are
// wanted of it; ok is false where none fits. It is called from several goroutines.
type guesser func(name ident.Name, candidates []Candidate, wanted []ident.Range) (v ident.Version, ok bool)

// lockedAt is the version of name to prefer, zero where there is none; counts says that it is to be kept while it fits.
func (r *resolver) lockedAt(name ident.Name) (v ident.Version, counts bool) {
	if r.unlock[name] {
		return v, false
	}
	v, counts = r.problem.Locked[name]
	if !counts {
		v = r.problem.Prefer[name]
	}
	return v, counts
}

// choosable reports whether a version may be chosen: one that is yanked only if it is locked, or asked for exactly.
func (r *resolver) choosable(name ident.Name, c Candidate, isLock bool) bool {
	if !c.Yanked || isLock {
		return true
	}
	exact, wanted := r.exact[name]
	return wanted && exact.Compare(c.Version) == 0
}

// guess implements guesser: the locked version, or else the newest, as engine.preferred has it.
func (r *resolver) guess(name ident.Name, candidates []Candidate, wanted []ident.Range) (best ident.Version, ok bool) {
	if rng, fixed := r.problem.Overrides[name]; fixed {
		wanted = []ident.Range{rng}
	}
	before, _ := r.lockedAt(name)
	for _, c := range slices.Backward(candidates) {
		isLock := !before.IsZero() && c.Version.Compare(before) == 0
		if ok && !isLock || !r.choosable(name, c, isLock) || !containedIn(wanted, c.Version) {
			continue
		}
		best, ok = c.Version, true
		if isLock || before.IsZero() {
			break
		}
	}
	return best, ok
}

func containedIn(ranges []ident.Range, v ident.Version) bool {
	for _, rng := range ranges {
		if !rng.Contains(v) {
			return false
		}
	}
	return true
}

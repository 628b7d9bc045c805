package solver

import (
	"errors"
	"slices"

	"github.com/openpackage/opkg/ident"
)

// A first solution is good, since the best versions are tried first, but a package that was decided early may have cost a
// later one more than needed. So it is improved until nothing is better, in three passes:
//
//  1. the packages to upgrade: none can be newer unless another of them is older;
//  2. the locked versions: as many are kept as in any solution;
//  3. all packages: no solution with as many kept is better for one package and worse for none that both have.
//
// Each pass asks the engine for a solution that is better than the best so far, under an assumption on a variable of its
// own: what is learned under it names it, and so stays true when it is dropped. When there is none, the pass is proven;
// when its limits are reached, the best so far stands. Limits count steps and reads, never time: the answer is the same
// everywhere.

// Limits of one pass, beyond what the solve has taken when it begins; half of that is added.
const (
	improveSteps = 300_000   // some 30 ms
	keepSteps    = 1_000_000 // of the second pass
	improveReads = 300       // of requirements
	improveNames = 30        // whose versions are asked for: each may be a request
)

// improver holds the best solution so far.
type improver struct {
	*resolver
	best  []int32
	limit limits
	// lost counts the locked versions that are not kept: its state i is "i of them", the last is "as many as
	// at first, or more". It is -1 before the pass that needs it.
	lost int32
}

func (r *resolver) improve(first []int32) ([]int32, error) {
	m := improver{resolver: r, best: first, lost: -1}
	unlocked := func(p int32) bool { return m.e.packs[p].class == classUnlocked }
	settled := map[int32]bool{}
	for more := true; more; {
		if len(m.unlock) > 0 {
			if err := m.bounded(improveSteps, func() error { return m.pareto(unlocked, 0) }); err != nil {
				return nil, err
			}
			m.settle(unlocked, settled)
		}
		if err := m.bounded(keepSteps, m.keepMore); err != nil {
			return nil, err
		}
		all := func(int32) bool { return true }
		if err := m.bounded(improveSteps, func() error { return m.pareto(all, m.kept(m.best)) }); err != nil {
			return nil, err
		}
		more = false // unless a package to upgrade is needed now that was not before
		for p, v := range m.best {
			more = more || v >= 0 && unlocked(int32(p)) && !settled[int32(p)]
		}
	}
	return m.best, nil
}

// bounded runs a pass within the limits. Where they end it, the best so far stands.
func (m *improver) bounded(steps int, pass func() error) error {
	m.limit = limits{
		steps: m.e.steps*3/2 + steps,
		reads: m.stats.RequirementsAsked*3/2 + improveReads,
		names: m.stats.VersionsAsked*3/2 + improveNames,
	}
	if err := pass(); !errors.Is(err, errExhausted) {
		return err
	}
	return nil
}

// variable is a new variable with the states 0 to last.
func (m *improver) variable(last int32) int32 {
	p := m.e.addPackage(last, -1, classFree)
	m.e.packs[p].aux = true
	m.meta = append(m.meta, packMeta{})
	return p
}

// states is the term "p is in one of the states lo ≤ i < hi".
func (m *improver) states(p, lo, hi int32) term {
	s := m.scratch(p)
	setRun(s, lo, hi)
	return m.e.intern(p, s)
}

// rule adds a clause at level 0.
func (m *improver) rule(lits ...term) {
	m.e.backtrack(0)
	m.addClause(lits, fromRequirement)
}

// better is the set of versions of p, in the scratch set, that are better than v: the locked one, else those that are newer.
func (m *improver) better(p, v int32) []uint64 {
	k, s := &m.e.packs[p], m.scratch(p)
	if k.locked != v {
		setRun(s, v+1, k.absent)
		if k.locked >= 0 {
			setBit(s, k.locked)
		}
	}
	return s
}

// isBetter reports whether p in version w is better than in v.
func (m *improver) isBetter(p, w, v int32) bool {
	locked := m.e.packs[p].locked
	return v != locked && (w == locked || w > v)
}

// worse is the term "p is chosen in a worse version than v".
func (m *improver) worse(p, v int32) term {
	s := m.better(p, v)
	setBit(s, v)
	setBit(s, m.e.packs[p].absent)
	m.complement(p, s)
	return m.e.intern(p, s)
}

// settle makes it a rule that no package in scope becomes worse than it is now.
func (m *improver) settle(scope func(p int32) bool, settled map[int32]bool) {
	for p, v := range m.best {
		if p := int32(p); v >= 0 && scope(p) && !settled[p] {
			m.rule(m.worse(p, v))
			settled[p] = true
		}
	}
}

// pareto looks for solutions that are better for a package in scope, worse for none in scope that both have, and keep so
// many locked versions.
//
// Where solutions have different packages, each of several can beat the next, in a ring. One of the ring is no better than
// another; so the search goes on elsewhere, for one that nothing beats.
func (m *improver) pareto(scope func(p int32) bool, keep int) error {
	var beaten [][]int32
	elsewhere, banned := noTerm, 0
	for {
		now, err := m.beat(scope, keep)
		if err != nil || now == nil {
			return err
		}
		beaten = append(beaten, m.best)
		if slices.ContainsFunc(beaten, func(s []int32) bool { return sameVersions(s, now) }) {
			if elsewhere == noTerm {
				elsewhere = m.states(m.variable(1), 0, 1)
			}
			for ; banned < len(beaten); banned++ {
				m.rule(m.like(elsewhere, beaten[banned])...)
			}
			now, err = m.find(elsewhere, func(now []int32) bool {
				return m.kept(now) >= keep || m.block(elsewhere, now, m.notKept(now))
			})
			if err != nil || now == nil {
				return err
			}
		}
		m.best = now
	}
}

// find is a solution in which assume holds and that is accepted, or nil.
func (m *improver) find(assume term, accept func(now []int32) bool) (now []int32, err error) {
	m.e.backtrack(0)
	found, err := m.search(query{assume: assume, limit: m.limit, accept: func() bool {
		now = m.assignment()
		return accept(now)
	}})
	if err != nil || !found {
		return nil, err
	}
	return now, nil
}

// beat is a solution that beats the best, or nil.
func (m *improver) beat(scope func(p int32) bool, keep int) ([]int32, error) {
	m.e.backtrack(0)
	if c := m.e.propagate(); c >= 0 || m.e.interrupt != nil {
		return nil, m.e.interrupt
	}
	seeking := m.states(m.variable(1), 0, 1)
	none := []term{seeking} // what holds if no package is better
	for p, v := range m.best {
		p := int32(p)
		if v < 0 || !scope(p) {
			continue
		}
		if s := m.better(p, v); !disjoint(m.e.domain(p), s) {
			m.complement(p, s)
			none = append(none, m.e.intern(p, s))
		}
	}
	if len(none) == 1 {
		return nil, nil
	}
	m.rule(none...)
	for p, v := range m.best {
		if p := int32(p); v >= 0 && scope(p) {
			m.rule(seeking, m.worse(p, v))
		}
	}
	if m.lost >= 0 {
		m.rule(seeking, m.states(m.lost, int32(m.lockedNames()-keep)+1, m.e.packs[m.lost].absent+1))
	}
	isBetter := func(p, v int32) bool {
		return int(p) < len(m.best) && m.best[p] >= 0 && scope(p) && m.isBetter(p, v, m.best[p])
	}
	defer m.rule(seeking) // no more
	return m.find(seeking, func(now []int32) bool {
		if m.kept(now) < keep {
			return m.block(seeking, now, m.notKept(now))
		}
		for p, v := range now {
			if v >= 0 && isBetter(int32(p), v) {
				return true
			}
		}
		return m.block(seeking, now, func(p, v int32) bool { return !isBetter(p, v) })
	})
}

// like are the terms of a clause that forbids, under the assumption, the solution s.
func (m *improver) like(assume term, s []int32) []term {
	lits := []term{assume}
	for p, v := range s {
		if v >= 0 {
			set := m.scratch(int32(p))
			setBit(set, v)
			setBit(set, m.e.packs[p].absent)
			lits = append(lits, m.e.intern(int32(p), set))
		}
	}
	return lits
}

// sameVersions compares assignments that may know different numbers of packages.
func sameVersions(a, b []int32) bool {
	n := min(len(a), len(b))
	chosen := func(v int32) bool { return v >= 0 }
	return slices.Equal(a[:n], b[:n]) && !slices.ContainsFunc(a[n:], chosen) && !slices.ContainsFunc(b[n:], chosen)
}

// kept counts the locked versions in an assignment.
func (m *improver) kept(versions []int32) int {
	n := 0
	for p, v := range versions {
		if v >= 0 && v == m.e.packs[p].locked {
			n++
		}
	}
	return n
}

// lockedNames counts the locked versions that might be kept, for all that is known.
func (m *improver) lockedNames() int {
	n := 0
	for name := range m.problem.Locked {
		if m.unlock[name] {
			continue
		}
		if p, ok := m.pkgs[name]; ok && m.e.packs[p].locked < 0 {
			continue
		}
		n++
	}
	return n
}

// notKept is for block: versions that keep no more than is kept now.
func (m *improver) notKept(now []int32) func(p, v int32) bool {
	return func(p, v int32) bool {
		locked := m.e.packs[p].locked
		return v != locked || now[p] == locked
	}
}

// keepMore looks for solutions that keep more locked versions.
func (m *improver) keepMore() error {
	total, keep := m.lockedNames(), m.kept(m.best)
	if total == keep {
		return nil
	}
	m.e.backtrack(0)
	m.countLost(int32(total - keep))
	for ; keep < total; total = m.lockedNames() {
		fewer := m.states(m.lost, 0, int32(total-keep))
		now, err := m.find(fewer, func(now []int32) bool {
			return m.kept(now) > keep || m.block(fewer, now, m.notKept(now))
		})
		if err != nil || now == nil {
			return err
		}
		m.best, keep = now, m.kept(now)
	}
	return nil
}

// maxCounter bounds the clauses that count what is lost. Without them a search for more has to come to the end
// of each attempt to see that it failed.
const maxCounter = 200_000

// countLost makes the variable lost, and has it count up to top: one variable for each package with a locked version, the
// number of those lost among it and those before it (Sinz's sequential counter).
func (m *improver) countLost(top int32) {
	var packages []int32
	for p := range m.e.packs {
		if m.e.packs[p].locked >= 0 {
			packages = append(packages, int32(p))
		}
	}
	if len(packages)*int(top) > maxCounter {
		packages = nil
	}
	m.lost = -1
	for _, p := range packages {
		before := m.lost
		m.lost = m.variable(top)
		s := m.scratch(p)
		setBit(s, m.e.packs[p].locked)
		m.complement(p, s)
		gone := m.e.intern(p, s)
		m.rule(gone, m.states(m.lost, 0, 1))
		if before < 0 {
			continue
		}
		for n := int32(1); n <= top; n++ {
			atLeast := m.states(before, n, top+1)
			m.rule(atLeast, m.states(m.lost, 0, n))
			if n < top {
				m.rule(atLeast, gone, m.states(m.lost, 0, n+1))
			}
		}
	}
	if m.lost < 0 {
		m.lost = m.variable(top)
	}
}

// block adds that the solution now, and those like it, are not what is sought under the assumption: each package in it
// in a version that needs no other packages than those, and that may have no part in the success.
// Nothing else is needed then, so all that is not in it stays out of it. It returns false.
func (m *improver) block(assume term, now []int32, fails func(p, v int32) bool) bool {
	closed := func(x reading) bool {
		return !slices.ContainsFunc(x.reqs, func(q ident.Requirement) bool { return now[m.pkgs[q.Name]] < 0 })
	}
	lits := []term{assume}
	for p, v := range now {
		if v < 0 {
			continue
		}
		p := int32(p)
		s := m.scratch(p)
		setBit(s, m.e.packs[p].absent)
		for _, x := range m.meta[p].reads {
			if fails(p, x.version) && closed(x) {
				setBit(s, x.version)
			}
		}
		lits = append(lits, m.e.intern(p, s))
	}
	m.e.steps += len(lits)
	m.addClause(lits, fromRequirement)
	return false
}

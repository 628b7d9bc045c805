package solver

import (
	"cmp"
	"slices"
)

// derivationSteps bounds one derivation, in resolutions and propagations.
const derivationSteps = 500_000

// derivation is PubGrub as Natalie Weizenbaum describes it (https://github.com/dart-lang/pub/blob/master/doc/solver.md), without
// any of the engine's speed: it notes for each incompatibility the two that it follows from. It is run on the few facts that a
// conflict comes down to.
type derivation struct {
	s     *study
	order []int // packages, those to decide first first
	known [][]*incompat
	dom   [][]uint64 // by package: the states left
	last  []int      // by package: latest assignment, or -1
	trail []assignment
	level int
	todo  []int // packages whose incompatibilities are to be looked at
	left  int   // steps
}

// assignment is one narrowing of a package.
type assignment struct {
	pkg   int
	was   []uint64  // its states before
	cause *incompat // nil for a decision
	level int
	prev  int
}

// derive is a derivation of "no solution" from the facts: an incompatibility without terms. Of several orders of deciding it takes the
// one with the shortest derivation, and of those the one in which the user's own requirements come last. It is nil where all of
// them are too long.
func (s *study) derive() *incompat {
	var best *incompat
	for _, less := range []func(a, b int) int{
		s.fewestVersions,
		func(a, b int) int { return b - a },
		func(a, b int) int { return a - b },
	} {
		d := newDerivation(s)
		slices.SortFunc(d.order, less)
		if found := d.run(); found != nil && (best == nil || found.shorter(best)) {
			best = found
		}
	}
	return best
}

func (s *study) fewestVersions(a, b int) int {
	return cmp.Or(cmp.Compare(s.packs[a].states(), s.packs[b].states()), a-b)
}

// shorter compares derivations.
func (inc *incompat) shorter(o *incompat) bool {
	steps, late := inc.cost()
	otherSteps, otherLate := o.cost()
	return cmp.Or(cmp.Compare(steps, otherSteps), cmp.Compare(late, otherLate)) < 0
}

// cost is the number of steps, and of those that rest on the root's requirements.
func (inc *incompat) cost() (steps, rooted int) {
	all := inc.all()
	rests := make(map[*incompat]bool, len(all))
	for _, x := range all {
		if rests[x] = rests[x.left] || rests[x.right] || x.fact != nil && x.fact.from < 0; rests[x] {
			rooted++
		}
	}
	return len(all), rooted
}

func newDerivation(s *study) *derivation {
	n := len(s.packs)
	d := &derivation{s: s, known: make([][]*incompat, n), dom: make([][]uint64, n), last: make([]int, n), left: derivationSteps}
	for p := range n {
		d.last[p] = -1
		d.dom[p] = s.others(p, make([]uint64, wordsFor(int(s.packs[p].states()))))
	}
	for _, f := range s.facts {
		for _, l := range f.lits {
			if len(d.known[l.pkg]) == 0 {
				d.order = append(d.order, l.pkg)
			}
			d.known[l.pkg] = append(d.known[l.pkg], f)
		}
	}
	return d
}

// run returns the incompatibility without terms, or nil where a solution is found or the steps do not last.
func (d *derivation) run() *incompat {
	for _, f := range d.s.facts {
		if len(f.lits) == 0 {
			return f
		}
	}
	// The root's requirements are where all begins: so they are what a conflict is traced back to last.
	for _, f := range d.s.facts {
		if f.fact.from < 0 && d.open(f) >= 0 {
			d.assign(f.lits[0].pkg, d.s.others(f.lits[0].pkg, f.lits[0].set), f)
		}
	}
	for i := len(d.order) - 1; i >= 0; i-- {
		d.todo = append(d.todo, d.order[i])
	}
	for d.left > 0 {
		if failed := d.propagate(); failed != nil {
			return failed
		}
		p := d.next()
		if p < 0 || d.left <= 0 {
			return nil
		}
		d.level++
		v := highestBelow(d.dom[p], d.s.packs[p].absent())
		one := make([]uint64, len(d.dom[p]))
		setBit(one, v)
		d.assign(p, one, nil)
	}
	return nil
}

// next is the package to decide: one that must be chosen, and has several versions left.
func (d *derivation) next() int {
	for _, p := range d.order {
		d.left--
		if !hasBit(d.dom[p], d.s.packs[p].absent()) && count(d.dom[p]) > 1 {
			return p
		}
	}
	return -1
}

// assign leaves to p the states of set.
func (d *derivation) assign(p int, set []uint64, cause *incompat) {
	d.trail = append(d.trail, assignment{pkg: p, was: d.dom[p], cause: cause, level: d.level, prev: d.last[p]})
	d.last[p] = len(d.trail) - 1
	d.dom[p] = meet(d.dom[p], set)
	d.todo = append(d.todo, p)
}

func meet(a, b []uint64) []uint64 {
	out := slices.Clone(a)
	for i, w := range b {
		out[i] &= w
	}
	return out
}

// propagate draws all conclusions. It returns the final incompatibility where there is no solution.
func (d *derivation) propagate() *incompat {
	for len(d.todo) > 0 && d.left > 0 {
		p := d.todo[0]
		d.todo = d.todo[1:]
		for i := len(d.known[p]) - 1; i >= 0; i-- {
			if d.left--; d.left%4096 == 0 && d.s.ended() != nil {
				d.left = 0
			}
			inc := d.known[p][i]
			open := d.open(inc)
			if open == satisfiedAll {
				learnt, failed := d.resolve(inc)
				if failed != nil || learnt == nil {
					return failed
				}
				inc = learnt
				d.todo = d.todo[:0]
				l := inc.lits[d.open(inc)]
				d.assign(l.pkg, d.s.others(l.pkg, l.set), inc)
				break
			}
			if open >= 0 {
				l := inc.lits[open]
				d.assign(l.pkg, d.s.others(l.pkg, l.set), inc)
			}
		}
	}
	return nil
}

const (
	satisfiedAll = -1
	inconclusive = -2
)

// open is the one term of inc that does not hold yet where all others do.
func (d *derivation) open(inc *incompat) int {
	at := satisfiedAll
	for i, l := range inc.lits {
		dom := d.dom[l.pkg]
		switch {
		case subset(dom, l.set):
		case at >= 0 || disjoint(dom, l.set):
			return inconclusive
		default:
			at = i
		}
	}
	return at
}

// resolve finds out what inc, all terms of which hold, follows from, until it says something of an earlier level. It goes back to
// that level and returns what it learnt; failed where no term is left.
func (d *derivation) resolve(inc *incompat) (learnt, failed *incompat) {
	isNew := false
	for d.left > 0 {
		d.left--
		if len(inc.lits) == 0 {
			return nil, inc
		}
		at, term, previous := d.satisfier(inc)
		a := d.trail[at]
		if a.cause == nil || previous < a.level {
			d.backtrack(previous)
			if isNew {
				for _, l := range inc.lits {
					d.known[l.pkg] = append(d.known[l.pkg], inc)
				}
			}
			return inc, nil
		}
		inc = d.s.resolvent(inc, a.cause, term)
		isNew = true
	}
	return nil, nil
}

// satisfier is the earliest assignment with which all of inc holds, the package it is about, and the level at which, with that
// assignment, it would hold already.
func (d *derivation) satisfier(inc *incompat) (at, pkg, previous int) {
	at = -1
	for _, l := range inc.lits {
		i := d.since(l.pkg, l.set, d.last[l.pkg])
		if i > at {
			if at >= 0 {
				previous = max(previous, d.trail[at].level)
			}
			at, pkg = i, l.pkg
		} else if i >= 0 {
			previous = max(previous, d.trail[i].level)
		}
	}
	a := d.trail[at]
	for _, l := range inc.lits {
		if l.pkg != pkg || a.cause == nil {
			continue
		}
		// What the assignment alone leaves may need an earlier one to be in the term.
		alone := slices.Clone(l.set)
		for _, c := range a.cause.lits {
			if c.pkg == pkg {
				unite(alone, c.set)
			}
		}
		if i := d.since(pkg, alone, a.prev); i >= 0 {
			previous = max(previous, d.trail[i].level)
		}
	}
	return at, pkg, previous
}

// since is the assignment that brought the states of p into set, from the one at i back; -1 where they always were.
func (d *derivation) since(p int, set []uint64, i int) int {
	for i >= 0 && subset(d.trail[i].was, set) {
		i = d.trail[i].prev
	}
	return i
}

func (d *derivation) backtrack(level int) {
	for n := len(d.trail) - 1; n >= 0 && d.trail[n].level > level; n-- {
		a := d.trail[n]
		d.dom[a.pkg], d.last[a.pkg] = a.was, a.prev
		d.trail = d.trail[:n]
	}
	d.level = level
}

// resolvent follows from a and b, both of which have a term on p.
func (s *study) resolvent(a, b *incompat, p int) *incompat {
	out := &incompat{left: a, right: b}
	i, j := 0, 0
	for i < len(a.lits) || j < len(b.lits) {
		switch {
		case j == len(b.lits) || i < len(a.lits) && a.lits[i].pkg < b.lits[j].pkg:
			out.lits = append(out.lits, a.lits[i])
			i++
		case i == len(a.lits) || b.lits[j].pkg < a.lits[i].pkg:
			out.lits = append(out.lits, b.lits[j])
			j++
		default:
			l := lit{a.lits[i].pkg, meet(a.lits[i].set, b.lits[j].set)}
			if l.pkg == p {
				l.set = slices.Clone(a.lits[i].set)
				unite(l.set, b.lits[j].set)
			}
			if !s.full(l.pkg, l.set) {
				out.lits = append(out.lits, l)
			}
			i, j = i+1, j+1
		}
	}
	return out
}

// given lists the facts that inc follows from, in a fixed order.
func (inc *incompat) given() []*incompat {
	out := slices.DeleteFunc(inc.all(), func(x *incompat) bool { return x.fact == nil })
	slices.SortStableFunc(out, func(a, b *incompat) int {
		return cmp.Or(cmp.Compare(a.fact.from, b.fact.from), cmp.Compare(a.fact.to, b.fact.to))
	})
	return out
}

// all lists what inc follows from, causes before what follows, inc last; each once.
func (inc *incompat) all() []*incompat {
	var out []*incompat
	seen := map[*incompat]bool{}
	var visit func(x *incompat)
	visit = func(x *incompat) {
		if x == nil || seen[x] {
			return
		}
		seen[x] = true
		visit(x.left)
		visit(x.right)
		out = append(out, x)
	}
	visit(inc)
	return out
}

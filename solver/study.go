package solver

import (
	"cmp"
	"math/bits"
	"slices"
	"strings"

	"github.com/openpackage/opkg/ident"
)

// study is a problem without a solution, as far as its metadata was read, ready to be explained. Packages are ordered by their
// distance from the root and then by name, so that nothing in it depends on the order in which answers came.
type study struct {
	ended   func() error // asked now and then: an error ends all work
	problem *Problem
	packs   []studied
	index   map[ident.Name]int
	facts   []*incompat // what is given: the root's requirements first, then what packages depend on
}

// studied is what is known of one package.
type studied struct {
	name     ident.Name
	versions []ident.Version // ascending; those that may be chosen
	all      []Candidate     // ascending; yanked ones too
	reads    []reading
}

// states is the number of states of a package: its versions, and "not chosen".
func (k *studied) states() int32 { return int32(len(k.versions)) + 1 }

// absent is the state "not chosen".
func (k *studied) absent() int32 { return int32(len(k.versions)) }

// lit is a term of an incompatibility: package pkg is in one of the states of set.
type lit struct {
	pkg int
	set []uint64
}

// incompat is a set of terms that cannot all hold: a fact, or what follows from two others.
type incompat struct {
	lits  []lit // by package
	fact  *fact // nil where it was derived
	left  *incompat
	right *incompat
}

// fact is what a given incompatibility says: that the root, or some versions of one package, need some versions of another.
type fact struct {
	root   int // index in Problem.Root, or -1
	from   int // the depending package, or -1
	who    []uint64
	to     int
	ranges []ident.Range // as written; several where dependencies that differ a little are told as one
	allow  []uint64      // versions of to that will do
}

// newStudy takes over what the resolver has read.
func newStudy(r *resolver) *study {
	s := &study{ended: r.ctx.Err, problem: r.problem, index: make(map[ident.Name]int, len(r.meta))}
	depth := s.depths(r)
	for p := range r.meta {
		m := &r.meta[p]
		if m.name == "" {
			continue
		}
		reads := slices.Clone(m.reads)
		slices.SortFunc(reads, func(a, b reading) int { return cmp.Compare(a.version, b.version) })
		s.packs = append(s.packs, studied{name: m.name, versions: m.versions, all: m.asked.candidates, reads: reads})
	}
	slices.SortFunc(s.packs, func(a, b studied) int {
		return cmp.Or(cmp.Compare(depth[a.name], depth[b.name]), strings.Compare(string(a.name), string(b.name)))
	})
	for p := range s.packs {
		s.index[s.packs[p].name] = p
	}
	s.addRoots()
	for p := range s.packs {
		s.addDependencies(p)
	}
	return s
}

// depths is how many dependencies lead from the root to each package, at least.
func (*study) depths(r *resolver) map[ident.Name]int {
	depth := map[ident.Name]int{}
	var todo []ident.Name
	reach := func(n ident.Name, d int) {
		if _, seen := depth[n]; !seen {
			depth[n] = d
			todo = append(todo, n)
		}
	}
	for _, q := range r.problem.Root {
		reach(q.Name, 1)
	}
	for len(todo) > 0 {
		n := todo[0]
		todo = todo[1:]
		p, known := r.pkgs[n]
		if !known {
			continue
		}
		for _, read := range r.meta[p].reads {
			for _, q := range read.reqs {
				reach(q.Name, depth[n]+1)
			}
		}
	}
	return depth
}

func (s *study) rangeOf(q ident.Requirement) ident.Range {
	if rng, ok := s.problem.Overrides[q.Name]; ok {
		return rng
	}
	return q.Range
}

// within is the set of the versions of p that rng holds.
func (s *study) within(p int, rng ident.Range) []uint64 {
	k := &s.packs[p]
	set := make([]uint64, wordsFor(int(k.states())))
	for v, version := range k.versions {
		if rng.Contains(version) {
			setBit(set, int32(v))
		}
	}
	return set
}

// others is the complement of set.
func (s *study) others(p int, set []uint64) []uint64 {
	out := make([]uint64, len(set))
	setRun(out, 0, s.packs[p].states())
	for i, w := range set {
		out[i] &^= w
	}
	return out
}

func (s *study) full(p int, set []uint64) bool { return count(set) == s.packs[p].states() }

func (s *study) addRoots() {
	list := make([]int, len(s.problem.Root))
	for i := range list {
		list[i] = i
	}
	root := s.problem.Root
	slices.SortStableFunc(list, func(a, b int) int {
		return cmp.Or(strings.Compare(string(root[a].Name), string(root[b].Name)), strings.Compare(root[a].Where, root[b].Where))
	})
	for _, i := range list {
		if to, known := s.index[root[i].Name]; known {
			s.add(&fact{root: i, from: -1, to: to, ranges: []ident.Range{root[i].Range}, allow: s.within(to, s.rangeOf(root[i].Requirement))})
		}
	}
}

// addDependencies adds what the versions of p depend on. Equal dependencies of several versions are one fact.
func (s *study) addDependencies(p int) {
	k := &s.packs[p]
	type key struct {
		to  int
		rng string
	}
	at := map[key]*fact{}
	for _, read := range k.reads {
		for _, q := range read.reqs {
			to, known := s.index[q.Name]
			if !known {
				continue
			}
			rng := s.rangeOf(q)
			id := key{to, rng.Intersect(rng).String()} // its intervals, however they were written
			f := at[id]
			if f == nil {
				f = &fact{root: -1, from: p, to: to, ranges: []ident.Range{q.Range}, allow: s.within(to, rng),
					who: make([]uint64, wordsFor(int(k.states())))}
			}
			if to == p && hasBit(f.allow, read.version) {
				continue // it is what it needs
			}
			setBit(f.who, read.version)
			if at[id] == nil {
				at[id] = f
				s.facts = append(s.facts, &incompat{fact: f})
			}
		}
	}
	for _, f := range s.facts {
		if f.fact.from == p {
			f.lits = s.litsOf(f.fact)
		}
	}
}

func (s *study) add(f *fact) { s.facts = append(s.facts, &incompat{fact: f, lits: s.litsOf(f)}) }

// litsOf is "who depends, and what it needs is not there". A term that always holds is left out: where no version
// of what is needed will do, it is just "who depends".
func (s *study) litsOf(f *fact) []lit {
	var out []lit
	if f.from >= 0 {
		out = append(out, lit{f.from, f.who})
	}
	if f.to != f.from {
		if set := s.others(f.to, f.allow); !s.full(f.to, set) {
			out = append(out, lit{f.to, set})
		}
	}
	slices.SortFunc(out, func(a, b lit) int { return cmp.Compare(a.pkg, b.pkg) })
	return out
}

// Limits of an explanation, in steps: some tenths of a second. They are counted, so that the same problem is explained the same way
// everywhere.
const (
	shrinkSteps = 4_000_000
	probeSteps  = shrinkSteps / 50 // of one look whether a fact is needed
	factSteps   = 6                // what it costs to tell the engine of one fact
	cutFacts    = 64               // more facts than these are first cut down to those that one derivation needs
)

// shrink leaves of the facts a set that still has no solution, and as long as the steps last, one of which none can be left out.
// Facts far from the root go first: what the user asked for stays where it can.
func (s *study) shrink() {
	left := shrinkSteps
	core := s.facts
	if len(core) > cutFacts {
		d := newDerivation(s)
		slices.SortFunc(d.order, s.fewestVersions)
		if end := d.run(); end != nil {
			core = end.given()
		}
	}
	for chunk := max(1, len(core)/2); left > 0; chunk /= 2 {
		for end := len(core); end > 0 && left > 0; {
			begin := max(0, end-chunk)
			rest := slices.Concat(core[:begin], core[end:])
			if s.refuted(rest, &left) {
				core = rest
			}
			end = begin
		}
		if chunk == 1 {
			break
		}
	}
	s.facts = s.together(core, &left)
}

// together tells as one what versions of a package depend on where the ranges differ but the difference does not matter.
func (s *study) together(core []*incompat, left *int) []*incompat {
	for i := 0; i < len(core); i++ {
		f := core[i].fact
		if f.from < 0 || f.from == f.to {
			continue
		}
		all := &fact{root: -1, from: f.from, to: f.to, who: slices.Clone(f.who), allow: slices.Clone(f.allow), ranges: slices.Clone(f.ranges)}
		rest := slices.Clone(core[:i])
		for _, c := range core[i+1:] {
			if o := c.fact; o.from == f.from && o.to == f.to {
				unite(all.who, o.who)
				unite(all.allow, o.allow)
				all.ranges = append(all.ranges, o.ranges...)
				continue
			}
			rest = append(rest, c)
		}
		if len(all.ranges) == len(f.ranges) {
			continue
		}
		merged := &incompat{fact: all, lits: s.litsOf(all)}
		if with := slices.Insert(rest, i, merged); s.refuted(with, left) {
			core = with
		}
	}
	return core
}

func unite(a, b []uint64) {
	for i, w := range b {
		a[i] |= w
	}
}

// refuted reports whether the search finds within the steps left that the facts have no solution.
func (s *study) refuted(facts []*incompat, left *int) bool {
	steps, unsat := s.search(facts, min(*left, probeSteps))
	*left -= steps + factSteps*len(facts)
	if s.ended() != nil {
		*left = 0
	}
	return unsat
}

// search has the engine look for a solution of the facts alone.
func (s *study) search(facts []*incompat, limit int) (steps int, unsat bool) {
	var e *engine
	e = newEngine(func() error {
		if e.steps > limit {
			return errExhausted
		}
		return nil
	})
	at := make([]int32, len(s.packs))
	for i := range at {
		at[i] = -1
	}
	for _, f := range facts {
		if len(f.lits) == 0 {
			return e.steps, true
		}
		lits := make([]term, len(f.lits))
		for i, l := range f.lits {
			if at[l.pkg] < 0 {
				at[l.pkg] = e.addPackage(s.packs[l.pkg].absent(), -1, classFree)
			}
			lits[i] = e.intern(at[l.pkg], l.set)
		}
		if c, violated := e.add(lits, fromRequirement); violated && !e.learn(c) {
			return e.steps, true
		}
	}
	for {
		if c := e.propagate(); c >= 0 {
			if !e.learn(c) {
				return e.steps, true
			}
			e.bump *= activityDecay
			continue
		}
		if e.interrupt != nil || e.steps > limit {
			return e.steps, false
		}
		p := e.pick()
		if p < 0 {
			return e.steps, false
		}
		e.decide(p, e.preferred(p))
	}
}

// lowestBit is the lowest set bit, or -1.
func lowestBit(s []uint64) int32 {
	for i, w := range s {
		if w != 0 {
			return int32(64*i + bits.TrailingZeros64(w))
		}
	}
	return -1
}

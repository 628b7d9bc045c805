package solver

import (
	"context"
	"fmt"
	"sort"

	"github.com/openpackage/opkg/ident"
)

// resolver feeds the engine: it turns names into packages, ranges into sets, and requirements
// into incompatibilities, when the search comes to need them.
type resolver struct {
	ctx      context.Context
	problem  *Problem
	fetch    *fetcher
	e        *engine
	pkgs     map[ident.Name]int32
	meta     []packMeta
	required []int32                      // packages, of all that was read
	exact    map[ident.Name]ident.Version // versions that the root asks for exactly
	unlock   map[ident.Name]bool
	stats    Stats
	none     bool // there is no solution
	tmp      []uint64
	lits     []term
}

// packMeta is what the resolver knows of one package.
type packMeta struct {
	name     ident.Name
	asked    *question
	versions []ident.Version // ascending; those that may be chosen
	reads    []reading
	needs    []need // clauses of its requirements, to be merged with those of its other versions
}

// reading is one version whose requirements were read.
type reading struct {
	version int32
	at      int32               // the packages that it requires are resolver.required[at:at+len(reqs)]
	reqs    []ident.Requirement // sorted by name
}

// need is the clause "not (p in versions and q outside its range)".
type need struct {
	versions, outside term
	clause            int32
}

// mergeWindow is how many of a package's latest needs are looked through for an equal one. What is equal is
// nearly always near: neighbouring versions.
const mergeWindow = 64

func newResolver(ctx context.Context, p *Problem, prov Provider, opt Options) *resolver {
	r := &resolver{
		ctx: ctx, problem: p,
		pkgs: map[ident.Name]int32{}, exact: map[ident.Name]ident.Version{}, unlock: map[ident.Name]bool{},
	}
	r.e = newEngine(ctx.Err)
	r.e.onCompact = r.clausesMoved
	for _, n := range p.Unlock {
		r.unlock[n] = true
	}
	for _, root := range p.Root {
		if v, ok := r.rangeOf(root.Requirement).Exact(); ok {
			r.exact[root.Name] = v
		}
	}
	for n, rng := range p.Overrides {
		if v, ok := rng.Exact(); ok {
			r.exact[n] = v
		}
	}
	r.fetch = newFetcher(ctx, prov, opt.Parallel, r.guess)
	return r
}

// rangeOf is what q asks for, after the overrides.
func (r *resolver) rangeOf(q ident.Requirement) ident.Range {
	if rng, ok := r.problem.Overrides[q.Name]; ok {
		return rng
	}
	return q.Range
}

// pkg is the package called name, which is asked for its versions the first time.
func (r *resolver) pkg(name ident.Name) (int32, error) {
	if p, ok := r.pkgs[name]; ok {
		return p, nil
	}
	q, err := r.fetch.versions(name)
	r.stats.VersionsAsked++
	if err != nil {
		return 0, err
	}
	before, counts := r.lockedAt(name)
	m := packMeta{name: name, asked: q, versions: make([]ident.Version, 0, len(q.candidates))}
	locked := int32(-1)
	for _, c := range q.candidates {
		isLock := !before.IsZero() && c.Version.Compare(before) == 0
		if !r.choosable(name, c, isLock) {
			continue
		}
		if isLock {
			locked = int32(len(m.versions))
		}
		m.versions = append(m.versions, c.Version)
	}
	cl := classFree
	switch {
	case r.unlock[name]:
		cl = classUnlocked
	case locked >= 0 && counts:
		cl = classLocked
	}
	p := r.e.addPackage(int32(len(m.versions)), locked, cl)
	r.pkgs[name] = p
	r.meta = append(r.meta, m)
	return p, nil
}

// within sets in the scratch set the versions of p that rng holds.
func (r *resolver) within(p int32, rng ident.Range) []uint64 {
	vs := r.meta[p].versions
	s := r.scratch(p)
	for _, iv := range rng.Intervals() {
		lo, hi := 0, len(vs)
		if !iv.Lo.IsZero() {
			lo = sort.Search(len(vs), func(i int) bool { return vs[i].Compare(iv.Lo) >= 0 })
		}
		if !iv.Hi.IsZero() {
			hi = lo + sort.Search(len(vs)-lo, func(i int) bool { return vs[lo+i].Compare(iv.Hi) >= 0 })
		}
		setRun(s, int32(lo), int32(hi))
	}
	return s
}

// scratch is an empty set for p, good until the next call.
func (r *resolver) scratch(p int32) []uint64 {
	n := int(r.e.packs[p].words)
	for len(r.tmp) < n {
		r.tmp = append(r.tmp, 0)
	}
	clear(r.tmp[:n])
	return r.tmp[:n]
}

// outside is the term "p is not chosen from rng".
func (r *resolver) outside(p int32, rng ident.Range) []uint64 {
	s := r.within(p, rng)
	r.complement(p, s)
	return s
}

func (r *resolver) complement(p int32, s []uint64) {
	for i := range s {
		s[i] = ^s[i]
	}
	states := r.e.packs[p].absent + 1
	if rest := states & 63; rest != 0 {
		s[len(s)-1] &= 1<<rest - 1
	}
}

// require adds the user's own requirements.
func (r *resolver) require() error {
	r.fetch.roots(r.problem.Root)
	for _, q := range r.problem.Root {
		p, err := r.pkg(q.Name)
		if err != nil {
			return err
		}
		t := r.e.intern(p, r.outside(p, r.rangeOf(q.Requirement)))
		r.addClause([]term{t}, fromRequirement)
	}
	return nil
}

// addClause adds a clause after leaving out the terms that always hold. It returns its index, or -1 when
// it says nothing.
func (r *resolver) addClause(lits []term, kind clauseKind) int32 {
	r.lits = r.lits[:0]
	for _, t := range lits {
		set := r.e.set(t)
		if isEmpty(set) {
			return -1
		}
		if count(set) <= r.e.packs[r.e.terms[t].pkg].absent {
			r.lits = append(r.lits, t)
		}
	}
	if len(r.lits) == 0 {
		r.none = true
		return -1
	}
	c, violated := r.e.add(r.lits, kind)
	if violated {
		r.conflict(c)
	}
	return c
}

// conflict has the engine learn from clause c.
func (r *resolver) conflict(c int32) {
	r.stats.Conflicts++
	if !r.e.learn(c) {
		r.none = true
	}
	r.e.bump *= activityDecay
}

// load reads the requirements of version v of p and adds them as clauses.
func (r *resolver) load(p, v int32) error {
	m, k := &r.meta[p], &r.e.packs[p]
	reqs, err := r.fetch.requirements(m.asked, m.versions[v])
	r.stats.RequirementsAsked++
	if err != nil {
		return err
	}
	if k.loaded == nil {
		k.loaded = make([]uint64, k.words)
	}
	setBit(k.loaded, v)
	at := int32(len(r.required))
	for _, q := range reqs {
		to, err := r.pkg(q.Name)
		if err != nil {
			return err
		}
		r.required = append(r.required, to)
	}
	m = &r.meta[p]
	m.reads = append(m.reads, reading{version: v, at: at, reqs: reqs})
	for i, q := range reqs {
		r.addNeed(p, v, r.required[at+int32(i)], r.rangeOf(q))
	}
	return nil
}

// targets are the packages that a version requires.
func (r *resolver) targets(x reading) []int32 { return r.required[x.at : x.at+int32(len(x.reqs))] }

// addNeed adds that version v of p needs one of rng of to. Where other versions of p are known to need the same, the
// clause covers them all.
func (r *resolver) addNeed(p, v, to int32, rng ident.Range) {
	if to == p { // must hold for v itself
		if hasBit(r.within(p, rng), v) {
			return
		}
		s := r.scratch(p)
		setBit(s, v)
		r.addClause([]term{r.e.intern(p, s)}, fromRequirement)
		return
	}
	outside := r.e.intern(to, r.outside(to, rng))
	s := r.scratch(p)
	setBit(s, v)
	m := &r.meta[p]
	at := len(m.needs)
	for i := at - 1; i >= max(0, at-mergeWindow); i-- {
		if m.needs[i].outside == outside {
			at = i
			for i, w := range r.e.set(m.needs[at].versions) {
				s[i] |= w
			}
			if old := m.needs[at].clause; old >= 0 {
				r.e.kill(old)
			}
			break
		}
	}
	n := need{versions: r.e.intern(p, s), outside: outside}
	n.clause = r.addClause([]term{n.versions, outside}, fromRequirement)
	m = &r.meta[p]
	if at == len(m.needs) {
		m.needs = append(m.needs, n)
	} else {
		m.needs[at] = n
	}
}

// clausesMoved keeps the needs in step with the engine.
func (r *resolver) clausesMoved(moved []int32) {
	for p := range r.meta {
		for i := range r.meta[p].needs {
			if n := &r.meta[p].needs[i]; n.clause >= 0 {
				n.clause = moved[n.clause]
			}
		}
	}
}

// StoppedError says that a solve was ended by its context, and how far it had come.
type StoppedError struct {
	Stats    Stats
	Packages int // whose versions were read
	Err      error
}

func (e *StoppedError) Error() string {
	return fmt.Sprintf("stopped solving after %d decisions and %d conflicts, with %d packages and %d versions read: %v",
		e.Stats.Decisions, e.Stats.Conflicts, e.Packages, e.Stats.RequirementsAsked, e.Err)
}

func (e *StoppedError) Unwrap() error { return e.Err }

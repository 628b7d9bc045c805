package solver

import "errors"

// Restarts follow Luby's sequence: what was learned stays, and the packages that conflicts were about are
// decided first.
const restartUnit = 100 // conflicts

// errExhausted ends a search whose limit is reached.
var errExhausted = errors.New("the limit of an improvement pass is reached")

// query is what a search looks for. The zero query is any solution.
type query struct {
	assume term // holds in the solution; of a variable of its own, so that what is learned says what it rests on
	// accept looks at a solution. Where it is not what is sought, accept adds a clause that says so.
	accept func() bool
	limit  limits
}

// limits bound a search; 0 is none.
type limits struct {
	steps, reads, names int // of the whole solve
}

func (r *resolver) exhausted(l limits) bool {
	over := func(n, limit int) bool { return limit > 0 && n > limit }
	return over(r.e.steps, l.steps) || over(r.stats.RequirementsAsked, l.reads) || over(r.stats.VersionsAsked, l.names)
}

// search runs until every package that must be chosen has one version. It reports false where that
// cannot be.
func (r *resolver) search(q query) (bool, error) {
	e := r.e
	restarts, restartAt := 1, r.stats.Conflicts+restartUnit
	maxLearned := max(minLearned, len(e.clauses)/2)
	for !r.none {
		if c := e.propagate(); c >= 0 {
			r.conflict(c)
			continue
		}
		if e.interrupt != nil {
			return false, e.interrupt
		}
		if r.exhausted(q.limit) {
			return false, errExhausted
		}
		if r.stats.Conflicts >= restartAt {
			restarts++
			restartAt = r.stats.Conflicts + restartUnit*luby(restarts)
			e.backtrack(0)
			if r.stats.Conflicts > hardProblem {
				r.weigh()
			}
			if e.learned > maxLearned {
				e.reduce()
				maxLearned += maxLearned / 20
			}
			continue
		}
		if loaded, err := r.loadSingles(); err != nil {
			return false, err
		} else if loaded {
			continue
		}
		if q.assume != noTerm && e.level() == 0 {
			if e.contradicted(q.assume) {
				return false, nil
			}
			if !e.satisfied(q.assume) {
				e.assume(q.assume)
				continue
			}
		}
		p := e.pick()
		if p < 0 {
			if q.accept == nil || q.accept() {
				return true, nil
			}
			continue
		}
		v := e.preferred(p)
		if !e.isLoaded(p, v) {
			r.prefetch(p, v)
			if err := r.load(p, v); err != nil {
				return false, err
			}
			continue
		}
		r.stats.Decisions++
		e.decide(p, v)
	}
	return false, nil
}

// hardProblem is the number of conflicts from which on finding any solution comes before trying the newest versions
// first.
const hardProblem = 3000

// weigh counts for each version how many of the versions that were read allow it: the most promising are tried first.
func (r *resolver) weigh() {
	e := r.e
	for p := range e.packs {
		k := &e.packs[p]
		if k.support == nil {
			k.support, k.saved = make([]int32, k.absent+1), -1
		}
		clear(k.support)
	}
	for p := range r.meta {
		for _, n := range r.meta[p].needs {
			k, outside, weight := &e.packs[e.terms[n.outside].pkg], e.set(n.outside), count(e.set(n.versions))
			for v := range k.absent {
				if !hasBit(outside, v) {
					k.support[v] += weight
				}
			}
		}
	}
}

// loadSingles reads the requirements of packages that came down to one version.
func (r *resolver) loadSingles() (bool, error) {
	e := r.e
	loaded := false
	for len(e.singles) > 0 {
		p := e.singles[len(e.singles)-1]
		e.singles = e.singles[:len(e.singles)-1]
		v := e.chosen(p)
		if v < 0 || e.isLoaded(p, v) {
			continue
		}
		r.prefetch(p, v)
		if err := r.load(p, v); err != nil {
			return false, err
		}
		loaded = true
	}
	return loaded, nil
}

// prefetch has read, beside version v of p, which is read next, what will be read if nothing else is learnt: the preferred
// versions of packages that are required since the last time. Where many versions of p were
// rejected, it has the next ones read too.
func (r *resolver) prefetch(p, v int32) {
	e := r.e
	for _, q := range e.fresh {
		if q == p || !e.required(q) {
			continue
		}
		if w := e.preferred(q); !e.isLoaded(q, w) {
			r.fetch.prefetch(r.meta[q].asked, r.meta[q].versions[w])
		}
	}
	e.fresh = e.fresh[:0]
	rejected := int32(len(r.meta[p].reads))
	if rejected < 2 || rejected&(rejected-1) != 0 { // at 2, 4, 8 …
		return
	}
	d := e.domain(p)
	for w := v; rejected > 1; rejected-- {
		if w = highestBelow(d, w); w < 0 {
			break
		}
		r.fetch.prefetch(r.meta[p].asked, r.meta[p].versions[w])
	}
}

func (e *engine) isLoaded(p, v int32) bool {
	k := &e.packs[p]
	return k.loaded != nil && hasBit(k.loaded, v)
}

// luby is the i-th number, from 1, of 1 1 2 1 1 2 4 1 1 2 1 1 2 4 8 …
func luby(i int) int {
	for k := 1; ; k++ {
		if i == 1<<k-1 {
			return 1 << (k - 1)
		}
		if i < 1<<k-1 {
			return luby(i - 1<<(k-1) + 1)
		}
	}
}

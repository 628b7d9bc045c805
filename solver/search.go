package solver

import "errors"

// Restarts follow Luby's sequence: what was learned stays, and the packages that conflicts were about are
// decided first.
const restartUnit = 100 // conflicts

// errExhausted ends an improvement pass whose bound is reached.
var errExhausted = errors.New("the bound of an improvement pass is reached")

// bound limits one search.
type bound struct {
	conflicts int // 0: none
	reads     int
}

// search runs until every package that must be chosen has one version. It reports false where that
// cannot be.
func (r *resolver) search(limit bound) (bool, error) {
	e := r.e
	conflicts, reads := r.stats.Conflicts, r.stats.RequirementsAsked
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
		if limit.conflicts > 0 && (r.stats.Conflicts-conflicts > limit.conflicts || r.stats.RequirementsAsked-reads > limit.reads) {
			return false, errExhausted
		}
		if r.stats.Conflicts >= restartAt {
			restarts++
			restartAt = r.stats.Conflicts + restartUnit*luby(restarts)
			e.backtrack(e.base)
			if e.learned > maxLearned && e.base == 0 {
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
		p := e.pick()
		if p < 0 {
			return true, nil
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

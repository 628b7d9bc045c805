package solver

import "slices"

// add makes a clause of terms that belong to different packages, at any time of the search, and
// acts on it. It reports its index, and whether its terms all hold already (a conflict).
func (e *engine) add(lits []term, kind clauseKind) (c int32, violated bool) {
	c = e.store(lits, kind)
	cl := &e.clauses[c]
	lits = e.lits[cl.at : cl.at+cl.n]
	e.sortWatches(lits)
	if cl.n > 1 {
		e.watch(2*c, lits[0], lits[1])
		e.watch(2*c+1, lits[1], lits[0])
		if !e.satisfied(lits[1]) {
			return c, false
		}
	}
	// All terms but the first hold, since the level of the second.
	since := int32(0)
	if cl.n > 1 {
		since = e.levelOf(e.satisfier(lits[1], e.packs[e.terms[lits[1]].pkg].last))
	}
	if since < e.level() {
		e.late = append(e.late, lateUnit{clause: c, level: since})
	}
	switch {
	case e.contradicted(lits[0]):
		return c, false
	case e.satisfied(lits[0]):
		return c, true
	}
	e.exclude(lits[0], c)
	return c, false
}

// store keeps a clause without watching it.
func (e *engine) store(lits []term, kind clauseKind) int32 {
	c := int32(len(e.clauses))
	e.clauses = append(e.clauses, clause{at: int32(len(e.lits)), n: int32(len(lits)), kind: kind})
	e.lits = append(e.lits, lits...)
	e.watches = append(e.watches, watch{}, watch{})
	return c
}

// sortWatches brings to the front the terms that are not satisfied, else those satisfied last.
func (e *engine) sortWatches(lits []term) {
	for i := range min(2, len(lits)) {
		best, bestAt := i, int32(-1)
		for k := i; k < len(lits); k++ {
			at := int32(len(e.trail))
			if e.satisfied(lits[k]) {
				at = e.satisfier(lits[k], e.packs[e.terms[lits[k]].pkg].last)
			}
			if at > bestAt {
				best, bestAt = k, at
			}
			if at == int32(len(e.trail)) {
				break
			}
		}
		lits[i], lits[best] = lits[best], lits[i]
	}
}

// satisfier is the step that made t hold, of the steps on its package from s back; -1: it always held.
func (e *engine) satisfier(t term, s int32) int32 { return e.satisfierOf(e.set(t), s) }

func (e *engine) satisfierOf(set []uint64, s int32) int32 {
	for s >= 0 && subset(e.saved[e.trail[s].old:][:len(set)], set) {
		s = e.trail[s].prev
	}
	return s
}

func (e *engine) levelOf(s int32) int32 {
	if s < 0 {
		return 0
	}
	return e.trail[s].level
}

// Learned clauses are thrown away when there are many: memory stays in proportion to the problem.
const (
	minLearned = 2000 // so many are kept in any case
	keepGlue   = 2    // clauses that join so few levels are kept for good
)

// reduce forgets the less useful half of what was learned. It may be called at the base level only.
func (e *engine) reduce() {
	var old []int32
	for c := range e.clauses {
		if cl := &e.clauses[c]; cl.kind != fromRequirement && !cl.dead && cl.n > 2 && cl.glue > keepGlue {
			old = append(old, int32(c))
		}
	}
	slices.SortStableFunc(old, func(a, b int32) int {
		x, y := &e.clauses[a], &e.clauses[b]
		if x.glue != y.glue {
			return int(y.glue - x.glue)
		}
		return int(a - b) // older first
	})
	for _, c := range old[:len(old)/2] {
		e.kill(c)
	}
	e.compact()
}

// kill takes a clause out of use.
func (e *engine) kill(c int32) {
	cl := &e.clauses[c]
	if cl.kind != fromRequirement && !cl.dead {
		e.learned--
	}
	cl.dead = true
}

// compact drops dead clauses and rebuilds the watch lists. It may be called at the base level only: steps above
// refer to clauses as their reasons.
func (e *engine) compact() {
	for t := range e.terms {
		e.terms[t].head, e.terms[t].watched = -1, false
	}
	for p := range e.packs {
		e.packs[p].watched = e.packs[p].watched[:0]
	}
	for i := range e.trail {
		e.trail[i].reason = noReason
	}
	moved := make([]int32, len(e.clauses))
	live, lits := e.clauses[:0], e.lits[:0]
	for c, cl := range e.clauses {
		if moved[c] = -1; cl.dead {
			continue
		}
		moved[c] = int32(len(live))
		at := int32(len(lits))
		lits = append(lits, e.lits[cl.at:cl.at+cl.n]...)
		cl.at = at
		live = append(live, cl)
	}
	e.clauses, e.lits, e.watches = live, lits, e.watches[:2*len(live)]
	late := e.late[:0]
	for _, u := range e.late {
		if u.clause = moved[u.clause]; u.clause >= 0 {
			late = append(late, u)
		}
	}
	e.late = late
	for c := range e.clauses {
		cl := &e.clauses[c]
		if cl.n > 1 {
			e.watch(int32(2*c), e.lits[cl.at], e.lits[cl.at+1])
			e.watch(int32(2*c+1), e.lits[cl.at+1], e.lits[cl.at])
		}
	}
	if e.onCompact != nil {
		e.onCompact(moved)
	}
}

package solver

// conflictSet is the incompatibility that conflict analysis works on: for each package in it a
// set of states and the step that made the domain a subset of it.
type conflictSet struct {
	sets  []uint64 // laid out like engine.dom
	at    []int32  // by package: the satisfying step, or notIn
	pkgs  []int32  // packages that are in it, or were
	count []int32  // by level: how many packages were satisfied there
	lits  []term
}

const notIn = -1

// join adds to the conflict that p is in set, satisfied by step s.
func (e *engine) join(p int32, set []uint64, s int32) {
	x := &e.conflict
	level := e.levelOf(s)
	if s < 0 || level == 0 {
		return // holds in any case
	}
	k := &e.packs[p]
	mine := x.sets[k.at : k.at+k.words]
	was := x.at[p]
	if was == notIn {
		copy(mine, set)
		x.pkgs = append(x.pkgs, p)
	} else {
		for i, w := range set {
			mine[i] &= w
		}
		if s <= was {
			return
		}
		x.count[e.levelOf(was)]--
	}
	x.at[p] = s
	x.count[level]++
}

// joinClause adds the terms of c to the conflict, but for the one of package skip.
func (e *engine) joinClause(c, skip int32) {
	cl := &e.clauses[c]
	for _, t := range e.lits[cl.at : cl.at+cl.n] {
		p := e.terms[t].pkg
		if p == skip {
			continue
		}
		e.bumpActivity(p)
		set := e.set(t)
		e.join(p, set, e.satisfierOf(set, e.packs[p].last))
	}
}

// resolve replaces in the conflict what step i made true by the reasons of that step.
//
// Where the conflict says "not (p in a and R)" and the reason "not (p in b and Q)", it follows
// that not (p in a∪b and R and Q).
func (e *engine) resolve(i int32) {
	x, s := &e.conflict, &e.trail[i]
	p := s.pkg
	k := &e.packs[p]
	x.count[s.level]--
	x.at[p] = notIn
	cl := &e.clauses[s.reason]
	mine := x.sets[k.at : k.at+k.words]
	for _, t := range e.lits[cl.at : cl.at+cl.n] {
		if e.terms[t].pkg == p {
			for i, w := range e.set(t) {
				mine[i] |= w
			}
		}
	}
	e.join(p, mine, e.satisfierOf(mine, s.prev))
	e.joinClause(s.reason, p)
}

// maxJump is how many levels a jump may undo beyond those it must. Deciding very many packages anew, mostly to the same
// versions, costs more than it helps; what the clause says earlier is then derived late (Nadel and Ryvchin, 2018).
const maxJump = 100

// learn finds the cause of a conflict, jumps back to where it could have been known (or not so far), and adds it
// as a clause. It reports false when nothing can be changed: there is no solution.
func (e *engine) learn(c int32) bool {
	x := &e.conflict
	for len(x.at) < len(e.packs) {
		x.at = append(x.at, notIn)
	}
	for len(x.sets) < len(e.dom) {
		x.sets = append(x.sets, 0)
	}
	for len(x.count) <= len(e.levels) {
		x.count = append(x.count, 0)
	}
	e.joinClause(c, -1)
	uip := int32(-1)
	for i := int32(len(e.trail)) - 1; i >= 0; i-- {
		s := &e.trail[i]
		if x.at[s.pkg] != i {
			continue
		}
		if x.count[s.level] == 1 {
			uip = i
			break
		}
		e.steps++
		e.resolve(i)
	}
	if uip < 0 {
		e.clearConflict()
		return false
	}
	lits, back, glue := e.conflictLits(uip)
	if last := e.trail[uip].level - 1; last-back > maxJump {
		back = last
	}
	e.clearConflict()
	if e.level() > back {
		e.backjumps++
	}
	e.backtrack(back)
	learned, _ := e.add(lits, fromConflict)
	e.clauses[learned].glue = glue
	e.learned++
	return true
}

// conflictLits are the terms of the conflict, that of step uip first; the level to jump to; and the
// number of levels that they join.
func (e *engine) conflictLits(uip int32) (lits []term, back, glue int32) {
	x := &e.conflict
	lits = append(x.lits[:0], noTerm)
	for _, p := range x.pkgs {
		s := x.at[p]
		if s == notIn {
			continue
		}
		k := &e.packs[p]
		t := e.intern(p, x.sets[k.at:k.at+k.words])
		level := e.levelOf(s)
		if x.count[level] > 0 {
			x.count[level] = 0
			glue++
		}
		if s == uip {
			lits[0] = t
			continue
		}
		x.at[p] = notIn // named once
		lits = append(lits, t)
		back = max(back, level)
	}
	x.lits = lits
	return lits, back, glue
}

func (e *engine) clearConflict() {
	x := &e.conflict
	for _, p := range x.pkgs {
		x.at[p] = notIn
	}
	x.pkgs = x.pkgs[:0]
	clear(x.count)
}

package solver

// engine is the search of PubGrub over interned packages and sets of version indexes. It knows no
// names, versions or ranges, and asks nobody: the resolver gives it packages and incompatibilities.
//
// Each package has a domain: the states that are left to it. A clause is an incompatibility: its terms, each of a
// package of its own, cannot all hold. A term is satisfied when the domain is a subset of it, and
// contradicted when they are disjoint. When all terms but one are satisfied, the states of that one leave
// the domain (unit propagation); when all are, the search has a conflict.
type engine struct {
	packs []pack
	dom   []uint64 // the domains, one after another
	folds []uint64 // and of each the fold: most questions are answered by it alone

	terms []termInfo
	sets  []uint64
	table []tableSlot

	clauses []clause
	lits    []term  // the clauses' terms
	watches []watch // of clause c on its first two terms: watches[2c], watches[2c+1]

	trail  []step
	saved  []uint64 // domains before each step
	levels []int32  // where each decision level begins on the trail
	head   int32    // first step that is not propagated yet

	late      []lateUnit
	lateCheck bool

	singles []int32 // packages that came down to one version
	fresh   []int32 // packages that had to be chosen for the first time
	heap    []int32 // packages to decide, best first
	bump    float64 // what a part in a conflict adds to a package's activity

	conflict  conflictSet
	learned   int // live clauses that were learned
	steps     int
	poll      func() error // asked every pollEvery steps
	nextPoll  int
	interrupt error // what poll said
	backjumps int
	onCompact func(moved []int32) // told where clauses went; -1: dropped
}

// pollEvery is how many propagation steps pass between two looks at the context: some 50 µs.
const pollEvery = 2048

// pack is what the search knows of one package. Its index is its place in first-seen order.
type pack struct {
	words    int32 // of each of its sets
	absent   int32 // the state "not chosen", and the number of versions
	at       int32 // its domain is dom[at:at+words]
	size     int32 // states left
	last     int32 // latest step that narrowed it; -1: none
	locked   int32 // the version to keep, or -1
	heapAt   int32 // place in the heap, or -1
	class    class
	saved    int32 // the version it had last, or -1: what fitted then may well fit again
	wanted   bool  // it had to be chosen at some time
	aux      bool  // no package at all, but a variable of an improvement pass: never decided by the order
	activity float64
	watched  []watchedTerm
	support  []int32  // by version: how many that were read allow it; nil before it matters
	loaded   []uint64 // versions whose requirements are clauses already
}

// class is the first key of the decision order.
type class uint8

const (
	classUnlocked class = iota // the user asked to upgrade it
	classLocked
	classFree
)

// watchedTerm stands in the list of a package whose narrowing may satisfy it.
type watchedTerm struct {
	fold uint64
	term term
}

// watch is one place in the list of clauses that watch a term.
type watch struct {
	next  int32
	other term // of the same clause: while that is contradicted, the clause is of no interest
}

// clause is one incompatibility. The first two terms are watched.
type clause struct {
	at, n int32 // lits[at:at+n]
	glue  int32 // decision levels it joined when it was learned
	kind  clauseKind
	dead  bool // out of use; still a reason for what it derived
}

type clauseKind uint8

const (
	fromRequirement clauseKind = iota
	fromConflict
)

// step is one narrowing of one package's domain.
type step struct {
	pkg    int32
	reason int32 // the clause; or noReason
	level  int32
	prev   int32 // the step before on the same package
	old    int32 // the domain before: saved[old:old+words]
}

const noReason = -1

// lateUnit is a clause that came when all its terms but the first had long been satisfied: what it derives
// holds from level on, and must be derived again after a jump that undoes it without undoing its cause.
type lateUnit struct {
	clause, level int32
}

func newEngine(poll func() error) *engine {
	return &engine{bump: 1, poll: poll, nextPoll: pollEvery}
}

func (e *engine) level() int32 { return int32(len(e.levels)) }

// addPackage makes a package with n versions; locked is the version to keep, or -1.
func (e *engine) addPackage(n, locked int32, c class) int32 {
	p := int32(len(e.packs))
	words := wordsFor(int(n) + 1)
	at := int32(len(e.dom))
	for range words {
		e.dom = append(e.dom, 0)
	}
	setRun(e.dom[at:], 0, n+1)
	e.folds = append(e.folds, fold(e.dom[at:]))
	e.packs = append(e.packs, pack{
		words: words, absent: n, at: at, size: n + 1, last: -1, locked: locked, heapAt: -1, class: c, saved: -1,
	})
	return p
}

// domain is the states left to p.
func (e *engine) domain(p int32) []uint64 {
	k := &e.packs[p]
	return e.dom[k.at : k.at+k.words]
}

// required reports whether p must be chosen.
func (e *engine) required(p int32) bool {
	return !hasBit(e.domain(p), e.packs[p].absent)
}

func (e *engine) satisfied(t term) bool {
	info := &e.terms[t]
	if e.folds[info.pkg]&^info.fold != 0 {
		return false
	}
	return !info.wide || subset(e.domain(info.pkg), e.set(t))
}

func (e *engine) contradicted(t term) bool {
	info := &e.terms[t]
	if e.folds[info.pkg]&info.fold == 0 {
		return true
	}
	return info.wide && disjoint(e.domain(info.pkg), e.set(t))
}

// chosen is the one version that p has come down to, or -1.
func (e *engine) chosen(p int32) int32 {
	k := &e.packs[p]
	if k.size != 1 {
		return -1
	}
	if v := highest(e.domain(p)); v != k.absent {
		return v
	}
	return -1
}

// preferred is the version of p to try first: the locked one; else the one it had last; else, in a hard problem, the one
// that most others allow; else the highest that is left; -1 if none is.
func (e *engine) preferred(p int32) int32 {
	k, d := &e.packs[p], e.domain(p)
	if k.locked >= 0 && hasBit(d, k.locked) {
		return k.locked
	}
	if k.saved >= 0 && hasBit(d, k.saved) {
		return k.saved
	}
	best := highestBelow(d, k.absent)
	if k.support != nil {
		for v := best; v > 0; {
			if v = highestBelow(d, v); v >= 0 && k.support[v] > k.support[best] {
				best = v
			}
		}
	}
	return best
}

// push begins a step on p and returns its domain for the caller to narrow; narrowed must follow.
func (e *engine) push(p, reason int32) []uint64 {
	k, d := &e.packs[p], e.domain(p)
	e.trail = append(e.trail, step{pkg: p, reason: reason, level: e.level(), prev: k.last, old: int32(len(e.saved))})
	k.last = int32(len(e.trail) - 1)
	e.saved = append(e.saved, d...)
	return d
}

func (e *engine) narrowed(p int32, d []uint64) {
	k := &e.packs[p]
	k.size = count(d)
	e.folds[p] = fold(d)
	if k.aux || hasBit(d, k.absent) {
		return
	}
	if !k.wanted {
		k.wanted = true
		e.fresh = append(e.fresh, p)
	}
	if k.size == 1 {
		e.singles = append(e.singles, p)
	} else {
		e.heapUp(p)
	}
}

// exclude takes the states of t from its package.
func (e *engine) exclude(t term, reason int32) {
	p := e.terms[t].pkg
	d := e.push(p, reason)
	for i, x := range e.set(t) {
		d[i] &^= x
	}
	e.narrowed(p, d)
}

// decide opens a level in which p has version v.
func (e *engine) decide(p, v int32) {
	e.levels = append(e.levels, int32(len(e.trail)))
	d := e.push(p, noReason)
	clear(d)
	setBit(d, v)
	e.packs[p].saved = v
	e.narrowed(p, d)
}

// assume opens a level in which t holds.
func (e *engine) assume(t term) {
	e.levels = append(e.levels, int32(len(e.trail)))
	p := e.terms[t].pkg
	d := e.push(p, noReason)
	for i, x := range e.set(t) {
		d[i] &= x
	}
	e.narrowed(p, d)
}

// backtrack undoes all levels above to.
func (e *engine) backtrack(to int32) {
	if e.level() <= to {
		return
	}
	start := e.levels[to]
	for i := int32(len(e.trail)) - 1; i >= start; i-- {
		s := &e.trail[i]
		k := &e.packs[s.pkg]
		d := e.domain(s.pkg)
		copy(d, e.saved[s.old:])
		k.last = s.prev
		k.size = count(d)
		e.folds[s.pkg] = fold(d)
		if !k.aux && !hasBit(d, k.absent) {
			e.heapDown(s.pkg)
		}
	}
	e.saved = e.saved[:e.trail[start].old]
	e.trail = e.trail[:start]
	e.levels = e.levels[:to]
	e.head = start
	e.lateCheck = len(e.late) > 0
}

// propagate narrows domains until nothing follows any more. It returns a clause whose terms all
// hold, or -1. An interrupt ends it early.
func (e *engine) propagate() int32 {
	if e.lateCheck {
		if c := e.propagateLate(); c >= 0 {
			return c
		}
	}
	for int(e.head) < len(e.trail) {
		if e.steps++; e.steps >= e.nextPoll {
			e.nextPoll = e.steps + pollEvery
			if e.interrupt = e.poll(); e.interrupt != nil {
				return -1
			}
		}
		s := e.trail[e.head]
		e.head++
		k := &e.packs[s.pkg]
		d := e.domain(s.pkg)
		was := e.saved[s.old : s.old+k.words]
		now, before := e.folds[s.pkg], fold(was)
		for i := 0; i < len(k.watched); i++ {
			w := k.watched[i]
			if now&^w.fold != 0 {
				continue
			}
			if k.words == 1 {
				if before&^w.fold == 0 {
					continue
				}
			} else if set := e.set(w.term); !subset(d, set) || subset(was, set) {
				continue
			}
			if c := e.visit(w.term); c >= 0 {
				return c
			}
			if info := &e.terms[w.term]; info.head < 0 {
				info.watched = false
				last := len(k.watched) - 1
				k.watched[i] = k.watched[last]
				k.watched = k.watched[:last]
				i--
			}
		}
	}
	return -1
}

// visit looks at all clauses that watch t, which has just been satisfied.
func (e *engine) visit(t term) int32 {
	prev := int32(-1)
	unlink := func(after int32) {
		if prev < 0 {
			e.terms[t].head = after
		} else {
			e.watches[prev].next = after
		}
	}
	for node := e.terms[t].head; node >= 0; {
		e.steps++
		after := e.watches[node].next
		if e.contradicted(e.watches[node].other) {
			prev, node = node, after
			continue
		}
		c := node >> 1
		cl := &e.clauses[c]
		if cl.dead {
			unlink(after)
			node = after
			continue
		}
		lits := e.lits[cl.at : cl.at+cl.n]
		side := node & 1
		other := lits[1-side]
		if !e.contradicted(other) {
			if k := e.unsatisfiedFrom(lits, 2); k > 0 {
				lits[side], lits[k] = lits[k], lits[side]
				unlink(after)
				e.watch(node, lits[side], other)
				node = after
				continue
			}
			if e.satisfied(other) {
				return c
			}
			e.exclude(other, c)
		}
		e.watches[node].other = other
		prev, node = node, after
	}
	return -1
}

// unsatisfiedFrom is the place of the first term from k on that is not satisfied, or -1.
func (e *engine) unsatisfiedFrom(lits []term, k int) int {
	for ; k < len(lits); k++ {
		if !e.satisfied(lits[k]) {
			return k
		}
	}
	return -1
}

// watch puts a watch at the head of the list of t.
func (e *engine) watch(node int32, t, other term) {
	info := &e.terms[t]
	e.watches[node] = watch{next: info.head, other: other}
	info.head = node
	if !info.watched {
		info.watched = true
		k := &e.packs[info.pkg]
		k.watched = append(k.watched, watchedTerm{fold: info.fold, term: t})
	}
}

// propagateLate derives again what clauses that came late imply at the level that was jumped to.
func (e *engine) propagateLate() int32 {
	e.lateCheck = false
	live, now := e.late[:0], e.level()
	conflict := int32(-1)
	for _, u := range e.late {
		if u.level > now || e.clauses[u.clause].dead {
			continue // its cause is gone too, and the watches see to the rest
		}
		if u.level < now {
			live = append(live, u)
		}
		first := e.lits[e.clauses[u.clause].at]
		if conflict >= 0 || e.contradicted(first) {
			continue
		}
		if e.satisfied(first) {
			conflict = u.clause
			e.lateCheck = true
			continue
		}
		e.exclude(first, u.clause)
	}
	e.late = live
	return conflict
}

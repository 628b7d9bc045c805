package solver

import "math/bits"

// A package with n versions has n+1 states: bit i is its i-th version in ascending order, bit n is
// "not chosen". A set of states is a bit set of fixed width; a term is an interned one. So the
// positive and the negative terms of PubGrub are one thing, and intersection, union and complement
// are exact.

// term is an interned set of one package's states: an index into engine.terms.
type term int32

const noTerm term = -1

// termInfo is what the engine knows of a term.
type termInfo struct {
	pkg     int32
	at      int32 // its words are engine.sets[at:at+words]
	head    int32 // first watch of this term; -1: none
	fold    uint64
	wide    bool // of more than one word: the fold does not tell all
	watched bool // it stands in its package's watch list
}

func wordsFor(states int) int32 { return int32((states + 63) / 64) }

func setBit(s []uint64, i int32)      { s[i>>6] |= 1 << (i & 63) }
func hasBit(s []uint64, i int32) bool { return s[i>>6]>>(i&63)&1 != 0 }

// setRun sets the bits lo ≤ i < hi.
func setRun(s []uint64, lo, hi int32) {
	for lo < hi {
		w, from := lo>>6, lo&63
		n := min(64-from, hi-lo)
		s[w] |= (^uint64(0) >> (64 - n)) << from
		lo += n
	}
}

func subset(a, b []uint64) bool {
	for i, x := range a {
		if x&^b[i] != 0 {
			return false
		}
	}
	return true
}

func disjoint(a, b []uint64) bool {
	for i, x := range a {
		if x&b[i] != 0 {
			return false
		}
	}
	return true
}

func equalSets(a, b []uint64) bool {
	for i, x := range a {
		if x != b[i] {
			return false
		}
	}
	return true
}

func isEmpty(a []uint64) bool {
	for _, x := range a {
		if x != 0 {
			return false
		}
	}
	return true
}

func count(a []uint64) int32 {
	n := 0
	for _, x := range a {
		n += bits.OnesCount64(x)
	}
	return int32(n)
}

// highest is the highest set bit, or -1.
func highest(a []uint64) int32 {
	for w := len(a) - 1; w >= 0; w-- {
		if a[w] != 0 {
			return int32(w<<6 + 63 - bits.LeadingZeros64(a[w]))
		}
	}
	return -1
}

// highestBelow is the highest set bit below limit, or -1.
func highestBelow(a []uint64, limit int32) int32 {
	w := limit >> 6
	if x := a[w] & (1<<(limit&63) - 1); x != 0 {
		return w<<6 + 63 - int32(bits.LeadingZeros64(x))
	}
	return highest(a[:w])
}

// fold maps a set to one word such that the fold of a subset is a subset of the fold.
func fold(a []uint64) uint64 {
	f := a[0]
	for _, x := range a[1:] {
		f |= x
	}
	return f
}

// intern returns the term of pkg for the set s, which it copies when it is new.
func (e *engine) intern(pkg int32, s []uint64) term {
	h := hashSet(pkg, s)
	if 2*(len(e.terms)+1) > len(e.table) {
		e.rehash()
	}
	mask := uint64(len(e.table) - 1)
	for i := h & mask; ; i = (i + 1) & mask {
		slot := e.table[i]
		if slot.term == noTerm {
			t := term(len(e.terms))
			e.terms = append(e.terms, termInfo{pkg: pkg, at: int32(len(e.sets)), head: -1, fold: fold(s), wide: len(s) > 1})
			e.sets = append(e.sets, s...)
			e.table[i] = tableSlot{hash: uint32(h >> 32), term: t}
			return t
		}
		if slot.hash == uint32(h>>32) && e.terms[slot.term].pkg == pkg && equalSets(s, e.set(slot.term)) {
			return slot.term
		}
	}
}

// tableSlot is one place of the open hash table of terms.
type tableSlot struct {
	hash uint32 // upper half
	term term
}

func hashSet(pkg int32, s []uint64) uint64 {
	h := uint64(pkg)*0x9e3779b97f4a7c15 + 1
	for _, x := range s {
		h = (h ^ x) * 0xff51afd7ed558ccd
		h ^= h >> 32
	}
	return h
}

// rehash doubles the table.
func (e *engine) rehash() {
	size := max(1024, 2*len(e.table))
	e.table = make([]tableSlot, size)
	for i := range e.table {
		e.table[i].term = noTerm
	}
	mask := uint64(size - 1)
	for t := range e.terms {
		h := hashSet(e.terms[t].pkg, e.set(term(t)))
		i := h & mask
		for e.table[i].term != noTerm {
			i = (i + 1) & mask
		}
		e.table[i] = tableSlot{hash: uint32(h >> 32), term: term(t)}
	}
}

// set is the words of t.
func (e *engine) set(t term) []uint64 {
	info := &e.terms[t]
	return e.sets[info.at : info.at+e.packs[info.pkg].words]
}

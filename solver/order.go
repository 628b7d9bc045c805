package solver

// The order of decisions: packages to upgrade, packages with a locked version that still fits, others; among
// them those with most activity in conflicts for each version left; then those with the fewest versions left; then those seen
// first. (A package with one version left is no decision: it is settled before any.)

func (e *engine) before(p, q int32) bool {
	a, b := &e.packs[p], &e.packs[q]
	if a.class != b.class {
		return a.class < b.class
	}
	x, y := a.activity/float64(a.size), b.activity/float64(b.size)
	switch {
	case x != y:
		return x > y
	case a.size != b.size:
		return a.size < b.size
	}
	return p < q
}

// next decision, or -1: the best package that must be chosen and has several versions left.
func (e *engine) pick() int32 {
	for len(e.heap) > 0 {
		p := e.heap[0]
		if e.packs[p].size > 1 && e.required(p) {
			return p
		}
		e.heapPop()
	}
	return -1
}

func (e *engine) heapPop() {
	h := e.heap
	last := len(h) - 1
	e.packs[h[0]].heapAt = -1
	if last > 0 {
		h[0] = h[last]
		e.packs[h[0]].heapAt = 0
	}
	e.heap = h[:last]
	if last > 1 {
		e.sink(0)
	}
}

// heapUp sees to it that p, which may have come closer to its turn, is in its place.
func (e *engine) heapUp(p int32) {
	k := &e.packs[p]
	if k.heapAt < 0 {
		k.heapAt = int32(len(e.heap))
		e.heap = append(e.heap, p)
	}
	e.rise(k.heapAt)
}

// heapDown is heapUp for one that may have moved away from its turn.
func (e *engine) heapDown(p int32) {
	if e.packs[p].heapAt < 0 {
		e.heapUp(p)
		return
	}
	e.sink(e.packs[p].heapAt)
}

func (e *engine) rise(i int32) {
	h, p := e.heap, e.heap[i]
	for i > 0 {
		up := (i - 1) / 2
		if !e.before(p, h[up]) {
			break
		}
		h[i] = h[up]
		e.packs[h[i]].heapAt = i
		i = up
	}
	h[i] = p
	e.packs[p].heapAt = i
}

func (e *engine) sink(i int32) {
	h, p := e.heap, e.heap[i]
	for {
		down := 2*i + 1
		if int(down) >= len(h) {
			break
		}
		if int(down)+1 < len(h) && e.before(h[down+1], h[down]) {
			down++
		}
		if !e.before(h[down], p) {
			break
		}
		h[i] = h[down]
		e.packs[h[i]].heapAt = i
		i = down
	}
	h[i] = p
	e.packs[p].heapAt = i
}

const (
	activityDecay = 1 / 0.95
	activityLimit = 1e100
)

// bumpActivity notes that p took part in a conflict; what is recent weighs more.
func (e *engine) bumpActivity(p int32) {
	k := &e.packs[p]
	k.activity += e.bump
	if k.activity > activityLimit {
		for i := range e.packs {
			e.packs[i].activity /= activityLimit
		}
		e.bump /= activityLimit
	}
	if k.heapAt >= 0 {
		e.rise(k.heapAt)
	}
}

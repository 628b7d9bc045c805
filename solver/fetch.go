package solver

import (
	"context"
	"slices"
	"strings"
	"sync"

	"github.com/openpackage/opkg/ident"
)

// fetcher asks the provider each question once, several at a time. What the solver waits for and has not
// been begun it asks itself, so a provider that answers from memory costs no switching.
//
// It asks ahead of the search, too: as soon as the versions of a name are there, the one that will probably be chosen has its
// requirements read, and the names in them are asked for. So a graph costs as many rounds of questions as it is deep.
//
// What is asked ahead decides nothing. The search takes answers in an order of its own, and an error
// counts only when the search comes to need its answer.
type fetcher struct {
	ctx      context.Context
	prov     Provider
	parallel int
	guess    guesser // nil: nothing is asked ahead

	mu      sync.Mutex
	done    sync.Cond
	reads   []*question // that wait for a worker: requirements go first, since most providers know them
	lists   []*question // and versions
	workers int
	busy    int // workers that wait for an answer
	names   map[ident.Name]*question
	ahead   int // names asked for that the search has not come to need
	stopped bool
}

// question is one call of the provider: Versions, or, of one version, Requirements.
type question struct {
	name    ident.Name
	version ident.Version // unset: Versions
	state   questionState
	follow  bool          // ask for the versions of what it requires, too
	needed  bool          // of a Versions question: by the search, not only by a guess
	wanted  []ident.Range // of a Versions question: what is asked of the name, as far as is known
	reads   []*question   // of a Versions question: the Requirements questions of its versions

	candidates []Candidate // ascending
	reqs       []ident.Requirement
	err        error
}

type questionState uint8

const (
	idle questionState = iota
	queued
	running
	answered
)

const (
	defaultParallel = 16
	maxAhead        = 4096 // names asked for that the search may never come to need
	maxWanted       = 16   // different ranges of one name that are looked at to guess its version
)

func newFetcher(ctx context.Context, prov Provider, parallel int, guess guesser) *fetcher {
	if parallel <= 0 {
		parallel = defaultParallel
	}
	if parallel == 1 {
		guess = nil
	}
	f := &fetcher{ctx: ctx, prov: prov, parallel: parallel, guess: guess, names: map[ident.Name]*question{}}
	f.done.L = &f.mu
	return f
}

// stop waits for the workers; what is not begun stays unasked.
func (f *fetcher) stop() {
	f.mu.Lock()
	f.stopped = true
	f.reads, f.lists = nil, nil
	for f.workers > 0 {
		f.done.Wait()
	}
	f.mu.Unlock()
}

// versionsOf is the question for the versions of name. The lock is held.
func (f *fetcher) versionsOf(name ident.Name) *question {
	q := f.names[name]
	if q == nil {
		q = &question{name: name}
		f.names[name] = q
	}
	return q
}

// requirementsOf is the question for the requirements of one version. The lock is held.
func (f *fetcher) requirementsOf(of *question, v ident.Version) *question {
	for _, q := range of.reads {
		if q.version == v {
			return q
		}
	}
	q := &question{name: of.name, version: v}
	of.reads = append(of.reads, q)
	return q
}

// enqueue has the workers ask q, soon. The lock is held.
func (f *fetcher) enqueue(q *question) {
	if q.state != idle || f.stopped || f.parallel == 1 {
		return
	}
	q.state = queued
	if q.version.IsZero() {
		f.lists = append(f.lists, q)
	} else {
		f.reads = append(f.reads, q)
	}
	if f.workers < f.parallel-1 && f.workers-f.busy < len(f.lists)+len(f.reads) {
		f.workers++
		go f.work()
	}
}

func (f *fetcher) work() {
	f.mu.Lock()
	for {
		queue := &f.reads
		if len(f.reads) == 0 {
			queue = &f.lists
		}
		if len(*queue) == 0 {
			break
		}
		q := (*queue)[0]
		*queue = (*queue)[1:]
		if q.state == queued {
			f.busy++
			f.ask(q)
			f.busy--
		}
	}
	f.workers--
	f.done.Broadcast()
	f.mu.Unlock()
}

// ask calls the provider. The lock is held before and after, not meanwhile.
func (f *fetcher) ask(q *question) {
	q.state = running
	f.mu.Unlock()
	if q.version.IsZero() {
		q.candidates, q.err = f.prov.Versions(f.ctx, q.name)
		q.candidates = sortCandidates(q.candidates)
	} else {
		q.reqs, q.err = f.prov.Requirements(f.ctx, q.name, q.version)
		q.reqs = sortRequirements(q.reqs)
	}
	f.mu.Lock()
	q.state = answered
	switch {
	case q.version.IsZero():
		f.lookAhead(q)
	case q.follow:
		for _, r := range q.reqs {
			f.want(r.Name, r.Range)
			f.enqueueAhead(f.versionsOf(r.Name))
		}
	}
	f.done.Broadcast()
}

// enqueueAhead has the workers ask for the versions of a name that may never be needed. The lock is held.
func (f *fetcher) enqueueAhead(q *question) {
	if q.state == idle && f.ahead < maxAhead {
		f.ahead++
		f.enqueue(q)
	}
}

// want notes that a version in rng is wanted of name, and looks ahead where that is news. The lock is held.
func (f *fetcher) want(name ident.Name, rng ident.Range) {
	if f.guess == nil {
		return
	}
	q := f.versionsOf(name)
	if len(q.wanted) >= maxWanted || slices.ContainsFunc(q.wanted, rng.Equal) {
		return
	}
	q.wanted = append(q.wanted, rng)
	f.lookAhead(q)
}

// lookAhead has the requirements read of the version that will probably be chosen of those that q lists. The lock is held.
func (f *fetcher) lookAhead(q *question) {
	if f.guess == nil || q.state != answered || q.err != nil || len(q.wanted) == 0 || f.stopped {
		return
	}
	if v, ok := f.guess(q.name, q.candidates, q.wanted); ok {
		f.enqueueRead(f.requirementsOf(q, v))
	}
}

// enqueueRead has the workers read the requirements of a version, and the versions of what it requires. The lock is held.
func (f *fetcher) enqueueRead(q *question) {
	if q.state == idle {
		q.follow = true
		f.enqueue(q)
	}
}

// wait returns when q is answered. The lock is held.
func (f *fetcher) wait(q *question) {
	if q.state == idle || q.state == queued {
		f.ask(q)
		return
	}
	for q.state != answered {
		f.done.Wait()
	}
}

// roots has the workers ask for what the user requires, all at once.
func (f *fetcher) roots(roots []Root) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, r := range roots {
		f.want(r.Name, r.Range)
		f.enqueue(f.needed(r.Name))
	}
}

// needed is the question for the versions of a name that the search comes to. The lock is held.
func (f *fetcher) needed(name ident.Name) *question {
	q := f.versionsOf(name)
	if !q.needed && q.state != idle {
		f.ahead--
	}
	q.needed = true
	return q
}

// versions answers from the registry that owns name, ascending.
func (f *fetcher) versions(name ident.Name) (*question, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	q := f.needed(name)
	f.wait(q)
	return q, q.err
}

// requirements are those of one version, sorted by name; the versions of what they name are asked
// for at once.
func (f *fetcher) requirements(of *question, v ident.Version) ([]ident.Requirement, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	q := f.requirementsOf(of, v)
	f.wait(q)
	for i, r := range q.reqs {
		f.want(r.Name, r.Range)
		if i > 0 { // the caller asks for the first itself
			f.enqueue(f.needed(r.Name))
		}
	}
	return q.reqs, q.err
}

// prefetch has the requirements of a version read, and the versions of what it requires.
func (f *fetcher) prefetch(of *question, v ident.Version) {
	f.mu.Lock()
	f.enqueueRead(f.requirementsOf(of, v))
	f.mu.Unlock()
}

// sortCandidates returns cs in ascending order, one for each precedence: where versions differ in
// build metadata alone, the last by text. It leaves the provider's list as it is.
func sortCandidates(cs []Candidate) []Candidate {
	strictly := true
	for i := 1; i < len(cs) && strictly; i++ {
		strictly = cs[i-1].Version.Compare(cs[i].Version) < 0
	}
	if strictly {
		return cs
	}
	cs = slices.Clone(cs)
	slices.SortFunc(cs, func(a, b Candidate) int {
		if c := a.Version.Compare(b.Version); c != 0 {
			return c
		}
		return strings.Compare(b.Version.Build(), a.Version.Build())
	})
	return slices.CompactFunc(cs, func(a, b Candidate) bool { return a.Version.Compare(b.Version) == 0 })
}

// sortRequirements returns reqs by name. It leaves the provider's list as it is.
func sortRequirements(reqs []ident.Requirement) []ident.Requirement {
	byName := func(a, b ident.Requirement) int { return strings.Compare(string(a.Name), string(b.Name)) }
	if slices.IsSortedFunc(reqs, byName) {
		return reqs
	}
	reqs = slices.Clone(reqs)
	slices.SortStableFunc(reqs, byName)
	return reqs
}

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
// Which questions are asked depends on the search alone, never on the order of the answers; an error
// counts only when the search comes to need its answer.
type fetcher struct {
	ctx      context.Context
	prov     Provider
	parallel int

	mu      sync.Mutex
	done    sync.Cond
	queue   []*question
	workers int
	names   map[ident.Name]*question
	stopped bool
}

// question is one call of the provider: Versions, or, of one version, Requirements.
type question struct {
	name    ident.Name
	version ident.Version // unset: Versions
	state   questionState
	follow  bool        // ask for the versions of what it requires, too
	reads   []*question // of a Versions question: the Requirements questions of its versions

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

const defaultParallel = 16

func newFetcher(ctx context.Context, prov Provider, parallel int) *fetcher {
	if parallel <= 0 {
		parallel = defaultParallel
	}
	f := &fetcher{ctx: ctx, prov: prov, parallel: parallel, names: map[ident.Name]*question{}}
	f.done.L = &f.mu
	return f
}

// stop waits for the workers; what is not begun stays unasked.
func (f *fetcher) stop() {
	f.mu.Lock()
	f.stopped = true
	f.queue = nil
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
	if q.state != idle || f.stopped {
		return
	}
	q.state = queued
	f.queue = append(f.queue, q)
	if f.workers < f.parallel-1 && f.workers < len(f.queue) {
		f.workers++
		go f.work()
	}
}

func (f *fetcher) work() {
	f.mu.Lock()
	for len(f.queue) > 0 {
		q := f.queue[0]
		f.queue = f.queue[1:]
		if q.state == queued {
			f.ask(q)
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
	if q.follow {
		f.enqueueNames(q.reqs)
	}
	f.done.Broadcast()
}

func (f *fetcher) enqueueNames(reqs []ident.Requirement) {
	for _, r := range reqs {
		f.enqueue(f.versionsOf(r.Name))
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

// versions answers from the registry that owns name, ascending.
func (f *fetcher) versions(name ident.Name) (*question, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	q := f.versionsOf(name)
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
	if len(q.reqs) > 1 && f.parallel > 1 {
		f.enqueueNames(q.reqs[1:]) // the caller asks for the first itself
	}
	return q.reqs, q.err
}

// prefetch has the requirements of a version read, and the versions of what it requires.
func (f *fetcher) prefetch(of *question, v ident.Version) {
	if f.parallel == 1 {
		return
	}
	f.mu.Lock()
	if q := f.requirementsOf(of, v); q.state == idle {
		q.follow = true
		f.enqueue(q)
	}
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

package solver

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/openpackage/opkg/ident"
)

// slow answers from an index, each question after a while, and its lists in any order. It counts.
type slow struct {
	index memory
	delay func(question string) time.Duration // nil: none
	mix   *rand.Rand                          // nil: lists as they are
	fail  func(question string) error         // nil: never

	mu    sync.Mutex
	asked map[string]int
	now   int // questions under way
	most  int // the most there were
}

func (s *slow) ask(ctx context.Context, question string) error {
	s.mu.Lock()
	if s.asked == nil {
		s.asked = map[string]int{}
	}
	s.asked[question]++
	s.now++
	s.most = max(s.most, s.now)
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		s.now--
		s.mu.Unlock()
	}()
	if s.delay != nil {
		select {
		case <-time.After(s.delay(question)):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if s.fail != nil {
		return s.fail(question)
	}
	return nil
}

func (s *slow) Versions(ctx context.Context, name ident.Name) ([]Candidate, error) {
	if err := s.ask(ctx, string(name)); err != nil {
		return nil, err
	}
	out, err := s.index.Versions(ctx, name)
	return mixed(s, out), err
}

func (s *slow) Requirements(ctx context.Context, name ident.Name, v ident.Version) ([]ident.Requirement, error) {
	if err := s.ask(ctx, fmt.Sprintf("%s %s", name, v)); err != nil {
		return nil, err
	}
	out, err := s.index.Requirements(ctx, name, v)
	return mixed(s, out), err
}

func mixed[T any](s *slow, list []T) []T {
	if s.mix == nil {
		return list
	}
	list = slices.Clone(list)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mix.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	return list
}

// outcome is an answer, or an error, as text.
func outcome(sol *Solution, err error) string {
	if err != nil {
		return err.Error()
	}
	return toJSON(chosenVersions(sol))
}

// The order in which answers arrive, and the order within them, changes nothing: not the answer, not the message.
func TestArrival(t *testing.T) {
	instances := []instance{
		sparse(t, 3, 300, 8), dense(t, 2, 60, 8, 3, 0.5), dense(t, 5, 30, 6, 3, 0.2), ladder(t, 5, 5), moving(t, 8, 8),
	}
	for seed := range uint64(60) {
		instances = append(instances, small(t, seeded(seed)))
	}
	for i, in := range instances {
		want := outcome(Solve(t.Context(), in.problem, in.index, Options{Parallel: 1}))
		for seed := range uint64(4) {
			synctest.Test(t, func(t *testing.T) {
				r := rand.New(rand.NewPCG(seed, 1))
				var mu sync.Mutex
				prov := &slow{index: in.index, mix: rand.New(rand.NewPCG(seed, 2)), delay: func(string) time.Duration {
					mu.Lock()
					defer mu.Unlock()
					return time.Duration(r.IntN(1000)) * time.Millisecond
				}}
				got := outcome(Solve(t.Context(), in.problem, prov, Options{Parallel: []int{0, 2, 64, 1}[seed]}))
				if got != want {
					t.Errorf("instance %d, seed %d:\n%s\nwant\n%s", i, seed, got, want)
				}
				for q, n := range prov.asked { // an explanation may ask again
					if n > 1 && want[0] == '{' {
						t.Errorf("instance %d: %s was asked for %d times", i, q, n)
					}
				}
			})
		}
	}
}

// Where the newest of everything fits, the requirements of what is chosen are read, and no others.
func TestReadsWhatIsNeeded(t *testing.T) {
	b := newBuilder(t, 1)
	for i := range 50 {
		for k := range 30 {
			var reqs needs
			for j := 2*i + 1; j <= 2*i+2 && j < 50; j++ {
				reqs.add(numbered("pkg", j), b.rng("^1.0.0"))
			}
			b.index.add(numbered("pkg", i), b.version(1, k, 0), false, reqs)
		}
	}
	b.root(numbered("pkg", 0), b.rng("*"))
	in := b.done()
	for _, parallel := range []int{1, 0} {
		prov := &slow{index: in.index}
		sol, err := Solve(t.Context(), in.problem, prov, Options{Parallel: parallel})
		if err != nil {
			t.Fatal(err)
		}
		if len(sol.Decisions) != 50 || len(prov.asked) != 100 {
			t.Errorf("%d packages were chosen, %d questions asked; want 50 and 100", len(sol.Decisions), len(prov.asked))
		}
	}
}

// What is locked and fits needs no other versions read.
func TestReadsWhatIsLocked(t *testing.T) {
	in := sparse(t, 2, 500, 12)
	first, err := Solve(t.Context(), in.problem, in.index, Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range first.Decisions {
		in.problem.Locked[d.Name] = d.Version
	}
	prov := &slow{index: in.index}
	again, err := Solve(t.Context(), in.problem, prov, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if outcome(again, nil) != outcome(first, nil) {
		t.Error("a lock that fits was changed")
	}
	if n := len(first.Decisions); len(prov.asked) != 2*n {
		t.Errorf("%d questions were asked for %d packages", len(prov.asked), n)
	}
}

// Newly required packages are asked for together: a solve takes as many rounds as its requirements are deep.
func TestAsksTogether(t *testing.T) {
	b := newBuilder(t, 1)
	var wide needs
	for i := range 40 {
		name := numbered("leaf", i)
		b.index.add(name, b.version(1, 0, 0), false, nil)
		wide.add(name, b.rng("*"))
	}
	b.index.add("app", b.version(1, 0, 0), false, wide)
	b.root("app", ident.Any())
	in := b.done()
	synctest.Test(t, func(t *testing.T) {
		prov := &slow{index: in.index, delay: func(string) time.Duration { return time.Second }}
		begin := time.Now()
		if _, err := Solve(t.Context(), in.problem, prov, Options{Parallel: 41}); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(begin); took > 5*time.Second {
			t.Errorf("82 questions of a second each, in rounds of at most 41, took %v", took)
		}
		if prov.most > 41 {
			t.Errorf("%d questions were under way at once", prov.most)
		}
	})
}

// A graph costs as many rounds of questions as it is deep, however wide it is and in whatever order the search goes through it.
func TestAsksAhead(t *testing.T) {
	const roots, depth = 12, 8
	b := newBuilder(t, 1)
	name := func(level, i int) ident.Name { return ident.Name(fmt.Sprintf("l%d-%02d", level, i%roots)) }
	for level := range depth {
		for i := range roots {
			var reqs needs
			if level+1 < depth {
				reqs.add(name(level+1, i), b.rng("^1.0.0"))
				reqs.add(name(level+1, i+5), b.rng("^1.0.0"))
			}
			for minor := range 5 {
				b.index.add(name(level, i), b.version(1, minor, 0), minor == 4, reqs) // the newest is yanked
			}
			b.index.add(name(level, i), b.version(2, 0, 0), false, needs{{Name: "not-wanted", Range: ident.Any()}})
		}
	}
	for i := range roots {
		b.root(name(0, i), b.rng("^1.0.0"))
	}
	in := b.done()
	locked := in.problem
	locked.Locked = map[ident.Name]ident.Version{}
	for level := range depth {
		locked.Locked[name(level, 3)] = b.version(1, 2, 0)
	}
	for _, p := range []Problem{in.problem, locked} {
		synctest.Test(t, func(t *testing.T) {
			prov := &slow{index: in.index, delay: func(question string) time.Duration {
				if strings.Contains(question, " ") { // requirements come with the versions
					return 0
				}
				return time.Second
			}}
			begin := time.Now()
			if _, err := Solve(t.Context(), p, prov, Options{Parallel: 64}); err != nil {
				t.Fatal(err)
			}
			if took := time.Since(begin); took != depth*time.Second {
				t.Errorf("questions of a second each took %v where the graph is %d deep", took, depth)
			}
			if want := 2 * roots * depth; len(prov.asked) != want {
				t.Errorf("%d questions were asked, want %d", len(prov.asked), want)
			}
		})
	}
}

// endless is a registry with a package that needs another, that needs another, and so on for ever.
type endless struct{ *slow }

func (e endless) Versions(ctx context.Context, name ident.Name) ([]Candidate, error) {
	if !strings.HasPrefix(string(name), "chain") {
		return e.slow.Versions(ctx, name)
	}
	v, err := ident.ParseVersion("1.0.0")
	return []Candidate{{Version: v}}, cmp.Or(e.ask(ctx, string(name)), err)
}

func (e endless) Requirements(ctx context.Context, name ident.Name, v ident.Version) ([]ident.Requirement, error) {
	n, isLink := strings.CutPrefix(string(name), "chain-")
	if !isLink {
		return e.slow.Requirements(ctx, name, v)
	}
	i, err := strconv.Atoi(n)
	return []ident.Requirement{{Name: numbered("chain", i+1), Range: ident.Any()}}, err
}

// What is asked ahead of the search has a bound, and an end.
func TestAsksAheadWithinBounds(t *testing.T) {
	b := newBuilder(t, 1)
	b.index.add("app", b.version(1, 0, 0), false, nil)
	b.index.add("app", b.version(2, 0, 0), false, needs{{Name: numbered("chain", 0), Range: ident.Any()}})
	b.index.add("base", b.version(1, 0, 0), false, needs{{Name: "app", Range: b.rng("1.0.0")}})
	b.root("app", ident.Any())
	b.root("base", ident.Any())
	in := b.done()
	synctest.Test(t, func(t *testing.T) {
		prov := endless{&slow{index: in.index, delay: func(question string) time.Duration {
			if question == "base" {
				return 24 * time.Hour
			}
			return time.Second
		}}}
		sol, err := Solve(t.Context(), in.problem, prov, Options{})
		if err != nil || len(sol.Decisions) != 2 {
			t.Fatalf("%v, %v", sol, err)
		}
		if n := len(prov.asked); n < maxAhead || n > maxAhead+16 {
			t.Errorf("%d questions were asked", n)
		}
	})
}

// An error ends the solve only when its answer is needed.
func TestErrorsThatMatter(t *testing.T) {
	b := newBuilder(t, 1)
	b.index.add("app", b.version(1, 0, 0), false, needs{{Name: "base", Range: b.rng("^1.0.0")}, {Name: "side", Range: b.rng("*")}})
	b.index.add("base", b.version(1, 0, 0), false, nil)
	b.index.add("base", b.version(2, 0, 0), false, nil)
	b.index.add("side", b.version(1, 0, 0), false, nil)
	b.root("app", ident.Any())
	in := b.done()
	broken := errors.New("the registry is down")
	for question, want := range map[string]bool{"base": true, "base 1.0.0": true, "base 2.0.0": false, "side": true} {
		prov := &slow{index: in.index, fail: func(q string) error {
			if q == question {
				return broken
			}
			return nil
		}}
		_, err := Solve(t.Context(), in.problem, prov, Options{})
		if errors.Is(err, broken) != want {
			t.Errorf("%s fails: %v", question, err)
		}
	}
}

// A context that has ended ends a solve at once, wherever it is, and the error says how far it came.
func TestCancel(t *testing.T) {
	in := pigeonhole(t, 10)
	for _, after := range []int{0, 1, 20} { // looks at the context
		ctx := &counted{Context: t.Context(), after: after}
		r := newResolver(ctx, &in.problem, in.index, Options{Parallel: 1})
		err := r.require()
		if err == nil {
			_, err = r.search(query{assume: noTerm})
		}
		r.fetch.stop()
		var stopped *StoppedError
		if err = r.stopped(err); !errors.As(err, &stopped) || !errors.Is(err, context.Canceled) {
			t.Fatalf("after %d looks: %v", after, err)
		}
		if most := (after + 1) * pollEvery; r.e.steps > most+pollEvery/2 {
			t.Errorf("%d steps were made, with a look each %d, and the context ended after %d looks", r.e.steps, pollEvery, after)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := Solve(ctx, in.problem, in.index, Options{})
	want := "stopped solving after 0 decisions and 0 conflicts, with 0 packages and 0 versions read: context canceled"
	if err == nil || err.Error() != want {
		t.Errorf("%v\nwant %s", err, want)
	}
}

// counted is a context that ends when it was looked at so often.
type counted struct {
	context.Context
	after int
}

func (c *counted) Err() error {
	if c.after--; c.after < 0 {
		return context.Canceled
	}
	return nil
}

// What is learned in a hard problem is forgotten again: memory is bounded by what was read.
func TestForgets(t *testing.T) {
	in := pigeonhole(t, 9)
	r := newResolver(t.Context(), &in.problem, in.index, Options{Parallel: 1})
	defer r.fetch.stop()
	if err := r.require(); err != nil {
		t.Fatal(err)
	}
	if _, err := r.search(query{assume: noTerm, limit: limits{steps: 3_000_000}}); !errors.Is(err, errExhausted) && err != nil {
		t.Fatal(err)
	}
	if r.stats.Conflicts < 2*minLearned {
		t.Errorf("only %d conflicts were met", r.stats.Conflicts)
	}
	if r.e.learned > r.stats.Conflicts/2 {
		t.Errorf("%d learned clauses are kept after %d conflicts", r.e.learned, r.stats.Conflicts)
	}
}

package solver

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/openpackage/opkg/ident"
)

// dice draws numbers: from a seed, or from a fuzzer's bytes.
type dice func(n int) int

func seeded(seed uint64) dice { return rand.New(rand.NewPCG(seed, 0xd1ce)).IntN }

func fromBytes(data []byte) dice {
	return func(n int) int {
		if len(data) == 0 {
			return 0
		}
		x := int(data[0]) % n
		data = data[1:]
		return x
	}
}

// small draws a problem that can be answered by trying everything.
func small(t testing.TB, roll dice) instance {
	in := instance{index: memory{}, problem: Problem{Locked: map[ident.Name]ident.Version{}}}
	names := make([]ident.Name, 2+roll(5))
	versions := make([][]ident.Version, len(names))
	for i := range names {
		names[i] = numbered("p", i)
		for k := range 1 + roll(4) {
			pre := ""
			if roll(8) == 0 {
				pre = "-rc.1"
			}
			versions[i] = append(versions[i], mustVersion(t, fmt.Sprintf("%d.%d.0%s", 1+k/2, k%2, pre)))
		}
	}
	draw := func() (int, ident.Range) {
		i := roll(len(names))
		v := versions[i][roll(len(versions[i]))].String()
		return i, mustRange(t, []string{"*", "^" + v, "<=" + v, ">=" + v, v, "~" + v, "<" + v + " || >" + v, "<" + v, "^9"}[roll(9)])
	}
	for i, name := range names {
		for _, v := range versions[i] {
			var reqs needs
			for range roll(4) {
				to, r := draw()
				reqs.add(names[to], r)
			}
			in.index.add(name, v, roll(12) == 0, sortRequirements(reqs))
		}
		if roll(2) == 0 {
			in.problem.Locked[name] = versions[i][roll(len(versions[i]))]
		}
		if roll(6) == 0 {
			in.problem.Unlock = append(in.problem.Unlock, name)
		}
	}
	var roots needs
	for range 1 + roll(3) {
		to, r := draw()
		roots.add(names[to], r)
	}
	for i, q := range roots {
		in.problem.Root = append(in.problem.Root, Root{Requirement: q, Where: fmt.Sprintf("openpackage.yml:%d", i+3)})
	}
	if roll(8) == 0 {
		to, r := draw()
		in.problem.Overrides = map[ident.Name]ident.Range{names[to]: r}
	}
	return in
}

// check compares the solver with trying everything.
func check(t testing.TB, in instance) error {
	const most = 3000
	p := in.problem
	all := solutions(p, in.index, most)
	if len(all) == most {
		return nil
	}
	sol, err := Solve(context.Background(), p, in.index, Options{Parallel: 1})
	var none *NoSolutionError
	switch {
	case errors.As(err, &none):
		if len(all) > 0 {
			return fmt.Errorf("no solution was found, and there are %d: %s", len(all), texts(all[:1]))
		}
		return nil
	case err != nil:
		return err
	}
	got := map[ident.Name]ident.Version{}
	for _, d := range sol.Decisions {
		got[d.Name] = d.Version
	}
	text := texts([]map[ident.Name]ident.Version{got})[0]
	if !slices.Contains(texts(all), text) {
		return fmt.Errorf("not a solution: %s", text)
	}
	if o, why := better(p, got, all); o != nil {
		return fmt.Errorf("%s is beaten by %s: %s", text, texts([]map[ident.Name]ident.Version{o})[0], why)
	}
	return nil
}

func TestOracle(t *testing.T) {
	n := uint64(20000)
	if testing.Short() {
		n = 2000
	}
	for seed := range n {
		if err := check(t, small(t, seeded(seed))); err != nil {
			t.Errorf("seed %d: %v", seed, err)
		}
	}
}

func FuzzOracle(f *testing.F) {
	f.Add([]byte("a small index that nobody wrote"))
	f.Fuzz(func(t *testing.T, data []byte) {
		in := small(t, fromBytes(data))
		if err := check(t, in); err != nil {
			t.Error(err)
		}
	})
}

package solver

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/openpackage/opkg/ident"
)

// instance is a generated problem and its index.
type instance struct {
	problem Problem
	index   memory
}

// builder makes instances. The same seed makes the same instance.
type builder struct {
	t testing.TB
	r *rand.Rand
	instance
	ranges map[string]ident.Range
}

func newBuilder(t testing.TB, seed uint64) *builder {
	return &builder{
		t: t, r: rand.New(rand.NewPCG(seed, 0x5eed)), ranges: map[string]ident.Range{},
		instance: instance{index: memory{}, problem: Problem{Locked: map[ident.Name]ident.Version{}}},
	}
}

func (b *builder) rng(format string, a ...any) ident.Range {
	text := fmt.Sprintf(format, a...)
	r, ok := b.ranges[text]
	if !ok {
		r = mustRange(b.t, text)
		b.ranges[text] = r
	}
	return r
}

func (b *builder) version(major, minor, patch int) ident.Version {
	return mustVersion(b.t, fmt.Sprintf("%d.%d.%d", major, minor, patch))
}

func (b *builder) root(name ident.Name, r ident.Range) {
	b.problem.Root = append(b.problem.Root, Root{
		Requirement: ident.Requirement{Name: name, Range: r}, Where: fmt.Sprintf("openpackage.yml:%d", 4+len(b.problem.Root)),
	})
}

func numbered(kind string, i int) ident.Name { return ident.Name(fmt.Sprintf("%s-%d", kind, i)) }

// needs collects requirements, one a name.
type needs []ident.Requirement

func (n *needs) add(name ident.Name, r ident.Range) {
	for _, q := range *n {
		if q.Name == name {
			return
		}
	}
	*n = append(*n, ident.Requirement{Name: name, Range: r})
}

// sparse is a registry that grew: each version was released at some time and requires what its dependencies
// were then; few packages are required by many; some authors bound their dependencies too
// tightly. A solution of what was current at time 0.9 is planted.
func sparse(t testing.TB, seed uint64, packages, versions int) instance {
	const deps, rootCount = 3, 30
	b := newBuilder(t, seed)
	type history struct {
		numbers [][3]int
		times   []float64
		planted int
	}
	all := make([]history, packages)
	for i := range all {
		h := &all[i]
		born, n := b.r.Float64()/2, 1+b.r.IntN(2*versions-1)
		v := [3]int{b.r.IntN(2), 1, 0}
		for k := range n {
			h.numbers = append(h.numbers, v)
			h.times = append(h.times, born+(1-born)*float64(k)/float64(n))
			if h.times[k] <= 0.9 {
				h.planted = k
			}
			switch x := b.r.Float64(); {
			case x < 0.05:
				v = [3]int{v[0] + 1}
			case x < 0.35:
				v = [3]int{v[0], v[1] + 1}
			default:
				v[2]++
			}
		}
	}
	current := func(i int, time float64) int { // the latest version then, or -1
		k := len(all[i].times) - 1
		for k >= 0 && all[i].times[k] > time {
			k--
		}
		return k
	}
	for i := range all {
		var uses []int
		use := func() {
			j := int(math.Pow(b.r.Float64(), 2.2) * float64(i)) // the older, the more popular
			if b.r.Float64() < 0.02 {
				j = b.r.IntN(packages)
			}
			if j != i {
				uses = append(uses, j)
			}
		}
		for range deps + b.r.IntN(3) - 1 {
			use()
		}
		habit := b.r.Float64()
		for k, v := range all[i].numbers {
			if b.r.Float64() < 0.03 {
				use()
			}
			if len(uses) > 0 && b.r.Float64() < 0.02 {
				uses = append([]int{}, uses[1:]...)
			}
			var reqs needs
			for _, j := range uses {
				c := current(j, all[i].times[k])
				if c < 0 {
					continue
				}
				x := all[j].numbers[c]
				r := b.rng("^%d.%d.%d", x[0], x[1], x[2])
				switch {
				case habit < 0.04:
					r = b.rng("%d.%d.%d", x[0], x[1], x[2])
				case habit < 0.12:
					r = b.rng("~%d.%d.%d", x[0], x[1], x[2])
				case habit < 0.25:
					r = b.rng(">=%d.%d.%d", x[0], x[1], x[2])
				}
				if k == all[i].planted {
					y := all[j].numbers[all[j].planted]
					if c <= all[j].planted {
						r = b.rng(">=%d.%d.%d <%d.0.0", x[0], x[1], x[2], y[0]+1)
					} else {
						r = b.rng("^%d.%d.%d || %d.%d.%d", x[0], x[1], x[2], y[0], y[1], y[2])
					}
				}
				reqs.add(numbered("pkg", j), r)
			}
			b.index.add(numbered("pkg", i), b.version(v[0], v[1], v[2]), false, reqs)
		}
	}
	for range rootCount {
		b.root(numbered("pkg", int(math.Pow(b.r.Float64(), 0.7)*float64(packages))), ident.Any())
	}
	return b.instance
}

// dense has each version require about deps others, each within a window of the share width of its
// versions. A solution is planted.
func dense(t testing.TB, seed uint64, packages, versions int, deps, width float64) instance {
	b := newBuilder(t, seed)
	planted := make([]int, packages)
	for i := range planted {
		planted[i] = b.r.IntN(versions)
	}
	window := max(1, int(width*float64(versions)))
	for i := range packages {
		for k := range versions {
			n := int(deps)
			if b.r.Float64() < deps-float64(n) {
				n++
			}
			var reqs needs
			for range n {
				j := b.r.IntN(packages)
				lo := b.r.IntN(versions - window + 1)
				if k == planted[i] {
					lo = min(max(0, planted[j]-b.r.IntN(window)), versions-window)
				}
				if j != i {
					reqs.add(numbered("pkg", j), b.rng(">=%d.0.0 <%d.0.0", lo, lo+window))
				}
			}
			b.index.add(numbered("pkg", i), b.version(k, 0, 0), false, reqs)
		}
	}
	for range min(30, packages) {
		b.root(numbered("pkg", b.r.IntN(packages)), ident.Any())
	}
	return b.instance
}

// ladder has unrelated packages before two chains that clash: undoing decisions one by one would take versions^rungs steps.
func ladder(t testing.TB, rungs, versions int) instance {
	b := newBuilder(t, 1)
	for i := range rungs {
		for k := range versions {
			b.index.add(numbered("rung", i), b.version(1, k, 0), false, nil)
		}
		b.root(numbered("rung", i), b.rng("^1.0.0"))
	}
	for major, side := range []string{"left", "right"} {
		mid := ident.Name("mid-" + side)
		for k := range versions {
			b.index.add(ident.Name(side), b.version(1, k, 0), false, needs{{Name: mid, Range: b.rng("^%d.0.0", major+1)}})
			for m := 1; m <= 2; m++ {
				b.index.add(mid, b.version(m, k, 0), false, needs{{Name: "shared", Range: b.rng("^%d.0.0", major+1)}})
			}
			b.index.add("shared", b.version(major+1, k, 0), false, nil)
		}
		b.root(ident.Name(side), ident.Any())
	}
	return b.instance
}

// moving has a chain of clients whose bound on one package moves with their own version, and a late
// requirement that pins that package to its first version.
func moving(t testing.TB, clients, versions int) instance {
	b := newBuilder(t, 1)
	for k := range versions {
		b.index.add("core", b.version(k, 0, 0), false, nil)
	}
	for i := range clients {
		for k := range versions {
			reqs := needs{{Name: "core", Range: b.rng(">=%d.0.0 <%d.0.0", k, k+2)}}
			if i+1 < clients {
				reqs.add(numbered("client", i+1), b.rng("<=%d.0.0", k))
			}
			b.index.add(numbered("client", i), b.version(k, 0, 0), false, reqs)
		}
	}
	b.index.add("pin", b.version(1, 0, 0), false, needs{{Name: "core", Range: b.rng("<1.0.0")}})
	b.root("core", ident.Any())
	b.root(numbered("client", 0), ident.Any())
	b.root("pin", ident.Any())
	return b.instance
}

// sat3 is random 3-SAT: a package a variable with the versions 0.0.0 and 1.0.0, and one a clause, with a
// version for each of its literals.
func sat3(t testing.TB, seed uint64, variables int, ratio float64) instance {
	b := newBuilder(t, seed)
	for i := range variables {
		b.index.add(numbered("var", i), b.version(0, 0, 0), false, nil)
		b.index.add(numbered("var", i), b.version(1, 0, 0), false, nil)
	}
	for c := range int(ratio * float64(variables)) {
		for k, v := range b.r.Perm(variables)[:3] {
			b.index.add(numbered("clause", c), b.version(k, 0, 0), false,
				needs{{Name: numbered("var", v), Range: b.rng("%d.0.0", b.r.IntN(2))}})
		}
		b.root(numbered("clause", c), ident.Any())
	}
	return b.instance
}

// pigeonhole puts holes+1 pigeons into holes. There is no solution, and no short proof of that by
// resolution.
func pigeonhole(t testing.TB, holes int) instance {
	b := newBuilder(t, 1)
	for h := range holes {
		for p := range holes + 1 {
			b.index.add(numbered("hole", h), b.version(p, 0, 0), false, nil)
		}
	}
	for p := range holes + 1 {
		for h := range holes {
			b.index.add(numbered("pigeon", p), b.version(h, 0, 0), false, needs{{Name: numbered("hole", h), Range: b.rng("%d.0.0", p)}})
		}
		b.root(numbered("pigeon", p), ident.Any())
	}
	return b.instance
}

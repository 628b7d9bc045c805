package solver

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sort"
	"strings"
	"testing"

	"github.com/openpackage/opkg/ident"
)

// instance is a generated problem and its index.
type instance struct {
	problem Problem
	index   memory
}

// builder makes instances. The same seed makes the same instance, now and in later versions: figures are compared over them.
type builder struct {
	t testing.TB
	r *rand.Rand
	instance
	ranges map[string]ident.Range
}

func newBuilder(t testing.TB, seed uint64) *builder {
	return &builder{
		t: t, r: rand.New(rand.NewPCG(seed, 0x0b5e55ed)), ranges: map[string]ident.Range{},
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
	b.problem.Root = append(b.problem.Root, Root{Requirement: ident.Requirement{Name: name, Range: r}})
}

// done is the instance, its roots sorted.
func (b *builder) done() instance {
	slices.SortFunc(b.problem.Root, func(x, y Root) int { return strings.Compare(string(x.Name), string(y.Name)) })
	for i := range b.problem.Root {
		b.problem.Root[i].Where = fmt.Sprintf("openpackage.yml:%d", 4+i)
	}
	return b.instance
}

// rooted reports whether name is a root, and where.
func (b *builder) rooted(name ident.Name) int {
	return slices.IndexFunc(b.problem.Root, func(r Root) bool { return r.Name == name })
}

func numbered(kind string, i int) ident.Name { return ident.Name(fmt.Sprintf("%s-%05d", kind, i)) }

// needs collects requirements, one a name; the last counts.
type needs []ident.Requirement

func (n *needs) add(name ident.Name, r ident.Range) {
	for i, q := range *n {
		if q.Name == name {
			(*n)[i].Range = r
			return
		}
	}
	*n = append(*n, ident.Requirement{Name: name, Range: r})
}

type triple [3]int

func (v triple) String() string { return fmt.Sprintf("%d.%d.%d", v[0], v[1], v[2]) }

// history is what a package released, and when, in 0 to 1.
type history struct {
	versions []triple
	times    []float64
	planted  int
}

func (h *history) at(time float64) int {
	return sort.Search(len(h.times), func(k int) bool { return h.times[k] > time }) - 1
}

func (b *builder) history(n int) history {
	h := history{versions: make([]triple, n), times: make([]float64, n)}
	v := triple{0, 1, 0}
	if b.r.Float64() < 0.6 {
		v = triple{1, 0, 0}
	}
	start := b.r.Float64() * 0.5
	for i := range n {
		h.versions[i], h.times[i] = v, start+(1-start)*float64(i)/float64(n)
		switch x := b.r.Float64(); {
		case x < 0.05:
			v = triple{v[0] + 1, 0, 0}
		case x < 0.35:
			v = triple{v[0], v[1] + 1, 0}
		default:
			v[2]++
		}
	}
	return h
}

// sparse is a registry that grew: each version was released at some time and requires what its dependencies
// were then; few packages are required by many; some authors bound their dependencies too tightly. A solution of what
// was current at time 0.9 is planted.
func sparse(t testing.TB, seed uint64, packages, versions int) instance {
	const deps, rootCount = 3, 30
	b := newBuilder(t, seed)
	all := make([]history, packages)
	for i := range all {
		all[i] = b.history(1 + b.r.IntN(2*versions-1))
	}
	for i := range all {
		all[i].planted = max(0, all[i].at(0.9))
	}
	for i := range all {
		var uses []int // sorted
		use := func() {
			if i == 0 {
				return
			}
			j := int(math.Pow(b.r.Float64(), 2.2) * float64(i)) // the older, the more popular
			if b.r.Float64() < 0.02 {
				j = b.r.IntN(packages)
			}
			if at, found := slices.BinarySearch(uses, j); j != i && !found {
				uses = slices.Insert(uses, at, j)
			}
		}
		for n := 0; n < deps+b.r.IntN(3)-1; n++ {
			use()
		}
		habit := b.r.Float64()
		for k, v := range all[i].versions {
			if b.r.Float64() < 0.03 {
				use()
			}
			if b.r.Float64() < 0.02 && len(uses) > 0 {
				at := b.r.IntN(len(uses))
				uses = slices.Delete(uses, at, at+1)
			}
			var reqs needs
			for _, j := range uses {
				c := all[j].at(all[i].times[k])
				if c < 0 {
					continue
				}
				x, y := all[j].versions[c], all[j].versions[all[j].planted]
				r := "^" + x.String()
				switch {
				case k == all[i].planted && c <= all[j].planted:
					r = fmt.Sprintf(">=%s <%d.0.0", x, y[0]+1)
				case k == all[i].planted:
					r = fmt.Sprintf("^%s || %s", x, y)
				case habit < 0.04:
					r = x.String()
				case habit < 0.12:
					r = "~" + x.String()
				case habit < 0.25:
					r = ">=" + x.String()
				case habit < 0.30:
					r = fmt.Sprintf(">=%s <%d.0.0", x, x[0]+2)
				case habit < 0.34:
					r = fmt.Sprintf("^%s || ^%d.0.0", x, x[0]+1)
				}
				reqs.add(numbered("pkg", j), b.rng("%s", r))
			}
			b.index.add(numbered("pkg", i), b.version(v[0], v[1], v[2]), false, reqs)
		}
	}
	for len(b.problem.Root) < rootCount {
		i := int(math.Pow(b.r.Float64(), 0.7) * float64(packages))
		r := b.rng("*")
		if b.r.Float64() >= 0.7 {
			r = b.rng("^%s", all[i].versions[all[i].planted])
		}
		if at := b.rooted(numbered("pkg", i)); at >= 0 {
			b.problem.Root[at].Range = r
		} else {
			b.root(numbered("pkg", i), r)
		}
	}
	return b.done()
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
				if j == i {
					continue
				}
				lo := b.r.IntN(versions - window + 1)
				if k == planted[i] {
					lo = min(max(0, planted[j]-b.r.IntN(window)), versions-window)
				}
				reqs.add(numbered("pkg", j), b.rng(">=%d.0.0 <%d.0.0", lo, lo+window))
			}
			b.index.add(numbered("pkg", i), b.version(k, 0, 0), false, sortRequirements(reqs))
		}
	}
	for len(b.problem.Root) < min(30, packages) {
		if name := numbered("pkg", b.r.IntN(packages)); b.rooted(name) < 0 {
			b.root(name, ident.Any())
		}
	}
	return b.done()
}

// ladder has unrelated packages before two chains that clash: undoing decisions one by one would take versions^rungs steps.
func ladder(t testing.TB, rungs, versions int) instance {
	b := newBuilder(t, 1)
	for i := range rungs {
		for k := range versions {
			b.index.add(numbered("pkg", i), b.version(1, k, 0), false, nil)
		}
		b.root(numbered("pkg", i), b.rng("^1.0.0"))
	}
	for i, side := range []string{"left", "right"} {
		mid := ident.Name("zz-mid-" + side)
		for k := range versions {
			b.index.add(ident.Name("zz-"+side), b.version(1, k, 0), false, needs{{Name: mid, Range: b.rng("^%d.0.0", i+1)}})
		}
		for major := 1; major <= 2; major++ {
			for k := range versions {
				b.index.add(mid, b.version(major, k, 0), false, needs{{Name: "zz-shared", Range: b.rng("^%d.0.0", i+1)}})
			}
		}
		for k := range versions {
			b.index.add("zz-shared", b.version(i+1, k, 0), false, nil)
		}
		b.root(ident.Name("zz-"+side), ident.Any())
	}
	return b.done()
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
				reqs.add(numbered("pkg", i+1), b.rng("<=%d.0.0", k))
			}
			b.index.add(numbered("pkg", i), b.version(k, 0, 0), false, reqs)
		}
	}
	b.index.add("pin", b.version(1, 0, 0), false, needs{{Name: "core", Range: b.rng("<1.0.0")}})
	b.root("core", ident.Any())
	b.root(numbered("pkg", 0), ident.Any())
	b.root("pin", ident.Any())
	return b.done()
}

// sat3 is random 3-SAT: a package a variable with the versions 0.0.0 and 1.0.0, and one a clause, with a
// version for each of its literals.
func sat3(t testing.TB, seed uint64, variables int, ratio float64) instance {
	b := newBuilder(t, seed)
	for i := range variables {
		b.index.add(numbered("pkg", i), b.version(0, 0, 0), false, nil)
		b.index.add(numbered("pkg", i), b.version(1, 0, 0), false, nil)
	}
	for c := range int(ratio * float64(variables)) {
		for k, v := range b.r.Perm(variables)[:3] {
			b.index.add(numbered("clause", c), b.version(k, 0, 0), false, needs{{Name: numbered("pkg", v), Range: b.rng("%d.0.0", b.r.IntN(2))}})
		}
		b.root(numbered("clause", c), ident.Any())
	}
	return b.done()
}

// pigeonhole puts holes+1 pigeons into holes. There is no solution, and no short proof of that by
// resolution.
func pigeonhole(t testing.TB, holes int) instance {
	b := newBuilder(t, 1)
	for h := range holes {
		for p := range holes + 1 {
			b.index.add(ident.Name(fmt.Sprintf("hole-%03d", h)), b.version(p, 0, 0), false, nil)
		}
	}
	for p := range holes + 1 {
		for h := range holes {
			b.index.add(ident.Name(fmt.Sprintf("pigeon-%03d", p)), b.version(h, 0, 0), false, needs{{Name: ident.Name(fmt.Sprintf("hole-%03d", h)), Range: b.rng("%d.0.0", p)}})
		}
		b.root(ident.Name(fmt.Sprintf("pigeon-%03d", p)), ident.Any())
	}
	return b.done()
}

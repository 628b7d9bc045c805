package solver

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/openpackage/opkg/ident"
)

// Limits of the attempts at a changed problem that hints come from.
const (
	maxAttempts  = 6
	attemptSteps = 500_000 // of propagation
	attemptReads = 3000    // beyond those of the solve that failed
	maxAdvice    = 8
)

// noSolution explains that the search found no solution.
func (r *resolver) noSolution() *NoSolutionError {
	s := newStudy(r)
	s.shrink()
	e := &NoSolutionError{}
	if end := s.derive(); end != nil {
		s.facts = end.given()
		e.Proof = s.proof(end)
	} else {
		e.Clashes = s.clashes()
	}
	a := adviser{study: s, r: r, widened: map[int]bool{}}
	e.Advice = a.advise()
	return e
}

// adviser finds out what might be done. What it proposes it has tried.
type adviser struct {
	*study
	r        *resolver
	attempts int
	widened  map[int]bool // requirements of the root for which another range was found
	out      []string
}

func (a *adviser) advise() []string {
	a.nothingFits()
	if !a.widen() && !a.dropOverride() {
		a.override()
	}
	a.locked()
	return a.out[:min(len(a.out), maxAdvice)]
}

func (a *adviser) say(format string, args ...any) {
	if text := fmt.Sprintf(format, args...); !slices.Contains(a.out, text) {
		a.out = append(a.out, text)
	}
}

// nothingFits says what there is of packages of which nothing is in the range.
func (a *adviser) nothingFits() {
	for _, inc := range a.facts {
		n := a.need(inc.fact)
		k := &a.packs[inc.fact.to]
		switch n.Fit {
		case NoVersion:
			a.say("of %s there %s", k.name, k.listing(n.Effective))
		case OnlyPrerelease:
			a.say("%s %s is a prerelease, which %s leaves out", k.name, n.Near, shown(n.Effective))
		case OnlyYanked:
			a.say("%s %s is yanked: it is chosen only where it is locked already or %s asks for exactly %s", k.name, n.Near, a.file(), n.Near)
		}
	}
}

// listing tells the versions nearest to a range that holds none of them.
func (k *studied) listing(rng ident.Range) string {
	if len(k.versions) == 0 {
		return "are yanked versions alone"
	}
	newest := k.versions[len(k.versions)-1]
	if len(k.versions) == 1 {
		return "is " + newest.String() + " alone"
	}
	var below, above string
	for _, iv := range rng.Intervals() {
		for _, v := range k.versions {
			if iv.Contains(v) {
				continue
			}
			if !iv.Lo.IsZero() && v.Compare(iv.Lo) < 0 {
				below = v.String()
			} else if above == "" {
				above = v.String()
			}
		}
	}
	which := ""
	if len(k.all) > len(k.versions) {
		which = " that are not yanked"
	}
	text := fmt.Sprintf("are %d versions%s, the newest %s", len(k.versions), which, newest)
	near := slices.DeleteFunc([]string{below, above}, func(v string) bool { return v == "" || v == newest.String() })
	if len(near) > 0 {
		text += "; nearest to " + shown(rng) + ": " + strings.Join(near, " and ")
	}
	return text
}

// try looks for a solution of a changed problem, within limits. What it finds is told by name.
func (a *adviser) try(p Problem) map[ident.Name]ident.Version {
	if a.attempts++; a.attempts > maxAttempts || a.r.ctx.Err() != nil {
		return nil
	}
	ctx, cancel := context.WithCancel(a.r.ctx)
	r := newResolver(ctx, &p, a.r.fetch.prov, Options{Parallel: a.r.fetch.parallel})
	defer r.fetch.stop()
	defer cancel()
	if r.require() != nil {
		return nil
	}
	if ok, err := r.search(query{assume: noTerm, limit: limits{steps: attemptSteps, reads: a.r.stats.RequirementsAsked + attemptReads}}); !ok || err != nil {
		return nil
	}
	out := map[ident.Name]ident.Version{}
	for _, d := range r.solution(r.assignment()).Decisions {
		out[d.Name] = d.Version
	}
	return out
}

// widen looks for a requirement of the root's that stands in the way alone.
func (a *adviser) widen() bool {
	facts := slices.Clone(a.facts)
	slices.SortStableFunc(facts, func(x, y *incompat) int {
		if x.fact.from >= 0 || y.fact.from >= 0 {
			return cmp.Compare(x.fact.from, y.fact.from)
		}
		return byPlace(a.problem.Root[x.fact.root].Where, a.problem.Root[y.fact.root].Where)
	})
	for _, inc := range facts {
		f := inc.fact
		if f.from >= 0 || a.problem.Root[f.root].Range.IsAny() {
			continue
		}
		root := a.problem.Root[f.root]
		if _, fixed := a.problem.Overrides[root.Name]; fixed {
			continue
		}
		p := *a.problem
		p.Root = slices.Clone(p.Root)
		p.Root[f.root].Range = ident.Any()
		if v, ok := a.try(p)[root.Name]; ok {
			a.widened[f.root] = true
			a.say("%s: ask for %s %s instead of %s: then there is a solution", a.at(root), root.Name, ident.Caret(v), shown(root.Range))
		}
	}
	return len(a.widened) > 0
}

// byPlace orders places in one file by line.
func byPlace(a, b string) int { return cmp.Or(cmp.Compare(len(a), len(b)), strings.Compare(a, b)) }

// dropOverride looks for an override that stands in the way.
func (a *adviser) dropOverride() bool {
	found := false
	for _, k := range a.packs {
		if _, fixed := a.problem.Overrides[k.name]; !fixed || !a.concerns(k.name) {
			continue
		}
		p := *a.problem
		p.Overrides = without(p.Overrides, k.name)
		if a.try(p) != nil {
			found = true
			where := a.problem.OverrideWhere[k.name]
			if where == "" {
				where = a.file()
			}
			a.say("%s: without the override of %s there is a solution", where, k.name)
		}
	}
	return found
}

// override looks for a package for which an override of everything that is asked of it would do.
func (a *adviser) override() {
	for i := len(a.packs) - 1; i >= 0; i-- {
		name := a.packs[i].name
		if _, fixed := a.problem.Overrides[name]; fixed || !a.concerns(name) || a.asked(i) {
			continue
		}
		p := *a.problem
		p.Overrides = without(p.Overrides, name)
		p.Overrides[name] = ident.Any()
		if v, ok := a.try(p)[name]; ok {
			a.say("if %s %s works with all that need it, overrides: {%s: %s} in %s settles it", name, v, quoted(name), v, a.file())
			return
		}
	}
}

// quoted is a name as a key of YAML, where @ needs quotes.
func quoted(n ident.Name) string {
	if n.Scope() != "" {
		return fmt.Sprintf("%q", string(n))
	}
	return string(n)
}

func without(m map[ident.Name]ident.Range, name ident.Name) map[ident.Name]ident.Range {
	out := make(map[ident.Name]ident.Range, len(m)+1)
	for k, v := range m {
		if k != name {
			out[k] = v
		}
	}
	return out
}

// locked tells of locked versions that the root no longer allows, or that only a lock would keep.
func (a *adviser) locked() {
	for _, inc := range a.facts {
		f := inc.fact
		k := &a.packs[f.to]
		v, ok := a.problem.Locked[k.name]
		if !ok || f.from >= 0 {
			continue
		}
		root := a.problem.Root[f.root]
		switch {
		case slices.Contains(a.problem.Unlock, k.name):
			if slices.ContainsFunc(k.all, func(c Candidate) bool { return c.Yanked && c.Version.Compare(v) == 0 }) {
				a.say("%s %s is locked and yanked: without upgrading %s it is kept", k.name, v, k.name)
			}
		case !a.widened[f.root] && !root.Range.Contains(v):
			a.say("%s %s is locked, and %s no longer allows it", k.name, v, a.at(root))
		}
	}
}

// concerns reports whether the proof is about name.
func (a *adviser) concerns(name ident.Name) bool {
	return slices.ContainsFunc(a.facts, func(inc *incompat) bool { return a.packs[inc.fact.to].name == name })
}

// asked reports whether the root asks for the package itself.
func (a *adviser) asked(p int) bool {
	return slices.ContainsFunc(a.facts, func(inc *incompat) bool { return inc.fact.to == p && inc.fact.from < 0 })
}

// at is where the root asks.
func (a *adviser) at(q Root) string {
	if q.Where == "" {
		return "your requirement of " + string(q.Name)
	}
	return q.Where
}

// file is the file of the root's requirements.
func (a *adviser) file() string {
	for _, q := range a.problem.Root {
		if i := strings.LastIndexByte(q.Where, ':'); i > 0 {
			return q.Where[:i]
		}
	}
	return "the manifest"
}

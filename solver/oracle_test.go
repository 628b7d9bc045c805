package solver

import (
	"maps"
	"slices"
	"strings"

	"github.com/openpackage/opkg/ident"
)

// oracle answers small problems by trying everything. It shares nothing with the solver but the types.
type oracle struct {
	p     Problem
	index memory
	all   []map[ident.Name]ident.Version
	limit int
}

// solutions lists every valid solution, or fewer where there are more than limit.
func solutions(p Problem, index memory, limit int) []map[ident.Name]ident.Version {
	o := &oracle{p: p, index: index, limit: limit}
	var todo []ident.Requirement
	for _, r := range p.Root {
		todo = append(todo, r.Requirement)
	}
	o.try(map[ident.Name]ident.Version{}, todo)
	return o.all
}

// try extends chosen in all ways such that todo, and all that it leads to, holds.
func (o *oracle) try(chosen map[ident.Name]ident.Version, todo []ident.Requirement) {
	if len(o.all) >= o.limit {
		return
	}
	if len(todo) == 0 {
		for name, v := range chosen { // what was chosen later may require what was chosen before
			for _, q := range o.index[name].reqs[v] {
				if !o.asked(q).Contains(chosen[q.Name]) {
					return
				}
			}
		}
		o.all = append(o.all, maps.Clone(chosen))
		return
	}
	q, rest := todo[0], todo[1:]
	if v, ok := chosen[q.Name]; ok {
		if o.asked(q).Contains(v) {
			o.try(chosen, rest)
		}
		return
	}
	pack := o.index[q.Name]
	if pack == nil {
		return
	}
	for _, c := range pack.candidates {
		if !o.asked(q).Contains(c.Version) || c.Yanked && !o.mayBeYanked(q.Name, c.Version) {
			continue
		}
		chosen[q.Name] = c.Version
		o.try(chosen, slices.Concat(rest, pack.reqs[c.Version]))
		delete(chosen, q.Name)
	}
}

func (o *oracle) asked(q ident.Requirement) ident.Range {
	if r, ok := o.p.Overrides[q.Name]; ok {
		return r
	}
	return q.Range
}

func (o *oracle) mayBeYanked(name ident.Name, v ident.Version) bool {
	if o.p.Locked[name] == v && !slices.Contains(o.p.Unlock, name) {
		return true
	}
	for _, r := range o.p.Root {
		if exact, ok := o.asked(r.Requirement).Exact(); ok && r.Name == name && exact.Compare(v) == 0 {
			return true
		}
	}
	exact, ok := o.p.Overrides[name].Exact()
	return ok && exact.Compare(v) == 0
}

// kept counts the locked versions in s.
func kept(p Problem, s map[ident.Name]ident.Version) int {
	n := 0
	for name, v := range p.Locked {
		if s[name] == v && !slices.Contains(p.Unlock, name) {
			n++
		}
	}
	return n
}

// beats reports whether a is better than b for some package in scope that both have, and worse for none.
func beats(p Problem, a, b map[ident.Name]ident.Version, scope func(ident.Name) bool) bool {
	better := false
	for name, v := range a {
		w, both := b[name]
		if !both || v == w || !scope(name) {
			continue
		}
		if prefers(p, name, w, v) {
			return false
		}
		better = true
	}
	return better
}

// prefers reports whether v is the better version of name than w: the locked one, else the newer.
func prefers(p Problem, name ident.Name, v, w ident.Version) bool {
	if l, ok := p.Locked[name]; ok && !slices.Contains(p.Unlock, name) && (v == l || w == l) {
		return v == l
	}
	return v.Compare(w) > 0
}

// better is a solution that ought to have been the answer rather than got, and why; or nil. First come the packages to
// upgrade; then the number of locked versions kept; then all packages.
func better(p Problem, got map[ident.Name]ident.Version, all []map[ident.Name]ident.Version) (map[ident.Name]ident.Version, string) {
	unlocked := func(n ident.Name) bool { return slices.Contains(p.Unlock, n) }
	beaten := func(s map[ident.Name]ident.Version, among []map[ident.Name]ident.Version, scope func(ident.Name) bool) map[ident.Name]ident.Version {
		for _, o := range among {
			if beats(p, o, s, scope) {
				return o
			}
		}
		return nil
	}
	// Where each is beaten by another, in a ring, none is best.
	best := func(among []map[ident.Name]ident.Version, scope func(ident.Name) bool) bool {
		return slices.ContainsFunc(among, func(s map[ident.Name]ident.Version) bool { return beaten(s, among, scope) == nil })
	}
	if o := beaten(got, all, unlocked); o != nil && best(all, unlocked) {
		return o, "its upgrades are better"
	}
	all = slices.DeleteFunc(slices.Clone(all), func(s map[ident.Name]ident.Version) bool {
		for _, name := range p.Unlock {
			v, ok := got[name]
			if w, both := s[name]; ok && both && v != w && prefers(p, name, v, w) {
				return true
			}
		}
		return beaten(s, all, unlocked) != nil
	})
	if len(all) == 0 {
		return nil, ""
	}
	most := slices.MaxFunc(all, func(a, b map[ident.Name]ident.Version) int { return kept(p, a) - kept(p, b) })
	if kept(p, most) > kept(p, got) {
		return most, "it keeps more locked versions"
	}
	all = slices.DeleteFunc(all, func(s map[ident.Name]ident.Version) bool { return kept(p, s) < kept(p, got) })
	everything := func(ident.Name) bool { return true }
	if o := beaten(got, all, everything); o != nil && best(all, everything) {
		return o, "no package is worse in it, and one is better"
	}
	return nil, ""
}

func texts(list []map[ident.Name]ident.Version) []string {
	var out []string
	for _, s := range list {
		var parts []string
		for _, name := range slices.Sorted(maps.Keys(s)) {
			parts = append(parts, string(name)+" "+s[name].String())
		}
		out = append(out, strings.Join(parts, ", "))
	}
	slices.Sort(out)
	return out
}

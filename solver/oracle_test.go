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

// beats reports whether a is better than b for some package that both have, and worse for none.
func beats(p Problem, a, b map[ident.Name]ident.Version) bool {
	better := false
	for name, v := range a {
		w, both := b[name]
		if !both || v == w {
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

// front are the solutions that no other beats.
func front(p Problem, all []map[ident.Name]ident.Version) []map[ident.Name]ident.Version {
	return slices.DeleteFunc(slices.Clone(all), func(b map[ident.Name]ident.Version) bool {
		return slices.ContainsFunc(all, func(a map[ident.Name]ident.Version) bool { return beats(p, a, b) })
	})
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

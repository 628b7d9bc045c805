package solver

import (
	"fmt"
	"slices"
	"strings"

	"github.com/openpackage/opkg/ident"
)

// claim is one requirement that was read: who asks which versions of a name.
type claim struct {
	who string
	rng ident.Range
}

// clashes says which of the requirements that were read cannot hold together: ranges of one name that no version
// satisfies both, and ranges that no version satisfies at all. One line each, sorted.
func (r *resolver) clashes() []string {
	claims := map[ident.Name][]claim{}
	for _, q := range r.problem.Root {
		who := q.Where
		if who == "" {
			who = "the root"
		}
		claims[q.Name] = append(claims[q.Name], claim{who + " asks for", r.rangeOf(q.Requirement)})
	}
	for _, m := range r.meta {
		for _, read := range m.reads {
			who := fmt.Sprintf("%s %s depends on", m.name, m.versions[read.version])
			for _, q := range read.reqs {
				claims[q.Name] = append(claims[q.Name], claim{who, r.rangeOf(q)})
			}
		}
	}
	var out []string
	for name, list := range claims {
		versions := r.meta[r.pkgs[name]].versions
		if _, known := r.pkgs[name]; !known {
			continue
		}
		fits := func(rngs ...ident.Range) bool {
			return slices.ContainsFunc(versions, func(v ident.Version) bool {
				return !slices.ContainsFunc(rngs, func(rng ident.Range) bool { return !rng.Contains(v) })
			})
		}
		for i, a := range list {
			if !fits(a.rng) {
				out = append(out, fmt.Sprintf("%s %s %s, and there is no such version", a.who, name, a.rng))
				continue
			}
			for _, b := range list[:i] {
				if fits(b.rng) && !fits(a.rng, b.rng) && strings.Fields(a.who)[0] != strings.Fields(b.who)[0] {
					out = append(out, fmt.Sprintf("%s %s %s, and %s %s %s", b.who, name, b.rng, a.who, name, a.rng))
				}
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

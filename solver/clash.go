package solver

import "slices"

// clashes says which of the facts cannot hold together, where a proof would be too long: ranges of one name that no version
// satisfies both, and ranges that no version satisfies at all. One line each, sorted.
func (s *study) clashes() []string {
	var out []string
	for i, x := range s.facts {
		a := x.fact
		if isEmpty(a.allow) {
			out = append(out, s.need(a).clause())
			continue
		}
		for _, y := range s.facts[:i] {
			if b := y.fact; b.to == a.to && !isEmpty(b.allow) && disjoint(a.allow, b.allow) && (a.from < 0 || a.from != b.from) {
				out = append(out, joined(s.need(b).clause(), s.need(a).clause()))
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

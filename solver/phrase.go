package solver

import (
	"slices"
	"strings"

	"github.com/openpackage/opkg/ident"
)

const (
	maxRangeText = 60 // bytes of a range in a sentence; a longer one is told by the versions that it holds
	maxRuns      = 3  // runs of versions that are told one by one
)

// shown is a range as it was written, fit for a message.
func shown(r ident.Range) string {
	text := ident.CleanText(r.String())
	if len(text) <= maxRangeText {
		return text
	}
	return clip(r)
}

// clip is a range in one bounded text.
func clip(r ident.Range) string {
	text := ident.CleanText(r.Intersect(r).String())
	if len(text) > maxRangeText {
		parts := strings.Split(text, " || ")
		text = parts[0] + " || … || " + parts[len(parts)-1]
	}
	return text
}

// rangeText tells a set of versions of p, none of them "not chosen", as a user would write it: by a range that somebody asked for,
// else "*", one version, a caret range, or intervals whose ends are versions that there are.
func (s *study) rangeText(p int, set []uint64) string {
	k := &s.packs[p]
	n := count(set)
	if n > 1 && n == k.absent() {
		return "*"
	}
	if n == 1 {
		return k.versions[lowestBit(set)].String()
	}
	if text := s.askedFor(p, set); text != "" {
		return text
	}
	if n == 0 {
		return "<0.0.0-0"
	}
	if caret := ident.Caret(k.versions[lowestBit(set)]); s.holdsJust(p, caret, set) {
		return caret
	}
	var runs []string
	for v := int32(0); v < k.absent(); v++ {
		if !hasBit(set, v) {
			continue
		}
		from := v
		for v+1 < k.absent() && hasBit(set, v+1) {
			v++
		}
		runs = append(runs, k.run(from, v))
	}
	if len(runs) > maxRuns {
		rest := []string{"…", runs[len(runs)-1]}
		runs = append(runs[:maxRuns-1], rest...)
	}
	return strings.Join(runs, " || ")
}

// run tells the versions from one to another.
func (k *studied) run(from, to int32) string {
	if from == to {
		return k.versions[from].String()
	}
	var parts []string
	if from > 0 {
		parts = append(parts, ">="+k.versions[from].String())
	}
	if to+1 < k.absent() {
		parts = append(parts, "<"+k.versions[to+1].String())
	}
	return strings.Join(parts, " ")
}

func (s *study) holdsJust(p int, text string, set []uint64) bool {
	r, err := ident.ParseRange(text)
	return err == nil && slices.Equal(s.within(p, r), set)
}

// askedFor is a range of those that the facts ask of p which holds just the versions of set: the root's, else the shortest.
func (s *study) askedFor(p int, set []uint64) string {
	best := ""
	for _, inc := range s.facts {
		f := inc.fact
		if f.to != p || len(f.ranges) > 1 || !slices.Equal(f.allow, set) {
			continue
		}
		text := shown(f.ranges[0])
		if o, ok := s.problem.Overrides[s.packs[p].name]; ok {
			text = shown(o)
		}
		if f.from < 0 {
			return text
		}
		if best == "" || len(text) < len(best) || len(text) == len(best) && text < best {
			best = text
		}
	}
	return best
}

// subject tells versions of a package that are chosen: "a 1.2.0", "every version of a", "a ^1.0.0".
func (t *Term) subject() string {
	switch {
	case t.every && len(t.Versions) > 1 && t.skips:
		return "every version of " + string(t.Package) + " that is not yanked"
	case t.every && len(t.Versions) > 1:
		return "every version of " + string(t.Package)
	}
	return named(t.Package, t.Range)
}

// object tells versions of a package that are wanted.
func (t *Term) object() string {
	if t.every && len(t.Versions) > 1 {
		return string(t.Package)
	}
	return named(t.Package, t.Range)
}

// named is a package with a range, which "or" makes easier to read than "||".
func named(name ident.Name, rng string) string {
	switch rng {
	case "*", "":
		return string(name)
	}
	return string(name) + " " + strings.ReplaceAll(rng, " || ", " or ")
}

// statement says what the incompatibility means, as a sentence without its full stop.
func (inc *Incompatibility) statement() string {
	var is, not []*Term
	for i := range inc.Terms {
		if t := &inc.Terms[i]; t.Not {
			not = append(not, t)
		} else {
			is = append(is, t)
		}
	}
	subjects := make([]string, len(is))
	for i, t := range is {
		subjects[i] = t.subject()
	}
	objects := make([]string, len(not))
	for i, t := range not {
		objects[i] = t.object()
	}
	switch {
	case len(inc.Terms) == 0:
		return "version solving failed"
	case len(not) == 0 && len(is) == 1 && strings.HasPrefix(subjects[0], "every "):
		return "no" + strings.TrimPrefix(subjects[0], "every") + " can be used"
	case len(not) == 0 && len(is) == 1:
		return subjects[0] + " cannot be used"
	case len(not) == 0 && len(is) == 2:
		return subjects[0] + " is incompatible with " + subjects[1]
	case len(not) == 0:
		return listed(subjects, "and") + " are incompatible"
	case len(is) == 0 && len(not) == 1:
		return objects[0] + " is required"
	case len(is) == 0:
		return "one of " + listed(objects, "or") + " is required"
	case len(is) == 1:
		return subjects[0] + " requires " + listed(objects, "or")
	}
	return listed(subjects, "and") + " together require " + listed(objects, "or")
}

func listed(words []string, last string) string {
	switch n := len(words); n {
	case 1:
		return words[0]
	case 2:
		return words[0] + " " + last + " " + words[1]
	default:
		return strings.Join(words[:n-1], ", ") + " " + last + " " + words[n-1]
	}
}

// clause says what is asked for: "your workspace (openpackage.yml:7) requires a ^1.0.0", "a 1.2.0 depends on b ^2.0.0".
func (n *Need) clause() string { return n.asker() + n.verb() + n.wanted() }

// asker is who asks.
func (n *Need) asker() string {
	if n.By != "" {
		return n.by.subject()
	}
	if at := n.place(); at != "" {
		return "your workspace (" + at + ")"
	}
	return "your workspace"
}

// place is where the root asks.
func (n *Need) place() string {
	switch {
	case !n.Dev:
		return n.Where
	case n.Where == "":
		return "dev-dependencies"
	}
	return n.Where + ", dev-dependencies"
}

func (n *Need) verb() string {
	if n.By == "" {
		return " requires "
	}
	return " depends on "
}

// wanted is what is asked for, and what there is of it.
func (n *Need) wanted() string {
	text := named(n.Package, n.Range)
	if n.varied {
		text = string(n.Package) + " in different ranges (in all " + strings.ReplaceAll(n.Range, " || ", " or ") + ")"
	}
	if n.By == n.Package {
		text += ", another version of itself"
		if n.Override == "" {
			return text
		}
	}
	which, that := ", which ", ""
	if n.Override != "" && n.Fit != NoPackage {
		text = string(n.Package) + ", which your workspace "
		if n.Overrides != "" {
			text += "(" + n.Overrides + ") "
		}
		text += "overrides to " + n.Override
		which, that = ", and ", " that"
	}
	switch n.Fit {
	case NoPackage:
		return text + ", which no registry has"
	case NoVersion:
		return text + which + "no version matches" + that
	case OnlyPrerelease:
		return text + which + "no version matches" + that + " (" + n.Near + " is a prerelease)"
	case OnlyYanked:
		return text + which + "only yanked versions match" + that
	}
	return text
}

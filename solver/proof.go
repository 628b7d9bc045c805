package solver

import (
	"encoding/json"
	"slices"

	"github.com/openpackage/opkg/ident"
)

// Proof says why a problem has no solution: a list of incompatibilities, each given or following from two before it. The last one has
// no terms: it holds always, so nothing can be chosen.
type Proof struct {
	Steps []Incompatibility
}

// Incompatibility is a set of terms that cannot all hold.
type Incompatibility struct {
	Terms []Term
	Cause Cause
	// Because are the indexes of the two steps that this one follows from, where Cause is Derived.
	Because [2]int
	// Need is what is asked for, where Cause is not Derived.
	Need *Need
}

// Cause is where an incompatibility comes from.
type Cause string

// The causes.
const (
	FromRoot       Cause = "requirement" // the user's own
	FromDependency Cause = "dependency"  // of one package on another
	Derived        Cause = "derived"     // from two others
)

// Term is "a version of the package out of Versions is chosen", or, with Not, "none of them is".
type Term struct {
	Package  ident.Name
	Not      bool
	Versions []ident.Version // ascending
	Range    string          // the same in few words, among the versions that there are: "^1.0.0"; "*" is all of them
	every    bool            // Versions are all that may be chosen
	skips    bool            // yanked ones are left out of "all"
}

// Need is what a requirement or a dependency asks for.
type Need struct {
	By        ident.Name  // "" is the root
	Versions  string      // of By, as in Term.Range
	Where     string      // of the root's: "openpackage.yml:7"
	Dev       bool        // of the root's: it is in dev-dependencies
	Package   ident.Name  // what is needed
	Range     string      // as written; where several versions ask for different ranges, what at least one of them takes
	Override  string      // the range that the root puts in place of Range; "" where there is none
	Overrides string      // where the override was written
	Fit       Fit         // what there is
	Near      string      // where Fit is OnlyPrerelease or OnlyYanked: the highest such version
	Effective ident.Range // the override, else the range or, where they differ, the union of the ranges
	by        Term        // By with its versions
	varied    bool        // Range stands for several
}

// Fit says what of the package that is needed is in the range.
type Fit string

// The fits.
const (
	Fits           Fit = ""           // some version
	NoPackage      Fit = "missing"    // no registry has the package
	NoVersion      Fit = "none"       // no version
	OnlyPrerelease Fit = "prerelease" // no version, but prereleases of one that would be
	OnlyYanked     Fit = "yanked"     // yanked versions only, which are not chosen
)

// NoSolutionError says why there is no solution.
type NoSolutionError struct {
	Proof   *Proof   // nil where it would be too long
	Clashes []string // which requirements clash, one a line, sorted; where there is no proof
	Advice  []string // what may be done about it, best first; callers who know more may add to it
}

// proof writes down a derivation.
func (s *study) proof(end *incompat) *Proof {
	all := end.all()
	at := make(map[*incompat]int, len(all))
	p := &Proof{Steps: make([]Incompatibility, len(all))}
	for i, inc := range all {
		at[inc] = i
		out := Incompatibility{Cause: Derived, Terms: make([]Term, len(inc.lits))}
		for j, l := range inc.lits {
			out.Terms[j] = s.term(l.pkg, l.set)
		}
		// What is chosen comes before what is not.
		slices.SortStableFunc(out.Terms, func(a, b Term) int {
			if a.Not == b.Not {
				return 0
			} else if b.Not {
				return -1
			}
			return 1
		})
		if inc.fact == nil {
			out.Because = [2]int{at[inc.left], at[inc.right]}
		} else {
			out.Need = s.need(inc.fact)
			if out.Cause = FromDependency; inc.fact.from < 0 {
				out.Cause = FromRoot
			}
		}
		p.Steps[i] = out
	}
	return p
}

// term says that p is in one of the states of set.
func (s *study) term(p int, set []uint64) Term {
	k := &s.packs[p]
	t := Term{Package: k.name, Not: hasBit(set, k.absent()), skips: len(k.all) > len(k.versions)}
	if t.Not {
		set = s.others(p, set)
	}
	for v, version := range k.versions {
		if hasBit(set, int32(v)) {
			t.Versions = append(t.Versions, version)
		}
	}
	t.every = len(t.Versions) == len(k.versions)
	t.Range = s.rangeText(p, set)
	return t
}

// need says what a fact asks for.
func (s *study) need(f *fact) *Need {
	k := &s.packs[f.to]
	n := &Need{Package: k.name, Effective: f.ranges[0]}
	for _, r := range f.ranges[1:] {
		n.Effective = n.Effective.Union(r)
	}
	n.Range = shown(f.ranges[0])
	if len(f.ranges) > 1 {
		n.varied = true
		if n.Range = s.rangeText(f.to, f.allow); isEmpty(f.allow) {
			n.Range = clip(n.Effective)
		}
	}
	if f.from < 0 {
		root := &s.problem.Root[f.root]
		n.Where, n.Dev = root.Where, root.Dev
	} else {
		n.By = s.packs[f.from].name
		n.by = s.term(f.from, f.who)
		n.Versions = n.by.Range
	}
	if o, ok := s.problem.Overrides[k.name]; ok {
		n.Override, n.Overrides, n.Effective = shown(o), s.problem.OverrideWhere[k.name], o
	}
	n.Fit, n.Near = k.fit(n.Effective, f.allow)
	return n
}

// fit says what of the package is in rng, where allow are the versions that are and may be chosen.
func (k *studied) fit(rng ident.Range, allow []uint64) (Fit, string) {
	if !isEmpty(allow) {
		return Fits, ""
	}
	if len(k.all) == 0 {
		return NoPackage, ""
	}
	for i := len(k.all) - 1; i >= 0; i-- {
		if c := k.all[i]; c.Yanked && rng.Contains(c.Version) {
			return OnlyYanked, c.Version.String()
		}
	}
	for i := len(k.all) - 1; i >= 0; i-- {
		if v := k.all[i].Version; !k.all[i].Yanked && v.Prerelease() != "" && rng.Contains(v.Release()) {
			return OnlyPrerelease, v.String()
		}
	}
	return NoVersion, ""
}

// MarshalJSON writes {"steps": […], "text": […]}, or {"clashes": […]} where there is no proof.
func (e *NoSolutionError) MarshalJSON() ([]byte, error) {
	type term struct {
		Package  ident.Name `json:"package"`
		Not      bool       `json:"not,omitempty"`
		Range    string     `json:"range"`
		Versions []string   `json:"versions"`
	}
	type step struct {
		ID       int        `json:"id"`
		Terms    []term     `json:"terms"`
		Cause    Cause      `json:"cause"`
		Because  []int      `json:"because,omitempty"`
		By       ident.Name `json:"by,omitempty"`
		Versions string     `json:"byVersions,omitempty"`
		Where    string     `json:"where,omitempty"`
		Dev      bool       `json:"dev,omitempty"`
		Package  ident.Name `json:"package,omitempty"`
		Range    string     `json:"range,omitempty"`
		Override string     `json:"override,omitempty"`
		At       string     `json:"overrideWhere,omitempty"`
		Fit      Fit        `json:"fit,omitempty"`
		Near     string     `json:"near,omitempty"`
	}
	out := struct {
		Steps   []step   `json:"steps,omitempty"`
		Text    []string `json:"text,omitempty"`
		Clashes []string `json:"clashes,omitempty"`
	}{Clashes: e.Clashes}
	if e.Proof == nil {
		return json.Marshal(out)
	}
	out.Text = e.Proof.Lines()
	for i, inc := range e.Proof.Steps {
		j := step{ID: i, Cause: inc.Cause, Terms: []term{}}
		for _, t := range inc.Terms {
			w := term{Package: t.Package, Not: t.Not, Range: t.Range, Versions: []string{}}
			for _, v := range t.Versions {
				w.Versions = append(w.Versions, v.String())
			}
			j.Terms = append(j.Terms, w)
		}
		if n := inc.Need; n != nil {
			j.By, j.Versions, j.Where, j.Dev = n.By, n.Versions, n.Where, n.Dev
			j.Package, j.Range, j.Override, j.At, j.Fit, j.Near = n.Package, n.Range, n.Override, n.Overrides, n.Fit, n.Near
		} else {
			j.Because = inc.Because[:]
		}
		out.Steps = append(out.Steps, j)
	}
	return json.Marshal(out)
}

package ops

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/openpackage/opkg/ident"
	"github.com/openpackage/opkg/solver"
	"github.com/openpackage/opkg/sources"
)

// maxOwners is for how many packages a failed solve says which registry answers.
const maxOwners = 3

// advise adds to a failed solve what the solver does not know: who answered for the packages that it fails at, and whether a
// registry that was not asked would have what fits.
func (c *catalog) advise(ctx context.Context, none *solver.NoSolutionError) {
	said := 0
	for _, name := range contested(none.Proof) {
		if said == maxOwners || ctx.Err() != nil {
			return
		}
		if hint := c.ownerHint(ctx, name, none.Proof); hint != "" {
			none.Advice = append(none.Advice, hint)
			said++
		}
	}
}

// contested are the packages that a proof fails at: those of which nothing fits, then those of which several ask; sorted.
func contested(p *solver.Proof) []ident.Name {
	if p == nil {
		return nil
	}
	var unfit, shared []ident.Name
	asked := map[ident.Name]int{}
	for _, s := range p.Steps {
		if s.Need == nil {
			continue
		}
		if s.Need.Fit != solver.Fits {
			unfit = append(unfit, s.Need.Package)
		} else if asked[s.Need.Package]++; asked[s.Need.Package] == 2 {
			shared = append(shared, s.Need.Package)
		}
	}
	slices.Sort(unfit)
	slices.Sort(shared)
	shared = slices.DeleteFunc(shared, func(n ident.Name) bool { return slices.Contains(unfit, n) })
	return append(slices.Compact(unfit), shared...)
}

// ownerHint says who answers for name, "" where that is no news.
func (c *catalog) ownerHint(ctx context.Context, name ident.Name, proof *solver.Proof) string {
	if p, err := c.localOf(name); p != nil || err != nil {
		if p == nil {
			return ""
		}
		return fmt.Sprintf("%s is the directory %s, whose version is %s", name, p.path, p.version())
	}
	a, err := c.router.Owner(ctx, name)
	var missing *sources.NotFoundError
	if errors.As(err, &missing) {
		text := missing.Error()
		if missing.Rule != "" {
			text += ": " + missing.Rule
		}
		return text
	}
	if err != nil {
		return ""
	}
	shadowed, err := c.router.Shadowed(ctx, name)
	if err != nil {
		return ""
	}
	for _, s := range shadowed {
		if v := fitting(s, name, proof); !v.IsZero() {
			return fmt.Sprintf("%s has %s %s, which fits, but is not asked: %s comes first and has the name", s.String(), name, v, a)
		}
	}
	if rule := c.router.Rule(name); rule != "" {
		return fmt.Sprintf("%s answers for %s: %s", a, name, rule)
	}
	if len(shadowed)+len(a.Tried) > 0 || nothingFits(name, proof) {
		return fmt.Sprintf("%s answers for %s", a, name)
	}
	return ""
}

// fitting is the highest version that all of the proof's requirements of name admit; zero where there is none.
func fitting(a sources.Answer, name ident.Name, proof *solver.Proof) (best ident.Version) {
	for _, r := range a.Index.Releases {
		if r.Yanked || !best.IsZero() && r.Version.Compare(best) <= 0 {
			continue
		}
		admitted := !slices.ContainsFunc(proof.Steps, func(s solver.Incompatibility) bool {
			return s.Need != nil && s.Need.Package == name && !s.Need.Effective.Contains(r.Version)
		})
		if admitted {
			best = r.Version
		}
	}
	return best
}

func nothingFits(name ident.Name, proof *solver.Proof) bool {
	return slices.ContainsFunc(proof.Steps, func(s solver.Incompatibility) bool {
		return s.Need != nil && s.Need.Package == name && s.Need.Fit != solver.Fits
	})
}

package ops

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/openpackage/opkg/ident"
	"github.com/openpackage/opkg/registry"
	"github.com/openpackage/opkg/solver"
)

// checkNames finds packages that people take for one another: whose names differ in punctuation alone.
func (c *checker) checkNames() {
	alike := map[string]ident.Name{}
	for _, name := range slices.Sorted(maps.Keys(c.releases)) {
		key := strings.NewReplacer("-", "", "_", "", ".", "").Replace(string(name))
		if other, ok := alike[key]; ok {
			c.add(RegistryFault{CheckWarning, "collision", name, ident.Version{}, fmt.Sprintf("%s and %s differ in punctuation alone, and are easily taken for one another", name, other)})
			continue
		}
		alike[key] = name
	}
}

// checkGraph finds dependencies that nothing in the registry satisfies, and versions that cannot be solved. The first registry that has a
// name answers for all its versions, so that no other can help with a name that is here.
func (c *checker) checkGraph(ctx context.Context) error {
	if c.opt.Names != nil {
		return nil // the rest of the registry is not known
	}
	for _, name := range slices.Sorted(maps.Keys(c.releases)) {
		absent := map[ident.Name][]string{}
		for _, r := range c.releases[name] {
			if r.Yanked {
				continue
			}
			dangling := false
			for _, d := range r.Dependencies {
				there, ok := c.releases[d.Name]
				switch {
				case !ok:
					absent[d.Name] = append(absent[d.Name], r.Version.String())
				case !slices.ContainsFunc(there, func(r registry.Release) bool { return d.Range.Contains(r.Version) }):
					dangling = true
					c.add(RegistryFault{CheckError, "dangling", name, r.Version, fmt.Sprintf("%s@%s needs %s %s, and no version of it here fits", name, r.Version, d.Name, d.Range)})
				}
			}
			if dangling || len(r.Dependencies) == 0 {
				continue
			}
			if err := c.solve(ctx, name, r.Version); err != nil {
				return err
			}
		}
		for _, dep := range slices.Sorted(maps.Keys(absent)) {
			p := RegistryFault{CheckWarning, "dangling", name, ident.Version{}, fmt.Sprintf("%s %s: it needs %s, which is not here: whoever installs it needs another registry too", name, strings.Join(absent[dep], ", "), dep)}
			if c.opt.Closed {
				p.Severity, p.Text = CheckError, fmt.Sprintf("%s %s: it needs %s, which is not here", name, strings.Join(absent[dep], ", "), dep)
			}
			c.add(p)
		}
	}
	return nil
}

// solve looks for versions of all that one version needs.
func (c *checker) solve(ctx context.Context, name ident.Name, v ident.Version) error {
	root := solver.Root{Requirement: ident.Requirement{Name: name, Range: ident.Exactly(v)}, Where: "opkg registry check"}
	_, err := solver.Solve(ctx, solver.Problem{Root: []solver.Root{root}}, c, solver.Options{Parallel: 1})
	var none *solver.NoSolutionError
	if errors.As(err, &none) {
		c.add(RegistryFault{CheckError, "unsolvable", name, v, fmt.Sprintf("%s@%s cannot be installed: %s", name, v, oneLine(err))})
		return nil
	}
	return err
}

// Versions implements solver.Provider.
func (c *checker) Versions(_ context.Context, name ident.Name) ([]solver.Candidate, error) {
	list := c.releases[name]
	out := make([]solver.Candidate, len(list))
	for i, r := range list {
		out[i] = solver.Candidate{Version: r.Version, Yanked: r.Yanked}
	}
	return out, nil
}

// Requirements implements solver.Provider. What the registry does not have is left to others.
func (c *checker) Requirements(_ context.Context, name ident.Name, v ident.Version) ([]ident.Requirement, error) {
	list := c.releases[name]
	i, ok := slices.BinarySearchFunc(list, v, func(r registry.Release, v ident.Version) int { return r.Version.Compare(v) })
	if !ok {
		return nil, fmt.Errorf("%s has no version %s", name, v)
	}
	var out []ident.Requirement
	for _, d := range list[i].Dependencies {
		if _, here := c.releases[d.Name]; here {
			out = append(out, d)
		}
	}
	slices.SortFunc(out, func(a, b ident.Requirement) int { return cmp.Compare(a.Name, b.Name) })
	return out, nil
}

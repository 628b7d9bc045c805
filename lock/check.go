package lock

import (
	"fmt"
	"path"

	"github.com/openpackage/opkg/ident"
)

// CheckClosed returns a *NotClosedError unless every require and every dependency is a package in the lock
// whose version it accepts (an override replaces the ranges of its name), every require has a package of the kind that it
// asks for, every package is reached from a require, and dev marks what only dev requires reach. Whether a package comes from the
// registry that a require names cannot be told from the lock alone.
func (l *Lock) CheckClosed(file string) error {
	c := closure{
		lock:      l,
		at:        l.places(),
		overrides: make(map[ident.Name]string, len(l.Overrides)),
		ranges:    map[string]ident.Range{},
	}
	for _, o := range l.Overrides {
		c.overrides[o.Name] = o.Range
	}
	c.checkUnique()
	for i := range l.Requires {
		c.checkRequire(&l.Requires[i])
	}
	for i := range l.Packages {
		p := &l.Packages[i]
		for _, d := range p.Dependencies {
			c.checkRange(p, d.Name, d.Range)
		}
	}
	c.checkReached()
	if len(c.problems) > 0 {
		return &NotClosedError{File: file, Problems: c.problems}
	}
	return nil
}

// closure judges one lock as a whole.
type closure struct {
	lock      *Lock
	at        map[ident.Name]int
	overrides map[ident.Name]string
	ranges    map[string]ident.Range // the same few stand in many packages
	problems  []string
}

func (c *closure) problem(format string, args ...any) {
	c.problems = append(c.problems, fmt.Sprintf(format, args...))
}

// checkUnique matters for a lock that did not come from Parse.
func (c *closure) checkUnique() {
	for i, p := range c.lock.Packages {
		if c.at[p.Name] != i {
			c.problem("%s is locked twice", p.Name)
		}
	}
}

func (c *closure) checkRequire(r *Require) {
	p := c.checkRange(nil, r.Name, r.Range)
	if p == nil {
		return
	}
	switch {
	case r.Git != p.Git && r.Git != "":
		c.problem("the manifest asks for %s from %s, but it is locked from %s", r.Name, r.Git, p.origin())
	case r.Path != "" && path.Clean(r.Path) != path.Clean(p.Path):
		c.problem("the manifest asks for %s from the directory %s, but it is locked from %s", r.Name, r.Path, p.origin())
	case r.Git == "" && r.Path == "" && p.Source == "":
		c.problem("the manifest asks for %s from a registry, but it is locked from %s", r.Name, p.origin())
	case r.Git != "" && cleanBase(r.Base) != cleanBase(p.Base):
		c.problem("the manifest asks for %s in %q of %s, but it is locked in %q", r.Name, r.Base, r.Git, p.Base)
	case r.Ref != "" && r.Ref != p.Ref:
		c.problem("the manifest asks for %s at %s, but it is locked at %q", r.Name, r.Ref, p.Ref)
	case isCommit(r.Ref) && r.Ref != string(p.Commit):
		c.problem("the manifest asks for %s at %s, but it is locked at %s", r.Name, r.Ref, p.Commit)
	}
}

// checkRange finds the package called name, nil where there is none, and judges whether its version is in the
// range that by asks for; a nil by is the manifest.
func (c *closure) checkRange(by *Package, name ident.Name, rng string) *Package {
	who := func() string {
		if by == nil {
			return "the manifest"
		}
		return fmt.Sprintf("%s %s", by.Name, by.Version)
	}
	i, ok := c.at[name]
	if !ok {
		c.problem("%s needs %s %s, which is not locked", who(), name, orAny(rng))
		return nil
	}
	p := &c.lock.Packages[i]
	override, overridden := c.overrides[name]
	if overridden {
		rng = override
		who = func() string { return "an override" }
	}
	if accepts, err := c.accepts(rng, p.Version); err != nil {
		c.problem("%s needs %s: %v", who(), name, err)
	} else if !accepts {
		c.problem("%s needs %s %s, but %s is locked", who(), name, orAny(rng), p.Version)
	}
	return p
}

func (c *closure) accepts(rng string, v ident.Version) (bool, error) {
	r, ok := c.ranges[rng]
	if !ok {
		var err error
		if r, err = ident.ParseRange(rng); err != nil {
			return false, err
		}
		c.ranges[rng] = r
	}
	return r.Contains(v), nil
}

func (c *closure) checkReached() {
	needed, wanted := c.lock.reach(false), c.lock.reach(true)
	for i, p := range c.lock.Packages {
		switch {
		case !wanted[i]:
			c.problem("nothing needs %s %s", p.Name, p.Version)
		case p.Dev && needed[i]:
			c.problem("%s is marked dev, but not only dev-dependencies need it", p.Name)
		case !p.Dev && !needed[i]:
			c.problem("%s is not marked dev, but only dev-dependencies need it", p.Name)
		}
	}
}

// origin is where p comes from, for messages.
func (p *Package) origin() string {
	switch {
	case p.Git != "":
		return p.Git
	case p.Path != "":
		return "the directory " + p.Path
	}
	return string(p.Source)
}

// cleanBase brings a base as people write it into the form that a package has it in.
func cleanBase(base string) string {
	if base = path.Clean(base); base == "." {
		return ""
	}
	return base
}

func isCommit(ref string) bool {
	_, err := ident.ParseCommit(ref)
	return err == nil
}

package lock

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/openpackage/opkg/ident"
)

// CheckFresh returns a *StaleError unless l was made for these requires and overrides. lockFile and manifestFile are
// for the sentences.
func (l *Lock) CheckFresh(lockFile, manifestFile string, requires []Require, overrides []Override) error {
	s := staleness{lockFile: lockFile, manifestFile: manifestFile}
	was := sorted(l.Requires, requireName)
	now := sorted(requires, requireName)
	pairs(was, now, requireName, s.require)
	wasOver := sorted(l.Overrides, overrideName)
	nowOver := sorted(overrides, overrideName)
	pairs(wasOver, nowOver, overrideName, s.override)
	return s.err()
}

// CheckPaths returns a *StaleError unless the path packages of l have the versions and dependencies that their
// directories have now. now holds Name, Version, Path and Dependencies of each as Lock would write them; the packages that
// stand on one side alone are the business of CheckFresh.
func (l *Lock) CheckPaths(lockFile string, now []Package) error {
	s := staleness{lockFile: lockFile}
	for _, n := range sorted(now, packageName) {
		was := l.Find(n.Name)
		if was == nil || was.Path == "" {
			continue
		}
		s.manifestFile = path.Join(n.Path, "openpackage.yml")
		if was.Version != n.Version {
			s.add("%s now says version %s; %s was made for %s", s.manifestFile, n.Version, lockFile, was.Version)
		}
		before := sorted(was.Dependencies, dependencyName)
		after := sorted(n.Dependencies, dependencyName)
		pairs(before, after, dependencyName, func(b, a *Dependency) {
			s.require(b.asRequire(), a.asRequire())
		})
	}
	return s.err()
}

func (d *Dependency) asRequire() *Require {
	if d == nil {
		return nil
	}
	return &Require{Name: d.Name, Range: orAny(d.Range)}
}

// staleness collects sentences.
type staleness struct {
	lockFile, manifestFile string
	differences            []string
}

func (s *staleness) add(format string, args ...any) {
	s.differences = append(s.differences, fmt.Sprintf(format, args...))
}

func (s *staleness) err() error {
	if len(s.differences) == 0 {
		return nil
	}
	return &StaleError{File: s.lockFile, Differences: s.differences}
}

// require compares one name's requirement; nil: not asked for.
func (s *staleness) require(was, now *Require) {
	switch {
	case was == nil:
		s.add("%s now asks for %s, which %s does not know", s.manifestFile, phrase(string(now.Name), now.wish()), s.lockFile)
	case now == nil:
		s.add("%s no longer asks for %s", s.manifestFile, was.Name)
	case was.wish() != now.wish():
		made := was.wish()
		switch {
		case made == "":
			made = "any version"
		case was.Range == "":
			made = phrase(string(was.Name), made)
		}
		s.add("%s now asks for %s; %s was made for %s", s.manifestFile, phrase(string(now.Name), now.wish()), s.lockFile, made)
	case now.Dev && !was.Dev:
		s.add("%s now asks for %s in dev-dependencies only", s.manifestFile, now.Name)
	case was.Dev && !now.Dev:
		s.add("%s now asks for %s in dependencies, no longer in dev-dependencies only", s.manifestFile, now.Name)
	}
}

func (s *staleness) override(was, now *Override) {
	switch {
	case was == nil:
		s.add("%s now overrides %s with %s, which %s does not know", s.manifestFile, now.Name, orAny(now.Range), s.lockFile)
	case now == nil:
		s.add("%s no longer overrides %s", s.manifestFile, was.Name)
	case orAny(was.Range) != orAny(now.Range):
		s.add("%s now overrides %s with %s; %s was made for %s", s.manifestFile, now.Name, orAny(now.Range), s.lockFile, orAny(was.Range))
	}
}

// wish is what r asks for besides the name, whole: "^1.0.0 from registry myorg".
func (r *Require) wish() string {
	var words []string
	add := func(before, what string) {
		if what != "" {
			words = append(words, before+what)
		}
	}
	add("", r.Range)
	add("from registry ", r.Registry)
	add("from ", r.Git)
	add("at ", r.Ref)
	add("in ", r.Base)
	add("from the directory ", r.Path)
	return strings.Join(words, " ")
}

func phrase(words ...string) string {
	return strings.Join(slices.DeleteFunc(words, func(w string) bool { return w == "" }), " ")
}

// pairs walks two sorted lists side by side: each name once, nil where a list does not have it.
func pairs[T any](was, now []T, name func(T) ident.Name, visit func(was, now *T)) {
	for len(was) > 0 || len(now) > 0 {
		switch {
		case len(now) == 0 || len(was) > 0 && name(was[0]) < name(now[0]):
			visit(&was[0], nil)
			was = was[1:]
		case len(was) == 0 || name(now[0]) < name(was[0]):
			visit(nil, &now[0])
			now = now[1:]
		default:
			visit(&was[0], &now[0])
			was, now = was[1:], now[1:]
		}
	}
}

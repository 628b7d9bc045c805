package lock

import (
	"path"
	"slices"
	"strings"

	"github.com/openpackage/opkg/ident"
)

// FormatVersion is the version that this opkg writes.
const FormatVersion = 1

// Limits of a lock.
const (
	MaxSize         = 128 << 20 // bytes of the file
	MaxValue        = 8192      // bytes of one string
	MaxArtifactSize = 4 << 30   // bytes of one artifact
)

// Lock is one opkg.lock.
type Lock struct {
	Requires  []Require  // sorted by name
	Overrides []Override // sorted by name
	Packages  []Package  // sorted by name
}

// Require is what the manifest asked for: how staleness is explained.
type Require struct {
	Name     ident.Name
	Range    string // as written, blanks trimmed; "" where none is written
	Git      string // canonical git URL
	Ref      string
	Base     string
	Registry string // alias
	Path     string // as written, slash-separated
	Dev      bool
}

// Override is one entry of the manifest's overrides.
type Override struct {
	Name  ident.Name
	Range string // as written, blanks trimmed; "" is written as "*"
}

// Dependency is one requirement of a locked package.
type Dependency struct {
	Name  ident.Name
	Range string // as written, blanks trimmed; "" is written as "*"
}

// Package is one locked package: exactly one of Source, Git and Path is set.
type Package struct {
	Name         ident.Name
	Version      ident.Version
	Source       ident.SourceID
	Artifact     string // relative to Source where it can be, else an absolute URL
	Git          string // canonical git URL
	Ref          string
	Base         string // slash-separated, inside the repository
	Commit       ident.Commit
	Path         string // slash-separated, relative to the workspace; written in its shortest form
	Size         int64  // bytes of the artifact
	SHA256       ident.SHA256
	Tree         ident.TreeID
	Dependencies []Dependency // sorted by name
	Dev          bool         // only dev-dependencies need it
}

// Find returns the package called name, or nil. Packages must be sorted, as Parse returns them.
func (l *Lock) Find(name ident.Name) *Package {
	i, ok := slices.BinarySearchFunc(l.Packages, name, func(p Package, n ident.Name) int {
		return strings.Compare(string(p.Name), string(n))
	})
	if !ok {
		return nil
	}
	return &l.Packages[i]
}

// MarkDev sets Dev on each package that only dev requires reach, and clears it on all others.
func (l *Lock) MarkDev() {
	needed, wanted := l.reach(false), l.reach(true)
	for i := range l.Packages {
		l.Packages[i].Dev = wanted[i] && !needed[i]
	}
}

// reach tells, for each package by its place in l.Packages, whether the requires lead to it: the ones that are
// not dev, or all.
func (l *Lock) reach(dev bool) []bool {
	at := l.places()
	reached := make([]bool, len(l.Packages))
	var queue []int
	visit := func(name ident.Name) {
		if i, ok := at[name]; ok && !reached[i] {
			reached[i] = true
			queue = append(queue, i)
		}
	}
	for _, r := range l.Requires {
		if dev || !r.Dev {
			visit(r.Name)
		}
	}
	for len(queue) > 0 {
		i := queue[len(queue)-1]
		queue = queue[:len(queue)-1]
		for _, d := range l.Packages[i].Dependencies {
			visit(d.Name)
		}
	}
	return reached
}

// places maps each name to its place in l.Packages.
func (l *Lock) places() map[ident.Name]int {
	at := make(map[ident.Name]int, len(l.Packages))
	for i, p := range l.Packages {
		at[p.Name] = i
	}
	return at
}

// Change is one line of the difference between two locks.
type Change struct {
	Name     ident.Name
	Old, New *Package // nil: added, removed
}

// Diff lists the packages that changed from old to new, sorted by name; either may be nil. Both must be sorted,
// as Parse returns them.
func Diff(old, new *Lock) []Change {
	var was, now []Package
	if old != nil {
		was = old.Packages
	}
	if new != nil {
		now = new.Packages
	}
	var out []Change
	pairs(was, now, packageName, func(was, now *Package) {
		switch {
		case was == nil:
			out = append(out, Change{Name: now.Name, New: now})
		case now == nil:
			out = append(out, Change{Name: was.Name, Old: was})
		case !was.equal(now):
			out = append(out, Change{Name: now.Name, Old: was, New: now})
		}
	})
	return out
}

func (p *Package) equal(q *Package) bool {
	return p.Name == q.Name && p.Version == q.Version && p.Source == q.Source && p.Artifact == q.Artifact &&
		p.Git == q.Git && p.Ref == q.Ref && p.Base == q.Base && p.Commit == q.Commit && path.Clean(p.Path) == path.Clean(q.Path) &&
		p.Size == q.Size && p.SHA256 == q.SHA256 && p.Tree == q.Tree && p.Dev == q.Dev &&
		slices.Equal(p.Dependencies, q.Dependencies)
}

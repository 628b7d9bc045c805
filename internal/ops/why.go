package ops

import (
	"fmt"
	"slices"
	"strings"

	"github.com/openpackage/opkg/ident"
	"github.com/openpackage/opkg/lock"
)

// Edge is one requirement of the locked graph.
type Edge struct {
	From  ident.Name // "" for the manifest
	To    ident.Name
	Range string
	Dev   bool // from the manifest's dev-dependencies
}

// Graph is the locked graph: what requires what.
type Graph struct {
	Lock  *lock.Lock
	out   map[ident.Name][]Edge
	in    map[ident.Name][]Edge
	fixed map[ident.Name]string // overrides
}

// Graph reads the lock of the workspace as a graph. It makes no request.
func (w *World) Graph() (*Graph, error) {
	ws, err := w.Open()
	if err != nil {
		return nil, err
	}
	l, err := ws.lockToShow()
	if err != nil {
		return nil, err
	}
	return newGraph(l), nil
}

func newGraph(l *lock.Lock) *Graph {
	g := &Graph{Lock: l, out: map[ident.Name][]Edge{}, in: map[ident.Name][]Edge{}, fixed: map[ident.Name]string{}}
	add := func(e Edge) {
		g.out[e.From] = append(g.out[e.From], e)
		g.in[e.To] = append(g.in[e.To], e)
	}
	for _, r := range l.Requires {
		add(Edge{To: r.Name, Range: describeRequire(r), Dev: r.Dev})
	}
	for _, p := range l.Packages {
		for _, d := range p.Dependencies {
			add(Edge{From: p.Name, To: d.Name, Range: d.Range})
		}
	}
	for _, o := range l.Overrides {
		g.fixed[o.Name] = o.Range
	}
	return g
}

// describeRequire is what the manifest asks of a name, in a few words.
func describeRequire(r lock.Require) string {
	switch {
	case r.Path != "":
		return r.Path
	case r.Git != "" && r.Ref != "":
		return r.Git + "#" + r.Ref
	case r.Git != "":
		return strings.TrimSpace(r.Git + " " + r.Range)
	}
	return r.Range
}

// Requires lists what name requires, sorted; "" is the manifest.
func (g *Graph) Requires(name ident.Name) []Edge { return g.out[name] }

// RequiredBy lists who requires name: the manifest first, then packages sorted by name.
func (g *Graph) RequiredBy(name ident.Name) []Edge { return g.in[name] }

// Override is the range that the manifest's overrides put in place of all others, or "".
func (g *Graph) Override(name ident.Name) string { return g.fixed[name] }

// Paths lists at most maxPaths ways, and looks at most at maxSteps edges: a graph of diamonds has exponentially many, and
// one of cycles as many dead ends.
const (
	maxPaths = 1000
	maxSteps = 1_000_000
)

// Paths are the ways from the manifest to name, without cycles, shortest first; more reports
// that there are others. The error is a *NotLockedError.
func (g *Graph) Paths(name ident.Name) (paths [][]Edge, more bool, err error) {
	if g.Lock.Find(name) == nil {
		return nil, false, notLocked(g.Lock, name)
	}
	steps := 0
	var walk func(at ident.Name, behind []Edge)
	walk = func(at ident.Name, behind []Edge) {
		for _, e := range g.in[at] {
			if steps++; len(paths) == maxPaths || steps > maxSteps {
				more = true
				return
			}
			if e.From != "" && (e.From == name || slices.ContainsFunc(behind, func(b Edge) bool { return b.To == e.From })) {
				continue
			}
			path := append([]Edge{e}, behind...)
			if e.From == "" {
				paths = append(paths, path)
				continue
			}
			walk(e.From, path)
		}
	}
	walk(name, nil)
	slices.SortStableFunc(paths, func(a, b []Edge) int { return len(a) - len(b) })
	return paths, more, nil
}

// NotLockedError says that the lock has no such package.
type NotLockedError struct {
	Name ident.Name
	Near []ident.Name // names in the lock that look alike
}

func (e *NotLockedError) Error() string { return fmt.Sprintf("%s is not in %s", e.Name, LockName) }

// Hint says what was perhaps meant.
func (e *NotLockedError) Hint() string {
	if len(e.Near) == 0 {
		return "opkg list shows what is locked"
	}
	near := make([]string, len(e.Near))
	for i, n := range e.Near {
		near[i] = string(n)
	}
	return "did you mean " + strings.Join(near, " or ") + "?"
}

func notLocked(l *lock.Lock, name ident.Name) error {
	e := &NotLockedError{Name: name}
	_, base, _ := strings.Cut(string(name), "/")
	if base == "" {
		base = string(name)
	}
	for _, p := range l.Packages {
		if strings.Contains(string(p.Name), base) && len(e.Near) < 3 {
			e.Near = append(e.Near, p.Name)
		}
	}
	return e
}

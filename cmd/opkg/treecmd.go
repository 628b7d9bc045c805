package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/openpackage/opkg/ident"
	"github.com/openpackage/opkg/internal/ops"
)

func treeCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "tree",
		Short: "show what requires what, from the lock",
		Long:  "Tree shows what requires what, from opkg.lock, with a warning where that is not what openpackage.yml asks for.",
		Args:  args(0, 0, "no argument"),
		RunE: func(*cobra.Command, []string) error {
			w, err := a.world()
			if err != nil {
				return err
			}
			g, err := w.Graph()
			if err != nil {
				return err
			}
			if a.json {
				a.printJSON(treeJSON(g))
				return nil
			}
			t := treePrinter{a: a, g: g, seen: map[ident.Name]bool{}}
			for _, e := range g.Requires("") {
				t.print(e, "", "")
			}
			return nil
		},
	}
}

// treePrinter prints each package's own requirements once; where it stands again, a mark says so.
type treePrinter struct {
	a    *app
	g    *ops.Graph
	seen map[ident.Name]bool
}

// print writes one edge behind lead, and what hangs below it behind below.
func (t *treePrinter) print(e ops.Edge, lead, below string) {
	version := ""
	if p := t.g.Lock.Find(e.To); p != nil {
		version = p.Version.String()
	}
	line := fmt.Sprintf("%s%s %s", lead, e.To, version)
	asked := e.Range
	if o := t.g.Override(e.To); o != "" {
		asked += ", overridden to " + o
	}
	line += t.a.paint(t.a.stdout, dim, " ("+message(asked)+")")
	if e.Dev {
		line += " dev"
	}
	next := t.g.Requires(e.To)
	if t.seen[e.To] && len(next) > 0 {
		fmt.Fprintln(t.a.stdout, line+" …")
		return
	}
	t.seen[e.To] = true
	fmt.Fprintln(t.a.stdout, line)
	for i, child := range next {
		if i == len(next)-1 {
			t.print(child, below+"└── ", below+"    ")
		} else {
			t.print(child, below+"├── ", below+"│   ")
		}
	}
}

type edgeJSON struct {
	From  string `json:"from,omitempty"` // "" is openpackage.yml
	To    string `json:"to"`
	Range string `json:"range"`
	Dev   bool   `json:"dev,omitempty"`
}

func newEdgeJSON(e ops.Edge) edgeJSON {
	return edgeJSON{string(e.From), string(e.To), e.Range, e.Dev}
}

func treeJSON(g *ops.Graph) any {
	out := struct {
		Packages []packageJSON `json:"packages"`
		Edges    []edgeJSON    `json:"edges"`
	}{[]packageJSON{}, []edgeJSON{}}
	for _, e := range g.Requires("") {
		out.Edges = append(out.Edges, newEdgeJSON(e))
	}
	for i := range g.Lock.Packages {
		p := &g.Lock.Packages[i]
		out.Packages = append(out.Packages, newPackageJSON(p))
		for _, e := range g.Requires(p.Name) {
			out.Edges = append(out.Edges, newEdgeJSON(e))
		}
	}
	return out
}

func whyCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "why NAME",
		Short: "show why a package is locked, and why at this version",
		Long: `Why shows what asks for a package and for which versions of it, what decided the version, and every path that leads to it from
openpackage.yml.

It reads opkg.lock, with a warning where that is not what openpackage.yml asks for, and makes no request: which newer versions there are it
knows from registries that are directories, and from indexes that were fetched before.`,
		Args: args(1, 1, "one name"),
		RunE: func(cmd *cobra.Command, given []string) error {
			w, err := a.world()
			if err != nil {
				return err
			}
			name, err := ops.ParseName(given[0])
			if err != nil {
				return err
			}
			g, choice, err := w.Why(cmd.Context(), name)
			if err != nil {
				return err
			}
			paths, more, err := g.Paths(name)
			if err != nil {
				return err
			}
			if a.json {
				a.printJSON(whyJSON(g, choice, paths, more))
				return nil
			}
			a.renderWhy(g, choice, paths, more)
			return nil
		},
	}
}

func (a *app) renderWhy(g *ops.Graph, c *ops.Choice, paths [][]ops.Edge, more bool) {
	p := g.Lock.Find(c.Name)
	fmt.Fprintf(a.stdout, "%s %s (from %s)\n", c.Name, p.Version, comesFrom(p))
	a.renderAsks(c)
	a.renderDecision(c)
	if more {
		fmt.Fprintf(a.stdout, "more than %d paths, of which these:\n", len(paths))
	} else {
		fmt.Fprintf(a.stdout, "%s:\n", count(len(paths), "path"))
	}
	for _, path := range paths {
		steps := []string{ops.ManifestName}
		for _, e := range path {
			steps = append(steps, fmt.Sprintf("%s %s", e.To, g.Lock.Find(e.To).Version))
		}
		fmt.Fprintf(a.stdout, "  %s\n", strings.Join(steps, " > "))
	}
}

func whyJSON(g *ops.Graph, c *ops.Choice, paths [][]ops.Edge, more bool) any {
	out := struct {
		Package    packageJSON  `json:"package"`
		RequiredBy []edgeJSON   `json:"requiredBy"`
		Override   string       `json:"override,omitempty"`
		Choice     choiceJSON   `json:"choice"`
		Paths      [][]edgeJSON `json:"paths"`
		More       bool         `json:"more,omitempty"` // there are more paths than these
	}{Package: newPackageJSON(g.Lock.Find(c.Name)), Override: c.Override, Choice: newChoiceJSON(c), RequiredBy: []edgeJSON{}, Paths: [][]edgeJSON{}, More: more}
	for _, e := range g.RequiredBy(c.Name) {
		out.RequiredBy = append(out.RequiredBy, newEdgeJSON(e))
	}
	for _, path := range paths {
		var steps []edgeJSON
		for _, e := range path {
			steps = append(steps, newEdgeJSON(e))
		}
		out.Paths = append(out.Paths, steps)
	}
	return out
}

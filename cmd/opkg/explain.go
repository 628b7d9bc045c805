package main

import (
	"fmt"
	"strings"

	"github.com/openpackage/opkg/ident"
	"github.com/openpackage/opkg/internal/ops"
)

// maxExcluded is how many reasons against newer versions are printed for a package, the rest is counted.
const maxExcluded = 5

// renderChoices prints why each version was chosen.
func (a *app) renderChoices(res *ops.LockResult) {
	for i := range res.Choices {
		c := &res.Choices[i]
		fmt.Fprintf(a.stdout, "%s %s\n", c.Name, c.Version)
		a.renderOwner(c)
		a.renderAsks(c)
		a.renderDecision(c)
	}
}

func (a *app) renderOwner(c *ops.Choice) {
	if c.Owner == "" {
		return
	}
	line := "  " + c.Owner + " answers for it"
	switch {
	case c.Rule != "":
		line += ": " + c.Rule
	case len(c.Passed) > 0:
		line += "; not in " + strings.Join(c.Passed, ", ")
	}
	fmt.Fprintln(a.stdout, line)
	for _, h := range c.Hidden {
		fmt.Fprintf(a.stdout, "  %s has the name too, and is not asked\n", h)
	}
}

// renderAsks prints who asks for which versions.
func (a *app) renderAsks(c *ops.Choice) {
	for _, ask := range c.Asks {
		fmt.Fprintf(a.stdout, "  %s asks for %s\n", ask.By, message(ask.Range))
	}
	if c.Override != "" {
		fmt.Fprintf(a.stdout, "  overrides in %s put %s in place of all of these\n", ops.ManifestName, c.Override)
	}
}

// renderDecision prints what settled the version.
func (a *app) renderDecision(c *ops.Choice) {
	switch {
	case c.Decided == ops.ByDirectory:
		fmt.Fprintf(a.stdout, "  %s is a directory: its %s says the version\n", message(c.Path), ops.ManifestName)
		return
	case c.Unknown != nil:
		fmt.Fprintf(a.stdout, "  whether there are newer versions is not known here: opkg outdated %s asks the registry\n", c.Name)
		return
	case c.Owner == "":
		return
	case c.Decided == ops.ByNewest:
		fmt.Fprintf(a.stdout, "  chosen: the newest of %s\n", count(c.Candidates, "version"))
	case c.Decided == ops.ByLock:
		fmt.Fprintf(a.stdout, "  chosen: it was locked, and fits (%d of %s do)\n", c.Admitted, count(c.Candidates, "version"))
	case c.Decided == ops.ByOverride:
		fmt.Fprintf(a.stdout, "  chosen: the override decides (%d of %s fit it)\n", c.Admitted, count(c.Candidates, "version"))
	default:
		fmt.Fprintf(a.stdout, "  chosen: the newest that fits (%d of %s do)\n", c.Admitted, count(c.Candidates, "version"))
	}
	if c.Yanked {
		fmt.Fprintf(a.stdout, "  it is %s\n", ops.YankedText(c.YankReason))
	}
	groups := groupExcluded(c.Higher)
	for i, g := range groups {
		if i == maxExcluded && len(groups) > maxExcluded+1 {
			fmt.Fprintf(a.stdout, "  and %d more reasons against newer versions\n", len(groups)-i)
			return
		}
		fmt.Fprintf(a.stdout, "  not %s: %s\n", g.versions(), g.why)
	}
}

// excludedGroup is a run of versions that one reason speaks against, highest first.
type excludedGroup struct {
	why  string
	list []ident.Version
}

func (g *excludedGroup) versions() string {
	switch n := len(g.list); n {
	case 1:
		return g.list[0].String()
	case 2:
		return g.list[0].String() + ", " + g.list[1].String()
	default:
		return fmt.Sprintf("%s … %s (%d versions)", g.list[0], g.list[n-1], n)
	}
}

func groupExcluded(list []ops.Excluded) []excludedGroup {
	var out []excludedGroup
	for _, x := range list {
		if n := len(out); n > 0 && out[n-1].why == x.Text {
			out[n-1].list = append(out[n-1].list, x.Version)
			continue
		}
		out = append(out, excludedGroup{why: x.Text, list: []ident.Version{x.Version}})
	}
	return out
}

type choiceJSON struct {
	Name       string         `json:"name"`
	Version    string         `json:"version"`
	Owner      string         `json:"owner,omitempty"`
	Rule       string         `json:"rule,omitempty"`
	Passed     []string       `json:"passed,omitempty"`
	Shadowed   []string       `json:"shadowed,omitempty"`
	Path       string         `json:"path,omitempty"`
	Asks       []askJSON      `json:"asks"`
	Override   string         `json:"override,omitempty"`
	Decided    string         `json:"decided,omitempty"`
	Known      bool           `json:"known"` // the candidates are
	Candidates int            `json:"candidates"`
	Admitted   int            `json:"admitted"`
	Yanked     bool           `json:"yanked,omitempty"`
	YankReason string         `json:"yankReason,omitempty"`
	Excluded   []excludedJSON `json:"excluded"`
}

type askJSON struct {
	By    string `json:"by"`
	Range string `json:"range"`
}

type excludedJSON struct {
	Version string `json:"version"`
	Reason  string `json:"reason"`
	Text    string `json:"text"`
}

func newChoiceJSON(c *ops.Choice) choiceJSON {
	j := choiceJSON{
		Name: string(c.Name), Version: c.Version.String(), Owner: c.Owner, Rule: c.Rule, Passed: c.Passed, Shadowed: c.Hidden, Path: c.Path,
		Override: c.Override, Decided: string(c.Decided), Known: c.Unknown == nil && c.Owner != "" || c.Path != "",
		Candidates: c.Candidates, Admitted: c.Admitted, Yanked: c.Yanked, YankReason: c.YankReason, Asks: []askJSON{}, Excluded: []excludedJSON{},
	}
	for _, a := range c.Asks {
		j.Asks = append(j.Asks, askJSON(a))
	}
	for _, x := range c.Higher {
		j.Excluded = append(j.Excluded, excludedJSON{x.Version.String(), string(x.Why), x.Text})
	}
	return j
}

func choicesJSON(list []ops.Choice) []choiceJSON {
	var out []choiceJSON
	for i := range list {
		out = append(out, newChoiceJSON(&list[i]))
	}
	return out
}

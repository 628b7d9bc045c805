package main

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/openpackage/opkg/config"
	"github.com/openpackage/opkg/ident"
	"github.com/openpackage/opkg/internal/ops"
	"github.com/openpackage/opkg/registry"
	"github.com/openpackage/opkg/sources"
)

func searchCmd(a *app) *cobra.Command {
	limit := 20
	cmd := &cobra.Command{
		Use:   "search TERM...",
		Short: "look for packages in all configured registries",
		Long: `Search looks for packages whose name, description or keywords hold every word of TERM, in all configured registries, and
says which registry has each. A package that another registry answers for is marked as shadowed: opkg would not take it from there.

A registry that does not answer hides nothing of the others: it is named, and the exit status is that of its error.`,
		Args: args(1, -1, "something to look for"),
		RunE: func(cmd *cobra.Command, given []string) error {
			if limit < 1 {
				return usagef("--limit is %d, not a number from 1", limit)
			}
			w, err := a.world()
			if err != nil {
				return err
			}
			res, err := w.Search(cmd.Context(), strings.Join(given, " "))
			if err != nil {
				return err
			}
			total := len(res.Found)
			res.Found = res.Found[:min(limit, total)]
			if a.json {
				return a.searchJSON(res, total)
			}
			a.renderFound(res.Found)
			switch {
			case total == 0 && len(res.Failed) == 0:
				a.note("no package matches")
			case total > limit:
				a.note("%d of %s: --limit shows more", limit, count(total, "package"))
			}
			return a.tellFailed(res.Failed)
		},
	}
	cmd.Flags().IntVar(&limit, "limit", limit, "show at most `N`")
	return cmd
}

func (a *app) renderFound(found []sources.Found) {
	var names, versions, registries int // widths of the columns
	for _, f := range found {
		names = max(names, len(f.Entry.Name))
		versions = max(versions, len(f.Entry.Version.String()))
		registries = max(registries, len(nameOf(f.Registry)))
	}
	width, onTerminal := terminal(a.stdout)
	for _, f := range found {
		says := message(f.Entry.Description)
		if mark := markOf(&f); mark != "" {
			says = strings.TrimSpace("(" + message(mark) + ") " + says)
		}
		if onTerminal && width > 0 {
			says = clip(says, max(20, width-names-versions-registries-7))
		}
		line := fmt.Sprintf("%-*s  %-*s  %-*s  %s", names, f.Entry.Name, versions, f.Entry.Version, registries, nameOf(f.Registry), says)
		fmt.Fprintln(a.stdout, strings.TrimRight(line, " "))
	}
}

// markOf says what somebody should know before taking a package that was found.
func markOf(f *sources.Found) string {
	var marks []string
	switch {
	case f.Unsure != nil:
		marks = append(marks, "perhaps shadowed by "+nameOf(*f.Unsure))
	case f.Shadowed() && f.Owner.Source != "":
		marks = append(marks, "shadowed by "+nameOf(f.Owner))
	case f.Shadowed():
		marks = append(marks, "asked for its scopes alone")
	}
	if f.Entry.Yanked {
		marks = append(marks, ops.YankedText(f.Entry.YankReason))
	}
	return strings.Join(marks, "; ")
}

// tellFailed warns of registries that cannot be searched, and returns the first real failure, all others printed. It comes after the results.
func (a *app) tellFailed(failed []sources.SearchFailure) error {
	var first error
	for _, f := range failed {
		var none *sources.NoSearchError
		switch {
		case errors.As(f.Err, &none):
			a.warn(f.Err)
		case first == nil:
			first = f.Err
		default:
			a.report(f.Err)
		}
	}
	return first
}

// warn prints what is not an error, with its hints.
func (a *app) warn(err error) {
	fmt.Fprintf(a.stderr, "%s %s\n", a.paint(a.stderr, yellow, "opkg: warning:"), message(err.Error()))
	for _, hint := range hintsOf(err) {
		fmt.Fprintf(a.stderr, "%s %s\n", a.paint(a.stderr, cyan, "opkg: hint:"), message(hint))
	}
}

type foundJSON struct {
	Name        ident.Name `json:"name"`
	Version     string     `json:"version"`
	Description string     `json:"description,omitempty"`
	Keywords    []string   `json:"keywords,omitempty"`
	Published   string     `json:"published,omitempty"`
	Yanked      bool       `json:"yanked,omitempty"`
	YankReason  string     `json:"yankReason,omitempty"`
	Registry    placeJSON  `json:"registry"`
	Owner       *placeJSON `json:"owner,omitempty"` // absent: no registry answers for the name, or it cannot be said
	Shadowed    bool       `json:"shadowed"`
}

type placeJSON struct {
	Alias  string `json:"alias,omitempty"`
	Source string `json:"source"`
}

func newPlaceJSON(reg config.Registry) placeJSON { return placeJSON{reg.Alias, string(reg.Source)} }

func placesJSON(list []config.Registry) []placeJSON {
	out := []placeJSON{}
	for _, reg := range list {
		out = append(out, newPlaceJSON(reg))
	}
	return out
}

// failedJSON are registries without an answer, as errors are printed.
func failedJSON(failed []sources.SearchFailure) []map[string]any {
	out := []map[string]any{}
	for _, f := range failed {
		out = append(out, map[string]any{"registry": newPlaceJSON(f.Registry), "error": errorJSON(f.Err, ruleFor(f.Err))})
	}
	return out
}

func (a *app) searchJSON(res *ops.SearchResult, total int) error {
	found := []foundJSON{}
	for _, f := range res.Found {
		e := f.Entry
		row := foundJSON{Name: e.Name, Version: e.Version.String(), Description: e.Description, Keywords: e.Keywords, Published: e.Published,
			Yanked: e.Yanked, YankReason: e.YankReason, Registry: newPlaceJSON(f.Registry), Shadowed: f.Shadowed()}
		if f.Owner.Source != "" {
			owner := newPlaceJSON(f.Owner)
			row.Owner = &owner
		}
		found = append(found, row)
	}
	a.printJSON(struct {
		Packages []foundJSON      `json:"packages"`
		Total    int              `json:"total"`
		Failed   []map[string]any `json:"failed"`
	}{found, total, failedJSON(res.Failed)})
	a.json = false // the document stands: errors go to stderr alone
	return a.tellFailed(res.Failed)
}

func infoCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "info [ALIAS/]NAME[@VERSION]",
		Short: "show what a registry says of a package",
		Args:  args(1, 1, "one package"),
		RunE: func(cmd *cobra.Command, given []string) error {
			spec, err := ops.ParseSpec(given[0])
			if err != nil {
				return err
			}
			w, err := a.world()
			if err != nil {
				return err
			}
			info, err := w.Info(cmd.Context(), spec)
			if err != nil {
				return err
			}
			if a.json {
				a.printJSON(infoJSON(info))
				a.json = false // as in searchJSON
			} else if err := a.renderInfo(info); err != nil {
				return err
			}
			return a.tellFailed(info.Failed)
		},
	}
}

// mostVersions is how many versions info shows to people.
const mostVersions = 10

func (a *app) renderInfo(info *ops.PackageInfo) error {
	r := info.Release
	title := fmt.Sprintf("%s %s", info.Name, r.Version)
	if r.Yanked {
		title += " " + a.paint(a.stdout, red, "("+ops.YankedText(r.YankReason)+")")
	}
	fmt.Fprintln(a.stdout, title)
	if says := cmp.Or(r.Description, info.Index.Description); says != "" {
		fmt.Fprintln(a.stdout, message(says))
	}
	fmt.Fprintln(a.stdout)
	t := a.columns()
	row := func(key string, values ...string) {
		for i, v := range values {
			if i > 0 {
				key = ""
			}
			fmt.Fprintf(t, "%s\t%s\n", key, message(v))
		}
	}
	row("registry", wholeName(info.Registry))
	if r.Published != "" {
		row("published", r.Published)
	}
	if r.Size > 0 {
		row("size", size(r.Size))
	}
	if !r.SHA256.IsZero() {
		row("sha256", r.SHA256.String())
	}
	row("dependencies", requirementTexts(r.Dependencies)...)
	row("versions", versionTexts(info.Index.Releases)...)
	for _, reg := range info.Shadowed {
		row("shadows", fmt.Sprintf("%s, which has the name too and is not asked", wholeName(reg)))
	}
	return t.Flush()
}

func requirementTexts(deps []ident.Requirement) []string {
	if len(deps) == 0 {
		return []string{"none"}
	}
	var out []string
	for _, d := range deps {
		out = append(out, fmt.Sprintf("%s %s", d.Name, d.Range))
	}
	return out
}

// versionTexts are the versions, newest first.
func versionTexts(releases []registry.Release) []string {
	var out []string
	for i := len(releases) - 1; i >= 0; i-- {
		if len(out) == mostVersions {
			return append(out, fmt.Sprintf("and %d more: --json lists them all", i+1))
		}
		r := &releases[i]
		text := r.Version.String()
		if r.Yanked {
			text += " (" + ops.YankedText(r.YankReason) + ")"
		}
		out = append(out, text)
	}
	return out
}

type releaseJSON struct {
	Version      string            `json:"version"`
	Description  string            `json:"description,omitempty"`
	Published    string            `json:"published,omitempty"`
	Size         int64             `json:"size,omitempty"`
	SHA256       string            `json:"sha256,omitempty"`
	Tree         string            `json:"tree,omitempty"`
	Yanked       bool              `json:"yanked,omitempty"`
	YankReason   string            `json:"yankReason,omitempty"`
	Dependencies map[string]string `json:"dependencies"`
}

func newReleaseJSON(r *registry.Release) releaseJSON {
	out := releaseJSON{Version: r.Version.String(), Description: r.Description, Published: r.Published, Size: r.Size, Yanked: r.Yanked,
		YankReason: r.YankReason, Dependencies: map[string]string{}}
	if !r.SHA256.IsZero() {
		out.SHA256 = r.SHA256.String()
	}
	if !r.Tree.IsZero() {
		out.Tree = r.Tree.String()
	}
	for _, d := range r.Dependencies {
		out.Dependencies[string(d.Name)] = d.Range.String()
	}
	return out
}

func infoJSON(info *ops.PackageInfo) any {
	versions := []releaseJSON{}
	for i := range info.Index.Releases {
		versions = append(versions, newReleaseJSON(&info.Index.Releases[i]))
	}
	return struct {
		Name        ident.Name       `json:"name"`
		Description string           `json:"description,omitempty"`
		Registry    placeJSON        `json:"registry"`
		Release     releaseJSON      `json:"release"`  // the one that was asked for, or the newest
		Versions    []releaseJSON    `json:"versions"` // lowest first
		Shadowed    []placeJSON      `json:"shadowed"`
		Failed      []map[string]any `json:"failed"`
	}{info.Name, info.Index.Description, newPlaceJSON(info.Registry), newReleaseJSON(info.Release), versions, placesJSON(info.Shadowed), failedJSON(info.Failed)}
}

// nameOf is the alias of a registry, or its source.
func nameOf(reg config.Registry) string { return cmp.Or(reg.Alias, string(reg.Source)) }

// wholeName is "alias (source)", or the source.
func wholeName(reg config.Registry) string {
	if reg.Alias == "" {
		return string(reg.Source)
	}
	return fmt.Sprintf("%s (%s)", reg.Alias, reg.Source)
}

// clip cuts text to a width in characters.
func clip(s string, width int) string {
	if utf8.RuneCountInString(s) <= width {
		return s
	}
	return string([]rune(s)[:width-1]) + "…"
}

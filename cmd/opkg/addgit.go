package main

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/openpackage/opkg/ident"
	"github.com/openpackage/opkg/internal/ops"
)

// gitFlags say that a package comes from a git repository.
type gitFlags struct{ url, ref, version, base string }

func (g *gitFlags) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&g.url, "git", "", "add the package that is the git repository at `URL`")
	f.StringVar(&g.ref, "ref", "", "with --git: at this `TAG`, branch or commit")
	f.StringVar(&g.version, "version", "", "with --git: the newest tag in this `RANGE`")
	f.StringVar(&g.base, "base", "", "with --git: the package is in this `DIR` of the repository")
}

func (g *gitFlags) set() bool { return *g != gitFlags{} }

// addGit is add for a package of a git repository.
func (a *app) addGit(cmd *cobra.Command, given []string, from gitFlags, opt ops.AddOptions) error {
	switch {
	case from.url == "":
		return usagef("--ref, --version and --base go with --git")
	case from.ref != "" && from.version != "":
		return usagef("--ref and --version exclude each other")
	case opt.Path != "":
		return usagef("--git and --path exclude each other")
	case len(given) > 1:
		return usagef("--git adds one package, not %d", len(given))
	}
	spec := ops.GitSpec{URL: from.url, Ref: from.ref, Base: from.base}
	if len(given) == 1 {
		var err error
		if spec.Name, err = ops.ParseName(given[0]); err != nil {
			return err
		}
	}
	if from.version != "" {
		var err error
		if spec.Range, err = ident.ParseRange(from.version); err != nil {
			return &ops.GitSpecError{SpecError: ops.SpecError{Input: from.version, Err: err}}
		}
		spec.HasRange = true
	}
	w, err := a.world()
	if err != nil {
		return err
	}
	res, err := w.AddGit(cmd.Context(), spec, opt)
	return a.renderAdd(res, err, opt)
}

// asked is what was written of a package, in a few words.
func asked(d ops.Added) string {
	if d.Git == "" {
		return d.Range
	}
	text := d.Git
	if d.Ref != "" {
		text += "#" + d.Ref
	}
	return strings.TrimSpace(d.Range + " from " + text)
}

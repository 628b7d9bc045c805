package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/openpackage/opkg/ident"
	"github.com/openpackage/opkg/internal/ops"
)

func registryInitCmd(a *app) *cobra.Command {
	var asGit bool
	cmd := &cobra.Command{
		Use:   "init DIR",
		Short: "make an empty registry",
		Long: `Init makes DIR an empty registry of static files: publish to it, and let any web server serve it, or share the directory.

With --git it makes a git registry: a bare repository in DIR, or, where DIR is git:URL or git:URL#BRANCH, a first commit on that branch of a
repository that is there. A registry that is there already stays as it is.`,
		Args: args(1, 1, "one directory"),
		RunE: func(cmd *cobra.Command, given []string) error {
			w, err := a.world()
			if err != nil {
				return err
			}
			var where string
			var made bool
			if asGit {
				reg, first, err := w.InitGitRegistry(cmd.Context(), given[0])
				if err != nil {
					return err
				}
				where, made = string(reg.Source), first
			} else {
				dir := within(w, given[0])
				if made, err = w.InitRegistry(dir); err != nil {
					return err
				}
				where = dir
			}
			if a.json {
				a.printJSON(map[string]any{"registry": where, "made": made})
				return nil
			}
			if !asGit {
				where = a.near(where)
			}
			if made {
				a.note("made a registry in %s", where)
			} else {
				a.note("%s is a registry already", where)
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&asGit, "git", false, "make a git registry")
	return cmd
}

func registryCheckCmd(a *app) *cobra.Command {
	var opt ops.CheckOptions
	cmd := &cobra.Command{
		Use:   "check REGISTRY [NAME...]",
		Short: "audit a registry",
		Long: `Check reads all of a registry, a directory, a URL or an alias of config.yml, and prints what is wrong with it, one line a finding: indexes
that cannot be read, archives that are not what their index says or that no client would take, files that belong to nothing,
dependencies that no version satisfies, versions that cannot be installed, names that are taken for one another. Errors end it with status 5;
warnings do not.

A registry over HTTP is listed by its search.json (opkg registry index --site writes it), or by the names that are given.`,
		Args: args(1, -1, "a registry"),
		RunE: func(cmd *cobra.Command, given []string) error {
			w, err := a.world()
			if err != nil {
				return err
			}
			opt.Target = given[0]
			if opt.Names, err = parseNames(given[1:]); err != nil {
				return err
			}
			res, err := w.CheckRegistry(cmd.Context(), opt)
			if err != nil {
				return err
			}
			a.renderCheck(res)
			if n := res.Errors(); n > 0 {
				err := &ops.FaultyRegistryError{Registry: res.Registry, Faults: n}
				return &partlyError{err, err.Error()}
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&opt.Closed, "closed", false, "a dependency that is not in the registry is an error: it stands alone")
	return cmd
}

func (a *app) renderCheck(res *ops.CheckResult) {
	if a.json {
		type findingJSON struct {
			Severity string     `json:"severity"`
			Kind     string     `json:"kind"`
			Name     ident.Name `json:"name,omitempty"`
			Version  string     `json:"version,omitempty"`
			Text     string     `json:"text"`
		}
		list := []findingJSON{}
		for _, f := range res.Findings {
			j := findingJSON{f.Severity.String(), f.Kind, f.Name, "", f.Text}
			if !f.Version.IsZero() {
				j.Version = f.Version.String()
			}
			list = append(list, j)
		}
		a.printJSON(map[string]any{"registry": res.Registry, "packages": res.Packages, "versions": res.Versions, "findings": list})
		return
	}
	for _, f := range res.Findings {
		fmt.Fprintf(a.stdout, "%s: %s: %s\n", f.Severity, f.Kind, message(f.Text))
	}
	n := res.Errors()
	a.note("%s, %s: %s, %s", count(res.Packages, "package"), count(res.Versions, "version"), count(n, "error"), count(len(res.Findings)-n, "warning"))
}

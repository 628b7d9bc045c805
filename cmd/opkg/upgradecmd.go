package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/openpackage/opkg/ident"
	"github.com/openpackage/opkg/internal/ops"
)

// parseNames reads arguments that are names of packages.
func parseNames(given []string) ([]ident.Name, error) {
	var names []ident.Name
	for _, s := range given {
		n, err := ops.ParseName(s)
		if err != nil {
			return nil, err
		}
		names = append(names, n)
	}
	return names, nil
}

func upgradeCmd(a *app) *cobra.Command {
	var opt ops.UpgradeOptions
	cmd := &cobra.Command{
		Use:   "upgrade [NAME...]",
		Short: "take newer versions, lock and sync",
		Long: `Upgrade forgets what is locked, of the named packages or of all, and takes the newest versions that openpackage.yml admits.

--latest goes past that: a range of openpackage.yml that does not admit the newest stable version is rewritten.`,
		RunE: func(cmd *cobra.Command, given []string) error {
			w, err := a.world()
			if err != nil {
				return err
			}
			names, err := parseNames(given)
			if err != nil {
				return askedFor(err)
			}
			res, err := w.Upgrade(cmd.Context(), names, opt)
			if err == nil && !a.json && len(res.Lock.Changes) == 0 && len(res.Added) == 0 {
				a.note("nothing newer fits%s", newerElsewhere(opt.Latest))
			}
			return a.renderAdd(res, err, ops.AddOptions{NoSync: opt.NoSync, Sync: opt.Sync})
		},
	}
	f := cmd.Flags()
	f.BoolVar(&opt.Latest, "latest", false, "rewrite ranges of openpackage.yml that do not admit the newest stable version")
	f.BoolVar(&opt.NoSync, "no-sync", false, "write openpackage.yml and opkg.lock; install nothing")
	f.BoolVar(&opt.Sync.DryRun, "dry-run", false, "show what would change; write nothing")
	return cmd
}

// askedFor is err, or where it is about a name with a range, says how that is asked for.
func askedFor(err error) error {
	var bad *ops.SpecError
	if errors.As(err, &bad) {
		if spec, wrong := ops.ParseSpec(bad.Input); wrong == nil && spec.HasRange {
			bad.HintText = fmt.Sprintf("opkg upgrade takes what %s admits; to ask for that: opkg add %s", ops.ManifestName, bad.Input)
		}
	}
	return err
}

func newerElsewhere(latest bool) string {
	if latest {
		return ""
	}
	return " the ranges of " + ops.ManifestName + "; opkg outdated shows what is newer"
}

func outdatedCmd(a *app) *cobra.Command {
	var opt ops.OutdatedOptions
	cmd := &cobra.Command{
		Use:   "outdated [NAME...]",
		Short: "compare the locked versions with what the registries offer",
		Long: `Outdated lists the packages of openpackage.yml for which there is something newer, or to know:

  current   the version in opkg.lock
  wanted    what opkg upgrade would choose
  latest    the newest stable version, which openpackage.yml may not admit: opkg upgrade --latest`,
		RunE: func(cmd *cobra.Command, given []string) (err error) {
			w, err := a.world()
			if err != nil {
				return err
			}
			if opt.Names, err = parseNames(given); err != nil {
				return err
			}
			list, unsolved, err := w.Outdated(cmd.Context(), opt)
			if err != nil {
				return err
			}
			if a.json {
				a.printJSON(outdatedJSON(list))
				return nil
			}
			return a.renderOutdated(list, unsolved)
		},
	}
	cmd.Flags().BoolVar(&opt.All, "all", false, "also packages that only other packages ask for")
	return cmd
}

func (a *app) renderOutdated(list []ops.OutdatedPackage, unsolved error) error {
	if unsolved != nil {
		fmt.Fprintf(a.stderr, "%s with the newest versions %s has no solution: opkg lock --upgrade says why\n", a.paint(a.stderr, yellow, "opkg: warning:"), ops.ManifestName)
	}
	rows := 0
	t := a.columns()
	for _, p := range list {
		if !p.Behind() {
			continue
		}
		if rows++; rows == 1 {
			fmt.Fprintln(t, "package\tcurrent\twanted\tlatest\tregistry")
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s%s\n", p.Name, p.Current, versionOr(p.Wanted, "-"), versionOr(p.Latest, "-"), registryOf(&p), remarks(&p))
	}
	if rows == 0 {
		a.note("%s: all up to date", count(len(list), "package"))
	}
	return t.Flush()
}

func versionOr(v ident.Version, none string) string {
	if v.IsZero() {
		return none
	}
	return v.String()
}

func registryOf(p *ops.OutdatedPackage) string {
	switch {
	case p.Owner == "":
		return "-"
	case p.Alias != "":
		return p.Alias
	}
	return string(p.Owner)
}

// remarks are what a table of versions cannot say.
func remarks(p *ops.OutdatedPackage) string {
	text := ""
	add := func(s string) {
		if text == "" {
			text = "  ("
		} else {
			text += "; "
		}
		text += s
	}
	if p.Yanked {
		add(p.Current.String() + " is " + ops.YankedText(p.YankReason))
	}
	switch {
	case p.Owner == "":
		add("no registry has it any more")
	case p.Gone:
		add(p.Current.String() + " is no longer listed")
	}
	if p.Owner != "" && p.Owner != p.Locked {
		add("locked from " + string(p.Locked))
	}
	switch m := p.Moved; {
	case m == nil:
	case m.Now == "":
		add(m.What + " is gone")
	case m.Tag && !m.Same:
		add(fmt.Sprintf("%s was moved to other content, commit %.12s", m.What, m.Now))
	case m.Tag:
		add(fmt.Sprintf("%s was moved to commit %.12s, with the same content", m.What, m.Now))
	default:
		add(fmt.Sprintf("%s is at commit %.12s now", m.What, m.Now))
	}
	if text != "" {
		text += ")"
	}
	return text
}

func outdatedJSON(list []ops.OutdatedPackage) any {
	type row struct {
		Name       string `json:"name"`
		Current    string `json:"current"`
		Wanted     string `json:"wanted,omitempty"`
		Latest     string `json:"latest,omitempty"`
		Registry   string `json:"registry,omitempty"`
		Source     string `json:"source,omitempty"`
		Locked     string `json:"lockedSource"`
		Outdated   bool   `json:"outdated"`
		Yanked     bool   `json:"yanked,omitempty"`
		YankReason string `json:"yankReason,omitempty"`
		Gone       bool   `json:"gone,omitempty"`
		Direct     bool   `json:"direct"`
		Dev        bool   `json:"dev,omitempty"`
		Moved      string `json:"moved,omitempty"`
		Commit     string `json:"commit,omitempty"`
	}
	rows := []row{}
	for _, p := range list {
		r := row{string(p.Name), p.Current.String(), versionOr(p.Wanted, ""), versionOr(p.Latest, ""),
			p.Alias, string(p.Owner), string(p.Locked), p.Behind(), p.Yanked, p.YankReason, p.Gone, p.Direct, p.Dev, "", ""}
		if p.Moved != nil {
			r.Moved, r.Commit = p.Moved.What, string(p.Moved.Now)
		}
		rows = append(rows, r)
	}
	return rows
}

func pathCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "path NAME",
		Short: "print where the locked version of a package stands",
		Args:  args(1, 1, "one name"),
		RunE: func(_ *cobra.Command, given []string) error {
			w, err := a.world()
			if err != nil {
				return err
			}
			names, err := parseNames(given)
			if err != nil {
				return err
			}
			at, err := w.Where(names[0])
			if err != nil {
				return err
			}
			if a.json {
				a.printJSON(map[string]string{"name": string(at.Package.Name), "version": at.Package.Version.String(), "dir": at.Dir})
				return nil
			}
			fmt.Fprintln(a.stdout, at.Dir)
			return nil
		},
	}
}

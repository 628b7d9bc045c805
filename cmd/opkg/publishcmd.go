package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/openpackage/opkg/config"
	"github.com/openpackage/opkg/ident"
	"github.com/openpackage/opkg/internal/ops"
)

const toUsage = "the `REGISTRY`: an alias of config.yml, a directory, or git:URL"

func publishCmd(a *app) *cobra.Command {
	var opt ops.PublishOptions
	cmd := &cobra.Command{
		Use:   "publish [DIR|FILE.tgz] --to REGISTRY",
		Short: "add a version of a package to a registry",
		Long: `Publish packs the package in DIR, or in the current directory, or takes an archive that opkg pack made, judges it as whoever installs it
will, and adds it to a registry: a directory, or a git repository, to whose branch (the channel) it pushes one commit, with git's own
credentials or opkg's. It needs no checkout and never forces a push.

A version that is there already with the same content is left alone. Other content is refused: what is published never changes. Any
number of publishers may be at work at once.`,
		Args: args(0, 1, "one directory or archive"),
		RunE: func(cmd *cobra.Command, given []string) error {
			w, err := a.world()
			if err != nil {
				return err
			}
			if opt.To == "" {
				return noTarget(cmd)
			}
			opt.Source = w.Dir
			if len(given) > 0 {
				opt.Source = within(w, given[0])
			}
			res, err := w.Publish(cmd.Context(), opt)
			if err != nil {
				return err
			}
			if a.json {
				a.printJSON(publishJSON(res, opt.DryRun))
				return nil
			}
			verb := "published"
			if opt.DryRun {
				verb = "would publish"
			}
			if res.Already {
				a.note("nothing to do: %s %s is in %s already, with the same content", res.Name, res.Version, registryName(a, res.Registry))
				return nil
			}
			a.note("%s %s %s (%s, %s) to %s%s", verb, res.Name, res.Version, count(len(res.Files), "file"), size(res.Size), registryName(a, res.Registry), inCommit(res.Commit))
			a.noteSite(res.Site)
			return nil
		},
	}
	f := cmd.Flags()
	f.StringVar(&opt.To, "to", "", toUsage)
	f.BoolVar(&opt.DryRun, "dry-run", false, "do all but change the registry")
	return cmd
}

func noTarget(cmd *cobra.Command) error {
	return &usageError{msg: cmd.CommandPath() + " needs --to REGISTRY", hint: "an alias of config.yml, a directory, or git:URL"}
}

// registryName names a registry in a sentence.
func registryName(a *app, reg config.Registry) string {
	switch {
	case reg.Alias != "":
		return fmt.Sprintf("%s (%s)", reg.Alias, reg.Source)
	case reg.Source.Kind() == ident.Directory:
		return a.near(reg.Dir)
	}
	return string(reg.Source)
}

func inCommit(c ident.Commit) string {
	if c == "" {
		return ""
	}
	return fmt.Sprintf(", commit %.12s", c)
}

func publishJSON(p *ops.Published, dryRun bool) map[string]any {
	out := map[string]any{"name": p.Name, "version": p.Version.String(), "registry": p.Registry.Source, "published": !p.Already && !dryRun, "already": p.Already,
		"size": p.Size, "sha256": p.SHA256.String(), "tree": p.Tree.String(), "unpacked": p.Unpacked, "files": filesJSON(p.Files), "dependencies": dependenciesJSON(p.Dependencies)}
	if p.Commit != "" {
		out["commit"] = p.Commit
	}
	if p.Site != nil {
		out["site"] = siteJSON(p.Site)
	}
	return out
}

func yankCmd(a *app) *cobra.Command {
	var opt ops.YankOptions
	cmd := &cobra.Command{
		Use:   "yank NAME@VERSION --to REGISTRY (--reason TEXT | --undo)",
		Short: "warn of a published version",
		Long: `Yank marks a version as one that should not be used, and says why. Nobody chooses it any more; locks that name it go on to work. Nothing
is removed. --undo takes it back.`,
		Args: args(1, 1, "NAME@VERSION"),
		RunE: func(cmd *cobra.Command, given []string) error {
			w, err := a.world()
			if err != nil {
				return err
			}
			if opt.Name, opt.Version, err = release(given[0]); err != nil {
				return err
			}
			switch {
			case opt.To == "":
				return noTarget(cmd)
			case opt.Undo && opt.Reason != "":
				return usagef("--undo takes no --reason")
			case !opt.Undo && opt.Reason == "":
				return &usageError{msg: "opkg yank needs --reason", hint: "those who depend on the version read it: say what is wrong, and what to use instead"}
			}
			res, err := w.Yank(cmd.Context(), opt)
			if err != nil {
				return err
			}
			if a.json {
				out := map[string]any{"name": opt.Name, "version": opt.Version.String(), "registry": res.Registry.Source, "yanked": !opt.Undo, "already": res.Already}
				if res.Commit != "" {
					out["commit"] = res.Commit
				}
				a.printJSON(out)
				return nil
			}
			where := registryName(a, res.Registry)
			switch {
			case res.Already && opt.Undo:
				a.note("nothing to do: %s %s is not yanked in %s", opt.Name, opt.Version, where)
			case res.Already:
				a.note("nothing to do: %s %s is yanked in %s already, for that reason", opt.Name, opt.Version, where)
			case opt.Undo:
				a.note("no longer yanked: %s %s in %s%s", opt.Name, opt.Version, where, inCommit(res.Commit))
			default:
				a.note("yanked: %s %s in %s%s", opt.Name, opt.Version, where, inCommit(res.Commit))
			}
			a.noteSite(res.Site)
			return nil
		},
	}
	f := cmd.Flags()
	f.StringVar(&opt.To, "to", "", toUsage)
	f.StringVar(&opt.Reason, "reason", "", "why the version should not be used: `TEXT` of one line; needed without --undo")
	f.BoolVar(&opt.Undo, "undo", false, "take it back")
	return cmd
}

// release reads NAME@VERSION.
func release(s string) (ident.Name, ident.Version, error) {
	bad := func(err error) (ident.Name, ident.Version, error) {
		return "", ident.Version{}, &ops.SpecError{Input: s, Err: err, HintText: "write NAME@VERSION, such as my-pkg@1.0.0 or @scope/rules@1.0.0"}
	}
	at := strings.LastIndexByte(s, '@')
	if at <= 0 {
		return bad(errors.New("it names no version"))
	}
	name, err := ident.ParseName(s[:at])
	if err != nil {
		return bad(err)
	}
	v, err := ident.ParseVersion(s[at+1:])
	if err != nil {
		return bad(err)
	}
	return name, v, nil
}

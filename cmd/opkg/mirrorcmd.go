package main

import (
	"github.com/spf13/cobra"

	"github.com/openpackage/opkg/internal/ops"
)

func registryMirrorCmd(a *app) *cobra.Command {
	var opt ops.MirrorOptions
	cmd := &cobra.Command{
		Use:   "mirror REGISTRY DIR",
		Short: "copy a registry, or what locks need of it",
		Long: `Mirror copies a registry of static files, an alias or a URL, into DIR, verifying each archive; with --lock, what these locks name of it
alone. DIR is an ordinary registry then: serve it, or carry it to where there is no network. Run again, it brings what is new.

A line in your own config.yml has it used, and opkg.lock stays as it is:

    mirrors:
      https://registry.myorg.com/: file:/srv/mirror`,
		Args: args(2, 2, "a registry and a directory"),
		RunE: func(cmd *cobra.Command, given []string) error {
			w, err := a.world()
			if err != nil {
				return err
			}
			opt.From, opt.Dir = given[0], within(w, given[1])
			for i, l := range opt.Locks {
				opt.Locks[i] = within(w, l)
			}
			res, err := w.Mirror(cmd.Context(), opt)
			if err != nil {
				return err
			}
			if a.json {
				a.printJSON(map[string]any{"source": res.Source, "directory": opt.Dir, "packages": res.Packages, "versions": res.Versions, "fetched": res.Fetched, "bytes": res.Bytes, "elsewhere": res.Elsewhere, "complete": res.Complete})
				return nil
			}
			a.note("%s, %s of %s in %s: %d fetched, %s", count(res.Packages, "package"), count(res.Versions, "version"), res.Source, a.near(opt.Dir), res.Fetched, size(res.Bytes))
			if res.Elsewhere > 0 {
				a.note("%s of the locks: from other sources, not copied", count(res.Elsewhere, "package"))
			}
			return nil
		},
	}
	cmd.Flags().StringArrayVar(&opt.Locks, "lock", nil, "copy what `FILE`, an opkg.lock, names; may be given several times")
	return cmd
}

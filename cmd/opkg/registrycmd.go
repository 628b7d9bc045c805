package main

import (
	"github.com/spf13/cobra"

	"github.com/openpackage/opkg/internal/ops"
	"github.com/openpackage/opkg/registry"
)

func registryCmd(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "registry",
		Short: "make and maintain a registry",
		RunE: func(cmd *cobra.Command, given []string) error {
			if len(given) > 0 {
				return unknownCommand(cmd, given[0])
			}
			return cmd.Help()
		},
	}
	cmd.AddCommand(registryInitCmd(a), registryIndexCmd(a), registryCheckCmd(a), registryMirrorCmd(a))
	return cmd
}

func registryIndexCmd(a *app) *cobra.Command {
	var opt ops.IndexOptions
	cmd := &cobra.Command{
		Use:   "index DIR",
		Short: "write the indexes of a registry from its archives",
		Long: `Index reads every packages/NAME/VERSION.tgz below DIR and writes packages/NAME/index.json: sha256, size, tree
and the dependencies out of each archive, and the time of its file as the time when it was published. A version that is indexed already never
changes its digest. What was read before and looks unchanged (size and time) is not read again; --full reads all. It also writes
indexes.gz, all indexes in one file, by which a large workspace is locked in one request.

With --site it writes a site for people too, index.html and site/ in DIR, and search.json for opkg search. Once a registry has
a site, every index keeps it current.`,
		Args: args(1, 1, "one directory"),
		RunE: func(cmd *cobra.Command, given []string) error {
			w, err := a.world()
			if err != nil {
				return err
			}
			res, err := w.IndexRegistryWith(cmd.Context(), within(w, given[0]), opt)
			if err != nil {
				return err
			}
			if a.json {
				out := map[string]any{"packages": res.Packages, "versions": res.Versions, "read": res.Read, "written": append([]string{}, res.Written...), "bundle": res.Bundle}
				if res.Site != nil {
					out["site"] = siteJSON(res.Site)
				}
				a.printJSON(out)
				return nil
			}
			written := count(len(res.Written), "index file")
			if res.Bundle {
				written += " and " + registry.BundlePath
			}
			a.note("%s, %s: %s read, %s written", count(res.Packages, "package"), count(res.Versions, "version"), count(res.Read, "archive"), written)
			a.noteSite(res.Site)
			return nil
		},
	}
	f := cmd.Flags()
	f.BoolVar(&opt.Full, "full", false, "read every archive, also those that look unchanged")
	f.BoolVar(&opt.Site, "site", false, "write a site for people too, and search data")
	f.StringVar(&opt.Title, "title", "", "write a site that calls itself `TEXT`, kept until another is given")
	return cmd
}

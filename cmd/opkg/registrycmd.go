package main

import (
	"path/filepath"

	"github.com/spf13/cobra"
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
	cmd.AddCommand(registryIndexCmd(a))
	return cmd
}

func registryIndexCmd(a *app) *cobra.Command {
	var site siteFlags
	cmd := &cobra.Command{
		Use:   "index DIR",
		Short: "write the indexes of a registry from its archives",
		Long: `Index reads every packages/NAME/VERSION.tgz below DIR and writes packages/NAME/index.json: sha256, size, tree
and the dependencies out of each archive. The same archives give the same bytes. A version that is indexed already never
changes its digest.

With --site it writes a site for people too, index.html and site/ in DIR, and search.json for opkg search. Once a registry has
a site, every index keeps it current.`,
		Args: args(1, 1, "one directory"),
		RunE: func(cmd *cobra.Command, given []string) error {
			w, err := a.world()
			if err != nil {
				return err
			}
			dir := given[0]
			if !filepath.IsAbs(dir) {
				dir = filepath.Join(w.Dir, dir)
			}
			res, err := w.IndexRegistry(cmd.Context(), dir)
			if err != nil {
				return err
			}
			made, err := a.writeSite(cmd.Context(), w, dir, site)
			if err != nil {
				return err
			}
			if a.json {
				out := map[string]any{"packages": res.Packages, "versions": res.Versions, "written": append([]string{}, res.Written...)}
				if made != nil {
					out["site"] = siteJSON(made)
				}
				a.printJSON(out)
				return nil
			}
			a.note("%s, %s: %s written", count(res.Packages, "package"), count(res.Versions, "version"), count(len(res.Written), "index file"))
			a.noteSite(made)
			return nil
		},
	}
	cmd.Flags().BoolVar(&site.write, "site", false, "write a site for people too, and search data")
	cmd.Flags().StringVar(&site.title, "title", "", "what the site calls itself; kept until another is given")
	return cmd
}

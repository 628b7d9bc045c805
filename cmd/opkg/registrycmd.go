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
	return &cobra.Command{
		Use:   "index DIR",
		Short: "write the indexes of a registry from its archives",
		Long: `Index reads every packages/NAME/VERSION.tgz below DIR and writes packages/NAME/index.json: sha256, size, tree
and the dependencies out of each archive. The same archives give the same bytes. A version that is indexed already never
changes its digest.`,
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
			if a.json {
				a.printJSON(map[string]any{"packages": res.Packages, "versions": res.Versions, "written": append([]string{}, res.Written...)})
				return nil
			}
			a.note("%s, %s: %s written", count(res.Packages, "package"), count(res.Versions, "version"), count(len(res.Written), "index file"))
			return nil
		},
	}
}

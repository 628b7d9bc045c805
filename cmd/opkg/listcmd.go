package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

func listCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "list the locked packages",
		Long: `List shows what is locked, from where, and what of it is not installed. It reads opkg.lock, with a warning where that is not what
openpackage.yml asks for, and makes no request.`,
		Args: args(0, 0, "no argument"),
		RunE: func(*cobra.Command, []string) error {
			w, err := a.world()
			if err != nil {
				return err
			}
			listed, err := w.List()
			if err != nil {
				return err
			}
			if a.json {
				type row struct {
					packageJSON
					Direct bool   `json:"direct"`
					Dir    string `json:"dir"`
					Placed bool   `json:"placed"`
				}
				rows := []row{}
				for _, l := range listed {
					rows = append(rows, row{newPackageJSON(&l.Package), l.Direct, l.Dir, l.Placed})
				}
				a.printJSON(rows)
				return nil
			}
			t := a.columns()
			missing := 0
			for _, l := range listed {
				mark := ""
				switch {
				case !l.Placed:
					mark, missing = "not installed", missing+1
				case l.Package.Dev:
					mark = "dev"
				}
				fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", l.Package.Name, l.Package.Version, comesFrom(&l.Package), mark)
			}
			if err := t.Flush(); err != nil {
				return err
			}
			if missing > 0 {
				a.note("%s not installed: run opkg sync", count(missing, "package"))
			}
			return nil
		},
	}
}

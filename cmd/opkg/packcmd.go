package main

import (
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/openpackage/opkg/ident"
	"github.com/openpackage/opkg/internal/archive"
	"github.com/openpackage/opkg/internal/ops"
)

// within makes a path that was given on the command line absolute.
func within(w *ops.World, path string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(w.Dir, path)
}

func packCmd(a *app) *cobra.Command {
	var opt ops.PackOptions
	var list bool
	cmd := &cobra.Command{
		Use:   "pack [DIR]",
		Short: "pack a package into a .tgz that is the same everywhere",
		Long: `Pack packs the package in DIR, or in the current directory, and writes NAME-VERSION.tgz into the current directory, or where -o says. The
bytes depend on the names, contents and x bits of the package's files alone: not on the machine, the umask, the time or the owner.

What is no part of a package is left out: .git, .openpackage, packages/ at the root, opkg.lock, what editors and systems
leave behind, and NAME-VERSION.tgz of any version at the root, which pack itself wrote there. What no client could install is refused: links,
names that some system does not allow or takes for one, a missing version. Ranges that the OpenPackage client does not read, files
such as .env whose names say that they hold secrets, and unusual sizes, are warned of.`,
		Args: args(0, 1, "one directory"),
		RunE: func(cmd *cobra.Command, given []string) error {
			w, err := a.world()
			if err != nil {
				return err
			}
			opt.Dir, opt.Out = w.Dir, within(w, opt.Out)
			if len(given) > 0 {
				opt.Dir = within(w, given[0])
			}
			res, err := w.Pack(cmd.Context(), opt)
			if err != nil {
				return err
			}
			if a.json {
				a.printJSON(packJSON(res, opt.DryRun))
				return nil
			}
			if list {
				for _, f := range res.Files {
					fmt.Fprintf(a.stdout, "%s %9d %s\n", fileMode(f), f.Size, f.Path)
				}
			}
			verb := "packed"
			if opt.DryRun {
				verb = "would pack"
			} else if !list {
				fmt.Fprintln(a.stdout, below(res.Path))
			}
			a.note("%s %s %s: %s, %s packed into %s, sha256 %s", verb, res.Name, res.Version, count(len(res.Files), "file"), size(res.Unpacked), size(res.Size), res.SHA256)
			return nil
		},
	}
	f := cmd.Flags()
	f.StringVarP(&opt.Out, "output", "o", "", "write the archive to `FILE`, or into a directory")
	f.BoolVar(&list, "list", false, "list the files: mode, bytes, path")
	f.BoolVar(&opt.DryRun, "dry-run", false, "do all but write the archive")
	return cmd
}

func fileMode(f archive.File) string {
	if f.Exec {
		return "755"
	}
	return "644"
}

type fileJSON struct {
	Path string `json:"path"`
	Mode string `json:"mode"`
	Size int64  `json:"size"`
}

func filesJSON(files []archive.File) []fileJSON {
	out := []fileJSON{}
	for _, f := range files {
		out = append(out, fileJSON{f.Path, fileMode(f), f.Size})
	}
	return out
}

func packJSON(p *ops.Packed, dryRun bool) map[string]any {
	out := map[string]any{"name": p.Name, "version": p.Version.String(), "size": p.Size, "sha256": p.SHA256.String(), "tree": p.Tree.String(),
		"unpacked": p.Unpacked, "files": filesJSON(p.Files), "dependencies": dependenciesJSON(p.Dependencies)}
	if !dryRun {
		out["path"] = p.Path
	}
	return out
}

func dependenciesJSON(deps []ident.Requirement) map[string]string {
	out := map[string]string{}
	for _, d := range deps {
		out[string(d.Name)] = d.Range.String()
	}
	return out
}

func newCmd(a *app) *cobra.Command {
	var name string
	cmd := &cobra.Command{
		Use:   "new DIR",
		Short: "make a new package to begin with",
		Long: `New makes a package in DIR, which must be empty or not there yet: an openpackage.yml, a README.md and a first rule. It can be packed as
it is. For a workspace, which uses packages, there is opkg init.

A directory of files that are there becomes a package by an openpackage.yml with two lines, its name and its version:

    name: my-rules
    version: 1.0.0`,
		Args: args(1, 1, "one directory"),
		RunE: func(_ *cobra.Command, given []string) error {
			w, err := a.world()
			if err != nil {
				return err
			}
			dir := within(w, given[0])
			made, files, err := w.New(dir, name)
			if err != nil {
				return err
			}
			if a.json {
				a.printJSON(map[string]any{"name": made, "directory": dir, "files": files})
				return nil
			}
			for _, f := range files {
				a.note("made %s", a.near(filepath.Join(dir, filepath.FromSlash(f))))
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&name, "name", "", "call the package `NAME` instead of what the directory is called; @scope/name for a scope")
	return cmd
}

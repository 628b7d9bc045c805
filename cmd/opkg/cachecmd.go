package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/openpackage/opkg/internal/ops"
)

func cacheCmd(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "cache",
		Short: "show and clean what opkg keeps on this machine",
		RunE: func(cmd *cobra.Command, given []string) error {
			if len(given) > 0 {
				return unknownCommand(cmd, given[0])
			}
			return cmd.Help()
		},
	}
	cmd.AddCommand(cacheDirCmd(a), cacheSizeCmd(a), cacheCleanCmd(a), cacheRootsCmd(a))
	return cmd
}

func cacheDirCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "dir",
		Short: "print where it is kept",
		Long: `Dir prints two directories, one a line: the store, and the cache of indexes. A CI system that restores both spares its runs
every download.`,
		Args: args(0, 0, "no argument"),
		RunE: func(*cobra.Command, []string) error {
			w, err := a.world()
			if err != nil {
				return err
			}
			if a.json {
				a.printJSON(map[string]string{"store": w.StoreDir(), "cache": w.CacheDir(), "registry": w.RegistryDir()})
				return nil
			}
			fmt.Fprintf(a.stdout, "%s\n%s\n", w.StoreDir(), w.CacheDir())
			return nil
		},
	}
}

func cacheSizeCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "size",
		Short: "print how much it is",
		Long: `Size measures what opkg keeps, as it stands on the disk: the store, what version directories do not share with it, and the cache
of indexes. A file with several hard links counts once.`,
		Args: args(0, 0, "no argument"),
		RunE: func(*cobra.Command, []string) error {
			w, err := a.world()
			if err != nil {
				return err
			}
			s, err := w.CacheSize()
			if err != nil {
				return err
			}
			if a.json {
				type amount struct {
					Files int   `json:"files"`
					Bytes int64 `json:"bytes"`
				}
				a.printJSON(map[string]amount{"store": amount(s.Store), "versions": amount(s.Versions), "cache": amount(s.Cache)})
				return nil
			}
			t := a.columns()
			fmt.Fprintf(t, "store\t%s\t%s\n", size(s.Store.Bytes), count(s.Store.Files, "file"))
			fmt.Fprintf(t, "versions\t%s\t%s\n", size(s.Versions.Bytes), count(s.Versions.Files, "file"))
			fmt.Fprintf(t, "cache\t%s\t%s\n", size(s.Cache.Bytes), count(s.Cache.Files, "file"))
			return t.Flush()
		},
	}
}

func cacheCleanCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "clean",
		Short: "remove all that can be fetched again",
		Long: `Clean empties the store and the cache of indexes, once no other opkg uses them. Installed version directories stay and work. To
remove only what no workspace needs, run opkg gc.`,
		Args: args(0, 0, "no argument"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			w, err := a.world()
			if err != nil {
				return err
			}
			freed, err := w.CacheClean(cmd.Context())
			if err != nil {
				return err
			}
			if a.json {
				a.printJSON(map[string]int64{"files": int64(freed.Files), "bytes": freed.Bytes})
				return nil
			}
			a.note("removed %s, which freed %s", count(freed.Files, "file"), size(freed.Bytes))
			return nil
		},
	}
}

func cacheRootsCmd(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "roots",
		Short: "list the workspaces that synced on this machine",
		Long: `Roots lists the workspaces that synced on this machine: what their locks name is what gc keeps. A sync adds its workspace, and
gc forgets one whose lock is gone for 14 days.`,
		RunE: func(cmd *cobra.Command, given []string) error {
			if len(given) > 0 {
				return unknownCommand(cmd, given[0])
			}
			w, err := a.world()
			if err != nil {
				return err
			}
			roots, damaged, err := w.CacheRoots()
			if err != nil {
				return err
			}
			if a.json {
				rows := []rootJSON{}
				for i := range roots {
					rows = append(rows, newRootJSON(&roots[i]))
				}
				for _, d := range damaged {
					rows = append(rows, rootJSON{ID: d.ID, Problem: d.Error()})
				}
				a.printJSON(rows)
				return nil
			}
			t := a.columns()
			for i := range roots {
				r := &roots[i]
				fmt.Fprintf(t, "%s\t%s\tsynced %s\t%s\n", message(r.Workspace), count(len(r.InUse), "package"), r.Used.Local().Format(time.DateOnly), message(rootNote(r)))
			}
			for _, d := range damaged {
				fmt.Fprintf(t, "%s\t\t\t%s\n", d.ID, message(d.Error()))
			}
			return t.Flush()
		},
	}
	cmd.AddCommand(&cobra.Command{
		Use:   "add DIR",
		Short: "note a workspace as if it had synced here",
		Args:  args(1, 1, "a directory"),
		RunE: func(_ *cobra.Command, dirs []string) error {
			w, err := a.world()
			if err != nil {
				return err
			}
			workspace, err := w.AddRoot(dirs[0])
			if err != nil {
				return err
			}
			return a.rootDone("noted", workspace)
		},
	}, &cobra.Command{
		Use:   "remove DIR|ID",
		Short: "forget a workspace: what only its lock names is garbage then",
		Args:  args(1, 1, "a directory, or the ID of a file in roots/"),
		RunE: func(_ *cobra.Command, dirs []string) error {
			w, err := a.world()
			if err != nil {
				return err
			}
			forgot, err := w.RemoveRoot(dirs[0])
			if err != nil {
				return err
			}
			return a.rootDone("forgot", forgot)
		},
	})
	return cmd
}

func (a *app) rootDone(did, workspace string) error {
	if a.json {
		a.printJSON(map[string]string{did: workspace})
		return nil
	}
	a.note("%s %s", did, a.home(workspace))
	return nil
}

type rootJSON struct {
	ID        string     `json:"id"`
	Workspace string     `json:"workspace,omitempty"`
	Lock      string     `json:"lock,omitempty"`
	Packages  int        `json:"packages"`
	Synced    *time.Time `json:"synced,omitempty"`
	Gone      *time.Time `json:"gone,omitempty"`
	Problem   string     `json:"problem,omitempty"`
}

func newRootJSON(r *ops.RootState) rootJSON {
	used := r.Used.UTC()
	out := rootJSON{ID: r.ID, Workspace: r.Workspace, Lock: r.Lock, Packages: len(r.InUse), Synced: &used, Problem: rootNote(r)}
	if r.Missing {
		gone := r.Gone.UTC()
		out.Gone = &gone
	}
	return out
}

func rootNote(r *ops.RootState) string {
	switch {
	case r.Missing:
		return "it has no lock any more"
	case r.Err != nil:
		return "its lock cannot be read: " + r.Err.Error()
	}
	return ""
}

package main

import (
	"cmp"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/openpackage/opkg/ident"
	"github.com/openpackage/opkg/internal/ops"
	"github.com/openpackage/opkg/internal/origin"
)

func initCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "init [NAME]",
		Short: "make a new openpackage.yml",
		Args:  args(0, 1, "at most one name"),
		RunE: func(_ *cobra.Command, given []string) error {
			w, err := a.world()
			if err != nil {
				return err
			}
			name := ""
			if len(given) > 0 {
				name = given[0]
			}
			path, err := w.Init(name)
			if err != nil {
				return err
			}
			if a.json {
				a.printJSON(map[string]string{"manifest": path})
				return nil
			}
			a.note("made %s", a.near(path))
			return nil
		},
	}
}

func addCmd(a *app) *cobra.Command {
	var opt ops.AddOptions
	var from gitFlags
	cmd := &cobra.Command{
		Use:   "add [ALIAS/]NAME[@RANGE]...",
		Short: "add packages to openpackage.yml, lock and sync",
		Long: `Add writes packages into openpackage.yml, solves, writes opkg.lock and syncs. It is all or nothing: where
the requirements have no solution, both files stay as they were.

    opkg add my-pkg                 the newest stable version and its compatible successors: ^X.Y.Z
    opkg add my-pkg@1.2.3           this version alone
    opkg add myorg/my-pkg           from the registry configured as myorg
    opkg add --path ../team-rules   the package in that directory, as it stands
    opkg add --git https://github.com/author/tool.git               the newest tag that is a version, and its successors;
                                                                    without such tags the default branch
    opkg add --git https://github.com/author/tool.git --ref main    that branch, at the commit where it stands today
    opkg add part --git git@host:team/mono.git --base packages/part --version ^2.0.0`,
		RunE: func(cmd *cobra.Command, given []string) error {
			if from.set() {
				return a.addGit(cmd, given, from, opt)
			}
			if err := checkAdd(cmd, given, opt); err != nil {
				return err
			}
			return a.add(cmd, given, opt)
		},
	}
	addFlags(cmd, &opt)
	from.flags(cmd)
	return cmd
}

// checkAdd refuses arguments that do not go together.
func checkAdd(cmd *cobra.Command, given []string, opt ops.AddOptions) error {
	switch {
	case opt.Path != "" && len(given) > 1:
		return usagef("--path adds one package, not %s", count(len(given), "package"))
	case opt.Path != "" && len(given) == 1 && strings.Contains(strings.TrimPrefix(given[0], "@"), "@"):
		return usagef("--path takes the package as it stands in the directory: leave out the range of %q", given[0])
	case opt.Path == "" && len(given) == 0:
		return args(1, -1, "at least one package")(cmd, given)
	}
	return nil
}

func addFlags(cmd *cobra.Command, opt *ops.AddOptions) {
	f := cmd.Flags()
	f.BoolVar(&opt.Dev, "dev", false, "add to dev-dependencies")
	f.StringVar(&opt.Path, "path", "", "add the package in `DIR`: it is used as it stands there, and never stored")
	f.BoolVar(&opt.NoSync, "no-sync", false, "edit openpackage.yml and opkg.lock; install nothing")
	f.BoolVar(&opt.NoLock, "no-lock", false, "edit openpackage.yml alone")
}

func (a *app) add(cmd *cobra.Command, given []string, opt ops.AddOptions) error {
	w, err := a.world()
	if err != nil {
		return err
	}
	var specs []ops.Spec
	for _, s := range given {
		spec, err := ops.ParseSpec(s)
		if err != nil {
			return cmp.Or(notByName(s), err)
		}
		specs = append(specs, spec)
	}
	res, err := w.Add(cmd.Context(), specs, opt)
	return a.renderAdd(res, err, opt)
}

// notByName says of a directory or a repository by which flag it is added; nil for an argument that is neither.
func notByName(s string) error {
	_, err := ident.ParseGitURL(s)
	directory := filepath.IsAbs(s) || strings.IndexAny(s, "./~") == 0
	switch {
	case directory && !strings.HasSuffix(s, ".git"):
		return &usageError{msg: fmt.Sprintf("%q is a directory, not a name", s), hint: fmt.Sprintf("opkg add --path %s adds the package in it", s)}
	case err == nil || strings.Contains(s, "://"):
		return &usageError{msg: origin.Quote(s) + " is a repository, not a name", hint: "opkg add --git URL adds the package of a git repository"}
	}
	return nil
}

// renderAdd shows an edit. An error of its sync comes when manifest and lock are written: then it shows those.
func (a *app) renderAdd(res *ops.AddResult, err error, opt ops.AddOptions) error {
	if err != nil && (res == nil || a.json) {
		return err
	}
	if a.json {
		type added struct {
			Name     string `json:"name"`
			Range    string `json:"range"`
			Registry string `json:"registry,omitempty"`
			Git      string `json:"git,omitempty"`
			Ref      string `json:"ref,omitempty"`
			Base     string `json:"base,omitempty"`
		}
		out := struct {
			Manifest string       `json:"manifest"`
			Added    []added      `json:"added"`
			Removed  []added      `json:"removed,omitempty"`
			Changes  []changeJSON `json:"lockChanges"`
			Sync     any          `json:"sync,omitempty"`
		}{Manifest: res.Manifest, Added: []added{}}
		for _, d := range res.Added {
			out.Added = append(out.Added, added{string(d.Name), d.Range, d.Alias, d.Git, d.Ref, d.Base})
		}
		for _, d := range res.Removed {
			out.Removed = append(out.Removed, added{string(d.Name), d.Range, d.Alias, d.Git, d.Ref, d.Base})
		}
		out.Changes = []changeJSON{}
		if res.Lock != nil {
			out.Changes = changesJSON(res.Lock.Changes)
		}
		if res.Sync != nil {
			out.Sync = syncJSON(res.Sync, opt.Sync)
		}
		a.printJSON(out)
		return nil
	}
	if res.Edited {
		for _, d := range res.Added {
			a.note("%s: %s %s", a.near(res.Manifest), d.Name, asked(d))
		}
		for _, d := range res.Removed {
			a.note("%s: no longer %s %s", a.near(res.Manifest), d.Name, asked(d))
		}
	}
	if res.Lock != nil {
		a.renderChanges(res.Lock)
	}
	switch {
	case err != nil && res.Written:
		a.note("%s and %s are written; nothing is installed yet", a.near(res.Manifest), ops.LockName)
	case err == nil && res.Sync != nil:
		a.renderSync(res.Sync, opt.Sync)
	}
	return err
}

func removeCmd(a *app) *cobra.Command {
	var opt ops.AddOptions
	cmd := &cobra.Command{
		Use:   "remove NAME...",
		Short: "remove packages from openpackage.yml, lock and sync",
		Args:  args(1, -1, "at least one name"),
		RunE: func(cmd *cobra.Command, given []string) error {
			w, err := a.world()
			if err != nil {
				return err
			}
			names, err := parseNames(given)
			if err != nil {
				return err
			}
			res, err := w.Remove(cmd.Context(), names, opt)
			return a.renderAdd(res, err, opt)
		},
	}
	f := cmd.Flags()
	f.BoolVar(&opt.NoSync, "no-sync", false, "edit openpackage.yml and opkg.lock; install nothing")
	f.BoolVar(&opt.NoLock, "no-lock", false, "edit openpackage.yml alone")
	return cmd
}

func installCmd(a *app) *cobra.Command {
	var opt ops.AddOptions
	cmd := &cobra.Command{
		Use:   "install [[ALIAS/]NAME[@RANGE]...]",
		Short: "install what openpackage.yml asks for, or add packages to it",
		Long: `Install without an argument locks if the lock is stale (where CI is set too: sync is for CI), then syncs. With arguments it is opkg add.

    opkg install myorg/my-pkg@1.0.0

adds my-pkg 1.0.0 from the registry configured as myorg.`,
		RunE: func(cmd *cobra.Command, given []string) error {
			if len(given) > 0 || opt.Path != "" {
				if err := checkAdd(cmd, given, opt); err != nil {
					return err
				}
				if opt.Sync.Locked || opt.Sync.Frozen {
					return usagef("--locked and --frozen go without a package to add: adding one changes the lock")
				}
				return a.add(cmd, given, opt)
			}
			w, err := a.world()
			if err != nil {
				return err
			}
			if opt.Dev || opt.NoLock || opt.NoSync {
				return usagef("--dev, --no-lock and --no-sync go with a package to add")
			}
			opt.Sync.Relock = true
			return a.sync(cmd, w, opt.Sync)
		},
	}
	addFlags(cmd, &opt)
	syncFlags(cmd, &opt.Sync)
	return cmd
}

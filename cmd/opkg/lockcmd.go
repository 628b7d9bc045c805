package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/openpackage/opkg/internal/ops"
	"github.com/openpackage/opkg/lock"
)

func lockCmd(a *app) *cobra.Command {
	var opt ops.LockOptions
	var names []string
	cmd := &cobra.Command{
		Use:   "lock",
		Short: "solve openpackage.yml and write opkg.lock",
		Long: `Lock solves the requirements of openpackage.yml against the registries and writes opkg.lock.

What is locked is kept while it still fits, also, with a warning, a version that was yanked since. --upgrade forgets all of it, --upgrade-package NAME one package.

--check asks the registries too, and ends with 3 if lock would write something else: openpackage.yml changed, or a locked version is no longer
there and another one fits. A yanked version is no reason; opkg verify --online warns of it, too.`,
		Args: args(0, 0, "no argument"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			w, err := a.world()
			if err != nil {
				return err
			}
			if opt.Names, err = parseNames(names); err != nil {
				return err
			}
			res, err := w.Lock(cmd.Context(), opt)
			if err != nil {
				return err
			}
			if a.json {
				a.printJSON(lockJSON(res, opt))
				return nil
			}
			a.renderChanges(res)
			a.renderChoices(res)
			switch {
			case opt.Check:
				a.note("%s is up to date: %s", ops.LockName, count(len(res.Lock.Packages), "package"))
			case res.Written:
				a.note("wrote %s: %s", ops.LockName, count(len(res.Lock.Packages), "package"))
			case opt.DryRun && len(res.Changes) > 0:
				a.note("%s would change; nothing was written (--dry-run)", ops.LockName)
			}
			return nil
		},
	}
	f := cmd.Flags()
	f.BoolVar(&opt.Check, "check", false, "write nothing; exit 3 if the lock is not what lock would write")
	f.BoolVar(&opt.DryRun, "dry-run", false, "show what would change; write nothing")
	f.BoolVarP(&opt.Upgrade, "upgrade", "U", false, "take the newest versions that fit, whatever is locked")
	f.BoolVar(&opt.Explain, "explain", false, "say of each package which registry answers for it, and why this version was chosen")
	f.StringArrayVarP(&names, "upgrade-package", "P", nil, "take the newest version that fits of `NAME` (may be repeated)")
	return cmd
}

// renderChanges prints the difference between two locks, one line a package.
func (a *app) renderChanges(res *ops.LockResult) {
	if a.quiet {
		return
	}
	for _, c := range res.Changes {
		fmt.Fprintln(a.stdout, a.changeLine(c))
	}
}

func (a *app) changeLine(c lock.Change) string {
	switch {
	case c.Old == nil:
		return a.paint(a.stdout, green, fmt.Sprintf("+ %s %s", c.Name, c.New.Version)) + a.from(c.New)
	case c.New == nil:
		return a.paint(a.stdout, red, fmt.Sprintf("- %s %s", c.Name, c.Old.Version))
	case c.Old.Version != c.New.Version:
		line := a.paint(a.stdout, yellow, fmt.Sprintf("~ %s %s -> %s", c.Name, c.Old.Version, c.New.Version))
		if was, is := comesFrom(c.Old), comesFrom(c.New); was != is {
			return line + a.paint(a.stdout, yellow, fmt.Sprintf(" (from %s -> %s)", was, is)) // another publisher, perhaps
		}
		return line + a.from(c.New)
	}
	return a.paint(a.stdout, yellow, fmt.Sprintf("~ %s %s (%s)", c.Name, c.New.Version, changedField(c.Old, c.New)))
}

// from says where a package comes from.
func (a *app) from(p *lock.Package) string {
	return a.paint(a.stdout, dim, " (from "+comesFrom(p)+")")
}

func comesFrom(p *lock.Package) string {
	switch {
	case p.Source != "":
		return string(p.Source)
	case p.Git != "":
		return p.Git
	}
	return message(p.Path) // any text that is a path
}

// changedField names what differs in two entries of one version.
func changedField(old, new *lock.Package) string {
	switch {
	case comesFrom(old) != comesFrom(new):
		return "from " + comesFrom(old) + " -> " + comesFrom(new)
	case old.Commit != new.Commit:
		return fmt.Sprintf("commit %.12s -> %.12s", old.Commit, new.Commit)
	case old.SHA256 != new.SHA256:
		return fmt.Sprintf("sha256 %.12s -> %.12s", old.SHA256, new.SHA256)
	case old.Dev != new.Dev && new.Dev:
		return "now for development only"
	case old.Dev != new.Dev:
		return "no longer for development only"
	}
	return "described anew"
}

// count is "1 package" or "3 packages".
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

type packageJSON struct {
	Name     string `json:"name"`
	Version  string `json:"version"`
	Source   string `json:"source,omitempty"`
	Artifact string `json:"artifact,omitempty"`
	Git      string `json:"git,omitempty"`
	Commit   string `json:"commit,omitempty"`
	Path     string `json:"path,omitempty"`
	Size     int64  `json:"size,omitempty"`
	SHA256   string `json:"sha256,omitempty"`
	Tree     string `json:"tree,omitempty"`
	Dev      bool   `json:"dev,omitempty"`
}

func newPackageJSON(p *lock.Package) packageJSON {
	j := packageJSON{
		Name: string(p.Name), Version: p.Version.String(), Source: string(p.Source), Artifact: p.Artifact,
		Git: p.Git, Commit: string(p.Commit), Path: p.Path, Size: p.Size, Dev: p.Dev,
	}
	if !p.SHA256.IsZero() {
		j.SHA256 = p.SHA256.String()
	}
	if !p.Tree.IsZero() {
		j.Tree = p.Tree.String()
	}
	return j
}

type changeJSON struct {
	Action string `json:"action"` // added, removed, changed
	Name   string `json:"name"`
	From   string `json:"from,omitempty"` // versions
	To     string `json:"to,omitempty"`
	Source string `json:"source,omitempty"`
}

func changesJSON(changes []lock.Change) []changeJSON {
	out := []changeJSON{}
	for _, c := range changes {
		j := changeJSON{Action: "changed", Name: string(c.Name)}
		if c.Old == nil {
			j.Action = "added"
		} else {
			j.From = c.Old.Version.String()
		}
		if c.New == nil {
			j.Action = "removed"
		} else {
			j.To, j.Source = c.New.Version.String(), comesFrom(c.New)
		}
		out = append(out, j)
	}
	return out
}

func lockJSON(res *ops.LockResult, opt ops.LockOptions) any {
	return struct {
		Lock     string       `json:"lock"`
		Written  bool         `json:"written"`
		DryRun   bool         `json:"dryRun,omitempty"`
		Packages int          `json:"packages"`
		Changes  []changeJSON `json:"changes"`
		Choices  []choiceJSON `json:"choices,omitempty"` // with --explain
	}{res.Path, res.Written, opt.DryRun, len(res.Lock.Packages), changesJSON(res.Changes), choicesJSON(res.Choices)}
}

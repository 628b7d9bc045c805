package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/openpackage/opkg/internal/ops"
	"github.com/openpackage/opkg/materialize"
)

func syncFlags(cmd *cobra.Command, opt *ops.SyncOptions) {
	f := cmd.Flags()
	f.BoolVar(&opt.Locked, "locked", false, "a stale or missing lock is an error")
	f.BoolVar(&opt.Frozen, "frozen", false, "take the lock as it is: do not compare it with openpackage.yml")
	f.BoolVar(&opt.NoDev, "no-dev", false, "leave out what only dev-dependencies need")
	f.BoolVar(&opt.DryRun, "dry-run", false, "show what would be done; change nothing")
	f.BoolVar(&opt.Force, "force", false, "replace version directories that opkg did not make")
}

func syncCmd(a *app) *cobra.Command {
	var opt ops.SyncOptions
	var recursive bool
	cmd := &cobra.Command{
		Use:   "sync",
		Short: "make this machine equal opkg.lock",
		Long: `Sync fetches what opkg.lock names and this machine does not have, verifies it before use, keeps it in the store,
and links it into ~/.openpackage/registry/<name>/<version>/.

A stale lock is refreshed first, unless --locked, --frozen or CI says otherwise.

With -r it does so for every workspace in the current directory and below it, goes on where one fails, and ends with the status of the
first that failed.`,
		Args: args(0, 0, "no argument"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			w, err := a.world()
			if err != nil {
				return err
			}
			if recursive {
				return a.syncAll(cmd, w, opt)
			}
			return a.sync(cmd, w, opt)
		},
	}
	syncFlags(cmd, &opt)
	cmd.Flags().Lookup("locked").Usage += " (the default where CI is set)"
	cmd.Flags().BoolVarP(&recursive, "recursive", "r", false, "sync every workspace in this directory and below it")
	return cmd
}

// checkSync refuses flags that contradict each other.
func checkSync(opt ops.SyncOptions) error {
	if opt.Locked && opt.Frozen {
		return usagef("--locked compares the lock with openpackage.yml, and --frozen does not: give one of them")
	}
	return nil
}

func (a *app) sync(cmd *cobra.Command, w *ops.World, opt ops.SyncOptions) error {
	if err := checkSync(opt); err != nil {
		return err
	}
	res, err := a.syncOne(cmd, w, opt)
	if err == nil && a.json {
		a.printJSON(syncJSON(res, opt))
	}
	return err
}

// syncOne syncs one workspace, and shows what was done unless that is for JSON.
func (a *app) syncOne(cmd *cobra.Command, w *ops.World, opt ops.SyncOptions) (*ops.SyncResult, error) {
	res, err := w.Sync(cmd.Context(), opt)
	if res != nil && res.Lock != nil && !a.json {
		a.renderChanges(res.Lock)
		if res.Lock.Written {
			a.note("wrote %s: %s", ops.LockName, count(len(res.Lock.Lock.Packages), "package"))
		}
	}
	if err == nil && !a.json {
		a.renderSync(res, opt)
	}
	return res, err
}

// syncAll syncs all workspaces below w.Dir, one after the other: they share the store, the network and the disk.
func (a *app) syncAll(cmd *cobra.Command, w *ops.World, opt ops.SyncOptions) error {
	if err := checkSync(opt); err != nil {
		return err
	}
	dirs, err := w.Workspaces()
	if err != nil {
		return err
	}
	type result struct {
		Workspace string `json:"workspace"`
		Sync      any    `json:"sync,omitempty"`
		Error     any    `json:"error,omitempty"`
	}
	results := []result{}
	failed := 0
	var first error
	for _, dir := range dirs {
		here := *w
		here.Dir = dir
		if !a.json {
			a.note("%s:", a.near(dir))
		}
		a.start = time.Now()
		res, err := a.syncOne(cmd, &here, opt)
		r := result{Workspace: dir}
		switch {
		case cmd.Context().Err() != nil:
			return err
		case err != nil:
			r.Error = errorJSON(err, ruleFor(err))
			if !a.json {
				if a.quiet { // else it stands above already
					fmt.Fprintln(a.stderr, message(a.near(dir)+":"))
				}
				a.printError(err)
			}
			if failed++; first == nil {
				first = err
			}
		case a.json:
			r.Sync = syncJSON(res, opt)
		}
		results = append(results, r)
	}
	if a.json {
		a.printJSON(results)
	}
	if failed > 0 {
		return &partlyError{first, fmt.Sprintf("%d of %s failed", failed, count(len(dirs), "workspace"))}
	}
	return nil
}

// partlyError sums up errors that were shown already, with the status of the first.
type partlyError struct {
	first error
	msg   string
}

func (e *partlyError) Error() string { return e.msg }
func (e *partlyError) Unwrap() error { return e.first }

// renderSync prints the plan of a dry run, or one line that sums up what was done and one that says where.
func (a *app) renderSync(res *ops.SyncResult, opt ops.SyncOptions) {
	if opt.DryRun {
		a.renderPlan(res)
		return
	}
	a.noteChanged(res.Plan)
	a.note("%s", summary(res, time.Since(a.start)))
	if n := len(res.Fetch) + res.Applied.Placed; n > 0 {
		a.note("they are in %s", a.home(res.Directory))
	}
}

// mostChanged is how many directories are named that a sync found changed.
const mostChanged = 10

// noteChanged names the version directories that somebody had changed, and what in them: an agent may have read that.
func (a *app) noteChanged(plan *materialize.Plan) {
	if plan == nil {
		return
	}
	n := 0
	for _, s := range plan.Steps {
		if s.Action != materialize.Heal && s.Action != materialize.Replace {
			continue
		}
		if n++; n <= mostChanged {
			a.note("%s %s was changed (%s), and is as locked again", s.Want.Name, s.Want.Version, s.Reason)
		}
	}
	if n > mostChanged {
		a.note("and so were %d more: opkg sync --json lists them", n-mostChanged)
	}
}

// summary is "12 packages: 3 fetched, 9 already there, in 0.4 s".
func summary(res *ops.SyncResult, took time.Duration) string {
	fetched := len(res.Fetch)
	healed := res.Applied.Healed
	restored := max(0, res.Applied.Placed-fetched)
	var parts []string
	add := func(n int, what string) {
		if n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, what))
		}
	}
	add(fetched, "fetched")
	add(restored, "linked from the store")
	add(healed, "healed")
	add(res.Applied.Adopted, "adopted as they stood")
	add(res.Applied.Kept, "already there")
	add(res.Local, "in the workspace")
	if len(parts) == 0 {
		parts = []string{"nothing to do"}
	}
	return fmt.Sprintf("%s: %s, in %s", count(res.Packages+res.Local, "package"), strings.Join(parts, ", "), seconds(took))
}

func seconds(d time.Duration) string {
	if d < 100*time.Millisecond {
		return fmt.Sprintf("%.2f s", d.Seconds())
	}
	return fmt.Sprintf("%.1f s", d.Seconds())
}

// verbs are what a plan says it would do.
var verbs = map[materialize.Action]string{
	materialize.Adopt:   "adopt",
	materialize.Place:   "place",
	materialize.Heal:    "heal",
	materialize.Replace: "replace",
	materialize.Blocked: "blocked",
}

func (a *app) renderPlan(res *ops.SyncResult) {
	for _, p := range res.Fetch {
		fmt.Fprintf(a.stdout, "fetch %s %s (%s)\n", p.Name, p.Version, size(p.Size))
	}
	for _, s := range res.Plan.Steps {
		verb := verbs[s.Action]
		if verb == "" {
			continue
		}
		line := fmt.Sprintf("%s %s %s", verb, s.Want.Name, s.Want.Version)
		if s.Reason != "" {
			line += ": " + s.Reason
		}
		fmt.Fprintln(a.stdout, line)
	}
	a.note("%s; nothing was changed (--dry-run)", count(res.Packages, "package"))
}

func syncJSON(res *ops.SyncResult, opt ops.SyncOptions) any {
	type step struct {
		Action  string `json:"action"`
		Name    string `json:"name"`
		Version string `json:"version"`
		Dir     string `json:"dir"`
		Reason  string `json:"reason,omitempty"`
	}
	out := struct {
		Directory string       `json:"directory"`
		DryRun    bool         `json:"dryRun,omitempty"`
		Packages  int          `json:"packages"`
		Fetched   int          `json:"fetched"`
		Bytes     int64        `json:"bytes"`
		Placed    int          `json:"placed"`
		Healed    int          `json:"healed"`
		Adopted   int          `json:"adopted"`
		Kept      int          `json:"kept"`
		Steps     []step       `json:"steps"`
		Changes   []changeJSON `json:"lockChanges,omitempty"`
	}{Directory: res.Directory, DryRun: opt.DryRun, Packages: res.Packages, Fetched: len(res.Fetch), Bytes: res.Bytes, Steps: []step{}}
	if res.Applied != nil {
		out.Placed, out.Healed, out.Adopted, out.Kept = res.Applied.Placed, res.Applied.Healed, res.Applied.Adopted, res.Applied.Kept
	}
	for _, s := range res.Plan.Steps {
		verb := verbs[s.Action]
		if verb == "" {
			verb = "keep"
		}
		out.Steps = append(out.Steps, step{verb, string(s.Want.Name), s.Want.Version.String(), s.Dir, s.Reason})
	}
	if res.Lock != nil {
		out.Changes = changesJSON(res.Lock.Changes)
	}
	return out
}

package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/openpackage/opkg/internal/ops"
)

func gcCmd(a *app) *cobra.Command {
	var opt ops.GCOptions
	var olderThan, maxSize, grace string
	cmd := &cobra.Command{
		Use:   "gc",
		Short: "remove what no workspace's lock refers to any more",
		Long: `Gc asks the lock of every workspace that synced on this machine, and removes what none of them names: version
directories that opkg made and nobody changed, stored files, and what killed runs left behind. Directories of other clients
stay. It waits for syncs that are at work, and they for it; what it removes, a later sync fetches again.

A workspace whose lock cannot be read keeps what it named at its last sync. One whose lock is gone does so for 14 days, or for
--grace. opkg cache roots lists them.`,
		Args: args(0, 0, "no argument"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			var err error
			if opt.OlderThan, err = parseAge("--older-than", olderThan, 0); err != nil {
				return err
			}
			if opt.Grace, err = parseAge("--grace", grace, ops.RootGrace); err != nil {
				return err
			}
			if opt.MaxSize, err = parseSize("--max-size", maxSize); err != nil {
				return err
			}
			w, err := a.world()
			if err != nil {
				return err
			}
			res, err := w.GC(cmd.Context(), opt)
			if err != nil {
				return err
			}
			if a.json {
				a.printJSON(gcJSON(res, opt))
				return nil
			}
			a.renderGC(res, opt)
			return nil
		},
	}
	f := cmd.Flags()
	f.BoolVar(&opt.DryRun, "dry-run", false, "show what would be removed; change nothing")
	f.StringVar(&olderThan, "older-than", "", "leave what was used within `DUR` (12h, 30d, 2w)")
	f.StringVar(&maxSize, "max-size", "", "leave the most recently used as long as the store takes no more than `SIZE` (500MB, 2GiB)")
	f.StringVar(&grace, "grace", "", "for how long (`DUR`) a workspace that is gone keeps what it named (default 14d)")
	return cmd
}

func (a *app) renderGC(res *ops.GCResult, opt ops.GCOptions) {
	removed := 0
	for _, v := range res.Versions {
		switch {
		case v.Removed:
			removed++
			if opt.DryRun || a.verbose {
				fmt.Fprintf(a.stdout, "remove %s %s\n", v.Want.Name, v.Want.Version)
			}
		default:
			a.note("%s stays: it was changed since opkg put it there: %s", a.home(v.Dir), v.Kept)
		}
	}
	for _, r := range res.Roots {
		if r.Dropped {
			if opt.DryRun || a.verbose {
				fmt.Fprintf(a.stdout, "forget %s\n", message(r.Workspace))
			}
		} else if r.Missing {
			a.note("%s has no lock any more; what it named is kept until %s", a.home(r.Workspace), r.Gone.Add(opt.Grace).Local().Format(time.DateOnly))
		}
	}
	var parts []string
	for _, p := range []struct {
		n    int
		noun string
	}{{removed, "version"}, {res.Artifacts, "archive record"}, {res.Blobs, "stored file"}, {res.Leftovers, "leftover"}} {
		if p.n > 0 {
			parts = append(parts, count(p.n, p.noun))
		}
	}
	if len(parts) == 0 {
		parts = []string{"nothing to remove"}
	}
	if opt.DryRun {
		a.note("would free %s: %s; nothing was changed (--dry-run)", size(res.Bytes), strings.Join(parts, ", "))
	} else {
		a.note("freed %s: %s", size(res.Bytes), strings.Join(parts, ", "))
	}
	if opt.MaxSize > 0 && res.Live > opt.MaxSize {
		a.note("what the locks name takes %s, more than --max-size", size(res.Live))
	}
}

func gcJSON(res *ops.GCResult, opt ops.GCOptions) any {
	type version struct {
		Name    string `json:"name"`
		Version string `json:"version"`
		Dir     string `json:"dir"`
		Kept    string `json:"kept,omitempty"`
	}
	out := struct {
		DryRun    bool       `json:"dryRun,omitempty"`
		Versions  []version  `json:"versions"`
		Changed   []version  `json:"changed"`
		Forgotten []string   `json:"forgotten"`
		Gone      []rootJSON `json:"gone"`
		Unread    []rootJSON `json:"unreadable"`
		Artifacts int        `json:"artifacts"`
		Trees     int        `json:"trees"`
		Blobs     int        `json:"blobs"`
		Leftovers int        `json:"leftovers"`
		Files     int        `json:"files"`
		Bytes     int64      `json:"bytes"`
	}{
		DryRun: opt.DryRun, Versions: []version{}, Changed: []version{}, Forgotten: []string{}, Gone: []rootJSON{}, Unread: []rootJSON{},
		Artifacts: res.Artifacts, Trees: res.Trees, Blobs: res.Blobs, Leftovers: res.Leftovers, Files: res.Files, Bytes: res.Bytes,
	}
	for _, v := range res.Versions {
		j := version{string(v.Want.Name), v.Want.Version.String(), v.Dir, v.Kept}
		if v.Removed {
			out.Versions = append(out.Versions, j)
		} else {
			out.Changed = append(out.Changed, j)
		}
	}
	for i := range res.Roots {
		switch r := &res.Roots[i]; {
		case r.Dropped:
			out.Forgotten = append(out.Forgotten, r.Workspace)
		case r.Missing:
			out.Gone = append(out.Gone, newRootJSON(r))
		case r.Err != nil:
			out.Unread = append(out.Unread, newRootJSON(r))
		}
	}
	return out
}

// parseAge reads a duration as Go writes it, with days (d) and weeks (w) besides; "" is def.
func parseAge(flag, s string, def time.Duration) (time.Duration, error) {
	if s == "" {
		return def, nil
	}
	for unit, hours := range map[string]float64{"d": 24, "w": 7 * 24} {
		if n, ok := strings.CutSuffix(s, unit); ok {
			if f, err := strconv.ParseFloat(n, 64); err == nil && f >= 0 && f*hours*float64(time.Hour) < math.MaxInt64 {
				return time.Duration(f * hours * float64(time.Hour)), nil
			}
		}
	}
	if d, err := time.ParseDuration(s); err == nil && d >= 0 {
		return d, nil
	}
	return 0, usagef("%s is %q, not a duration such as 12h, 30d or 2w", flag, s)
}

// sizeUnits are what sizes end in, longest first.
var sizeUnits = []struct {
	suffix string
	bytes  float64
}{
	{"kib", 1 << 10}, {"mib", 1 << 20}, {"gib", 1 << 30}, {"tib", 1 << 40},
	{"kb", 1e3}, {"mb", 1e6}, {"gb", 1e9}, {"tb", 1e12},
	{"k", 1e3}, {"m", 1e6}, {"g", 1e9}, {"t", 1e12}, {"b", 1}, {"", 1},
}

// parseSize reads a number of bytes; "" is 0.
func parseSize(flag, s string) (int64, error) {
	if s == "" {
		return 0, nil
	}
	for _, u := range sizeUnits {
		n, ok := strings.CutSuffix(strings.ToLower(s), u.suffix)
		if !ok {
			continue
		}
		if f, err := strconv.ParseFloat(strings.TrimSpace(n), 64); err == nil && f*u.bytes >= 1 && f*u.bytes < math.MaxInt64 {
			return int64(f * u.bytes), nil
		}
		break
	}
	return 0, usagef("%s is %q, not a size such as 500MB or 2GiB", flag, s)
}

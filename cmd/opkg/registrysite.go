package main

import (
	"context"

	"github.com/openpackage/opkg/internal/ops"
)

// siteFlags are the flags of registry index that are about the site.
type siteFlags struct {
	write bool
	title string
}

// writeSite writes the site of the registry in dir, if it is asked for or has one; nil where there is none.
func (a *app) writeSite(ctx context.Context, w *ops.World, dir string, f siteFlags) (*ops.SiteResult, error) {
	if !f.write && f.title == "" && !ops.HasSite(dir) {
		return nil, nil
	}
	return w.WriteSite(ctx, dir, f.title)
}

func siteJSON(r *ops.SiteResult) map[string]any {
	return map[string]any{"pages": r.Pages, "written": r.Written, "removed": r.Removed}
}

// noteSite says what became of the site.
func (a *app) noteSite(r *ops.SiteResult) {
	if r != nil {
		a.note("site of %s: %s written, %d removed", count(r.Pages, "page"), count(r.Written, "file"), r.Removed)
	}
}

package main

import (
	"github.com/openpackage/opkg/internal/ops"
)

func siteJSON(r *ops.SiteResult) map[string]any {
	return map[string]any{"pages": r.Pages, "written": r.Written, "removed": r.Removed}
}

// noteSite says what became of the site.
func (a *app) noteSite(r *ops.SiteResult) {
	if r != nil {
		a.note("site of %s: %s written, %d removed", count(r.Pages, "page"), count(r.Written, "file"), r.Removed)
	}
}

package ops

import (
	"context"
	"slices"
	"strings"

	"github.com/openpackage/opkg/ident"
	"github.com/openpackage/opkg/manifest"
)

// UpgradeOptions say how Upgrade goes about it.
type UpgradeOptions struct {
	Latest bool // past what the manifest's ranges admit: they are rewritten
	NoSync bool
	Sync   SyncOptions
}

// Upgrade takes the newest versions that fit, of names or of everything, writes opkg.lock and syncs. With Latest the ranges of the
// manifest that do not admit the newest stable version are rewritten to do so. It is all or nothing, like Add.
func (w *World) Upgrade(ctx context.Context, names []ident.Name, opt UpgradeOptions) (*AddResult, error) {
	edit := AddOptions{NoSync: opt.NoSync, Sync: opt.Sync, relock: LockOptions{Upgrade: len(names) == 0, Names: names}}
	return w.edit(ctx, edit, func(ws *Workspace, res *AddResult) ([]byte, error) {
		if !opt.Latest {
			return ws.ManifestData, nil
		}
		deps, err := ws.latest(ctx, names)
		if err != nil {
			return nil, err
		}
		for _, d := range deps {
			res.Added = append(res.Added, Added{Name: d.Name, Range: d.Range.String(), Alias: d.Registry})
		}
		return manifest.Add(w.show(ws.ManifestPath), ws.ManifestData, deps...)
	})
}

// latest is what the manifest would have to say to admit the newest versions: of names, or of all that it asks registries
// for. The error is a *NotRequiredError for names that it does not ask for.
func (ws *Workspace) latest(ctx context.Context, names []ident.Name) ([]manifest.Dependency, error) {
	var wanted, out []manifest.Dependency
	var specs []Spec
	asked := map[ident.Name]bool{}
	for _, d := range slices.Concat(ws.Manifest.Dependencies, ws.Manifest.DevDependencies) {
		asked[d.Name] = true
		switch {
		case len(names) > 0 && !slices.Contains(names, d.Name):
			continue
		case d.Git != "" || d.Path != "" || d.Registry == "" && ws.hasNested(d.Name):
			continue
		}
		wanted, specs = append(wanted, d), append(specs, Spec{Name: d.Name, Alias: d.Registry})
	}
	owners, err := ws.owners(ctx, specs)
	if err != nil {
		return nil, err
	}
	for _, d := range wanted {
		v, err := newest(d.Name, owners[d.Name])
		if err != nil {
			return nil, err
		}
		if d.Range.Contains(v) {
			continue
		}
		if d.Range, err = ident.ParseRange(sameStyle(d.Range.String(), v)); err != nil {
			return nil, err
		}
		d.HasRange = true
		out = append(out, d)
	}
	for _, n := range names {
		if !asked[n] {
			return nil, ws.notRequired(n)
		}
	}
	return out, nil
}

// sameStyle is a range for v as strict as the one that it replaces: an exact version stays one, a tilde a tilde; all else
// becomes a caret.
func sameStyle(was string, v ident.Version) string {
	if _, err := ident.ParseVersion(strings.TrimPrefix(was, "=")); err == nil {
		return v.String()
	}
	if strings.HasPrefix(was, "~") && !strings.ContainsAny(was, " |") {
		return "~" + v.String()
	}
	return ident.Caret(v)
}

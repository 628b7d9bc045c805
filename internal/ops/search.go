package ops

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/openpackage/opkg/config"
	"github.com/openpackage/opkg/ident"
	"github.com/openpackage/opkg/registry"
	"github.com/openpackage/opkg/sources"
)

// SearchResult is what Search found.
type SearchResult struct {
	Found  []sources.Found         // the best first
	Failed []sources.SearchFailure // registries that could not be searched
}

// Search looks for term in names, descriptions and keywords of all configured registries. It works outside of a workspace too: with the
// user's own registries.
func (w *World) Search(ctx context.Context, term string) (*SearchResult, error) {
	if len(registry.Words(term)) == 0 {
		return nil, &SpecError{Input: term, Err: errors.New("there is nothing to look for"), HintText: "write a word of a name or a description"}
	}
	router, _, err := w.routerAnywhere(nil)
	if err != nil {
		return nil, err
	}
	found, failed, err := router.Search(ctx, term)
	if err != nil {
		return nil, err
	}
	return &SearchResult{found, failed}, nil
}

// routerAnywhere is the Router of the workspace, or of the user's own configuration where there is no workspace. extra are pins
// beside those of the manifest.
func (w *World) routerAnywhere(extra map[ident.Name]string) (*sources.Router, *config.Config, error) {
	pins := map[ident.Name]string{}
	var cfg *config.Config
	ws, err := w.Open()
	var none *NoWorkspaceError
	switch {
	case err == nil:
		cfg, pins = ws.Config, pinsOf(ws.Requires())
	case errors.As(err, &none):
		if cfg, err = w.LoadConfig(""); err != nil {
			return nil, nil, err
		}
	default:
		return nil, nil, err
	}
	for name, alias := range extra {
		pins[name] = alias
	}
	router, err := sources.NewRouter(cfg, pins, w.registries(cfg, w.gitHost(cfg)).open(false))
	return router, cfg, err
}

// PackageInfo is what registries say of one package.
type PackageInfo struct {
	Name     ident.Name
	Registry config.Registry // the one that answers for the name
	Index    *registry.Index
	Release  *registry.Release       // the one that was asked for, or the newest
	Shadowed []config.Registry       // have the name too, and are not asked for it
	Passed   []config.Registry       // come first, and do not have it
	Failed   []sources.SearchFailure // could not say whether they have it
}

// Info says what the registry that answers for a name says of it. A range in spec chooses the newest release in it that is not
// yanked; an exact version is shown whatever it is. Errors: as Router.Owner; *NoReleaseError.
func (w *World) Info(ctx context.Context, spec Spec) (*PackageInfo, error) {
	var extra map[ident.Name]string
	if spec.Alias != "" {
		extra = map[ident.Name]string{spec.Name: spec.Alias}
	}
	router, _, err := w.routerAnywhere(extra)
	if err != nil {
		return nil, err
	}
	owner, err := router.Owner(ctx, spec.Name)
	if err != nil {
		return nil, err
	}
	info := &PackageInfo{Name: spec.Name, Registry: owner.Registry, Index: owner.Index, Passed: owner.Tried}
	var within []registry.Release
	exact, one := spec.Range.Exact()
	for _, r := range owner.Index.Releases {
		if !spec.HasRange || spec.Range.Contains(r.Version) && (!one || exact.Compare(r.Version) == 0) {
			within = append(within, r)
		}
	}
	i := registry.Newest(within)
	if i < 0 {
		return nil, &NoReleaseError{Name: spec.Name, Range: spec.Range, Releases: owner.Index.Releases, Registry: owner.Registry}
	}
	info.Release = &within[i]
	if info.Shadowed, info.Failed, err = router.Others(ctx, spec.Name); err != nil {
		return nil, err
	}
	return info, nil
}

// NoReleaseError says that a package has no version that was asked for.
type NoReleaseError struct {
	Name     ident.Name
	Range    ident.Range
	Releases []registry.Release
	Registry config.Registry
}

func (e *NoReleaseError) Error() string {
	if len(e.Releases) == 0 {
		return fmt.Sprintf("%s has no versions in %s", e.Name, e.Registry.Source)
	}
	return fmt.Sprintf("%s has no version %s in %s", e.Name, e.Range, e.Registry.Source)
}

// Hint names the newest versions that there are.
func (e *NoReleaseError) Hint() string {
	if len(e.Releases) == 0 {
		return ""
	}
	var newest []string
	for i := len(e.Releases) - 1; i >= 0 && len(newest) < 5; i-- {
		newest = append(newest, e.Releases[i].Version.String())
	}
	return "the newest are " + strings.Join(newest, ", ")
}

package sources

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/openpackage/opkg/config"
	"github.com/openpackage/opkg/ident"
	"github.com/openpackage/opkg/internal/origin"
	"github.com/openpackage/opkg/registry"
)

// Permitted judges, without a request, whether a lock may say that name comes from id as artifact. The source must be one that the
// configuration names and that may answer for the name; the artifact must lie under the source, or at an https URL
// of another origin, which Open of the source then holds against the registry's own index. The error is a *NotAllowedError.
func (r *Router) Permitted(name ident.Name, id ident.SourceID, artifact string) error {
	refuse := func(target, reason, hint string) error {
		return &NotAllowedError{Name: name, Target: target, Reason: reason, HintText: hint}
	}
	reg, ok := r.find(id)
	if !ok {
		return refuse(string(id), "no registry of config.yml has that source",
			"if the registry is yours, add it to config.yml; else somebody changed opkg.lock: restore it, or run opkg lock")
	}
	candidates, rule := r.candidates(name)
	allowed := false
	for _, c := range candidates {
		allowed = allowed || c.Source == id
	}
	switch {
	case allowed:
	case rule != "":
		return refuse(string(id), fmt.Sprintf("its registry is %s", describe(candidates[0])), "run opkg lock, or restore opkg.lock")
	default:
		return refuse(string(id), "that registry is configured for a scope alone", "add it to the registries of config.yml, or run opkg lock")
	}
	if err := checkArtifact(reg, artifact, r.cfg.ArtifactHosts); err != nil {
		return refuse(origin.Quote(artifact), err.Error(), "run opkg lock, or restore opkg.lock")
	}
	return nil
}

// SourceFor opens the configured source with identity id: for what a lock names. The error is a *NotAllowedError when no registry
// of the configuration has it.
func (r *Router) SourceFor(id ident.SourceID) (Source, error) {
	reg, ok := r.find(id)
	if !ok {
		return nil, &NotAllowedError{Target: string(id), Reason: "no registry of config.yml has that source"}
	}
	return r.source(context.Background(), reg)
}

func (r *Router) find(id ident.SourceID) (config.Registry, bool) {
	for _, reg := range r.all {
		if reg.Source == id {
			return reg, true
		}
	}
	return config.Registry{}, false
}

// checkArtifact judges the form of an artifact as a lock says it.
func checkArtifact(reg config.Registry, artifact string, hosts []string) error {
	if reg.Source.Kind() == ident.GitRegistry {
		return nil // a commit names it
	}
	if !strings.Contains(artifact, "://") {
		return CheckPath(artifact)
	}
	if reg.Source.Kind() != ident.StaticHTTP {
		return fmt.Errorf("%s has no artifacts elsewhere", reg.Source)
	}
	u, err := origin.ParseURL(artifact)
	if err != nil {
		return err
	}
	base, err := origin.ParseURL(reg.Source.URL())
	if err != nil {
		return err
	}
	return CheckForeign(base, u, hosts)
}

// CheckForeign judges an artifact's URL on another origin than its registry's: it must not lead from https to http, and, unless it
// is one of the user's own artifact-hosts, not to an address that lies further inside than the registry.
func CheckForeign(base, u *url.URL, hosts []string) error {
	from, to := origin.Of(base), origin.Of(u)
	reach := origin.HostReach(to.Hostname())
	switch {
	case from == to:
		return fmt.Errorf("it is on the registry's own host, but not below %s", base.Redacted())
	case u.Scheme != "https" && (base.Scheme != "http" || !from.IsLoopback() || !to.IsLoopback()):
		return errors.New("plain http is allowed only to this machine")
	case !origin.HostIn(to.HostPort(), hosts) && !origin.HostReach(from.Hostname()).Permits(reach):
		return fmt.Errorf("%s has %s address", to.Hostname(), reach)
	}
	return nil
}

// guarded is a Source of a Router: it lists each name once, and fetches from another origin only what the
// registry's own index names, or what lies on a host that the user allows.
type guarded struct {
	Source
	hosts []string
	lists memo[ident.Name, *registry.Index]
}

func (g *guarded) List(ctx context.Context, name ident.Name) (*registry.Index, error) {
	return g.lists.do(ctx, name, func() (*registry.Index, error) { return g.Source.List(ctx, name) })
}

func (g *guarded) Open(ctx context.Context, ref Ref) (*Artifact, error) {
	if strings.Contains(ref.Artifact, "://") {
		if err := g.checkForeign(ctx, ref); err != nil {
			return nil, err
		}
	}
	return g.Source.Open(ctx, ref)
}

// Gather implements Gatherer, as far as the source does.
func (g *guarded) Gather(ctx context.Context, refs []Ref) error {
	if src, ok := g.Source.(Gatherer); ok {
		return src.Gather(ctx, refs)
	}
	return nil
}

// Expect implements Expecter, as far as the source does.
func (g *guarded) Expect(names int) {
	if src, ok := g.Source.(Expecter); ok {
		src.Expect(names)
	}
}

// Moved implements Mover, as far as the source does.
func (g *guarded) Moved(ctx context.Context, ref Ref) (*Move, error) {
	if src, ok := g.Source.(Mover); ok {
		return src.Moved(ctx, ref)
	}
	return nil, nil
}

func (g *guarded) checkForeign(ctx context.Context, ref Ref) error {
	u, err := origin.ParseURL(ref.Artifact)
	if err != nil {
		return &NotAllowedError{Name: ref.Name, Target: "another place", Reason: err.Error()}
	}
	if origin.HostIn(origin.Of(u).HostPort(), g.hosts) {
		return nil
	}
	ix, err := g.List(ctx, ref.Name)
	if err != nil {
		return err
	}
	for _, rel := range ix.Releases {
		if rel.Version == ref.Version && rel.Artifact == ref.Artifact {
			return nil
		}
	}
	return &NotAllowedError{Name: ref.Name, Target: origin.Show(u), Reason: fmt.Sprintf("%s does not name that place for version %s", g.ID(), ref.Version),
		HintText: "run opkg lock, or restore opkg.lock; a host of your own belongs into artifact-hosts of your config.yml"}
}

package sources

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/openpackage/opkg/config"
	"github.com/openpackage/opkg/ident"
	"github.com/openpackage/opkg/registry"
)

// Router alone decides which registry answers for a name:
//
//  1. A scope of the configuration belongs to its registry alone.
//  2. A name that the root manifest gives a registry belongs to that alone, in the whole graph.
//  3. For any other name, the first of the registries, in their order, that has it answers for all its versions. "Not there" goes
//     on to the next registry; any other failure stops the search.
//
// It is safe for concurrent use, and asks each registry for each name at most once.
type Router struct {
	cfg   *config.Config
	all   []config.Registry // all that the configuration names, those of scopes last
	order []config.Registry // the registries that are searched, each source once
	pins  map[ident.Name]config.Registry
	open  func(config.Registry) (Source, error)

	sources memo[ident.SourceID, *guarded]
	answers memo[ident.Name, *Answer]
}

// Answer is the registry that owns a name, and what it says about the name.
type Answer struct {
	Registry config.Registry
	Source   Source
	Index    *registry.Index
	Tried    []config.Registry // those that came before it and do not have the name
}

// String names the registry: "alias (source)".
func (a *Answer) String() string { return describe(a.Registry) }

// NewRouter makes a Router. pins gives names the alias of the registry that they must come from; a pin that contradicts a
// scope, or names no configured registry, is a *PinError. open makes the Source of a registry, once for each.
func NewRouter(cfg *config.Config, pins map[ident.Name]string, open func(config.Registry) (Source, error)) (*Router, error) {
	r := &Router{cfg: cfg, all: slices.Clone(cfg.Registries), pins: make(map[ident.Name]config.Registry, len(pins)), open: open}
	for _, s := range cfg.Scopes {
		r.all = append(r.all, s.Registry)
	}
	seen := map[ident.SourceID]bool{}
	for _, reg := range cfg.Registries {
		if !seen[reg.Source] {
			r.order = append(r.order, reg)
		}
		seen[reg.Source] = true
	}
	names := make([]ident.Name, 0, len(pins))
	for name := range pins {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b ident.Name) int { return cmp.Compare(a, b) })
	for _, name := range names {
		alias := pins[name]
		reg, ok := cfg.ByAlias(alias)
		if !ok {
			return nil, &PinError{Name: name, Alias: alias, Reason: "no registry of that name is configured",
				HintText: "configured registries: " + strings.Join(aliases(cfg.Registries), ", ")}
		}
		if owner, ok := r.scopeOwner(name); ok && owner.Source != reg.Source {
			return nil, &PinError{Name: name, Alias: alias,
				Reason:   fmt.Sprintf("the scope %s belongs to %s", name.Scope(), describe(owner)),
				HintText: "drop the registry: key or the prefix, or change the scope in config.yml"}
		}
		r.pins[name] = reg
	}
	return r, nil
}

// Owner finds the registry that answers for name. Errors: *NotFoundError, with all that were asked; *StoppedError
// around what the registry that ended the search returned.
func (r *Router) Owner(ctx context.Context, name ident.Name) (*Answer, error) {
	return r.answers.do(ctx, name, func() (*Answer, error) { return r.search(ctx, name) })
}

func (r *Router) search(ctx context.Context, name ident.Name) (*Answer, error) {
	candidates, rule := r.candidates(name)
	missing := &NotFoundError{Name: name, Rule: rule}
	for i, reg := range candidates {
		src, ix, err := r.ask(ctx, reg, name)
		var notThere *NotFoundError
		switch {
		case err == nil:
			return &Answer{Registry: reg, Source: src, Index: ix, Tried: candidates[:i:i]}, nil
		case errors.As(err, &notThere):
			missing.Asked = append(missing.Asked, describe(reg))
			if url, ok := strings.CutSuffix(string(reg.Source), ".git/"); ok && reg.Source.Kind() == ident.StaticHTTP {
				missing.Git = url + ".git"
			}
		case isContextError(err) && ctx.Err() != nil:
			return nil, err
		default:
			return nil, &StoppedError{Name: name, Registry: describe(reg), Below: aliases(candidates[i+1:]), Err: failureOf(reg, err)}
		}
	}
	return nil, missing
}

func (r *Router) ask(ctx context.Context, reg config.Registry, name ident.Name) (Source, *registry.Index, error) {
	src, err := r.source(ctx, reg)
	if err != nil {
		return nil, nil, err
	}
	ix, err := src.List(ctx, name)
	return src, ix, err
}

// candidates are the registries that may answer for name, in order, and why there are no others. The caller must not change
// them.
func (r *Router) candidates(name ident.Name) (list []config.Registry, rule string) {
	if owner, ok := r.scopeOwner(name); ok {
		return []config.Registry{owner}, fmt.Sprintf("the scope %s belongs to this registry alone", name.Scope())
	}
	if reg, ok := r.pins[name]; ok {
		return []config.Registry{reg}, fmt.Sprintf("%s is asked for from this registry alone", name)
	}
	return r.order, ""
}

func (r *Router) scopeOwner(name ident.Name) (config.Registry, bool) {
	scope := name.Scope()
	if scope == "" {
		return config.Registry{}, false
	}
	for _, s := range r.cfg.Scopes {
		if s.Scope == scope {
			return s.Registry, true
		}
	}
	return config.Registry{}, false
}

// Shadowed lists what the registries below the owner of name say about it, where they have the name too: they are not asked for
// it otherwise. One that does not answer is left out: this is for hints.
func (r *Router) Shadowed(ctx context.Context, name ident.Name) ([]Answer, error) {
	owner, err := r.Owner(ctx, name)
	if err != nil {
		return nil, err
	}
	candidates, _ := r.candidates(name)
	var out []Answer
	for i := len(owner.Tried) + 1; i < len(candidates); i++ {
		src, ix, err := r.ask(ctx, candidates[i], name)
		if err == nil {
			out = append(out, Answer{Registry: candidates[i], Source: src, Index: ix, Tried: candidates[:i:i]})
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
	}
	return out, nil
}

// Rule says why one registry alone may answer for name: its scope, or the manifest. It is "" where the order decides.
func (r *Router) Rule(name ident.Name) string {
	_, rule := r.candidates(name)
	return rule
}

// source opens the source of a registry. Where several entries of the configuration name one source, the user's own entry
// is used, since credentials stand there.
func (r *Router) source(ctx context.Context, reg config.Registry) (*guarded, error) {
	return r.sources.do(ctx, reg.Source, func() (*guarded, error) {
		for _, other := range r.all {
			if other.Source == reg.Source && other.Origin == config.User {
				reg = other
				break
			}
		}
		src, err := r.open(reg)
		if err != nil {
			return nil, err
		}
		return &guarded{Source: src, hosts: r.cfg.ArtifactHosts}, nil
	})
}

// describe names a registry in a message: "alias (source)".
func describe(reg config.Registry) string {
	if reg.Alias == "" {
		return string(reg.Source)
	}
	return fmt.Sprintf("%s (%s)", reg.Alias, reg.Source)
}

func aliases(list []config.Registry) []string {
	out := make([]string, len(list))
	for i, reg := range list {
		out[i] = cmp.Or(reg.Alias, string(reg.Source))
	}
	return out
}

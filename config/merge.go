package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/openpackage/opkg/ident"
)

// Merge puts the workspace's file before the user's; either may be nil. A scope or alias that the
// user's file names is a pin: a workspace that says otherwise is an error, which names both places. What the
// user's file says about a registry (token, headers, certificates, insecure) holds wherever that
// registry is named again. With no registry anywhere, default is https://registry.openpackage.dev/. The error is
// an *Error.
func Merge(workspace, user *File) (*Config, error) {
	if workspace == nil {
		workspace = &File{Origin: Workspace}
	}
	if user == nil {
		user = &File{Origin: User}
	}
	c := &Config{ArtifactHosts: slices.Clone(user.ArtifactHosts), Mirrors: slices.Clone(user.Mirrors)}
	if err := c.mergeRegistries(workspace.Registries, user.Registries); err != nil {
		return nil, err
	}
	if err := c.mergeScopes(workspace, user); err != nil {
		return nil, err
	}
	if err := c.share(); err != nil {
		return nil, err
	}
	if err := c.checkTransport(); err != nil {
		return nil, err
	}
	return c, nil
}

func (c *Config) mergeRegistries(workspace, user []Registry) error {
	c.Registries = slices.Clone(workspace)
	for _, u := range user {
		i := slices.IndexFunc(c.Registries, func(r Registry) bool { return r.Alias == u.Alias })
		if i < 0 {
			c.Registries = append(c.Registries, u)
			continue
		}
		w := &c.Registries[i]
		if !SamePlace(*w, u) {
			return &Error{File: w.File, Line: w.Line, Column: w.column,
				Msg:      fmt.Sprintf("registry %s is %s here, but your own %s:%d says %s", w.Alias, w.Source, u.File, u.Line, u.Source),
				HintText: "a repository cannot change what your own file names: use another alias, or remove yours"}
		}
		w.takeSettings(u)
	}
	if len(c.Registries) == 0 {
		c.Registries = []Registry{{Alias: DefaultAlias, Source: DefaultSource, Origin: BuiltIn}}
	}
	return nil
}

func (c *Config) mergeScopes(workspace, user *File) error {
	for _, s := range workspace.Scopes {
		if err := resolve(&s, c.Registries); err != nil {
			return err
		}
		c.Scopes = append(c.Scopes, s)
	}
	// An alias in the user's file means a registry of the user's file: a workspace must not be able to define it.
	own := user.Registries
	if c.Registries[0].Origin == BuiltIn {
		own = c.Registries
	}
	for _, u := range user.Scopes {
		if err := resolve(&u, own); err != nil {
			return err
		}
		i := slices.IndexFunc(c.Scopes, func(s Scope) bool { return s.Scope == u.Scope })
		if i < 0 {
			c.Scopes = append(c.Scopes, u)
			continue
		}
		if w := c.Scopes[i]; !SamePlace(w.Registry, u.Registry) {
			return &Error{File: w.File, Line: w.Line, Column: w.column,
				Msg:      fmt.Sprintf("scope %s is %s here, but your own %s:%d says %s", w.Scope, w.Registry.Source, u.File, u.Line, u.Registry.Source),
				HintText: "a repository cannot change where your own file takes a scope from: agree with it, or remove yours"}
		}
		c.Scopes[i] = u
	}
	slices.SortFunc(c.Scopes, func(a, b Scope) int { return strings.Compare(a.Scope, b.Scope) })
	return nil
}

// resolve finds the registry of a scope that names an alias, and the alias of one that names a URL.
func resolve(s *Scope, among []Registry) error {
	alias := s.Registry.Alias
	for _, r := range among {
		if alias != "" && r.Alias == alias || alias == "" && SamePlace(r, s.Registry) {
			s.Registry = r
			return nil
		}
	}
	if alias == "" {
		return nil
	}
	names := make([]string, len(among))
	for i, r := range among {
		names[i] = r.Alias
	}
	hint := "name a registry of this file, or write its URL"
	if len(names) > 0 {
		hint += "; there are " + strings.Join(names, ", ")
	}
	return &Error{File: s.File, Line: s.Line, Column: s.column,
		Msg: fmt.Sprintf("scope %s is of registry %q, which is not configured", s.Scope, alias), HintText: hint}
}

// SamePlace reports whether two registries are one: the same directory, however it is written, or the same URL.
func SamePlace(a, b Registry) bool {
	if a.Dir != "" || b.Dir != "" {
		return a.Dir == b.Dir
	}
	return a.Source == b.Source
}

// share gives what the user's file says about a registry to each mention of it, so that it does not matter by which alias or scope it
// is reached. It refuses a source that would mean two directories, and settings that disagree.
func (c *Config) share() error {
	known := map[ident.SourceID]Registry{}
	mentions := c.Mentions()
	for _, r := range mentions {
		k, seen := known[r.Source]
		switch {
		case seen && k.Dir != r.Dir:
			return &Error{File: r.File, Line: r.Line, Column: r.column,
				Msg:      fmt.Sprintf("%s is the directory %s here and %s in %s:%d: a lock could not tell them apart", r.Source, r.Dir, k.Dir, k.File, k.Line),
				HintText: "write one of them with ~/ or as an absolute path"}
		case !seen || !k.hasSettings():
			known[r.Source] = *r
		case r.hasSettings() && !k.sameSettings(*r):
			return &Error{File: r.File, Line: r.Line, Column: r.column,
				Msg:      fmt.Sprintf("%s has other settings here than in %s:%d", r.Source, k.File, k.Line),
				HintText: "give the settings of one registry in one place"}
		}
	}
	for _, r := range mentions {
		r.takeSettings(known[r.Source])
	}
	return nil
}

// takeSettings gives a registry what another mention of it says. A workspace's file says nothing of the kind.
func (r *Registry) takeSettings(of Registry) {
	r.TokenEnv, r.HeaderEnv, r.Insecure = of.TokenEnv, of.HeaderEnv, of.Insecure
	r.CAFile, r.CAFrom, r.CALine = of.CAFile, of.CAFrom, of.CALine
}

func (r Registry) hasSettings() bool {
	return r.TokenEnv != "" || len(r.HeaderEnv) > 0 || r.CAFile != "" || r.Insecure
}

func (r Registry) sameSettings(o Registry) bool {
	return r.TokenEnv == o.TokenEnv && slices.Equal(r.HeaderEnv, o.HeaderEnv) && r.CAFile == o.CAFile && r.Insecure == o.Insecure
}

// checkTransport refuses plain http beyond this machine, unless the user's own file allows it for that registry.
func (c *Config) checkTransport() error {
	refuse := func(r Registry, what string) error {
		return &Error{File: r.File, Line: r.Line, Column: r.column,
			Msg:      fmt.Sprintf("%s is reached by http:, which anybody on the way can change: %s", what, r.Source),
			HintText: "use https:, or name this registry in your own ~/.openpackage/config.yml with insecure: true"}
	}
	for _, r := range c.Registries {
		if plainHTTP(r.Source) && !r.Insecure {
			return refuse(r, "registry "+r.Alias)
		}
	}
	for _, s := range c.Scopes {
		if plainHTTP(s.Registry.Source) && !s.Registry.Insecure {
			return refuse(s.Registry, "scope "+s.Scope)
		}
	}
	for _, m := range c.Mirrors {
		if plainHTTP(m.Registry.Source) && !m.Registry.Insecure {
			return refuse(m.Registry, "the mirror of "+string(m.Of))
		}
	}
	return nil
}

package config

import (
	"github.com/openpackage/opkg/ident"
	"github.com/openpackage/opkg/internal/strictyaml"
)

// Origin tells whose file said something.
type Origin uint8

// Where a setting came from, in order of trust.
const (
	BuiltIn Origin = iota
	Workspace
	User
)

// Registry is one configured registry.
type Registry struct {
	Alias  string
	Source ident.SourceID
	Origin Origin
	Dir    string // absolute path, cleaned: of a Directory, and of a GitRegistry whose URL is a path
	// Only from the user's own file:
	TokenEnv  string
	HeaderEnv []HeaderEnv // sorted by header
	CAFile    string      // absolute path
	CAFrom    string      // the file that names CAFile, which need not be File
	CALine    int
	Insecure  bool
	File      string
	Line      int

	column int
}

// HeaderEnv sends a header whose value is in a variable of the environment.
type HeaderEnv struct{ Header, Variable string }

// Scope says which registry owns a scope.
type Scope struct {
	Scope    string   // "@myorg"
	Registry Registry // Alias == "" where the scope names a URL that no alias has
	Origin   Origin
	File     string
	Line     int

	column int
}

// File is one parsed config.yml. Its registries stand in the order of the file. A scope that names an alias has
// that in Registry.Alias and nothing else there: Merge finds the registry.
type File struct {
	Path          string
	Origin        Origin
	Registries    []Registry
	Scopes        []Scope
	Mirrors       []Mirror
	ArtifactHosts []string
}

// Config is what both files together say.
type Config struct {
	Registries    []Registry // search order: the workspace's first
	Scopes        []Scope    // sorted by scope
	ArtifactHosts []string   // host[:port], the user's own file only; sorted
	Mirrors       []Mirror   // the user's own file only
}

// Mirror says where a registry is read from instead. Locks, scopes and the order of search know nothing of it.
type Mirror struct {
	Of       ident.SourceID // never a directory
	Registry Registry       // the copy: without an alias, with credentials of its own
}

// Places are the absolute directories that relative paths of a config start from.
type Places struct {
	Workspace string // the workspace's root; "" when there is none
	Home      string // what ~ stands for
	OPKGHome  string // ~/.openpackage, or OPKG_HOME
}

// Error is a fault of a file, with its place.
type Error = strictyaml.Error

// The registry that is asked when none is configured.
const (
	DefaultAlias  = "default"
	DefaultSource = ident.SourceID("https://registry.openpackage.dev/")
)

// MaxSize bounds a config.yml, in bytes.
const MaxSize = 1 << 20

// ByAlias finds a registry by alias.
func (c *Config) ByAlias(alias string) (Registry, bool) {
	for _, r := range c.Registries {
		if r.Alias == alias {
			return r, true
		}
	}
	return Registry{}, false
}

// Mentions are the registries wherever they are named: as such, by scopes, and as mirrors.
func (c *Config) Mentions() []*Registry {
	all := make([]*Registry, 0, len(c.Registries)+len(c.Scopes)+len(c.Mirrors))
	for i := range c.Registries {
		all = append(all, &c.Registries[i])
	}
	for i := range c.Scopes {
		all = append(all, &c.Scopes[i].Registry)
	}
	for i := range c.Mirrors {
		all = append(all, &c.Mirrors[i].Registry)
	}
	return all
}

// MirrorOf finds where the packages of s are read from instead.
func (c *Config) MirrorOf(s ident.SourceID) (Registry, bool) {
	for _, m := range c.Mirrors {
		if m.Of == s {
			return m.Registry, true
		}
	}
	return Registry{}, false
}

// BySource finds the registry, one of the list or of a scope, whose packages have s as their source in a lock.
func (c *Config) BySource(s ident.SourceID) (Registry, bool) {
	for _, r := range c.Registries {
		if r.Source == s {
			return r, true
		}
	}
	for _, sc := range c.Scopes {
		if sc.Registry.Source == s {
			return sc.Registry, true
		}
	}
	return Registry{}, false
}

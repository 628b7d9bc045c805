// Package config reads config.yml, the user's and the workspace's, and merges the two.
package config

import "github.com/openpackage/opkg/ident"

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
	Dir    string // Directory: absolute path, cleaned
	// Only from the user's own file:
	TokenEnv  string
	HeaderEnv []HeaderEnv // sorted by header
	CAFile    string      // absolute path
	Insecure  bool
	File      string
	Line      int
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
}

// File is one parsed config.yml.
type File struct {
	Path          string
	Origin        Origin
	Registries    []Registry
	Scopes        []Scope
	ArtifactHosts []string
	// the rest is the parser's own
}

// Config is what both files together say.
type Config struct {
	Registries    []Registry // search order: the workspace's first
	Scopes        []Scope    // sorted by scope
	ArtifactHosts []string   // host[:port], the user's own file only
}

// Places are the absolute directories that relative paths of a config start from.
type Places struct {
	Workspace string // the workspace's root; "" when there is none
	Home      string // what ~ stands for
	OPKGHome  string // ~/.openpackage, or OPKG_HOME
}

// Parse reads one config.yml. The error is a *manifest-like Error with file, line and column.
func Parse(path string, data []byte, origin Origin, at Places) (*File, error) { panic("stub") }

// Merge puts the workspace's file before the user's; either may be nil. A scope or alias that the
// user's file names is a pin: a workspace that says otherwise is an error. With no registry
// anywhere, default is https://registry.openpackage.dev/.
func Merge(workspace, user *File) (*Config, error) { panic("stub") }

// ByAlias finds a registry by alias.
func (c *Config) ByAlias(alias string) (Registry, bool) { panic("stub") }

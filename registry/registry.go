// Package registry is the files that a registry is made of: reading them strictly, and writing them.
package registry

import "github.com/openpackage/opkg/ident"

// Release is one version of a package as a registry describes it.
type Release struct {
	Version      ident.Version
	Artifact     string // the tarball: a URL, or a reference relative to the index; sources make it relative to the registry where it can be
	Size         int64  // bytes of the artifact; 0 = not said
	SHA256       ident.SHA256
	Tree         ident.TreeID        // zero = not said
	Dependencies []ident.Requirement // sorted by name
	Published    string              // RFC 3339, or ""
	Yanked       bool
	YankReason   string
	Description  string
	Commit       ident.Commit // git sources only
}

// Index is one packages/<name>/index.json.
type Index struct {
	Name        ident.Name
	Description string
	Releases    []Release // sorted by version, lowest first
}

// Error is malformed registry data: which file (or URL), where, what.
type Error struct {
	File         string
	Line, Column int // 0 where not known
	Msg          string
}

func (e *Error) Error() string { panic("stub") }

// MaxIndexSize bounds one index, in bytes.
const MaxIndexSize = 16 << 20

// ParseIndex reads an index.json strictly; want is the name that was asked for. The error is an *Error.
func ParseIndex(file string, want ident.Name, data []byte) (*Index, error) { panic("stub") }

// Format writes an index.json: canonical, two-space indent, sorted, one trailing newline. Unknown
// keys of an old text can be kept by Merge in a later format; they are not needed to read.
func (ix *Index) Format() []byte { panic("stub") }

// IndexPath is packages/<name>/index.json, ArtifactPath packages/<name>/<version>.tgz: slash-separated,
// relative to the registry.
func IndexPath(name ident.Name) string { return "packages/" + string(name) + "/index.json" }

// ArtifactPath is where a static registry keeps one version by convention.
func ArtifactPath(name ident.Name, v ident.Version) string {
	return "packages/" + string(name) + "/" + v.String() + ".tgz"
}

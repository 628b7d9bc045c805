package manifest

import (
	"github.com/openpackage/opkg/ident"
	"github.com/openpackage/opkg/internal/strictyaml"
)

// Manifest is one openpackage.yml.
type Manifest struct {
	File        string // as given to Parse: for messages
	Name        ident.Name
	Version     ident.Version // zero: unversioned
	Description string
	Keywords    []string
	License     string
	Homepage    string
	Repository  string

	Dependencies    []Dependency // in the order of the file
	DevDependencies []Dependency
	Overrides       []Override // in the order of the file
	Warnings        []Warning
}

// Position is a place in a file; both count from 1.
type Position struct{ Line, Column int }

// Dependency is one entry of dependencies or dev-dependencies. Exactly one of these holds:
// a registry dependency (Git == "" and Path == ""), a git dependency (Git != ""), a directory (Path != "").
type Dependency struct {
	Name     ident.Name
	Range    ident.Range // registry dependency, or which semver tag of Git
	HasRange bool        // a range was written
	Registry string      // alias, or ""
	Git      string      // canonical git URL
	Ref      string      // tag, branch or commit
	Base     string      // sub-directory of Git, slash-separated
	Path     string      // a directory, slash-separated, as written
	Dev      bool
	Pos      Position
}

// Override settles what a transitive conflict may not.
type Override struct {
	Name  ident.Name
	Range ident.Range
	Pos   Position
}

// Warning is something readable that ought to be written otherwise.
type Warning struct {
	Pos  Position
	Text string
	Hint string
}

// Error is a fault of a file, with its place.
type Error = strictyaml.Error

// MaxSize bounds an openpackage.yml, in bytes.
const MaxSize = 1 << 20

// Parse reads the openpackage.yml of a workspace (the root). The error is an *Error.
func Parse(file string, data []byte) (*Manifest, error) {
	return parse(file, data, false)
}

// ParsePackage reads the openpackage.yml of a package that came from elsewhere: the name is
// required, and dependencies that would reach into the machine (a local git path) are refused.
// Directory dependencies and dev-dependencies of a package are read and ignored by callers; its overrides
// are not read. The error is an *Error.
func ParsePackage(file string, data []byte) (*Manifest, error) {
	return parse(file, data, true)
}

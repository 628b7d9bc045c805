package registry

import (
	"fmt"

	"github.com/openpackage/opkg/ident"
)

// Limits of what a registry may say. Those of archives are in internal/archive.
const (
	MaxIndexSize    = 16 << 20 // bytes of one index.json or index.yml
	MaxDependencies = 5_000    // direct dependencies of one version
	MaxDepth        = 64       // nesting of objects and lists, unknown keys included
	MaxReference    = 2048     // bytes of a tarball reference
	MaxRange        = 4096     // bytes of a dependency's range
	MaxText         = 4096     // bytes of a description or a reason
	MaxArtifactSize = 4 << 30  // bytes of one archive
)

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
	YankReason   string // "" = not said
	Description  string
	Commit       ident.Commit // git sources only
	Canonical    string       // in a mirror: the tarball as the registry that it is a copy of has it, a URL on another origin; or ""
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
	Line, Column int // from 1, the column in bytes; 0 where not known
	Msg          string
}

func (e *Error) Error() string {
	switch {
	case e.Line == 0:
		return e.File + ": " + e.Msg
	case e.Column == 0:
		return fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.Msg)
	}
	return fmt.Sprintf("%s:%d:%d: %s", e.File, e.Line, e.Column, e.Msg)
}

// IndexPath is packages/<name>/index.json: slash-separated, relative to the registry.
func IndexPath(name ident.Name) string { return "packages/" + string(name) + "/index.json" }

// ArtifactPath is where a static registry keeps one version by convention: packages/<name>/<version>.tgz.
func ArtifactPath(name ident.Name, v ident.Version) string {
	return "packages/" + string(name) + "/" + v.String() + ".tgz"
}

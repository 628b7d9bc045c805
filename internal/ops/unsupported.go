package ops

import (
	"fmt"
	"slices"

	"github.com/openpackage/opkg/manifest"
)

// GitError is a package or a registry that comes by git, which this opkg does not read.
type GitError struct {
	What string // "openpackage.yml:7: tool"
	From string // the repository, without secrets
}

func (e *GitError) Error() string {
	return fmt.Sprintf("%s comes from the git repository %s, and this opkg does not read git repositories yet", e.What, e.From)
}

// Hint says what to do.
func (e *GitError) Hint() string {
	return "ask for it from an https: or file: registry, or clone it into the workspace and name the directory with base:"
}

// refuseGit finds the first git dependency of the workspace.
func (ws *Workspace) refuseGit() error {
	return refuseGit(ws.world.show(ws.ManifestPath), slices.Concat(ws.Manifest.Dependencies, ws.Manifest.DevDependencies))
}

// refuseGit finds the first git dependency of a list; file is the name of the manifest in messages.
func refuseGit(file string, deps []manifest.Dependency) error {
	for _, d := range deps {
		if d.Git != "" {
			return &GitError{What: fmt.Sprintf("%s:%d: %s", file, d.Pos.Line, d.Name), From: d.Git}
		}
	}
	return nil
}

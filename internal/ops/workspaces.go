package ops

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/openpackage/opkg/manifest"
)

// maxWorkspaces bounds what Workspaces returns: more than that is a walk in the wrong place.
const maxWorkspaces = 10_000

// Workspaces lists the workspaces in w.Dir and below it, in the order of their paths: directories with an openpackage.yml, at the top or in
// .openpackage. It looks into no directory whose name begins with a dot, no node_modules, no link, and
// not into a package: an openpackage.yml whose directory a workspace names by path is a package, and a workspace of its own only
// if it has an opkg.lock.
func (w *World) Workspaces() ([]string, error) {
	var found []string
	local := map[string]bool{}
	err := filepath.WalkDir(w.Dir, func(dir string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case !d.IsDir():
			return nil
		case dir != w.Dir && (strings.HasPrefix(d.Name(), ".") || d.Name() == "node_modules"):
			return fs.SkipDir
		case dir == w.Home: // never a workspace
			return nil
		}
		file, err := w.manifestIn(dir)
		if err != nil || file == "" {
			return err
		}
		if len(found) == maxWorkspaces {
			return fmt.Errorf("there are more than %d workspaces in %s", maxWorkspaces, w.Dir)
		}
		found = append(found, dir)
		for _, p := range localPaths(file) {
			local[filepath.Join(dir, filepath.FromSlash(p))] = true
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	kept := found[:0]
	for _, dir := range found {
		if _, err := os.Lstat(filepath.Join(dir, LockName)); err == nil || !local[dir] {
			kept = append(kept, dir)
		}
	}
	if len(kept) == 0 {
		return nil, &NoWorkspaceError{Dir: w.Dir, Below: true}
	}
	return kept, nil
}

// localPaths are the directories that a manifest depends on; none if it cannot be read: syncing it will say so.
func localPaths(file string) []string {
	data, err := readUserFile(file)
	if err != nil {
		return nil
	}
	m, err := manifest.Parse(file, data)
	if err != nil {
		return nil
	}
	var out []string
	for _, d := range slices.Concat(m.Dependencies, m.DevDependencies) {
		if d.Path != "" {
			out = append(out, d.Path)
		}
	}
	return out
}

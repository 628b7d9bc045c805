package ops

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/openpackage/opkg/config"
	"github.com/openpackage/opkg/lock"
	"github.com/openpackage/opkg/manifest"
)

// Names of the files of a workspace.
const (
	ManifestName = "openpackage.yml"
	LockName     = "opkg.lock"
	dotDir       = ".openpackage"
)

// maxUserFile bounds each file of the user's that is read whole, in bytes; locks of 100,000
// packages are some 40 MB.
const maxUserFile = 256 << 20

// Workspace is a directory whose openpackage.yml says what it depends on.
type Workspace struct {
	Root         string // absolute
	ManifestPath string // absolute
	ManifestData []byte
	Manifest     *manifest.Manifest
	Config       *config.Config

	world *World
}

// NoWorkspaceError says that no openpackage.yml was found.
type NoWorkspaceError struct{ Dir, Stop string }

func (e *NoWorkspaceError) Error() string {
	return fmt.Sprintf("no %s in %s or above it", ManifestName, e.Dir)
}

// Hint says what to do.
func (e *NoWorkspaceError) Hint() string {
	if e.Dir == e.Stop {
		return "the home directory is never a workspace: change into a project, or name one with -C DIR"
	}
	return "run opkg init here, or name the workspace with -C DIR"
}

// NoLockError says that a command that must not solve found no lock.
type NoLockError struct{ Path string }

func (e *NoLockError) Error() string { return e.Path + " does not exist" }

// Hint says what to do.
func (e *NoLockError) Hint() string { return "run opkg lock and commit the file" }

// findRoot walks up from w.Dir to the first directory that holds a manifest and stops
// below the home directory. It returns the root and the manifest's path.
func (w *World) findRoot() (root, file string, err error) {
	for dir := w.Dir; dir != w.Home; dir = filepath.Dir(dir) {
		for _, p := range []string{filepath.Join(dir, dotDir, ManifestName), filepath.Join(dir, ManifestName)} {
			switch fi, err := os.Stat(p); {
			case err == nil && fi.Mode().IsRegular():
				return dir, p, nil
			case err == nil:
				return "", "", fmt.Errorf("%s is not a regular file", p)
			case !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, errNotDir):
				return "", "", err
			}
		}
		if filepath.Dir(dir) == dir {
			break
		}
	}
	return "", "", &NoWorkspaceError{Dir: w.Dir, Stop: w.Home}
}

// Open finds the workspace and reads its manifest and configuration.
func (w *World) Open() (*Workspace, error) {
	root, file, err := w.findRoot()
	if err != nil {
		return nil, err
	}
	ws := &Workspace{Root: root, ManifestPath: file, world: w}
	if ws.ManifestData, err = readUserFile(file); err != nil {
		return nil, err
	}
	if ws.Manifest, err = manifest.Parse(w.show(file), ws.ManifestData); err != nil {
		return nil, err
	}
	for _, warning := range ws.Manifest.Warnings {
		w.warn(fmt.Sprintf("%s:%d: %s", w.show(file), warning.Pos.Line, warning.Text), warning.Hint)
	}
	if ws.Config, err = w.LoadConfig(root); err != nil {
		return nil, err
	}
	return ws, nil
}

// LoadConfig merges the workspace's config.yml (root "" for none) and the user's.
func (w *World) LoadConfig(root string) (*config.Config, error) {
	at := config.Places{Workspace: root, Home: w.Home, OPKGHome: w.OPKGHome}
	read := func(path string, origin config.Origin) (*config.File, error) {
		data, err := readUserFile(path)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, errNotDir) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		return config.Parse(w.show(path), data, origin, at)
	}
	user, err := read(w.ConfigFile(), config.User)
	if err != nil {
		return nil, err
	}
	var mine *config.File
	if root != "" {
		if path := filepath.Join(root, dotDir, "config.yml"); path != w.ConfigFile() {
			if mine, err = read(path, config.Workspace); err != nil {
				return nil, err
			}
		}
	}
	return config.Merge(mine, user)
}

// LockPath is where the workspace's lock stands.
func (ws *Workspace) LockPath() string { return filepath.Join(ws.Root, LockName) }

// ReadLock reads and parses the lock; *NoLockError when there is none. A symbolic link is refused: what it
// points at is not this workspace's lock.
func (ws *Workspace) ReadLock() (*lock.Lock, []byte, error) {
	path := ws.LockPath()
	switch fi, err := os.Lstat(path); {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil, &NoLockError{Path: ws.world.show(path)}
	case err != nil:
		return nil, nil, err
	case !fi.Mode().IsRegular():
		return nil, nil, &lock.Error{File: ws.world.show(path), Msg: "it is not a regular file (a link or a directory is never read as a lock)", HintText: "remove it and run opkg lock"}
	}
	data, err := readUserFile(path)
	if err != nil {
		return nil, nil, err
	}
	l, err := lock.Parse(ws.world.show(path), data)
	return l, data, err
}

// Requires is what the manifest asks for, in the words of the lock. Names that stand in
// .openpackage/packages/ are local.
func (ws *Workspace) Requires() []lock.Require {
	var out []lock.Require
	for _, d := range slices.Concat(ws.Manifest.Dependencies, ws.Manifest.DevDependencies) {
		r := lock.Require{Name: d.Name, Registry: d.Registry, Git: d.Git, Ref: d.Ref, Base: d.Base, Path: d.Path, Dev: d.Dev}
		if r.Path == "" && r.Git == "" && ws.isNested(d) {
			r.Path = nestedPath(d)
		}
		if r.Path != "" {
			r.Path = path.Clean(r.Path)
		}
		if r.Path == "" && (d.HasRange || r.Git == "") {
			r.Range = d.Range.String()
		}
		out = append(out, r)
	}
	slices.SortFunc(out, func(a, b lock.Require) int { return strings.Compare(string(a.Name), string(b.Name)) })
	return out
}

// Overrides is what the manifest settles, in the words of the lock.
func (ws *Workspace) Overrides() []lock.Override {
	var out []lock.Override
	for _, o := range ws.Manifest.Overrides {
		out = append(out, lock.Override{Name: o.Name, Range: o.Range.String()})
	}
	slices.SortFunc(out, func(a, b lock.Override) int { return strings.Compare(string(a.Name), string(b.Name)) })
	return out
}

// isNested reports whether a bare registry dependency is a package of the workspace's own, which
// is never asked of a registry.
func (ws *Workspace) isNested(d manifest.Dependency) bool {
	if d.Registry != "" {
		return false
	}
	fi, err := os.Stat(filepath.Join(ws.Root, filepath.FromSlash(nestedPath(d)), ManifestName))
	return err == nil && fi.Mode().IsRegular()
}

func nestedPath(d manifest.Dependency) string { return dotDir + "/packages/" + string(d.Name) }

// show shortens a path for messages: relative to where the user stands if it is
// below, else whole.
func (w *World) show(path string) string {
	if rel, err := filepath.Rel(w.Dir, path); err == nil && filepath.IsLocal(rel) {
		return rel
	}
	return path
}

// readUserFile reads a file of the user's, bounded.
func readUserFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !fi.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file", path)
	}
	if fi.Size() > maxUserFile {
		return nil, fmt.Errorf("%s has %d bytes, more than %d", path, fi.Size(), maxUserFile)
	}
	return os.ReadFile(path)
}

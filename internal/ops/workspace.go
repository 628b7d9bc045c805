package ops

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/openpackage/opkg/config"
	"github.com/openpackage/opkg/ident"
	"github.com/openpackage/opkg/lock"
	"github.com/openpackage/opkg/manifest"
	"github.com/openpackage/opkg/sources/git"
)

// Names of the files of a workspace.
const (
	ManifestName = "openpackage.yml"
	LockName     = "opkg.lock"
	dotDir       = ".openpackage"
	indexName    = "openpackage.index.yml" // in dotDir: the OpenPackage client's
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

	world      *World
	bare       bool // there are no packages of the workspace's own
	git        *git.Host
	registries *registries
	judged     *judged // by which a sync may be noted; nil: it is not
	early      *ahead  // nil: nothing was read ahead
}

// NoWorkspaceError says that no openpackage.yml was found.
type NoWorkspaceError struct {
	Dir, Stop string
	Below     bool // the search went down from Dir, not up
}

func (e *NoWorkspaceError) Error() string {
	if e.Below {
		return fmt.Sprintf("no %s in %s or below it", ManifestName, e.Dir)
	}
	return fmt.Sprintf("no %s in %s or above it", ManifestName, e.Dir)
}

// Hint says what to do.
func (e *NoWorkspaceError) Hint() string {
	if e.Dir == e.Stop && !e.Below {
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
	home, _ := os.Stat(w.Home)
	for dir := w.Dir; dir != w.Home; dir = filepath.Dir(dir) {
		if fi, err := os.Stat(dir); err == nil && os.SameFile(fi, home) { // by another path, through a link
			break
		}
		if file, err := w.manifestIn(dir); err != nil || file != "" {
			return dir, file, err
		}
		if filepath.Dir(dir) == dir {
			break
		}
	}
	return "", "", &NoWorkspaceError{Dir: w.Dir, Stop: w.Home}
}

// manifestIn is the path of the manifest of the workspace dir, "" if dir is none.
func (w *World) manifestIn(dir string) (string, error) {
	for _, p := range []string{filepath.Join(dir, dotDir, ManifestName), filepath.Join(dir, ManifestName)} {
		switch fi, err := os.Stat(p); {
		case err == nil && fi.Mode().IsRegular():
			return p, nil
		case err == nil:
			return "", &FileError{Path: w.show(p), Reason: "it is not a regular file"}
		case !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, errNotDir):
			return "", err
		}
	}
	return "", nil
}

// Open finds the workspace and reads its manifest and configuration. It tells the observer of the manifest's warnings.
func (w *World) Open() (*Workspace, error) {
	ws, err := w.open()
	if err != nil {
		return nil, err
	}
	w.warnOf(ws.Manifest)
	return ws, nil
}

// warnOf tells the observer of a manifest's warnings.
func (w *World) warnOf(m *manifest.Manifest) {
	for _, warning := range m.Warnings {
		w.warn(fmt.Sprintf("%s:%d: %s", m.File, warning.Pos.Line, warning.Text), warning.Hint)
	}
}

// open is Open in silence: for a second look.
func (w *World) open() (*Workspace, error) {
	root, file, err := w.findRoot()
	if err != nil {
		return nil, err
	}
	if err := w.checkDotDir(root); err != nil {
		return nil, err
	}
	ws := &Workspace{Root: root, ManifestPath: file, world: w}
	if ws.ManifestData, err = readCommitted(root, file); err != nil {
		return nil, err
	}
	if ws.Manifest, err = manifest.Parse(w.show(file), ws.ManifestData); err != nil {
		return nil, err
	}
	if ws.Config, err = w.LoadConfig(root); err != nil {
		return nil, err
	}
	_, err = os.Stat(filepath.Join(root, dotDir, "packages"))
	ws.bare = errors.Is(err, fs.ErrNotExist)
	ws.git = w.gitHost(ws.Config)
	ws.registries = w.registries(ws.Config, ws.git)
	return ws, nil
}

// checkDotDir refuses a directory of opkg's that is a link out of the workspace root: what is written there would be another's.
func (w *World) checkDotDir(root string) error {
	dot := filepath.Join(root, dotDir)
	fi, err := os.Lstat(dot)
	if err != nil || fi.Mode()&fs.ModeSymlink == 0 {
		return nil
	}
	_, out, err := follow(root, dot)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return &FileError{w.show(dot), "it is a link to nothing"}
	case err == nil && out:
		return &FileError{w.show(dot), "it is a link out of the workspace, where opkg would write what others read"}
	}
	return err
}

// LoadConfig merges the workspace's config.yml (root "" for none) and the user's.
func (w *World) LoadConfig(root string) (cfg *config.Config, err error) {
	at := config.Places{Workspace: root, Home: w.Home, OPKGHome: w.OPKGHome}
	parse := func(path string, origin config.Origin, data []byte, err error) (*config.File, error) {
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, errNotDir) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		return config.Parse(w.show(path), data, origin, at)
	}
	var mine, user *config.File
	shared := false // OPKG_HOME is the workspace's .openpackage: what comes with a repository is never trusted as the user's own
	if root != "" {
		path := filepath.Join(root, dotDir, "config.yml")
		shared = sameFile(path, w.ConfigFile())
		data, err := readCommitted(root, path)
		if mine, err = parse(path, config.Workspace, data, err); err != nil {
			return nil, err
		}
	}
	if !shared {
		data, err := readUserFile(w.ConfigFile())
		if user, err = parse(w.ConfigFile(), config.User, data, err); err != nil {
			return nil, err
		}
	}
	return config.Merge(mine, user)
}

// sameFile reports whether two paths are one file, or would be.
func sameFile(a, b string) bool {
	if a == b {
		return true
	}
	x, errX := os.Stat(a)
	y, errY := os.Stat(b)
	return errX == nil && errY == nil && os.SameFile(x, y)
}

// LockPath is where the workspace's lock stands.
func (ws *Workspace) LockPath() string { return filepath.Join(ws.Root, LockName) }

// ReadLock reads and parses the lock; *NoLockError when there is none. A symbolic link is refused: what it
// points at is not this workspace's lock.
func (ws *Workspace) ReadLock() (*lock.Lock, []byte, error) { return ws.world.readLock(ws.Root) }

func (w *World) readLock(root string) (*lock.Lock, []byte, error) {
	path := filepath.Join(root, LockName)
	switch fi, err := os.Lstat(path); {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil, &NoLockError{Path: w.show(path)}
	case err != nil:
		return nil, nil, err
	case !fi.Mode().IsRegular():
		return nil, nil, &lock.Error{File: w.show(path), Msg: "it is not a regular file (a link or a directory is never read as a lock)", HintText: "remove it and run opkg lock"}
	}
	data, err := readUserFile(path)
	if err != nil {
		return nil, nil, err
	}
	l, err := lock.Parse(w.show(path), data)
	return l, data, err
}

// Requires is what the manifest asks for, in the words of the lock. Names that stand in
// .openpackage/packages/ are local.
func (ws *Workspace) Requires() []lock.Require {
	var out []lock.Require
	for _, d := range slices.Concat(ws.Manifest.Dependencies, ws.Manifest.DevDependencies) {
		r := lock.Require{Name: d.Name, Registry: d.Registry, Git: d.Git, Ref: d.Ref, Base: d.Base, Path: d.Path, Dev: d.Dev}
		if r.Path == "" && r.Git == "" && r.Registry == "" && ws.hasNested(d.Name) {
			r.Path = nestedPath(d.Name)
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

// hasNested reports whether name is a package of the workspace's own, which is never asked of a registry: also where what stands there is none that
// can be read.
func (ws *Workspace) hasNested(name ident.Name) bool {
	if ws.bare {
		return false
	}
	_, err := os.Lstat(filepath.Join(ws.Root, filepath.FromSlash(nestedPath(name))))
	return !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, errNotDir)
}

func nestedPath(name ident.Name) string { return dotDir + "/packages/" + string(name) }

// show shortens a path for messages: relative to where the user stands if it is
// below, else whole.
func (w *World) show(path string) string {
	if rel, err := filepath.Rel(w.Dir, path); err == nil && filepath.IsLocal(rel) {
		return rel
	}
	return path
}

// FileError is a file of the user's that cannot be what it is taken for.
type FileError struct{ Path, Reason string }

func (e *FileError) Error() string { return e.Path + ": " + e.Reason }

// readCommitted is readUserFile for a file that comes with the directory root, which others may have committed. A link may lead out of root to
// a file of the same name alone: messages quote what they cannot read, and whoever opens a pull request must not have them quote
// the user's passwords.
func readCommitted(root, path string) ([]byte, error) {
	fi, err := os.Lstat(path)
	if err != nil {
		return nil, err
	}
	if fi.Mode()&fs.ModeSymlink == 0 {
		return readRegular(path, fi)
	}
	real, out, err := follow(root, path)
	if err != nil {
		return nil, err
	}
	if out && filepath.Base(real) != filepath.Base(path) {
		return nil, &FileError{path, "it is a link out of its directory, to a file of another name"}
	}
	return readUserFile(real)
}

// follow says where the link at path leads, and whether that is out of the directory root.
func follow(root, path string) (real string, out bool, err error) {
	if real, err = filepath.EvalSymlinks(path); err != nil {
		return "", false, err
	}
	if root, err = filepath.EvalSymlinks(root); err != nil {
		return "", false, err
	}
	rel, err := filepath.Rel(root, real)
	return real, err != nil || !filepath.IsLocal(rel), nil
}

// readUserFile reads a file of the user's, bounded.
func readUserFile(path string) ([]byte, error) {
	fi, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	return readRegular(path, fi)
}

// readRegular reads a file as fi describes it. What is no regular file is not even opened: a pipe would block.
func readRegular(path string, fi fs.FileInfo) ([]byte, error) {
	if !fi.Mode().IsRegular() {
		return nil, &FileError{path, "it is not a regular file"}
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data := bytes.NewBuffer(make([]byte, 0, min(fi.Size(), maxUserFile)+bytes.MinRead))
	if _, err := data.ReadFrom(io.LimitReader(f, maxUserFile+1)); err != nil {
		return nil, err
	}
	if data.Len() > maxUserFile {
		return nil, &FileError{path, fmt.Sprintf("it has more than %d bytes", maxUserFile)}
	}
	return data.Bytes(), nil
}

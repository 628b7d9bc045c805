//go:build !linux && !darwin && !freebsd

package materialize

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// keepsModes is false on systems whose files have no permission bits at all.
const keepsModes = false

// dir is a directory held open. Names are single components; stat takes a path below it as well.
type dir struct {
	root *os.Root
	path string
	step stepFunc
}

// errNoDir is what sub says of a link or a file.
var errNoDir = errors.New("it is not a directory")

// openDir opens the directory at path, through links.
func openDir(path string, step stepFunc) (*dir, error) {
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, err
	}
	return &dir{root: root, path: path, step: step}, nil
}

func (d *dir) close() { _ = d.root.Close() }

// sub opens a directory in d; a link is not one.
func (d *dir) sub(name string) (*dir, error) {
	fi, err := d.root.Lstat(name)
	if err != nil {
		return nil, err
	}
	if !fi.IsDir() {
		return nil, d.fail("open", name, errNoDir)
	}
	root, err := d.root.OpenRoot(name)
	if err != nil {
		return nil, err
	}
	return &dir{root: root, path: d.join(name), step: d.step}, nil
}

// isNoDir reports whether an error of sub says that something stands there which is no directory.
func isNoDir(err error) bool { return errors.Is(err, errNoDir) }

func (d *dir) mkdir(name string) error {
	if err := d.step.before("mkdir", d, name); err != nil {
		return err
	}
	return d.root.Mkdir(name, dirMode)
}

// stat does not follow a link at the end of path.
func (d *dir) stat(path string) (info, error) {
	fi, err := d.root.Lstat(filepath.FromSlash(path))
	if err != nil {
		return info{}, err
	}
	return info{mode: fi.Mode(), size: fi.Size(), mtime: fi.ModTime().UnixNano(), links: 1}, nil
}

func (d *dir) self() (info, error) { return d.stat(".") }

// names lists what stands in d, in no order.
func (d *dir) names() ([]string, error) {
	f, err := d.root.Open(".")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return f.Readdirnames(-1)
}

func (d *dir) chmod(fs.FileMode) error { return nil }

func (d *dir) openUp(name string) error { return nil }

// setTime gives what stands under name the fixed time.
func (d *dir) setTime(name string) error {
	if err := d.step.before("chtimes", d, name); err != nil {
		return err
	}
	t := time.Unix(0, fixedTime)
	return d.root.Chtimes(name, t, t)
}

// link makes a hard link in d to the file at path below from.
func (d *dir) link(from *dir, path, name string) error {
	if err := d.step.before("link", d, name); err != nil {
		return err
	}
	return os.Link(from.join(filepath.FromSlash(path)), d.join(name))
}

// open opens the file at path below d for reading.
func (d *dir) open(path string) (*os.File, error) { return d.root.Open(filepath.FromSlash(path)) }

// create makes a new file for writing.
func (d *dir) create(name string, mode fs.FileMode) (*os.File, error) {
	if err := d.step.before("create", d, name); err != nil {
		return nil, err
	}
	return d.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
}

// openLock opens a file of d that locks are taken on, and makes it if it is not there.
func (d *dir) openLock(name string, mode fs.FileMode) (*os.File, error) {
	if err := d.step.before("create", d, name); err != nil {
		return nil, err
	}
	return d.root.OpenFile(name, os.O_RDWR|os.O_CREATE, mode)
}

// rename moves old to name, both in d, unless something stands there: fs.ErrExist.
func (d *dir) rename(old, name string) error {
	if err := d.step.before("rename", d, name); err != nil {
		return err
	}
	if _, err := d.root.Lstat(name); err == nil {
		return d.fail("rename", name, fs.ErrExist)
	}
	return d.root.Rename(old, name)
}

// exchange swaps two names of d in one step; errors.ErrUnsupported where that cannot be done.
func (d *dir) exchange(a, b string) error { return errors.ErrUnsupported }

func (d *dir) unlink(name string) error {
	if err := d.step.before("remove", d, name); err != nil {
		return err
	}
	if fi, err := d.root.Lstat(name); err == nil && fi.IsDir() { // Remove would take an empty one
		return d.fail("remove", name, fs.ErrInvalid)
	}
	return d.root.Remove(name)
}

func (d *dir) rmdir(name string) error {
	if err := d.step.before("remove", d, name); err != nil {
		return err
	}
	return d.root.Remove(name)
}

// sync makes the entries of d last: the system does so in its own time.
func (d *dir) sync() error { return nil }

func (d *dir) syncAll() error { return nil }

func clone(to, from *os.File) error { return errors.ErrUnsupported }

// cannotLink reports whether an error of link says that this file takes no link; all says that it will be so for every
// file.
func cannotLink(err error) (cannot, all bool) {
	return !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrExist), false
}

// tryLock is not known here: nobody is ever alone, and nothing is swept.
func tryLock(f *os.File, exclusive bool) (ok, known bool) { return false, false }

package materialize

import (
	"errors"
	"io/fs"
	"os"

	"github.com/openpackage/opkg/cas"
	"github.com/openpackage/opkg/internal/dirfd"
)

// The modes of what opkg makes, whatever the umask.
const (
	dirMode  fs.FileMode = 0o755
	fileMode fs.FileMode = 0o444
	execMode fs.FileMode = 0o755
)

// fixedTime is when everything in a version directory was last changed, in nanoseconds since 1970.
const fixedTime int64 = cas.BlobTime * 1e9

// stepFunc is told of an operation before it happens, and may fail it. Paths are those of messages.
type stepFunc func(op, path string) error

func (f stepFunc) before(op string, d *dir, name string) error {
	if f == nil {
		return nil
	}
	return f(op, d.join(name))
}

// info is what a stat tells.
type info = dirfd.Info

// dir is a directory held open, whose changes are announced. Names are single components; stat, open, link and setTime take a
// path below it as well.
type dir struct {
	at   *dirfd.Dir
	path string // for messages
	step stepFunc
}

// openDir opens the directory at path, through links.
func openDir(path string, step stepFunc) (*dir, error) {
	at, err := dirfd.Open(path)
	if err != nil {
		return nil, err
	}
	return &dir{at: at, path: path, step: step}, nil
}

func (d *dir) held(at *dirfd.Dir, err error) (*dir, error) {
	if err != nil {
		return nil, err
	}
	return &dir{at: at, path: at.Path(), step: d.step}, nil
}

func (d *dir) close() { d.at.Close() }

// sub opens a directory in d; a link is not one.
func (d *dir) sub(name string) (*dir, error) { return d.held(d.at.Sub(name)) }

// below opens the directory at path in one step if the system can, and no link is on the way. Otherwise it fails: then sub tells more.
func (d *dir) below(path string) (*dir, error) { return d.held(d.at.Below(path)) }

// isNoDir reports whether an error of sub says that something stands there which is no directory.
func isNoDir(err error) bool { return dirfd.IsNoDir(err) }

// stat does not follow a link at the end of path.
func (d *dir) stat(path string) (info, error) { return d.at.Stat(path) }

func (d *dir) self() (info, error) { return d.at.Self() }

// names lists what stands in d, in no order.
func (d *dir) names() ([]string, error) { return d.at.Names() }

// open opens the file at path below d for reading; a link at its end is an error.
func (d *dir) open(path string) (*os.File, error) { return d.at.Open(path) }

func (d *dir) mkdir(name string) error {
	if err := d.step.before("mkdir", d, name); err != nil {
		return err
	}
	return d.at.Mkdir(name, dirMode)
}

func (d *dir) chmod(mode fs.FileMode) error {
	if err := d.step.before("chmod", d, "."); err != nil {
		return err
	}
	return d.at.Chmod(mode)
}

// openUp lets the owner into the directory called name.
func (d *dir) openUp(name string) error {
	if err := d.step.before("chmod", d, name); err != nil {
		return err
	}
	return d.at.ChmodAt(name, 0o700)
}

// setTime gives what stands at path the fixed time.
func (d *dir) setTime(path string) error {
	if err := d.step.before("chtimes", d, path); err != nil {
		return err
	}
	return d.at.SetTime(path, fixedTime)
}

// link makes a hard link in d to the file at path below from.
func (d *dir) link(from *dir, path, name string) error {
	if err := d.step.before("link", d, name); err != nil {
		return err
	}
	return d.at.Link(from.at, path, name)
}

// create makes a new file for writing.
func (d *dir) create(name string, mode fs.FileMode) (*os.File, error) {
	if err := d.step.before("create", d, name); err != nil {
		return nil, err
	}
	return d.at.Create(name, mode)
}

// openLock opens a file of d that locks are taken on, and makes it with mode if it is not there.
func (d *dir) openLock(name string, mode fs.FileMode) (*os.File, error) {
	f, err := d.at.OpenLock(name, mode, false)
	if !errors.Is(err, fs.ErrNotExist) {
		return f, err
	}
	if err := d.step.before("create", d, name); err != nil {
		return nil, err
	}
	return d.at.OpenLock(name, mode, true)
}

// rename moves old to name, both in d, unless something other than an empty directory stands there: fs.ErrExist.
func (d *dir) rename(old, name string) error {
	if err := d.step.before("rename", d, name); err != nil {
		return err
	}
	return d.at.Rename(old, d.at, name)
}

// moveIn moves the directory at path below from to name in d, unless something other than an empty directory stands there: fs.ErrExist.
func (d *dir) moveIn(from *dir, path, name string) error {
	if err := d.step.before("rename", d, name); err != nil {
		return err
	}
	return from.at.Rename(path, d.at, name)
}

// moveInNew is moveIn for what is a neighbour's even while it is an empty directory; errors.ErrUnsupported where that is no single step.
func (d *dir) moveInNew(from *dir, path, name string) error {
	if err := d.step.before("rename", d, name); err != nil {
		return err
	}
	return from.at.RenameNew(path, d.at, name)
}

// exchange swaps two names of d in one step; errors.ErrUnsupported where that cannot be done.
func (d *dir) exchange(a, b string) error {
	if err := d.step.before("exchange", d, b); err != nil {
		return err
	}
	return d.at.Exchange(a, b)
}

func (d *dir) unlink(name string) error {
	if err := d.step.before("remove", d, name); err != nil {
		return err
	}
	return d.at.Unlink(name)
}

func (d *dir) rmdir(name string) error {
	if err := d.step.before("remove", d, name); err != nil {
		return err
	}
	return d.at.Rmdir(name)
}

// sync makes the entries of d last.
func (d *dir) sync() error {
	if err := d.step.before("sync", d, "."); err != nil {
		return err
	}
	return d.at.Sync()
}

// syncAll makes everything on d's file system last, where there is such a call.
func (d *dir) syncAll() error {
	if err := d.step.before("syncfs", d, "."); err != nil {
		return err
	}
	return d.at.SyncAll()
}

// join is for messages.
func (d *dir) join(name string) string { return d.path + string(os.PathSeparator) + name }

// enter opens a directory in d, and makes it if it is not there and that is asked.
func (d *dir) enter(name string, create bool) (*dir, error) {
	sub, err := d.sub(name)
	if create && errors.Is(err, fs.ErrNotExist) {
		return d.make(name)
	}
	return sub, err
}

// make makes a directory, with dirMode, and opens it. One that a neighbour made meanwhile is only opened.
func (d *dir) make(name string) (*dir, error) {
	err := d.mkdir(name)
	made := err == nil
	if !made && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	sub, err := d.sub(name)
	if err != nil || !made {
		return sub, err
	}
	fi, err := sub.self()
	if err == nil && fi.Mode.Perm() != dirMode {
		err = sub.chmod(dirMode)
	}
	if err != nil {
		sub.close()
		return nil, err
	}
	return sub, nil
}

// removeAll removes what stands under name, and never follows a link. That nothing stands there is no error.
func (d *dir) removeAll(name string) error {
	err := d.unlink(name)
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	fi, serr := d.stat(name)
	if serr != nil || !fi.Mode.IsDir() {
		return err
	}
	if fi.Mode&0o700 != 0o700 {
		_ = d.openUp(name) // or what it holds cannot be removed
	}
	sub, err := d.sub(name)
	if err != nil {
		return err
	}
	defer sub.close()
	names, err := sub.names()
	if err != nil {
		return err
	}
	for _, n := range names {
		if err := sub.removeAll(n); err != nil {
			return err
		}
	}
	if err := d.rmdir(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

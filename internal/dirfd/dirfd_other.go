//go:build !linux && !darwin && !freebsd

package dirfd

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/openpackage/opkg/internal/held"
)

// KeepsModes is false on systems whose files have no permission bits at all.
const KeepsModes = false

// Dir is a directory held open.
type Dir struct {
	Exact bool // nothing here

	root *os.Root
	path string
}

// errNoDir is what Sub says of a link or a file.
var errNoDir = errors.New("it is not a directory")

// Open opens the directory at path, through links.
func Open(path string) (*Dir, error) {
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, err
	}
	return &Dir{root: root, path: path}, nil
}

// Close gives the directory up.
func (d *Dir) Close() { _ = d.root.Close() }

// Sub opens a directory in d; a link is not one.
func (d *Dir) Sub(name string) (*Dir, error) {
	fi, err := d.root.Lstat(filepath.FromSlash(name))
	if err != nil {
		return nil, err
	}
	if !fi.IsDir() {
		return nil, d.fail("open", name, errNoDir)
	}
	root, err := d.root.OpenRoot(filepath.FromSlash(name))
	if err != nil {
		return nil, err
	}
	return &Dir{root: root, path: d.join(filepath.FromSlash(name))}, nil
}

// Below is not known here.
func (d *Dir) Below(path string) (*Dir, error) {
	return nil, d.fail("open", path, errors.ErrUnsupported)
}

// IsNoDir reports whether an error of Sub says that something stands there which is no directory.
func IsNoDir(err error) bool { return errors.Is(err, errNoDir) }

// Mkdir makes a directory.
func (d *Dir) Mkdir(name string, mode fs.FileMode) error {
	return d.root.Mkdir(filepath.FromSlash(name), mode.Perm())
}

// Stat does not follow a link at the end of path.
func (d *Dir) Stat(path string) (Info, error) {
	fi, err := d.root.Lstat(filepath.FromSlash(path))
	if err != nil {
		return Info{}, err
	}
	return infoOf(fi), nil
}

func infoOf(fi fs.FileInfo) Info {
	return Info{Mode: fi.Mode(), Size: fi.Size(), Mtime: fi.ModTime().UnixNano(), identity: identity{fi}}
}

// identity tells files apart.
type identity struct{ fi fs.FileInfo }

func (a identity) same(b identity) bool { return os.SameFile(a.fi, b.fi) }

// StatFile is the stat of an open file.
func StatFile(f *os.File) (Info, error) {
	fi, err := f.Stat()
	if err != nil {
		return Info{}, err
	}
	return infoOf(fi), nil
}

// Self is the stat of d.
func (d *Dir) Self() (Info, error) { return d.Stat(".") }

// Names lists what stands in d, in no order.
func (d *Dir) Names() ([]string, error) {
	f, err := d.list()
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return f.Readdirnames(-1)
}

// list opens d once more, to be read.
func (d *Dir) list() (*os.File, error) { return d.root.Open(".") }

// Chmod does nothing: directories have no modes.
func (d *Dir) Chmod(fs.FileMode) error { return nil }

// ChmodAt makes what stands under name read-only, or writable, where that can be: no file has more of a mode.
func (d *Dir) ChmodAt(name string, mode fs.FileMode) error {
	_ = d.root.Chmod(filepath.FromSlash(name), mode)
	return nil
}

// ChmodFile is ChmodAt for an open file.
func ChmodFile(f *os.File, mode fs.FileMode) error {
	_ = f.Chmod(mode)
	return nil
}

// SetTime sets when what stands at path was last changed and used, in nanoseconds since 1970.
func (d *Dir) SetTime(path string, ns int64) error {
	t := time.Unix(0, ns)
	return d.root.Chtimes(filepath.FromSlash(path), t, t)
}

// Link makes a hard link at name in d to the file at path below from.
func (d *Dir) Link(from *Dir, path, name string) error {
	return os.Link(from.join(filepath.FromSlash(path)), d.join(filepath.FromSlash(name)))
}

// Open opens the file at path for reading.
func (d *Dir) Open(path string) (*os.File, error) { return d.root.Open(filepath.FromSlash(path)) }

// Read returns the content of the regular file at path, at most limit bytes.
func (d *Dir) Read(path string, limit int64) ([]byte, error) {
	data, _, err := d.read(path, limit, func(size int64) []byte { return make([]byte, size) })
	return data, err
}

// ReadInto is Read with the stat of the file, as reading it began, into buf, whose length is the limit.
func (d *Dir) ReadInto(buf []byte, path string) ([]byte, Info, error) {
	return d.read(path, int64(len(buf)), func(size int64) []byte { return buf[:size] })
}

func (d *Dir) read(path string, limit int64, room func(size int64) []byte) ([]byte, Info, error) {
	f, err := d.Open(path)
	if err != nil {
		return nil, Info{}, err
	}
	defer f.Close()
	info, err := StatFile(f)
	switch {
	case err != nil:
		return nil, info, err
	case !info.Mode.IsRegular():
		return nil, info, d.fail("read", path, errNotRegular)
	case info.Size > limit:
		return nil, info, d.fail("read", path, errTooLarge)
	}
	data := room(info.Size)
	_, err = io.ReadFull(f, data)
	return data, info, err
}

// Create makes a new file for writing.
func (d *Dir) Create(path string, mode fs.FileMode) (*os.File, error) {
	return d.root.OpenFile(filepath.FromSlash(path), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
}

// Write makes a new file that holds data, last changed and used at ns (see SetTime) unless that is 0, and syncs it, since later nobody
// can who may not write to it. After an error a part of it may stand there.
func (d *Dir) Write(path string, mode fs.FileMode, ns int64, data []byte) error {
	f, err := d.Create(path, mode)
	if err != nil {
		return err
	}
	if _, err = f.Write(data); err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = ChmodFile(f, mode)
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil && ns != 0 {
		err = d.SetTime(path, ns)
	}
	return err
}

// OpenLock opens a file of d that locks are taken on, and makes it if make says so.
func (d *Dir) OpenLock(name string, mode fs.FileMode, make bool) (*os.File, error) {
	flags := os.O_RDWR
	if make {
		flags |= os.O_CREATE
	}
	return d.root.OpenFile(name, flags, mode)
}

// Replace moves the file under old to name in to, over a file that stands there, be it read-only.
func (d *Dir) Replace(old string, to *Dir, name string) error {
	from, target := d.join(filepath.FromSlash(old)), to.join(filepath.FromSlash(name))
	if fi, err := os.Lstat(target); err == nil && fi.Mode().IsRegular() && fi.Mode()&0o200 == 0 {
		_ = to.ChmodAt(name, 0o644)
	}
	return held.Retry(func() error { return os.Rename(from, target) })
}

// Rename moves the directory under old to name in to, unless anything stands there: fs.ErrExist.
func (d *Dir) Rename(old string, to *Dir, name string) error {
	from, target := filepath.FromSlash(old), filepath.FromSlash(name)
	if _, err := to.root.Lstat(target); err == nil {
		return to.fail("rename", name, fs.ErrExist)
	}
	return held.Retry(func() error {
		if d == to {
			return d.root.Rename(from, target)
		}
		return os.Rename(d.join(from), to.join(target))
	})
}

// RenameNew is not known here.
func (d *Dir) RenameNew(old string, to *Dir, name string) error {
	return to.fail("rename", name, errors.ErrUnsupported)
}

// Exchange swaps two names of d in one step; errors.ErrUnsupported where that cannot be done.
func (d *Dir) Exchange(a, b string) error { return errors.ErrUnsupported }

// Unlink removes a name that is no directory's.
func (d *Dir) Unlink(name string) error {
	if fi, err := d.root.Lstat(filepath.FromSlash(name)); err == nil && fi.IsDir() { // Remove would take an empty one
		return d.fail("remove", name, fs.ErrInvalid)
	}
	return held.Retry(func() error { return d.root.Remove(filepath.FromSlash(name)) })
}

// Rmdir removes an empty directory.
func (d *Dir) Rmdir(name string) error { return d.root.Remove(filepath.FromSlash(name)) }

// Sync makes the entries of d last: the system does so in its own time.
func (d *Dir) Sync() error { return nil }

// SyncsAll says whether SyncAll makes everything last before it returns.
const SyncsAll = false

// SyncAll is not known here.
func (d *Dir) SyncAll() error { return nil }

// Clone is not known here.
func Clone(to, from *os.File) error { return errors.ErrUnsupported }

// CannotLink reports whether an error of Link says that this file takes no link; all says that it will be so for every
// file.
func CannotLink(err error) (cannot, all bool) {
	return err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrExist), false
}

// IsCrossDevice reports whether an error of Rename or Link may say that the two places are on two file systems.
func IsCrossDevice(err error) bool {
	return err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrExist)
}

// TryLock is not known here: nobody is ever alone.
func TryLock(f *os.File, exclusive bool) (ok, known bool) { return false, false }

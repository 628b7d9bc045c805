//go:build linux || darwin || freebsd

package dirfd

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// KeepsModes is false on systems whose files have no permission bits at all.
const KeepsModes = true

// Dir is a directory held open.
type Dir struct {
	// Exact makes Mkdir and Write see to it that the umask takes nothing from a mode. It costs calls, and most umasks take nothing.
	Exact bool

	fd   int
	path string
	sys  calls
}

// Open opens the directory at path, through links.
func Open(path string) (*Dir, error) {
	fd, err := slow{}.openat(unix.AT_FDCWD, path, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	return &Dir{fd: fd, path: path, sys: callsOf(fd)}, nil
}

// Close gives the descriptor up, once.
func (d *Dir) Close() {
	if d.fd >= 0 {
		_ = d.sys.close(d.fd)
		d.fd = -1
	}
}

// Sub opens a directory in d; a link is not one.
func (d *Dir) Sub(name string) (*Dir, error) {
	fd, err := d.sys.openat(d.fd, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil, d.fail("open", name, err)
	}
	return &Dir{fd: fd, path: d.join(name), sys: d.sys}, nil
}

// IsNoDir reports whether an error of Sub says that something stands there which is no directory.
func IsNoDir(err error) bool {
	return errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ELOOP) || errors.Is(err, unix.EMLINK)
}

// Mkdir makes a directory; the umask takes from its mode unless d is Exact.
func (d *Dir) Mkdir(name string, mode fs.FileMode) error {
	err := d.sys.mkdirat(d.fd, name, uint32(mode.Perm()))
	if err != nil || !d.Exact {
		return d.fail("mkdir", name, err)
	}
	sub, err := d.Sub(name)
	if err != nil {
		return err
	}
	defer sub.Close()
	return sub.Chmod(mode)
}

// Stat does not follow a link at the end of path.
func (d *Dir) Stat(path string) (Info, error) {
	var st unix.Stat_t
	if err := d.sys.fstatat(d.fd, path, &st); err != nil {
		return Info{}, d.fail("stat", path, err)
	}
	return infoOf(&st), nil
}

// Self is the stat of d.
func (d *Dir) Self() (Info, error) {
	var st unix.Stat_t
	err := unix.Fstat(d.fd, &st)
	return infoOf(&st), d.fail("stat", ".", err)
}

// identity tells files apart.
type identity struct{ dev, ino uint64 }

func (a identity) same(b identity) bool { return a == b }

// StatFile is the stat of an open file.
func StatFile(f *os.File) (Info, error) {
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return Info{}, &fs.PathError{Op: "stat", Path: f.Name(), Err: err}
	}
	return infoOf(&st), nil
}

func infoOf(st *unix.Stat_t) Info {
	mode := fs.FileMode(st.Mode & 0o777)
	switch uint32(st.Mode) & unix.S_IFMT {
	case unix.S_IFREG:
	case unix.S_IFDIR:
		mode |= fs.ModeDir
	case unix.S_IFLNK:
		mode |= fs.ModeSymlink
	default:
		mode |= fs.ModeIrregular
	}
	special := uint32(unix.S_ISUID | unix.S_ISVTX)
	if !mode.IsDir() { // a directory takes it from the one that it was made in
		special |= unix.S_ISGID
	}
	if uint32(st.Mode)&special != 0 {
		mode |= fs.ModeSetuid // more than opkg sets: it only has to differ
	}
	return Info{Mode: mode, Size: st.Size, Mtime: unix.TimespecToNsec(st.Mtim), Change: unix.TimespecToNsec(st.Ctim), Links: uint64(st.Nlink),
		identity: identity{uint64(st.Dev), st.Ino}}
}

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
func (d *Dir) list() (*os.File, error) {
	fd, err := d.sys.openat(d.fd, ".", unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil, d.fail("open", ".", err)
	}
	return os.NewFile(uintptr(fd), d.path), nil
}

// Chmod sets the mode of d. A file system that keeps no modes may refuse to, which is no error: a stat tells.
func (d *Dir) Chmod(mode fs.FileMode) error {
	return d.fail("chmod", ".", unlessModeless(unix.Fchmod(d.fd, uint32(mode.Perm()))))
}

// ChmodAt is Chmod for what stands under name. Where the system can only do so through a link, nothing is done.
func (d *Dir) ChmodAt(name string, mode fs.FileMode) error {
	return d.fail("chmod", name, unlessModeless(unix.Fchmodat(d.fd, name, uint32(mode.Perm()), unix.AT_SYMLINK_NOFOLLOW)))
}

// ChmodFile is Chmod for an open file.
func ChmodFile(f *os.File, mode fs.FileMode) error {
	if err := unlessModeless(unix.Fchmod(int(f.Fd()), uint32(mode.Perm()))); err != nil {
		return &fs.PathError{Op: "chmod", Path: f.Name(), Err: err}
	}
	return nil
}

// unlessModeless drops what vfat, exfat, network shares and file systems of user space say of a mode that they cannot keep.
func unlessModeless(err error) error {
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, errors.ErrUnsupported) {
		return nil
	}
	return err
}

// SetTime sets when what stands at path was last changed and used, in nanoseconds since 1970.
func (d *Dir) SetTime(path string, ns int64) error {
	return d.fail("chtimes", path, d.sys.utimensat(d.fd, path, ns))
}

// Link makes a hard link at name in d to the file at path below from.
func (d *Dir) Link(from *Dir, path, name string) error {
	return d.fail("link", name, d.sys.linkat(from.fd, path, d.fd, name))
}

// Open opens the file at path for reading; a link at its end is an error.
func (d *Dir) Open(path string) (*os.File, error) {
	fd, err := d.sys.openat(d.fd, path, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, d.fail("open", path, err)
	}
	return os.NewFile(uintptr(fd), d.join(path)), nil
}

// Read returns the content of the regular file at path, at most limit bytes; a link at its end is an error.
func (d *Dir) Read(path string, limit int64) ([]byte, error) {
	data, _, err := d.read(path, limit, func(size int64) []byte { return make([]byte, size) })
	return data, err
}

// ReadInto is Read with the stat of the file, as reading it began, into buf, whose length is the limit.
func (d *Dir) ReadInto(buf []byte, path string) ([]byte, Info, error) {
	return d.read(path, int64(len(buf)), func(size int64) []byte { return buf[:size] })
}

func (d *Dir) read(path string, limit int64, room func(size int64) []byte) ([]byte, Info, error) {
	fd, err := d.sys.openat(d.fd, path, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, Info{}, d.fail("open", path, err)
	}
	defer d.sys.close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return nil, Info{}, d.fail("stat", path, err)
	}
	info := infoOf(&st)
	switch {
	case uint32(st.Mode)&unix.S_IFMT != unix.S_IFREG:
		return nil, info, d.fail("read", path, errNotRegular)
	case st.Size > limit:
		return nil, info, d.fail("read", path, errTooLarge)
	}
	data := room(st.Size)
	for at := 0; at < len(data); {
		n, err := unix.Read(fd, data[at:])
		switch {
		case err == unix.EINTR:
		case err != nil:
			return nil, info, d.fail("read", path, err)
		case n == 0:
			return nil, info, d.fail("read", path, io.ErrUnexpectedEOF)
		default:
			at += n
		}
	}
	return data, info, nil
}

// Create makes a new file for writing; the umask takes from its mode.
func (d *Dir) Create(path string, mode fs.FileMode) (*os.File, error) {
	fd, err := d.sys.openat(d.fd, path, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW, uint32(mode.Perm()))
	if err != nil {
		return nil, d.fail("create", path, err)
	}
	return os.NewFile(uintptr(fd), d.join(path)), nil
}

// Write makes a new file that holds data, last changed and used at ns (see SetTime) unless that is 0; the umask takes from its mode unless
// d is Exact. After an error a part of it may stand there.
func (d *Dir) Write(path string, mode fs.FileMode, ns int64, data []byte) error {
	fd, err := d.sys.openat(d.fd, path, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW, uint32(mode.Perm()))
	if err != nil {
		return d.fail("create", path, err)
	}
	for len(data) > 0 {
		n, err := d.sys.write(fd, data)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			_ = d.sys.close(fd)
			return d.fail("write", path, err)
		}
		data = data[n:]
	}
	if d.Exact {
		if err := unlessModeless(unix.Fchmod(fd, uint32(mode.Perm()))); err != nil {
			_ = d.sys.close(fd)
			return d.fail("chmod", path, err)
		}
	}
	if ns != 0 {
		if err := d.sys.futimes(fd, ns); err != nil {
			_ = d.sys.close(fd)
			return d.fail("chtimes", path, err)
		}
	}
	return d.fail("close", path, d.sys.close(fd))
}

// OpenLock opens a file of d that locks are taken on, and makes it with mode, whatever the umask, if make says so.
func (d *Dir) OpenLock(name string, mode fs.FileMode, make bool) (*os.File, error) {
	flags := unix.O_RDWR | unix.O_APPEND | unix.O_NOFOLLOW
	if make {
		flags |= unix.O_CREAT
	}
	fd, err := d.sys.openat(d.fd, name, flags, uint32(mode.Perm()))
	if err == nil && make {
		_ = unix.Fchmod(fd, uint32(mode.Perm()))
	}
	if errors.Is(err, fs.ErrPermission) { // another user's: a lock needs no more than this
		fd, err = d.sys.openat(d.fd, name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	}
	if err != nil {
		return nil, d.fail("open", name, err)
	}
	return os.NewFile(uintptr(fd), d.join(name)), nil
}

// Replace moves the file under old to name in to, over a file that stands there.
func (d *Dir) Replace(old string, to *Dir, name string) error {
	return to.fail("rename", name, again(func() error { return unix.Renameat(d.fd, old, to.fd, name) }))
}

// Rename moves the directory under old to name in to, unless something other than an empty directory stands there:
// fs.ErrExist.
func (d *Dir) Rename(old string, to *Dir, name string) error {
	err := again(func() error { return unix.Renameat(d.fd, old, to.fd, name) })
	if errors.Is(err, unix.ENOTEMPTY) || errors.Is(err, unix.ENOTDIR) {
		err = fs.ErrExist
	}
	return to.fail("rename", name, err)
}

// Exchange swaps two names of d in one step; errors.ErrUnsupported where that cannot be done.
func (d *Dir) Exchange(a, b string) error {
	err := again(func() error { return renameExchange(d.fd, a, b) })
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.ENOTSUP) {
		err = errors.ErrUnsupported
	}
	return d.fail("exchange", b, err)
}

// Unlink removes a name that is no directory's.
func (d *Dir) Unlink(name string) error {
	return d.fail("remove", name, again(func() error { return unix.Unlinkat(d.fd, name, 0) }))
}

// Rmdir removes an empty directory.
func (d *Dir) Rmdir(name string) error {
	return d.fail("remove", name, again(func() error { return unix.Unlinkat(d.fd, name, unix.AT_REMOVEDIR) }))
}

// Sync makes the entries of d last.
func (d *Dir) Sync() error {
	err := again(func() error { return unix.Fsync(d.fd) })
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOTSUP) { // no such thing on this file system
		return nil
	}
	return d.fail("sync", ".", err)
}

// CannotLink reports whether an error of Link says that this file system, these two, or this file take no further
// link; all says that it will be so for every file.
func CannotLink(err error) (cannot, all bool) {
	var errno syscall.Errno
	if !errors.As(err, &errno) {
		return false, false
	}
	switch errno {
	case unix.EMLINK:
		return true, false
	case unix.EXDEV, unix.EPERM, unix.ENOTSUP, unix.ENOSYS, unix.EINVAL:
		return true, true
	}
	return errno == unix.EOPNOTSUPP, errno == unix.EOPNOTSUPP // on some systems the same as ENOTSUP
}

// IsCrossDevice reports whether an error of Rename or Link says that the two places are on two file systems.
func IsCrossDevice(err error) bool { return errors.Is(err, unix.EXDEV) }

// TryLock takes the lock on f if that needs no waiting; known is false where the file system knows no locks.
func TryLock(f *os.File, exclusive bool) (ok, known bool) {
	how := unix.LOCK_SH
	if exclusive {
		how = unix.LOCK_EX
	}
	err := again(func() error { return unix.Flock(int(f.Fd()), how|unix.LOCK_NB) })
	return err == nil, err == nil || errors.Is(err, unix.EWOULDBLOCK)
}

//go:build linux || darwin || freebsd

package materialize

import (
	"errors"
	"io/fs"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// keepsModes is false on systems whose files have no permission bits at all.
const keepsModes = true

// dir is a directory held by its descriptor: what is done in it stays in it, whoever moves it or puts links in its place.
// Names are single components; stat takes a path below it as well.
type dir struct {
	fd   int
	path string // for messages
	step stepFunc
}

// again repeats a call that a signal interrupted.
func again(call func() error) error {
	for {
		if err := call(); err != unix.EINTR {
			return err
		}
	}
}

func openat(fd int, name string, flags int, perm uint32) (got int, err error) {
	err = again(func() error {
		got, err = unix.Openat(fd, name, flags|unix.O_CLOEXEC, perm)
		return err
	})
	return got, err
}

// openDir opens the directory at path, through links.
func openDir(path string, step stepFunc) (*dir, error) {
	fd, err := openat(unix.AT_FDCWD, path, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	return &dir{fd: fd, path: path, step: step}, nil
}

func (d *dir) close() { _ = unix.Close(d.fd) }

// sub opens a directory in d; a link is not one.
func (d *dir) sub(name string) (*dir, error) {
	fd, err := openat(d.fd, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil, d.fail("open", name, err)
	}
	return &dir{fd: fd, path: d.join(name), step: d.step}, nil
}

// isNoDir reports whether an error of sub says that something stands there which is no directory.
func isNoDir(err error) bool {
	return errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ELOOP) || errors.Is(err, unix.EMLINK)
}

func (d *dir) mkdir(name string) error {
	if err := d.step.before("mkdir", d, name); err != nil {
		return err
	}
	return d.fail("mkdir", name, again(func() error { return unix.Mkdirat(d.fd, name, uint32(dirMode)) }))
}

// stat does not follow a link at the end of path.
func (d *dir) stat(path string) (info, error) {
	var st unix.Stat_t
	err := again(func() error { return unix.Fstatat(d.fd, path, &st, unix.AT_SYMLINK_NOFOLLOW) })
	return infoOf(&st), d.fail("stat", path, err)
}

func (d *dir) self() (info, error) {
	var st unix.Stat_t
	err := unix.Fstat(d.fd, &st)
	return infoOf(&st), d.fail("stat", ".", err)
}

func infoOf(st *unix.Stat_t) info {
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
	if st.Mode&(unix.S_ISUID|unix.S_ISVTX) != 0 {
		mode |= fs.ModeSetuid // more than opkg sets: it only has to differ
	}
	return info{mode: mode, size: st.Size, mtime: unix.TimespecToNsec(st.Mtim), links: uint64(st.Nlink)}
}

// names lists what stands in d, in no order.
func (d *dir) names() ([]string, error) {
	fd, err := openat(d.fd, ".", unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil, d.fail("open", ".", err)
	}
	f := os.NewFile(uintptr(fd), d.path)
	defer f.Close()
	return f.Readdirnames(-1)
}

func (d *dir) chmod(mode fs.FileMode) error {
	if err := d.step.before("chmod", d, "."); err != nil {
		return err
	}
	return d.fail("chmod", ".", unix.Fchmod(d.fd, uint32(mode)))
}

// openUp lets the owner into the directory called name. Where the system can only do so through a link, it is left alone.
func (d *dir) openUp(name string) error {
	if err := d.step.before("chmod", d, name); err != nil {
		return err
	}
	return d.fail("chmod", name, unix.Fchmodat(d.fd, name, 0o700, unix.AT_SYMLINK_NOFOLLOW))
}

// setTime gives what stands under name the fixed time.
func (d *dir) setTime(name string) error {
	if err := d.step.before("chtimes", d, name); err != nil {
		return err
	}
	ts := unix.NsecToTimespec(fixedTime)
	return d.fail("chtimes", name, again(func() error {
		return unix.UtimesNanoAt(d.fd, name, []unix.Timespec{ts, ts}, unix.AT_SYMLINK_NOFOLLOW)
	}))
}

// link makes a hard link in d to the file at path below from.
func (d *dir) link(from *dir, path, name string) error {
	if err := d.step.before("link", d, name); err != nil {
		return err
	}
	return d.fail("link", name, again(func() error { return unix.Linkat(from.fd, path, d.fd, name, 0) }))
}

// open opens the file at path below d for reading; a link at its end is an error.
func (d *dir) open(path string) (*os.File, error) {
	fd, err := openat(d.fd, path, unix.O_RDONLY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil, d.fail("open", path, err)
	}
	return os.NewFile(uintptr(fd), d.join(path)), nil
}

// create makes a new file for writing.
func (d *dir) create(name string, mode fs.FileMode) (*os.File, error) {
	if err := d.step.before("create", d, name); err != nil {
		return nil, err
	}
	fd, err := openat(d.fd, name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW, uint32(mode))
	if err != nil {
		return nil, d.fail("create", name, err)
	}
	return os.NewFile(uintptr(fd), d.join(name)), nil
}

// openLock opens a file of d that locks are taken on, and makes it with mode if it is not there.
func (d *dir) openLock(name string, mode fs.FileMode) (*os.File, error) {
	fd, err := openat(d.fd, name, unix.O_RDWR|unix.O_APPEND|unix.O_NOFOLLOW, 0)
	if errors.Is(err, fs.ErrNotExist) {
		if err := d.step.before("create", d, name); err != nil {
			return nil, err
		}
		if fd, err = openat(d.fd, name, unix.O_RDWR|unix.O_APPEND|unix.O_CREAT|unix.O_NOFOLLOW, uint32(mode)); err == nil {
			_ = unix.Fchmod(fd, uint32(mode))
		}
	}
	if errors.Is(err, fs.ErrPermission) { // another user's: a lock needs no more than this
		fd, err = openat(d.fd, name, unix.O_RDONLY|unix.O_NOFOLLOW, 0)
	}
	if err != nil {
		return nil, d.fail("open", name, err)
	}
	return os.NewFile(uintptr(fd), d.join(name)), nil
}

// rename moves old to name, both in d, unless something other than an empty directory stands there: fs.ErrExist.
func (d *dir) rename(old, name string) error {
	if err := d.step.before("rename", d, name); err != nil {
		return err
	}
	err := again(func() error { return unix.Renameat(d.fd, old, d.fd, name) })
	if errors.Is(err, unix.ENOTEMPTY) || errors.Is(err, unix.ENOTDIR) {
		err = fs.ErrExist
	}
	return d.fail("rename", name, err)
}

// exchange swaps two names of d in one step; errors.ErrUnsupported where that cannot be done.
func (d *dir) exchange(a, b string) error {
	if err := d.step.before("exchange", d, b); err != nil {
		return err
	}
	err := again(func() error { return renameExchange(d.fd, a, b) })
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.ENOTSUP) {
		err = errors.ErrUnsupported
	}
	return d.fail("exchange", b, err)
}

func (d *dir) unlink(name string) error {
	if err := d.step.before("remove", d, name); err != nil {
		return err
	}
	return d.fail("remove", name, again(func() error { return unix.Unlinkat(d.fd, name, 0) }))
}

func (d *dir) rmdir(name string) error {
	if err := d.step.before("remove", d, name); err != nil {
		return err
	}
	return d.fail("remove", name, again(func() error { return unix.Unlinkat(d.fd, name, unix.AT_REMOVEDIR) }))
}

// sync makes the entries of d last.
func (d *dir) sync() error {
	if err := d.step.before("sync", d, "."); err != nil {
		return err
	}
	err := again(func() error { return unix.Fsync(d.fd) })
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOTSUP) { // no such thing on this file system
		return nil
	}
	return d.fail("sync", ".", err)
}

// cannotLink reports whether an error of link says that this file system, these two, or this file take no further
// link; all says that it will be so for every file.
func cannotLink(err error) (cannot, all bool) {
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

// tryLock takes the lock on f if that needs no waiting; false, too, where the file system knows no locks.
func tryLock(f *os.File, exclusive bool) (ok, known bool) {
	how := unix.LOCK_SH
	if exclusive {
		how = unix.LOCK_EX
	}
	err := again(func() error { return unix.Flock(int(f.Fd()), how|unix.LOCK_NB) })
	return err == nil, err == nil || errors.Is(err, unix.EWOULDBLOCK)
}

package dirfd

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

func renameExchange(fd int, a, b string) error {
	return unix.Renameat2(fd, a, fd, b, unix.RENAME_EXCHANGE)
}

// RenameNew moves the file under old to name in to, unless anything stands there: fs.ErrExist. errors.ErrUnsupported where
// that is no single step.
func (d *Dir) RenameNew(old string, to *Dir, name string) error {
	err := again(func() error { return unix.Renameat2(d.fd, old, to.fd, name, unix.RENAME_NOREPLACE) })
	if err == unix.EINVAL || err == unix.ENOSYS {
		err = errors.ErrUnsupported
	}
	return to.fail("rename", name, err)
}

// Clone makes to share the bytes of from, where the file system can.
func Clone(to, from *os.File) error {
	return unix.IoctlFileClone(int(to.Fd()), int(from.Fd()))
}

// SyncsAll says whether SyncAll makes everything last before it returns.
const SyncsAll = true

// SyncAll makes everything on d's file system last.
func (d *Dir) SyncAll() error {
	return d.fail("syncfs", ".", again(func() error { return unix.Syncfs(d.fd) }))
}

// Below opens the directory at path, of any number of components, none of which may be a link. errors.ErrUnsupported, or any
// other error, where it cannot: then Sub tells more.
func (d *Dir) Below(path string) (*Dir, error) {
	how := unix.OpenHow{Flags: unix.O_RDONLY | unix.O_DIRECTORY | unix.O_CLOEXEC, Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS}
	for {
		fd, err := unix.Openat2(d.fd, path, &how)
		if err == nil {
			return &Dir{fd: fd, path: d.join(path), sys: d.sys}, nil
		}
		if err != unix.EINTR {
			return nil, d.fail("open", path, err)
		}
	}
}

package dirfd

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

func renameExchange(fd int, a, b string) error {
	return unix.RenameatxNp(fd, a, fd, b, unix.RENAME_SWAP)
}

// Clone is not used here: clonefile makes a file and cannot fill one.
func Clone(to, from *os.File) error { return errors.ErrUnsupported }

// RenameNew moves the file under old to name in to, unless anything stands there: fs.ErrExist. errors.ErrUnsupported where
// that is no single step.
func (d *Dir) RenameNew(old string, to *Dir, name string) error {
	err := again(func() error { return unix.RenameatxNp(d.fd, old, to.fd, name, unix.RENAME_EXCL) })
	if err == unix.EINVAL || err == unix.ENOSYS || err == unix.ENOTSUP {
		err = errors.ErrUnsupported
	}
	return to.fail("rename", name, err)
}

// SyncsAll says whether SyncAll makes everything last before it returns.
const SyncsAll = false

// SyncAll is the nearest to syncfs.
func (d *Dir) SyncAll() error { return d.fail("sync", ".", unix.Sync()) }

// Below is not known here.
func (d *Dir) Below(path string) (*Dir, error) {
	return nil, d.fail("open", path, errors.ErrUnsupported)
}

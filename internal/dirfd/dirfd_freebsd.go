package dirfd

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

func renameExchange(fd int, a, b string) error { return unix.ENOSYS }

// Clone is not known here.
func Clone(to, from *os.File) error { return errors.ErrUnsupported }

// RenameNew is not known here.
func (d *Dir) RenameNew(old string, to *Dir, name string) error {
	return to.fail("rename", name, errors.ErrUnsupported)
}

// SyncsAll says whether SyncAll makes everything last before it returns.
const SyncsAll = false

// SyncAll is the nearest to syncfs.
func (d *Dir) SyncAll() error { return d.fail("sync", ".", unix.Sync()) }

// Below is not known here.
func (d *Dir) Below(path string) (*Dir, error) {
	return nil, d.fail("open", path, errors.ErrUnsupported)
}

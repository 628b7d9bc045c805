package dirfd

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

func renameExchange(fd int, a, b string) error { return unix.ENOSYS }

// Clone is not known here.
func Clone(to, from *os.File) error { return errors.ErrUnsupported }

// SyncAll is the nearest to syncfs.
func (d *Dir) SyncAll() error { return d.fail("sync", ".", unix.Sync()) }

// Below is not known here.
func (d *Dir) Below(path string) (*Dir, error) {
	return nil, d.fail("open", path, errors.ErrUnsupported)
}

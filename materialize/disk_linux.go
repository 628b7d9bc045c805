package materialize

import (
	"os"

	"golang.org/x/sys/unix"
)

func renameExchange(fd int, a, b string) error {
	return unix.Renameat2(fd, a, fd, b, unix.RENAME_EXCHANGE)
}

// clone makes to share the bytes of from, where the file system can.
func clone(to, from *os.File) error {
	return unix.IoctlFileClone(int(to.Fd()), int(from.Fd()))
}

// syncAll makes everything on d's file system last.
func (d *dir) syncAll() error {
	if err := d.step.before("syncfs", d, "."); err != nil {
		return err
	}
	return d.fail("syncfs", ".", again(func() error { return unix.Syncfs(d.fd) }))
}

package cas

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// syncAll makes the named files of f last. Few of them are synced one by one; for many one sync of
// the file system is cheaper, although it waits for what others wrote too.
func (f *folder) syncAll(names []string) error {
	if len(names) <= syncEach {
		return f.syncOneByOne(names)
	}
	if err := f.disk.do("sync", f.name); err != nil {
		return err
	}
	if err := unix.Syncfs(int(f.file.Fd())); err != nil {
		return os.NewSyscallError("syncfs", err)
	}
	return nil
}

// publish moves a file of f into another directory; existed means that its name is taken there, and that nothing was done.
func (f *folder) publish(name string, to *folder, as string) (existed bool, err error) {
	if err := f.disk.do("publish", to.name+"/"+as); err != nil {
		return false, err
	}
	err = unix.Renameat2(int(f.file.Fd()), name, int(to.file.Fd()), as, unix.RENAME_NOREPLACE)
	switch {
	case err == nil:
		return false, nil
	case errors.Is(err, unix.EEXIST):
		return true, nil
	case errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS): // the file system knows no such rename
		return f.publishByLink(name, to, as)
	}
	return false, fmt.Errorf("rename %s/%s to %s/%s: %w", f.name, name, to.name, as, err)
}

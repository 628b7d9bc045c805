package cas

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"runtime"

	"github.com/openpackage/opkg/internal/dirfd"
)

// syncEach is how many files are synced one by one before one sync of the file system takes their place.
const syncEach = 32

// syncsAsWritten is set where only who may write to a file can sync it, which nobody may once it is a blob.
const syncsAsWritten = runtime.GOOS == "windows"

// syncAll makes the named files of f last. Few of them are synced one by one; for many one sync of
// the file system is cheaper, although it waits for what others wrote too; wholly says that it was done.
func (f *folder) syncAll(names []string) (wholly bool, err error) {
	if len(names) <= syncEach || !dirfd.SyncsAll {
		return false, f.syncOneByOne(names)
	}
	if err := f.disk.do("sync", f.name); err != nil {
		return false, err
	}
	return true, f.at.SyncAll()
}

func (f *folder) syncOneByOne(names []string) error {
	if syncsAsWritten {
		return nil
	}
	for _, name := range names {
		if err := f.disk.do("sync", f.name+"/"+name); err != nil {
			return err
		}
		file, err := f.root.OpenFile(name, os.O_RDONLY, 0)
		if err != nil {
			return err
		}
		err = file.Sync()
		file.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

// publish gives a file of f its name in another directory, and takes away the old one unless it stays; existed means that the new
// name is taken, and that nothing was done.
func (f *folder) publish(blob stagedBlob, to *folder, as string) (existed bool, err error) {
	if err := f.disk.do("publish", to.name+"/"+as); err != nil {
		return false, err
	}
	err = errors.ErrUnsupported
	if !blob.stays {
		err = f.at.RenameNew(blob.name, to.at, as)
	}
	if errors.Is(err, errors.ErrUnsupported) {
		if err = to.at.Link(f.at, blob.name, as); err == nil && !blob.stays {
			return false, f.at.Unlink(blob.name)
		}
	}
	switch cannot, _ := dirfd.CannotLink(err); {
	case err == nil:
		return false, nil
	case errors.Is(err, fs.ErrExist):
		return true, nil
	case !cannot:
		return false, err
	case blob.stays:
		return f.publishCopy(blob, to, as)
	}
	return f.publishByRename(blob.name, to, as)
}

// publishByRename is for where there are no hard links: the name is looked for first. Two who publish one blob at once
// replace it with itself.
func (f *folder) publishByRename(name string, to *folder, as string) (existed bool, err error) {
	if _, err := to.at.Stat(as); err == nil {
		return true, nil
	}
	return false, f.disk.root.Rename(f.name+"/"+name, to.name+"/"+as)
}

// publishCopy is publish, where there are no hard links, for a file that stays where it is.
func (f *folder) publishCopy(blob stagedBlob, to *folder, as string) (existed bool, err error) {
	from, err := f.root.Open(blob.name)
	if err != nil {
		return false, err
	}
	defer from.Close()
	name := "copy-" + as
	err = f.fill(name, true, func(w io.Writer) error {
		_, err := io.Copy(w, from)
		return err
	})
	if err != nil {
		return false, err
	}
	return f.publishByRename(name, to, as)
}

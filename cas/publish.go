package cas

import (
	"errors"
	"io/fs"
	"os"
	"runtime"
)

// syncEach is how many files are synced one by one before one sync of the file system takes their place.
const syncEach = 32

// syncsAsWritten is set where only who may write to a file can sync it, which nobody may once it is a blob.
const syncsAsWritten = runtime.GOOS == "windows"

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

// publishByLink gives a file its new name before it takes away the old one: that fails where the name is taken. Where there
// are no hard links it is looked for first; two who publish one blob at once replace it with itself.
func (f *folder) publishByLink(name string, to *folder, as string) (existed bool, err error) {
	root, from, target := f.disk.root, f.name+"/"+name, to.name+"/"+as
	err = root.Link(from, target)
	switch {
	case err == nil:
		return false, root.Remove(from)
	case errors.Is(err, fs.ErrExist):
		return true, nil
	}
	if _, err := root.Lstat(target); err == nil {
		return true, nil
	}
	return false, root.Rename(from, target)
}

package cas

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"

	"github.com/openpackage/opkg/internal/dirfd"
)

// disk is the store's directory. Everything that changes it goes through these methods, so that tests can stop or
// fail at each.
type disk struct {
	root *os.Root
	at   *dirfd.Dir // the same directory, for what is done often
	step func(op, path string) error
}

func (d *disk) close() {
	d.root.Close()
	d.at.Close()
}

func (d *disk) do(op, path string) error {
	if d.step == nil {
		return nil
	}
	return d.step(op, path)
}

// mkdir makes one directory; that it stands already is no error.
func (d *disk) mkdir(name string) error {
	if err := d.do("mkdir", name); err != nil {
		return err
	}
	if err := d.root.Mkdir(name, 0o755); !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}

// remove removes a file of the store.
func (d *disk) remove(name string) error {
	if err := d.do("remove", name); err != nil {
		return err
	}
	return d.root.Remove(name)
}

// folder opens a directory of the store, and makes it if it is not there.
func (d *disk) folder(name string) (*folder, error) {
	root, err := d.root.OpenRoot(name)
	if err != nil && d.clearShard(name) {
		root, err = nil, fs.ErrNotExist
	}
	if errors.Is(err, fs.ErrNotExist) {
		if parent := path.Dir(name); parent != "." {
			if err := d.mkdir(parent); err != nil {
				return nil, err
			}
		}
		if err := d.mkdir(name); err != nil {
			return nil, err
		}
		root, err = d.root.OpenRoot(name)
	}
	if err != nil {
		return nil, err
	}
	at, err := d.at.Sub(name)
	if err != nil {
		root.Close()
		return nil, err
	}
	return &folder{disk: d, name: name, root: root, at: at}, nil
}

// shard opens one of the directories of blobs, and makes it if it is not there.
func (d *disk) shard(name string) (*folder, error) {
	at, err := d.at.Below(name)
	if errors.Is(err, fs.ErrNotExist) {
		if err := d.do("mkdir", name); err != nil {
			return nil, err
		}
		if err = d.at.Mkdir(name, 0o755); err == nil {
			at, err = d.at.Below(name)
		}
	}
	if err != nil { // nearly never, where Below is known
		return d.folder(name)
	}
	return &folder{disk: d, name: name, at: at}, nil
}

// clearShard removes what is no directory from where one of the directories of blobs should stand.
func (d *disk) clearShard(name string) bool {
	if path.Dir(name) != blobsDir {
		return false
	}
	fi, err := d.root.Lstat(name)
	return err == nil && !fi.IsDir() && d.do("remove", name) == nil && d.root.Remove(name) == nil
}

// folder is one directory of the store, held open: its files are reached without walking from the top.
type folder struct {
	disk *disk
	name string
	root *os.Root   // nil for what shard opened
	at   *dirfd.Dir // the same directory, for what is done often
}

func (f *folder) close() {
	f.at.Close()
	if f.root != nil {
		f.root.Close()
	}
}

// create makes a new file that write fills.
func (f *folder) create(name string, perm fs.FileMode) (*os.File, error) {
	if err := f.disk.do("create", f.name+"/"+name); err != nil {
		return nil, err
	}
	return f.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, perm)
}

// finish gives a blob its mode and time. The umask may have taken from the mode.
func (f *folder) finish(name string) error {
	if err := f.disk.do("chmod", f.name+"/"+name); err != nil {
		return err
	}
	fi, err := f.at.Stat(name)
	if err != nil {
		return err
	}
	if fi.Mode.Perm() != blobMode {
		if err := f.at.ChmodAt(name, blobMode); err != nil {
			return err
		}
	}
	if err := f.disk.do("chtimes", f.name+"/"+name); err != nil {
		return err
	}
	return f.at.SetTime(name, BlobTime*1e9)
}

func (f *folder) remove(name string) error {
	if err := f.disk.do("remove", f.name+"/"+name); err != nil {
		return err
	}
	return f.root.Remove(name)
}

// replace moves a file of f into another directory of the store, over what stands there.
func (f *folder) replace(name string, to *dirfd.Dir, as string) error {
	if err := f.disk.do("rename", as); err != nil {
		return err
	}
	err := f.at.Replace(name, to, as)
	if err == nil {
		return nil
	}
	there := filepath.Join(to.Path(), as)
	if fi, serr := os.Lstat(there); serr != nil || !fi.IsDir() {
		return err
	}
	if err := os.RemoveAll(there); err != nil { // a directory is no listing and no record
		return err
	}
	return f.at.Replace(name, to, as)
}

// writer is a file to which each write is a step.
type writer struct {
	disk *disk
	file *os.File
}

func (w writer) Write(p []byte) (int, error) {
	if err := w.disk.do("write", w.file.Name()); err != nil {
		return 0, err
	}
	return w.file.Write(p)
}

// fill writes all of body to a new file, as a blob or as a file like any other, and closes it. On an error
// nothing is left.
func (f *folder) fill(name string, blob bool, body func(io.Writer) error) (err error) {
	perm := fs.FileMode(0o644)
	if blob {
		perm = blobMode
	}
	file, err := f.create(name, perm)
	if err != nil {
		return err
	}
	defer func() {
		if cerr := file.Close(); err == nil {
			err = cerr
		}
		if err != nil {
			_ = f.root.Remove(name)
		}
	}()
	if err := body(writer{f.disk, file}); err != nil {
		return err
	}
	if syncsAsWritten {
		if err := file.Sync(); err != nil {
			return err
		}
	}
	if blob {
		return f.finish(name)
	}
	return nil
}

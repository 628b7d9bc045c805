package materialize

import (
	"errors"
	"io/fs"
	"os"

	"github.com/openpackage/opkg/cas"
)

// The modes of what opkg makes, whatever the umask.
const (
	dirMode  fs.FileMode = 0o755
	fileMode fs.FileMode = 0o444
	execMode fs.FileMode = 0o755
)

// fixedTime is when everything in a version directory was last changed, in nanoseconds since 1970.
const fixedTime int64 = cas.BlobTime * 1e9

// stepFunc is told of an operation before it happens, and may fail it. Paths are those of messages.
type stepFunc func(op, path string) error

func (f stepFunc) before(op string, d *dir, name string) error {
	if f == nil {
		return nil
	}
	return f(op, d.join(name))
}

// info is what a stat tells.
type info struct {
	mode  fs.FileMode // type and permissions
	size  int64
	mtime int64  // nanoseconds since 1970
	links uint64 // 1 where the system does not say
}

// join is for messages, and for systems without descriptors of directories.
func (d *dir) join(name string) string { return d.path + string(os.PathSeparator) + name }

func (d *dir) fail(op, name string, err error) error {
	if err == nil {
		return nil
	}
	return &os.PathError{Op: op, Path: d.join(name), Err: err}
}

// make makes a directory, with dirMode, and opens it. One that a neighbour made meanwhile is only opened.
func (d *dir) make(name string) (*dir, error) {
	err := d.mkdir(name)
	made := err == nil
	if !made && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	sub, err := d.sub(name)
	if err != nil || !made {
		return sub, err
	}
	fi, err := sub.self()
	if err == nil && fi.mode.Perm() != dirMode {
		err = sub.chmod(dirMode)
	}
	if err != nil {
		sub.close()
		return nil, err
	}
	return sub, nil
}

// removeAll removes what stands under name, and never follows a link. That nothing stands there is no error.
func (d *dir) removeAll(name string) error {
	err := d.unlink(name)
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	fi, serr := d.stat(name)
	if serr != nil || !fi.mode.IsDir() {
		return err
	}
	if fi.mode&0o700 != 0o700 {
		_ = d.openUp(name) // or what it holds cannot be removed
	}
	sub, err := d.sub(name)
	if err != nil {
		return err
	}
	defer sub.close()
	names, err := sub.names()
	if err != nil {
		return err
	}
	for _, n := range names {
		if err := sub.removeAll(n); err != nil {
			return err
		}
	}
	if err := d.rmdir(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

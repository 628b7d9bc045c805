// Package dirfd does file operations below a directory that is held open, by its descriptor where the system has such calls.
//
// What is done in a Dir stays in it, whoever renames it or puts links in its place meanwhile. Paths are relative,
// slash-separated and clean; the system follows links in all but their last component, so a path of more than one component
// is for directories that nobody else writes to, or for a look whose answer need not be true for long. Errors
// are *fs.PathErrors with a whole path. Nothing here retries (but for files that others hold on Windows), logs or decides: it is the system's calls, without the
// cost that package os puts around them.
package dirfd

import (
	"errors"
	"io/fs"
	"os"
)

// Info is what a stat tells.
type Info struct {
	Mode   fs.FileMode // type and permissions
	Size   int64       // bytes
	Mtime  int64       // nanoseconds since 1970
	Change int64       // when the inode was last changed, likewise; 0 where the system does not say
	Links  uint64      // how many names the file has; 0 where the system does not say

	identity
}

// Same reports whether two stats are of one file.
func (i Info) Same(other Info) bool { return i.identity.same(other.identity) }

// Entry is one name in a directory.
type Entry struct {
	Name string
	Type fs.FileMode // the type bits alone: 0 for a regular file
}

// join is for messages, and for systems without descriptors of directories.
func (d *Dir) join(name string) string {
	if name == "." {
		return d.path
	}
	return d.path + string(os.PathSeparator) + name
}

// Path is what Open was given, and the names that Sub was given behind it.
func (d *Dir) Path() string { return d.path }

func (d *Dir) fail(op, name string, err error) error {
	if err == nil {
		return nil
	}
	return &fs.PathError{Op: op, Path: d.join(name), Err: err}
}

var (
	errNotRegular = errors.New("it is not a regular file")
	errTooLarge   = errors.New("it is too large")
)

// IsUnfit reports whether an error of Read says that something stands there which is no regular file, or is larger than
// asked for.
func IsUnfit(err error) bool {
	return errors.Is(err, errNotRegular) || errors.Is(err, errTooLarge) || IsNoDir(err)
}

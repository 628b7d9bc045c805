// Package atomicfile replaces a file whole: a reader sees the old bytes or the new ones, also
// after a kill or a power loss at any instant.
package atomicfile

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/openpackage/opkg/internal/held"
)

// Write makes path hold data, as if by
//
//	cat >dir/.name.tmp-XXXX && sync && mv dir/.name.tmp-XXXX dir/name && sync dir
//
// What a killed run left of that is removed by a later one for the same path. An existing file keeps its permissions; a new
// one gets perm, less the umask's bits. A symbolic link or anything else that is no regular file is refused: what stands at the
// other end of a link was never ours to write.
func Write(path string, data []byte, perm fs.FileMode) error {
	p, err := Prepare(path, data, perm)
	if err != nil {
		return err
	}
	if err := p.Commit(); err != nil {
		p.Discard()
		return err
	}
	syncDir(filepath.Dir(path))
	return nil
}

// Pending is what a file shall hold, on the disk beside it.
type Pending struct{ temp, path string }

// Prepare is the part of Write that waits for the disk, for what can be said before it may be read. One of Commit and Discard has to follow.
func Prepare(path string, data []byte, perm fs.FileMode) (_ *Pending, err error) {
	switch fi, err := os.Lstat(path); {
	case err == nil && !fi.Mode().IsRegular():
		return nil, fmt.Errorf("%s is %s, not a regular file", path, kind(fi.Mode()))
	case err == nil:
		perm = fi.Mode().Perm()
	case !os.IsNotExist(err):
		return nil, err
	}
	dir, prefix := filepath.Dir(path), "."+filepath.Base(path)+".tmp-"
	f, err := create(dir, prefix, perm)
	if err != nil {
		return nil, err
	}
	tidy(f, dir, prefix)
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(f.Name())
		}
	}()
	if _, err = f.Write(data); err != nil {
		return nil, err
	}
	if err = f.Sync(); err != nil {
		return nil, err
	}
	return &Pending{f.Name(), path}, f.Close()
}

// Commit replaces the file. A power loss may bring the old one back. After an error the old one stands there.
func (p *Pending) Commit() error {
	return held.Retry(func() error { return os.Rename(p.temp, p.path) })
}

// Discard leaves the file as it is.
func (p *Pending) Discard() { _ = os.Remove(p.temp) }

// create is os.CreateTemp for permissions that the umask still applies to.
func create(dir, prefix string, perm fs.FileMode) (*os.File, error) {
	for {
		name := filepath.Join(dir, prefix+strconv.FormatUint(uint64(rand.Uint32()), 36))
		f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, perm)
		if !errors.Is(err, fs.ErrExist) {
			return f, err
		}
	}
}

// abandoned is how much older than a new temporary file another one is that a killed run left: nobody writes for so long.
const abandoned = 10 * time.Minute

// tidy removes temporary files that killed runs left, by the file system's own clock.
func tidy(f *os.File, dir, prefix string) {
	now, err := f.Stat()
	if err != nil {
		return
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), prefix) || !e.Type().IsRegular() {
			continue
		}
		if fi, err := e.Info(); err == nil && now.ModTime().Sub(fi.ModTime()) > abandoned {
			_ = os.Remove(filepath.Join(dir, e.Name()))
		}
	}
}

// syncDir makes a rename last. Where a directory cannot be synced (Windows) the rename is all there is.
func syncDir(dir string) {
	if d, err := os.Open(dir); err == nil {
		_ = d.Sync()
		d.Close()
	}
}

func kind(m fs.FileMode) string {
	switch {
	case m&fs.ModeSymlink != 0:
		return "a symbolic link"
	case m.IsDir():
		return "a directory"
	}
	return "a special file"
}

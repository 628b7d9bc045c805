package ops

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/openpackage/opkg/ident"
	"github.com/openpackage/opkg/registry"
)

// maintenanceDir holds what only those who write a registry need: the lock of publishers, archives on their way, and what registry index
// remembers. It may be deleted while nobody publishes.
const maintenanceDir = ".opkg"

// regDir is a static registry in a directory, open for maintenance. Nothing outside of the directory is read or written.
type regDir struct {
	dir  string // absolute
	root *os.Root
}

// openRegDir opens a registry. The error is a *NotRegistryError where there is none.
func openRegDir(dir string) (*regDir, error) {
	root, err := os.OpenRoot(dir)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, errNotDir) {
		return nil, &NotRegistryError{Dir: dir}
	}
	if err != nil {
		return nil, err
	}
	d := &regDir{dir: dir, root: root}
	switch fi, err := root.Stat("packages"); {
	case errors.Is(err, fs.ErrNotExist), err == nil && !fi.IsDir():
		root.Close()
		return nil, &NotRegistryError{Dir: dir}
	case err != nil:
		root.Close()
		return nil, d.within(err)
	}
	return d, nil
}

func (d *regDir) close() { d.root.Close() }

// within says where an error of the root arose: it names paths below it alone.
func (d *regDir) within(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("registry %s: %w", d.dir, err)
}

// file is the whole path of a file of the registry.
func (d *regDir) file(rel string) string { return filepath.Join(d.dir, filepath.FromSlash(rel)) }

// lock waits until nobody else writes the registry. Its release finishes the bundle, whoever put it aside: also a publisher who was killed. The
// error may be a *cas.BusyError.
func (d *regDir) lock(ctx context.Context, w *World) (release func(), err error) {
	if err := d.root.MkdirAll(maintenanceDir, 0o777); err != nil {
		return nil, d.within(err)
	}
	const name = maintenanceDir + "/lock"
	if fi, err := d.root.Lstat(name); err == nil && !fi.Mode().IsRegular() { // a link would have a file made elsewhere
		return nil, &FileError{d.file(name), "it is not a regular file"}
	}
	unlock, err := w.hold(ctx, d.file(name), "another publisher is at work in "+d.dir)
	if err != nil {
		return nil, err
	}
	return func() {
		d.finishBundle(w)
		unlock()
	}, nil
}

// tmp is where archives wait for their place: on the registry's own file system. What a killed publisher left there a day ago goes.
func (d *regDir) tmp(now func() time.Time) (string, error) {
	const dir = maintenanceDir + "/tmp"
	if err := d.root.MkdirAll(dir, 0o777); err != nil {
		return "", d.within(err)
	}
	entries, err := fs.ReadDir(d.root.FS(), dir)
	if err != nil {
		return "", d.within(err)
	}
	for _, e := range entries {
		if fi, err := e.Info(); err == nil && now != nil && now().Sub(fi.ModTime()) > 24*time.Hour {
			_ = d.root.Remove(dir + "/" + e.Name())
		}
	}
	return d.file(dir), nil
}

// open opens a regular file. What is none is not even opened: a pipe would block.
func (d *regDir) open(rel string) (*os.File, error) {
	fi, err := d.root.Stat(rel)
	if err != nil {
		return nil, d.within(err)
	}
	if !fi.Mode().IsRegular() {
		return nil, &FileError{d.file(rel), "it is not a regular file"}
	}
	f, err := d.root.Open(rel)
	return f, d.within(err)
}

// read reads a file whole; fs.ErrNotExist where it is not there.
func (d *regDir) read(rel string, most int64) ([]byte, error) {
	f, err := d.open(rel)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && int64(len(data)) > most {
		err = &registry.Error{File: d.file(rel), Msg: fmt.Sprintf("it has more than %d bytes", most)}
	}
	return data, err
}

// index reads the index of a package; nil where there is none.
func (d *regDir) index(name ident.Name) (*registry.Index, []byte, error) {
	rel := registry.IndexPath(name)
	data, err := d.read(rel, registry.MaxIndexSize)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	ix, err := registry.ParseIndex(d.file(rel), name, data)
	return ix, data, err
}

// replace makes a file hold data, by one rename: who reads sees the old bytes or the new ones, also after a power loss.
func (d *regDir) replace(rel string, data []byte) error {
	dir := path.Dir(rel)
	if err := d.root.MkdirAll(dir, 0o777); err != nil {
		return d.within(err)
	}
	tmp := path.Join(dir, "._"+path.Base(rel)+"-"+strconv.FormatUint(rand.Uint64(), 36))
	f, err := d.root.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return d.within(err)
	}
	_, err = f.Write(data)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = d.root.Rename(tmp, rel)
	}
	if err != nil {
		_ = d.root.Remove(tmp)
		return d.within(err)
	}
	d.syncDir(dir)
	return nil
}

// syncDir makes a rename last, where the system can.
func (d *regDir) syncDir(rel string) {
	if f, err := d.root.Open(rel); err == nil {
		_ = f.Sync()
		f.Close()
	}
}

// names are all packages that have a directory, sorted, and the directories whose names are those of no package.
func (d *regDir) names() (names []ident.Name, strays []string, err error) {
	list := func(rel string) ([]fs.DirEntry, error) {
		entries, err := fs.ReadDir(d.root.FS(), rel)
		return entries, d.within(err)
	}
	entries, err := list("packages")
	if err != nil {
		return nil, nil, err
	}
	add := func(s string) {
		name, err := ident.ParseName(s)
		if err != nil {
			strays = append(strays, "packages/"+s)
			return
		}
		names = append(names, name)
	}
	for _, e := range entries {
		switch base := e.Name(); {
		case strings.HasPrefix(base, "."):
		case !d.isDir(e, "packages/"+base):
			strays = append(strays, "packages/"+base)
		case strings.HasPrefix(base, "@"):
			inner, err := list("packages/" + base)
			if err != nil {
				return nil, nil, err
			}
			for _, in := range inner {
				switch {
				case strings.HasPrefix(in.Name(), "."):
				case !d.isDir(in, "packages/"+base+"/"+in.Name()):
					strays = append(strays, "packages/"+base+"/"+in.Name())
				default:
					add(base + "/" + in.Name())
				}
			}
		default:
			add(base)
		}
	}
	slices.Sort(names)
	slices.Sort(strays)
	return names, strays, nil
}

// isDir follows a link that stays inside of the registry.
func (d *regDir) isDir(e fs.DirEntry, rel string) bool {
	if e.Type()&fs.ModeSymlink == 0 {
		return e.IsDir()
	}
	fi, err := d.root.Stat(rel)
	return err == nil && fi.IsDir()
}

// NotRegistryError says that a directory is not laid out like a registry.
type NotRegistryError struct{ Dir string }

func (e *NotRegistryError) Error() string {
	return e.Dir + " is no registry: it has no packages directory"
}

// Hint says how it becomes one.
func (e *NotRegistryError) Hint() string {
	return "opkg registry init DIR makes one; archives stand in it at packages/NAME/VERSION.tgz"
}

// packageDirs are the names of all packages of the registry in dir, sorted.
func packageDirs(dir string) ([]ident.Name, error) {
	d, err := openRegDir(dir)
	if err != nil {
		return nil, err
	}
	defer d.close()
	names, _, err := d.names()
	return names, err
}

package archive

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/klauspost/compress/gzip"
)

// packedTime is the time of every file in an archive that Write makes, in seconds since 1970: 2000-01-01. Zero would
// do as well, but tools warn about it.
const packedTime = 946684800

// Write makes an archive whose bytes depend on the files' paths, contents and x bits alone, as if by
//
//	tar --sort=name --owner=0 --group=0 --mtime=@946684800 --mode=0644 (or 0755) -c FILE… | gzip -9n
//
// of one fixed gzip: the module github.com/klauspost/compress, whose version go.mod pins, so that neither the
// machine nor the Go release has a say (compress/flate may change with each). A golden test shows when
// an update of the module changes the bytes. ustar headers, with a PAX path where a name is long or not ASCII.
//
// open gives the content of a file whose Data is nil. A file that turns out longer or shorter than its Size is an error.
func Write(w io.Writer, files []File, open func(path string) (io.ReadCloser, error)) error {
	z, err := gzip.NewWriterLevel(w, gzip.BestCompression)
	if err != nil {
		return err
	}
	t := tar.NewWriter(z)
	files = slices.Clone(files)
	slices.SortFunc(files, func(a, b File) int { return strings.Compare(a.Path, b.Path) })
	for _, f := range files {
		if err := writeFile(t, f, open); err != nil {
			return fmt.Errorf("pack %s: %w", f.Path, err)
		}
	}
	if err := t.Close(); err != nil {
		return err
	}
	return z.Close()
}

func writeFile(t *tar.Writer, f File, open func(path string) (io.ReadCloser, error)) error {
	h := &tar.Header{Typeflag: tar.TypeReg, Name: f.Path, Size: f.Size, Mode: 0o644, ModTime: time.Unix(packedTime, 0)}
	if f.Exec {
		h.Mode = 0o755
	}
	if err := t.WriteHeader(h); err != nil {
		return err
	}
	body := io.NopCloser(bytes.NewReader(f.Data))
	if f.Data == nil {
		var err error
		if body, err = open(f.Path); err != nil {
			return err
		}
	}
	defer body.Close()
	switch n, err := io.Copy(t, body); {
	case err == tar.ErrWriteTooLong || err == nil && n != f.Size:
		return fmt.Errorf("it changed while it was read")
	case err != nil:
		return err
	}
	return nil
}

// Pack writes the payload of dir as an archive, and returns what went into it.
func Pack(w io.Writer, dir string) ([]File, error) {
	files, err := PayloadOfDir(dir)
	if err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	return files, Write(w, files, func(path string) (io.ReadCloser, error) { return root.Open(path) })
}

// PayloadOfDir lists the files of the package in dir, sorted by path bytes: what Dropped says and .git are
// left out; a link, a special file, a name that CheckPath or NameSet refuses, or a missing openpackage.yml is an
// *UnsafeError. Where a file system has no x bit, no file is executable.
func PayloadOfDir(dir string) ([]File, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	var files []File
	var names NameSet
	manifest := false
	err = fs.WalkDir(root.FS(), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == "." {
			return err
		}
		switch base := d.Name(); {
		case d.IsDir() && (base == ".git" || Dropped(path+"/")):
			return fs.SkipDir
		case base == ".git" || Dropped(path):
			return nil
		}
		if err := CheckPath(path); err != nil {
			return about(err, dir, path)
		}
		if err := names.Add(path, d.IsDir()); err != nil {
			return about(err, dir, path)
		}
		if d.IsDir() {
			return nil
		}
		if !d.Type().IsRegular() {
			return &UnsafeError{Archive: dir, Entry: path, Reason: "it is " + kind(d.Type()) + "; a package may hold only files and directories"}
		}
		fi, err := d.Info()
		if err != nil {
			return err
		}
		manifest = manifest || path == Manifest
		files = append(files, File{Path: path, Exec: fi.Mode()&0o100 != 0, Size: fi.Size()})
		switch {
		case fi.Size() > MaxFile:
			return &UnsafeError{Archive: dir, Entry: path, Reason: fmt.Sprintf("the file has %d bytes, more than %d", fi.Size(), int64(MaxFile))}
		case len(files) > MaxEntries:
			return &UnsafeError{Archive: dir, Reason: fmt.Sprintf("there are more than %d files", MaxEntries)}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if !manifest {
		return nil, &UnsafeError{Archive: dir, Reason: "it holds no " + Manifest}
	}
	slices.SortFunc(files, func(a, b File) int { return strings.Compare(a.Path, b.Path) })
	return files, nil
}

func kind(m fs.FileMode) string {
	if m&fs.ModeSymlink != 0 {
		return "a symbolic link"
	}
	return "a special file"
}

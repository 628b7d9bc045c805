package archive

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/klauspost/compress/gzip"
)

// packedTime is the time of every file in an archive that Write makes, in seconds since 1970: 2000-01-01. Zero would
// do as well, but tools warn about it.
const packedTime = 946684800

// Write makes an archive whose bytes depend on the files' paths, contents and x bits alone, as if by
//
//	tar --format=posix --sort=name --owner=0 --group=0 --mtime=@946684800 --mode=0644 (or 0755) -c FILE… | gzip -9n
//
// with a tar writer of our own and one fixed gzip: the module github.com/klauspost/compress, whose version go.mod
// pins, so that neither the machine nor the Go release has a say (compress/flate may change with each).
// A golden test shows when an update of the module changes the bytes.
//
// open gives the content of a file whose Data is nil. A file that turns out longer or shorter than its Size is an error.
func Write(w io.Writer, files []File, open func(path string) (io.ReadCloser, error)) error {
	z, err := gzip.NewWriterLevel(w, gzip.BestCompression)
	if err != nil {
		return err
	}
	files = slices.Clone(files)
	slices.SortFunc(files, func(a, b File) int { return strings.Compare(a.Path, b.Path) })
	for _, f := range files {
		if err := writeFile(z, f, open); err != nil {
			return fmt.Errorf("pack %s: %w", f.Path, err)
		}
	}
	if _, err := z.Write(make([]byte, 2*block)); err != nil {
		return err
	}
	return z.Close()
}

func writeFile(w io.Writer, f File, open func(path string) (io.ReadCloser, error)) error {
	if f.Size > MaxFile {
		return fmt.Errorf("the file has %d bytes, more than %d", f.Size, int64(MaxFile))
	}
	if _, err := w.Write(formatHeader(f)); err != nil {
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
	n, err := io.Copy(w, io.LimitReader(body, f.Size+1))
	if err != nil {
		return err
	}
	if n != f.Size {
		return fmt.Errorf("it changed while it was read")
	}
	_, err = w.Write(make([]byte, padding(n)))
	return err
}

// formatHeader is the ustar header of a file, behind a PAX header where the path is long or not ASCII.
func formatHeader(f File) []byte {
	mode := 0o644
	if f.Exec {
		mode = 0o755
	}
	short := strings.Map(func(r rune) rune {
		if r >= utf8.RuneSelf {
			return '_'
		}
		return r
	}, f.Path)
	short = short[:min(len(short), 100)]
	if short == f.Path {
		return ustar(f.Path, '0', mode, f.Size)
	}
	record := formatRecord("path", f.Path)
	n := int64(len(record))
	b := append(ustar("PaxHeaders/path", 'x', 0o644, n), record...)
	b = append(b, make([]byte, padding(n))...)
	return append(b, ustar(short, '0', mode, f.Size)...)
}

// formatRecord is "<length> <key>=<value>\n", where the length counts its own digits.
func formatRecord(key, value string) string {
	for n := len(key) + len(value) + 4; ; n++ {
		if r := fmt.Sprintf("%d %s=%s\n", n, key, value); len(r) == n {
			return r
		}
	}
}

func ustar(name string, typ byte, mode int, size int64) []byte {
	b := make([]byte, block)
	copy(b[0:100], name)
	copy(b[100:], fmt.Sprintf("%07o\x00%07o\x00%07o\x00%011o\x00%011o\x00        ", mode, 0, 0, size, packedTime))
	b[156] = typ
	copy(b[257:], "ustar\x0000")
	copy(b[329:], "0000000\x000000000\x00")
	sum := 0
	for _, c := range b {
		sum += int(c)
	}
	copy(b[148:], fmt.Sprintf("%06o\x00 ", sum))
	return b
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

package cas

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/openpackage/opkg/ident"
)

// Scan is a directory as it stands, every file hashed: also what no tree can hold, and what cannot be read. All lists are
// sorted by path.
type Scan struct {
	Files []ScannedFile
	Dirs  []ScannedDir
	Odd   []OddFile
}

// ScannedFile is a regular file that was read.
type ScannedFile struct {
	Entry
	Info fs.FileInfo // as the reading began
}

// ScannedDir is a directory; Path is "." for the top.
type ScannedDir struct {
	Path string // slash-separated
	Mode fs.FileMode
}

// OddFile is something that is neither, or that could not be read.
type OddFile struct {
	Path string
	What string // "a symbolic link", "a named pipe", "permission denied"
}

// Tree is the listing of the files that could be read.
func (s *Scan) Tree() *Tree {
	t := &Tree{Entries: make([]Entry, len(s.Files))}
	for i := range s.Files {
		t.Entries[i] = s.Files[i].Entry
	}
	return t
}

// Scanner scans directories, one after the other.
type Scanner struct{ buf []byte }

// Scan reads everything below dir. It opens nothing but regular files, follows no links, and goes on where something cannot be read. The
// error is ctx's, or that dir itself is no directory.
func (s *Scanner) Scan(ctx context.Context, dir string) (*Scan, error) {
	fi, err := os.Lstat(dir)
	if err != nil {
		return nil, err
	}
	if !fi.IsDir() {
		return nil, &fs.PathError{Op: "scan", Path: dir, Err: errors.New("it is not a directory")}
	}
	if s.buf == nil {
		s.buf = make([]byte, hashBuffer)
	}
	found := &Scan{}
	if err := s.folder(ctx, found, dir, "", fi); err != nil {
		return nil, err
	}
	slices.SortFunc(found.Files, func(a, b ScannedFile) int { return strings.Compare(a.Path, b.Path) })
	slices.SortFunc(found.Odd, func(a, b OddFile) int { return strings.Compare(a.Path, b.Path) })
	slices.SortFunc(found.Dirs, func(a, b ScannedDir) int { return strings.Compare(a.Path, b.Path) })
	return found, nil
}

// folder scans dir/rel, where rel is "" for the top or ends in a slash.
func (s *Scanner) folder(ctx context.Context, found *Scan, dir, rel string, fi fs.FileInfo) error {
	name := strings.TrimSuffix(rel, "/")
	if name == "" {
		name = "."
	}
	found.Dirs = append(found.Dirs, ScannedDir{name, fi.Mode()})
	entries, err := os.ReadDir(filepath.Join(dir, filepath.FromSlash(rel)))
	if err != nil {
		found.Odd = append(found.Odd, OddFile{name, "unreadable: " + reasonOf(err)})
	}
	for _, e := range entries {
		if err := ctx.Err(); err != nil {
			return err
		}
		path := rel + e.Name()
		fi, err := e.Info()
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			found.Odd = append(found.Odd, OddFile{path, "unreadable: " + reasonOf(err)})
		case fi.IsDir():
			if err := s.folder(ctx, found, dir, path+"/", fi); err != nil {
				return err
			}
		case !fi.Mode().IsRegular():
			found.Odd = append(found.Odd, OddFile{path, kindOf(fi.Mode())})
		default:
			f, err := s.file(filepath.Join(dir, filepath.FromSlash(path)), path, fi)
			if err != nil {
				found.Odd = append(found.Odd, OddFile{path, "unreadable: " + reasonOf(err)})
				continue
			}
			found.Files = append(found.Files, f)
		}
	}
	return nil
}

// file hashes one regular file. What took its place since it was looked at is not read: it could be a pipe.
func (s *Scanner) file(full, path string, seen fs.FileInfo) (ScannedFile, error) {
	f, err := os.OpenFile(full, os.O_RDONLY|openPlain, 0)
	if err != nil {
		return ScannedFile{}, err
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil {
		return ScannedFile{}, err
	}
	if !os.SameFile(seen, fi) || !fi.Mode().IsRegular() {
		return ScannedFile{}, errors.New("it was replaced meanwhile")
	}
	id, n, err := hashReader(f, s.buf)
	if err != nil {
		return ScannedFile{}, err
	}
	return ScannedFile{Entry{Path: path, Exec: fi.Mode()&0o100 != 0, Size: n, Blob: id}, fi}, nil
}

// kindOf names what is no regular file.
func kindOf(mode fs.FileMode) string {
	switch {
	case mode&fs.ModeSymlink != 0:
		return "a symbolic link"
	case mode&fs.ModeNamedPipe != 0:
		return "a named pipe"
	case mode&fs.ModeSocket != 0:
		return "a socket"
	case mode&fs.ModeDevice != 0:
		return "a device"
	case mode.IsDir():
		return "a directory"
	}
	return "a special file"
}

// reasonOf is an error of a file without its path.
func reasonOf(err error) string {
	var at *fs.PathError
	if errors.As(err, &at) {
		return at.Err.Error()
	}
	return err.Error()
}

// BlobFault is what is wrong with a blob.
type BlobFault struct {
	Blob            ident.BlobID
	Path            string // absolute
	Expected, Found string
	Missing         bool // it is not there: nothing is wrong, it would be fetched
}

// AuditBlob reads a blob, whatever a stat says of it; nil when it is what its name says. size < 0 is not known. n counts the bytes
// that were read. Nothing is changed.
func (s *Scanner) AuditBlob(store *Store, id ident.BlobID, size int64) (fault *BlobFault, n int64) {
	path := store.BlobPath(id)
	fault = &BlobFault{Blob: id, Path: path}
	fi, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		fault.Expected, fault.Found, fault.Missing = "a file", "nothing", true
		return fault, 0
	case err != nil:
		fault.Expected, fault.Found = "a file", "unreadable: "+reasonOf(err)
		return fault, 0
	case !fi.Mode().IsRegular():
		fault.Expected, fault.Found = "a file", kindOf(fi.Mode())
		return fault, 0
	}
	if s.buf == nil {
		s.buf = make([]byte, hashBuffer)
	}
	f, err := s.file(path, path, fi)
	switch {
	case err != nil:
		fault.Expected, fault.Found = "a file", "unreadable: "+reasonOf(err)
	case f.Blob != id && size >= 0 && f.Size != size:
		fault.Expected, fault.Found = fmt.Sprintf("%d bytes", size), fmt.Sprintf("%d bytes", f.Size)
	case f.Blob != id:
		fault.Expected, fault.Found = "blake3 "+id.String(), "blake3 "+f.Blob.String()
	case keepsModes && fi.Mode().Perm()&0o222 != 0:
		fault.Expected, fault.Found = fmt.Sprintf("mode %04o", blobMode), fmt.Sprintf("mode %04o", fi.Mode().Perm())
	default:
		return nil, f.Size
	}
	return fault, f.Size
}

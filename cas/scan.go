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

	dir string
}

// ScannedFile is a regular file that was read.
type ScannedFile struct {
	Entry
	Info fs.FileInfo // as the reading began

	err error // why it could not be read
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

// Scanner hashes files, one after the other.
type Scanner struct{ buf []byte }

// Scan reads everything below dir. It opens nothing but regular files, follows no links, and goes on where something cannot be read. The
// error is ctx's, or that dir itself is no directory.
func (s *Scanner) Scan(ctx context.Context, dir string) (*Scan, error) {
	found, err := List(ctx, dir)
	if err != nil {
		return nil, err
	}
	for i := range found.Files {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		s.Hash(found, i)
	}
	found.Settle()
	return found, nil
}

// List is the first part of Scan: no file is read yet, and Files have paths alone. Each is then to be hashed, by any Scanner and in any order, and
// after the last the Scan settled.
func List(ctx context.Context, dir string) (*Scan, error) {
	fi, err := os.Lstat(dir)
	if err != nil {
		return nil, err
	}
	if !fi.IsDir() {
		return nil, &fs.PathError{Op: "scan", Path: dir, Err: errors.New("it is not a directory")}
	}
	found := &Scan{dir: dir}
	if err := found.folder(ctx, "", fi); err != nil {
		return nil, err
	}
	slices.SortFunc(found.Files, func(a, b ScannedFile) int { return strings.Compare(a.Path, b.Path) })
	slices.SortFunc(found.Dirs, func(a, b ScannedDir) int { return strings.Compare(a.Path, b.Path) })
	return found, nil
}

// folder lists dir/rel, where rel is "" for the top or ends in a slash.
func (s *Scan) folder(ctx context.Context, rel string, fi fs.FileInfo) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	name := strings.TrimSuffix(rel, "/")
	if name == "" {
		name = "."
	}
	s.Dirs = append(s.Dirs, ScannedDir{name, fi.Mode()})
	entries, err := os.ReadDir(s.path(rel))
	if err != nil {
		s.Odd = append(s.Odd, OddFile{name, "unreadable: " + reasonOf(err)})
	}
	for _, e := range entries {
		path := rel + e.Name()
		switch {
		case e.IsDir():
			fi, err := e.Info()
			switch {
			case errors.Is(err, fs.ErrNotExist):
				continue
			case err != nil:
				s.Odd = append(s.Odd, OddFile{path, "unreadable: " + reasonOf(err)})
				continue
			}
			if err := s.folder(ctx, path+"/", fi); err != nil {
				return err
			}
		case !e.Type().IsRegular():
			s.Odd = append(s.Odd, OddFile{path, kindOf(e.Type())})
		default:
			s.Files = append(s.Files, ScannedFile{Entry: Entry{Path: path}})
		}
	}
	return nil
}

func (s *Scan) path(rel string) string { return filepath.Join(s.dir, filepath.FromSlash(rel)) }

// Hash reads found.Files[i].
func (s *Scanner) Hash(found *Scan, i int) {
	f := &found.Files[i]
	*f = s.file(found.path(f.Path), f.Path)
}

// Settle ends a Scan: what could not be read is no file of it, and what went meanwhile is not there.
func (s *Scan) Settle() {
	s.Files = slices.DeleteFunc(s.Files, func(f ScannedFile) bool {
		if f.err != nil && !errors.Is(f.err, fs.ErrNotExist) {
			s.Odd = append(s.Odd, OddFile{f.Path, "unreadable: " + reasonOf(f.err)})
		}
		return f.err != nil
	})
	slices.SortFunc(s.Odd, func(a, b OddFile) int { return strings.Compare(a.Path, b.Path) })
}

// file hashes one regular file. What is none by now is not read: it could be a pipe.
func (s *Scanner) file(full, path string) ScannedFile {
	out := ScannedFile{Entry: Entry{Path: path}}
	f, err := os.OpenFile(full, os.O_RDONLY|openPlain, 0)
	if err != nil {
		out.err = err
		return out
	}
	defer f.Close()
	if out.Info, out.err = f.Stat(); out.err != nil {
		return out
	}
	if !out.Info.Mode().IsRegular() {
		out.err = errors.New("it was replaced meanwhile")
		return out
	}
	if s.buf == nil {
		s.buf = make([]byte, hashBuffer)
	}
	out.Exec = out.Info.Mode()&0o100 != 0
	out.Blob, out.Size, out.err = hashReader(f, s.buf)
	return out
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
	case mode.IsRegular():
		return "a file"
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
	f := s.file(path, path)
	switch {
	case errors.Is(f.err, fs.ErrNotExist):
		fault.Expected, fault.Found, fault.Missing = "a file", "nothing", true
	case f.err != nil:
		fault.Expected, fault.Found = "a file", "unreadable: "+reasonOf(f.err)
	case f.Blob != id && size >= 0 && f.Size != size:
		fault.Expected, fault.Found = fmt.Sprintf("%d bytes", size), fmt.Sprintf("%d bytes", f.Size)
	case f.Blob != id:
		fault.Expected, fault.Found = "blake3 "+id.String(), "blake3 "+f.Blob.String()
	case f.Info.Mode().Perm()&0o222 != 0 && store.KeepsModes():
		fault.Expected, fault.Found = fmt.Sprintf("mode %04o", blobMode), fmt.Sprintf("mode %04o", f.Info.Mode().Perm())
	default:
		return nil, f.Size
	}
	return fault, f.Size
}

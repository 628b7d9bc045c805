package cas

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/zeebo/blake3"

	"github.com/openpackage/opkg/ident"
	"github.com/openpackage/opkg/internal/dirfd"
)

// Scan is a directory as it stands, every file hashed: also what no tree can hold, and what cannot be read. All lists are
// sorted by path.
type Scan struct {
	Files []ScannedFile
	Dirs  []ScannedDir
	Odd   []OddFile

	top *dirfd.Dir
}

// ScannedFile is a regular file that was read.
type ScannedFile struct {
	Entry
	Info dirfd.Info // as the reading began

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

// List lists everything in d: no file is read yet, and Files have paths alone. Each is then to be hashed, by any Scanner and in any order, while
// d is open, and after the last the Scan settled. Nothing but regular files is opened, no link is followed, and what cannot be read
// is said in Odd. The error is ctx's.
func List(ctx context.Context, d *dirfd.Dir) (*Scan, error) {
	found := &Scan{top: d}
	if err := found.folder(ctx, d, ""); err != nil {
		return nil, err
	}
	slices.SortFunc(found.Files, func(a, b ScannedFile) int { return strings.Compare(a.Path, b.Path) })
	slices.SortFunc(found.Dirs, func(a, b ScannedDir) int { return strings.Compare(a.Path, b.Path) })
	return found, nil
}

// folder lists d, which is rel below the top: "", or a path that ends in a slash.
func (s *Scan) folder(ctx context.Context, d *dirfd.Dir, rel string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	name := strings.TrimSuffix(rel, "/")
	if name == "" {
		name = "."
	}
	if fi, err := d.Self(); err == nil {
		s.Dirs = append(s.Dirs, ScannedDir{name, fi.Mode})
	}
	entries, err := d.Entries()
	if err != nil {
		s.odd(name, err)
	}
	for _, e := range entries {
		path := rel + e.Name
		switch {
		case e.Type == 0:
			s.Files = append(s.Files, ScannedFile{Entry: Entry{Path: path}})
		case !e.Type.IsDir():
			s.Odd = append(s.Odd, OddFile{path, kindOf(e.Type)})
		default:
			sub, err := d.Sub(e.Name)
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err != nil {
				if fi, err := d.Stat(e.Name); err == nil {
					s.Dirs = append(s.Dirs, ScannedDir{path, fi.Mode})
				}
				s.odd(path, err)
				continue
			}
			err = s.folder(ctx, sub, path+"/")
			sub.Close()
			if err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *Scan) odd(path string, err error) {
	s.Odd = append(s.Odd, OddFile{path, "unreadable: " + reasonOf(err)})
}

// Hash reads found.Files[i].
func (s *Scanner) Hash(found *Scan, i int) {
	f := &found.Files[i]
	*f = s.file(found.top, f.Path)
}

// Settle ends a Scan: what could not be read is no file of it, and what went meanwhile is not there.
func (s *Scan) Settle() {
	s.Files = slices.DeleteFunc(s.Files, func(f ScannedFile) bool {
		if f.err != nil && !errors.Is(f.err, fs.ErrNotExist) {
			s.odd(f.Path, f.err)
		}
		return f.err != nil
	})
	slices.SortFunc(s.Odd, func(a, b OddFile) int { return strings.Compare(a.Path, b.Path) })
}

// file hashes the regular file at path in d. What is none by now is not read: it could be a pipe.
func (s *Scanner) file(d *dirfd.Dir, path string) ScannedFile {
	if s.buf == nil {
		s.buf = newHashBuffer()
	}
	out := ScannedFile{Entry: Entry{Path: path}}
	data, info, err := d.ReadInto(s.buf, path)
	switch {
	case err == nil:
		out.Blob, out.Size = blake3.Sum256(data), int64(len(data))
	case info.Mode.IsRegular() && info.Size > int64(len(s.buf)):
		info, err = s.stream(d, &out.Entry)
	case dirfd.IsUnfit(err):
		err = errors.New("it was replaced meanwhile")
	}
	out.Info, out.Exec, out.err = info, info.Mode&0o100 != 0, err
	return out
}

// stream hashes a file that is larger than the buffer.
func (s *Scanner) stream(d *dirfd.Dir, e *Entry) (info dirfd.Info, err error) {
	f, err := d.Open(e.Path)
	if err != nil {
		return info, err
	}
	defer f.Close()
	if info, err = dirfd.StatFile(f); err != nil {
		return info, err
	}
	if !info.Mode.IsRegular() {
		return info, errors.New("it was replaced meanwhile")
	}
	e.Blob, e.Size, err = hashReader(f, s.buf)
	return info, err
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
	fault = &BlobFault{Blob: id, Path: store.BlobPath(id), Expected: "a file"}
	d, err := store.open()
	f := ScannedFile{err: err}
	if err == nil {
		f = s.file(d.at, BlobName(id))
	}
	if f.err != nil {
		if fi, err := os.Lstat(fault.Path); errors.Is(f.err, fs.ErrNotExist) || errors.Is(err, fs.ErrNotExist) {
			fault.Found, fault.Missing = "nothing", true
		} else if err == nil && !fi.Mode().IsRegular() {
			fault.Found = kindOf(fi.Mode())
		} else {
			fault.Found = "unreadable: " + reasonOf(f.err)
		}
		return fault, 0
	}
	switch {
	case f.Blob != id && size >= 0 && f.Size != size:
		fault.Expected, fault.Found = fmt.Sprintf("%d bytes", size), fmt.Sprintf("%d bytes", f.Size)
	case f.Blob != id:
		fault.Expected, fault.Found = "blake3 "+id.String(), "blake3 "+f.Blob.String()
	case f.Info.Mode.Perm()&0o222 != 0 && store.KeepsModes():
		fault.Expected, fault.Found = fmt.Sprintf("mode %04o", blobMode), fmt.Sprintf("mode %04o", f.Info.Mode.Perm())
	default:
		return nil, f.Size
	}
	return fault, f.Size
}

// HasBlob reports whether a file, of which info was asked, is the store's blob of that digest: a hard link to it.
func (s *Store) HasBlob(id ident.BlobID, info dirfd.Info) bool {
	d, err := s.open()
	if err != nil {
		return false
	}
	blob, err := d.at.Stat(BlobName(id))
	return err == nil && blob.Same(info)
}

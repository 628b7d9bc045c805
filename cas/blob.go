package cas

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"

	"github.com/zeebo/blake3"

	"github.com/openpackage/opkg/ident"
	"github.com/openpackage/opkg/internal/dirfd"
)

// BlobTime is the modification time of every blob, in seconds since 1970. Whoever writes through a hard link
// changes it, and one stat shows that. (Even, for file systems that count in twos.)
const BlobTime = 1_000_000_000

// blobMode makes a blob read-only for everybody.
const blobMode fs.FileMode = 0o444

// Intact reports whether a stat betrays no change of a blob of that size. Where no modes are kept, its time alone tells.
func (s *Store) Intact(fi dirfd.Info, size int64) bool {
	return fi.Size == size && fi.Mtime == BlobTime*int64(time.Second) && fi.Mode.IsRegular() && (fi.Mode == blobMode || !s.KeepsModes())
}

// KeepsModes is false where the store's file system keeps no modes. The lock file tells: its mode is one that no mount gives to all
// files alike.
func (s *Store) KeepsModes() bool {
	if !dirfd.KeepsModes {
		return false
	}
	if seen := s.modes.Load(); seen != nil {
		return *seen
	}
	d, err := s.open()
	if err != nil {
		return true
	}
	fi, err := d.at.Stat(lockFile)
	if err != nil {
		return true
	}
	keeps := fi.Mode.Perm() == lockMode
	s.modes.Store(&keeps)
	return keeps
}

// CheckBlob stats the blob (size, mode, mtime) and re-hashes it when the stat betrays a change: one whose bytes are right
// gets its mode and time back, a damaged one is removed and fs.ErrNotExist returned.
func (s *Store) CheckBlob(id ident.BlobID, size int64) error {
	d, err := s.open()
	if err != nil {
		return err
	}
	name := BlobName(id)
	if fi, err := d.at.Stat(name); err != nil || s.Intact(fi, size) {
		return err
	}
	good, err := d.hashes(name, id, size)
	if err != nil {
		return s.within(err)
	}
	if good {
		d.restore(name)
		return nil
	}
	if err := d.do("remove", name); err != nil {
		return s.within(err)
	}
	if err := d.root.RemoveAll(name); err != nil {
		return s.within(fmt.Errorf("remove a damaged blob: %w", err))
	}
	return s.within(&fs.PathError{Op: "check", Path: name, Err: fs.ErrNotExist})
}

// restore gives a blob whose bytes are right its mode and time back, once they are on the disk: who wrote them last need not
// have synced them, and after a power loss a stat would vouch for what was lost. Where a file system keeps no modes, or may not be written, the
// bytes are right all the same.
func (d *disk) restore(name string) {
	f, err := d.root.Open(name)
	if err != nil {
		return
	}
	err = f.Sync()
	f.Close()
	if err != nil && !IsReadOnly(err) && !syncsAsWritten {
		return
	}
	_ = d.root.Chmod(name, blobMode)
	t := time.Unix(BlobTime, 0)
	_ = d.root.Chtimes(name, t, t)
}

// hashes reports whether the file called name has the size and the BLAKE3 it must have.
func (d *disk) hashes(name string, id ident.BlobID, size int64) (bool, error) {
	if fi, err := d.root.Lstat(name); err != nil || !fi.Mode().IsRegular() || fi.Size() != size {
		return false, err
	}
	f, err := d.root.Open(name)
	if errors.Is(err, fs.ErrPermission) { // somebody took the right to read away: give it back, and look
		if err := d.do("chmod", name); err != nil {
			return false, err
		}
		if err := d.root.Chmod(name, blobMode); err != nil {
			return false, err
		}
		f, err = d.root.Open(name)
	}
	if err != nil {
		return false, err
	}
	defer f.Close()
	got, n, err := hashReader(f, newHashBuffer())
	return got == id && n == size, err
}

const hashBuffer = 256 << 10

func newHashBuffer() []byte { return make([]byte, hashBuffer) }

// hashReader is the BLAKE3 and the length of what r holds.
func hashReader(r io.Reader, buf []byte) (id ident.BlobID, n int64, err error) {
	h := blake3.New()
	for {
		m, err := r.Read(buf)
		n += int64(m)
		_, _ = h.Write(buf[:m])
		if err == io.EOF {
			h.Sum(id[:0])
			return id, n, nil
		}
		if err != nil {
			return id, n, err
		}
	}
}

// read returns a file of the store, bounded. What is no regular file, or is longer, is damaged, and damage is as good as absence: fs.ErrNotExist.
func (s *Store) read(name string, limit int64) ([]byte, error) {
	d, err := s.open()
	if err != nil {
		return nil, err
	}
	data, err := d.at.Read(name, limit)
	if dirfd.IsUnfit(err) || dirfd.IsNoDir(err) {
		err = damagedAt(name)
	}
	return data, s.within(err)
}

func damagedAt(name string) error {
	return &fs.PathError{Op: "read", Path: name, Err: errors.Join(errRecord, fs.ErrNotExist)}
}

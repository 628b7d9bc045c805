package dirfd

import (
	"bytes"
	"encoding/binary"
	"io/fs"

	"golang.org/x/sys/unix"
)

// Entries lists what stands in d, in no order. It is not to be called from two goroutines at once for one Dir.
//
// Unlike os.ReadDir it opens nothing, asks for no stat and sorts nothing. linux_dirent64 is described in getdents64(2): inode and offset of
// 8 bytes each, the length of the record in 2, the type in 1, and the name up to a zero byte.
func (d *Dir) Entries() (list []Entry, err error) {
	if _, err := unix.Seek(d.fd, 0, unix.SEEK_SET); err != nil {
		return nil, d.fail("read", ".", err)
	}
	var buf [16 << 10]byte
	for {
		n, err := unix.Getdents(d.fd, buf[:])
		if err == unix.EINTR {
			continue
		}
		if err != nil || n <= 0 {
			return list, d.fail("read", ".", err)
		}
		for at := 0; at+directEntry <= n; {
			record := buf[at:min(n, at+max(directEntry, int(binary.NativeEndian.Uint16(buf[at+16:]))))]
			at += len(record)
			name, _, _ := bytes.Cut(record[directEntry:], []byte{0})
			if string(name) == "." || string(name) == ".." || binary.NativeEndian.Uint64(record) == 0 {
				continue
			}
			e := Entry{Name: string(name)}
			var known bool
			if e.Type, known = typeOf(record[18]); !known { // the file system does not say
				var st unix.Stat_t
				err := d.sys.fstatat(d.fd, e.Name, &st)
				if err == unix.ENOENT {
					continue
				}
				if err != nil {
					return list, d.fail("stat", e.Name, err)
				}
				if e.Type, known = typeOf(byte(st.Mode & unix.S_IFMT >> 12)); !known {
					e.Type = fs.ModeDevice
				}
			}
			list = append(list, e)
		}
	}
}

// directEntry is how long a record is before its name, in bytes.
const directEntry = 19

// typeOf reads the type of a record, which is the type bits of a mode too, shifted by 12: IFTODT of dirent.h.
func typeOf(t byte) (mode fs.FileMode, known bool) {
	switch t {
	case unix.DT_REG:
		return 0, true
	case unix.DT_DIR:
		return fs.ModeDir, true
	case unix.DT_LNK:
		return fs.ModeSymlink, true
	case unix.DT_FIFO:
		return fs.ModeNamedPipe, true
	case unix.DT_SOCK:
		return fs.ModeSocket, true
	case unix.DT_CHR, unix.DT_BLK:
		return fs.ModeDevice, true
	}
	return 0, false
}

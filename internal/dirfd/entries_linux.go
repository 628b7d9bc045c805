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
			switch record[18] {
			case unix.DT_REG:
			case unix.DT_DIR:
				e.Type = fs.ModeDir
			case unix.DT_LNK:
				e.Type = fs.ModeSymlink
			case unix.DT_FIFO:
				e.Type = fs.ModeNamedPipe
			case unix.DT_SOCK:
				e.Type = fs.ModeSocket
			case unix.DT_CHR, unix.DT_BLK:
				e.Type = fs.ModeDevice
			default: // the file system does not say
				var gone bool
				if e.Type, gone, err = d.typeOf(e.Name); err != nil {
					return list, err
				} else if gone {
					continue
				}
			}
			list = append(list, e)
		}
	}
}

// directEntry is how long a record is before its name, in bytes.
const directEntry = 19

func (d *Dir) typeOf(name string) (mode fs.FileMode, gone bool, err error) {
	var st unix.Stat_t
	err = d.sys.fstatat(d.fd, name, &st)
	if err == unix.ENOENT {
		return 0, true, nil
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFREG:
	case unix.S_IFDIR:
		mode = fs.ModeDir
	case unix.S_IFLNK:
		mode = fs.ModeSymlink
	case unix.S_IFIFO:
		mode = fs.ModeNamedPipe
	case unix.S_IFSOCK:
		mode = fs.ModeSocket
	default:
		mode = fs.ModeDevice
	}
	return mode, false, d.fail("stat", name, err)
}

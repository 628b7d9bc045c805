package dirfd

import (
	"io/fs"
	"testing"

	"golang.org/x/sys/unix"
)

// TestTypeOf holds that the type in a mode and that in a record of a directory are read alike.
func TestTypeOf(t *testing.T) {
	for mode, want := range map[uint32]fs.FileMode{
		unix.S_IFREG | 0o644: 0, unix.S_IFDIR | 0o755: fs.ModeDir, unix.S_IFLNK | 0o777: fs.ModeSymlink, unix.S_IFIFO: fs.ModeNamedPipe,
		unix.S_IFSOCK: fs.ModeSocket, unix.S_IFCHR: fs.ModeDevice, unix.S_IFBLK: fs.ModeDevice,
	} {
		if got, known := typeOf(byte(mode & unix.S_IFMT >> 12)); !known || got != want {
			t.Errorf("%o: %v, %v, want %v", mode, got, known, want)
		}
	}
	if _, known := typeOf(unix.DT_UNKNOWN); known {
		t.Error("what the file system does not say is known")
	}
}

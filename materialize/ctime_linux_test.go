package materialize

import (
	"fmt"
	"io/fs"
	"syscall"
)

// changeTime is when the inode changed last, and which one it is.
func changeTime(fi fs.FileInfo) string {
	st := fi.Sys().(*syscall.Stat_t)
	return fmt.Sprint(st.Ino, st.Ctim.Sec, st.Ctim.Nsec)
}

//go:build unix

package materialize

import (
	"io/fs"
	"syscall"
)

// linksOf is how many names a file has.
func linksOf(fi fs.FileInfo) uint64 {
	if st, ok := fi.Sys().(*syscall.Stat_t); ok {
		return uint64(st.Nlink)
	}
	return 1
}

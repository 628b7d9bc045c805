//go:build darwin || freebsd || (linux && !amd64 && !arm64)

package dirfd

import "golang.org/x/sys/unix"

// fstatat asks for what stands at path, and follows no link at its end.
func fstatat(fd int, path string, st *unix.Stat_t) error {
	return unix.Fstatat(fd, path, st, unix.AT_SYMLINK_NOFOLLOW)
}

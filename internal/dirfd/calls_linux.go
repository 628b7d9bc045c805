//go:build linux && (amd64 || arm64)

package dirfd

import (
	"slices"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// calls are the system calls that a sync makes by the ten thousand. On a file system of this machine they are made without telling Go's
// scheduler: most take less time than that would, and of those that take some 20 µs the scheduler takes the processor away, and the
// call waits to have it back. Elsewhere a call may block for ever, and must not hold a processor meanwhile.
type calls struct {
	slow
	local bool
}

// localTypes are what statfs calls the file systems whose calls wait for nothing but the disk.
var localTypes = []int64{unix.EXT4_SUPER_MAGIC, unix.XFS_SUPER_MAGIC, unix.BTRFS_SUPER_MAGIC, unix.F2FS_SUPER_MAGIC, unix.TMPFS_MAGIC, unix.OVERLAYFS_SUPER_MAGIC, zfsMagic}

const zfsMagic = 0x2fc12fc1 // OpenZFS, include/sys/zfs_vfsops_os.h

func callsOf(fd int) calls {
	var st unix.Statfs_t
	return calls{local: unix.Fstatfs(fd, &st) == nil && slices.Contains(localTypes, int64(st.Type))}
}

// cpath is a path as the system takes it, on the stack if it is short.
type cpath struct {
	short [256]byte
	long  *byte
}

func (c *cpath) set(path string) error {
	if len(path) < len(c.short) && strings.IndexByte(path, 0) < 0 {
		copy(c.short[:], path)
		return nil
	}
	var err error
	c.long, err = unix.BytePtrFromString(path)
	return err
}

func (c *cpath) at() unsafe.Pointer {
	if c.long != nil {
		return unsafe.Pointer(c.long)
	}
	return unsafe.Pointer(&c.short[0])
}

func failure(errno unix.Errno) error {
	if errno == 0 {
		return nil
	}
	return errno
}

func (c calls) openat(fd int, path string, flags int, perm uint32) (int, error) {
	if !c.local {
		return c.slow.openat(fd, path, flags, perm)
	}
	var p cpath
	if err := p.set(path); err != nil {
		return -1, err
	}
	for {
		got, _, errno := unix.RawSyscall6(unix.SYS_OPENAT, uintptr(fd), uintptr(p.at()), uintptr(flags|unix.O_CLOEXEC), uintptr(perm), 0, 0)
		if errno != unix.EINTR {
			return int(got), failure(errno)
		}
	}
}

func (c calls) fstatat(fd int, path string, st *unix.Stat_t) error {
	if !c.local {
		return c.slow.fstatat(fd, path, st)
	}
	var p cpath
	if err := p.set(path); err != nil {
		return err
	}
	for {
		_, _, errno := unix.RawSyscall6(unix.SYS_NEWFSTATAT, uintptr(fd), uintptr(p.at()), uintptr(unsafe.Pointer(st)), unix.AT_SYMLINK_NOFOLLOW, 0, 0)
		if errno != unix.EINTR {
			return failure(errno)
		}
	}
}

func (c calls) mkdirat(fd int, path string, perm uint32) error {
	if !c.local {
		return c.slow.mkdirat(fd, path, perm)
	}
	var p cpath
	if err := p.set(path); err != nil {
		return err
	}
	for {
		_, _, errno := unix.RawSyscall(unix.SYS_MKDIRAT, uintptr(fd), uintptr(p.at()), uintptr(perm))
		if errno != unix.EINTR {
			return failure(errno)
		}
	}
}

func (c calls) linkat(from int, old string, to int, path string) error {
	if !c.local {
		return c.slow.linkat(from, old, to, path)
	}
	var p, q cpath
	if err := p.set(old); err != nil {
		return err
	}
	if err := q.set(path); err != nil {
		return err
	}
	for {
		_, _, errno := unix.RawSyscall6(unix.SYS_LINKAT, uintptr(from), uintptr(p.at()), uintptr(to), uintptr(q.at()), 0, 0)
		if errno != unix.EINTR {
			return failure(errno)
		}
	}
}

func (c calls) utimensat(fd int, path string, ns int64) error {
	if !c.local {
		return c.slow.utimensat(fd, path, ns)
	}
	var p cpath
	if err := p.set(path); err != nil {
		return err
	}
	ts := unix.NsecToTimespec(ns)
	times := [2]unix.Timespec{ts, ts}
	for {
		_, _, errno := unix.RawSyscall6(unix.SYS_UTIMENSAT, uintptr(fd), uintptr(p.at()), uintptr(unsafe.Pointer(&times)), unix.AT_SYMLINK_NOFOLLOW, 0, 0)
		if errno != unix.EINTR {
			return failure(errno)
		}
	}
}

func (c calls) futimes(fd int, ns int64) error {
	if !c.local {
		return c.slow.futimes(fd, ns)
	}
	ts := unix.NsecToTimespec(ns)
	times := [2]unix.Timespec{ts, ts}
	for {
		_, _, errno := unix.RawSyscall6(unix.SYS_UTIMENSAT, uintptr(fd), 0, uintptr(unsafe.Pointer(&times)), 0, 0, 0)
		if errno != unix.EINTR {
			return failure(errno)
		}
	}
}

// manyBytes are worth the scheduler's knowledge when they are written.
const manyBytes = 64 << 10

func (c calls) write(fd int, data []byte) (int, error) {
	if !c.local || len(data) == 0 || len(data) > manyBytes {
		return c.slow.write(fd, data)
	}
	n, _, errno := unix.RawSyscall(unix.SYS_WRITE, uintptr(fd), uintptr(unsafe.Pointer(&data[0])), uintptr(len(data)))
	return int(n), failure(errno)
}

// close gives fd up whatever it returns, be it EINTR.
func (c calls) close(fd int) error {
	if !c.local {
		return c.slow.close(fd)
	}
	_, _, errno := unix.RawSyscall(unix.SYS_CLOSE, uintptr(fd), 0, 0)
	return failure(errno)
}

//go:build linux || darwin || freebsd

package dirfd

import "golang.org/x/sys/unix"

// slow makes system calls as Go's scheduler would have it: it lends the processor of one that takes its time to others.
type slow struct{}

// again repeats a call that a signal interrupted.
func again(call func() error) error {
	for {
		if err := call(); err != unix.EINTR {
			return err
		}
	}
}

func (slow) openat(fd int, path string, flags int, perm uint32) (int, error) {
	for {
		got, err := unix.Openat(fd, path, flags|unix.O_CLOEXEC, perm)
		if err != unix.EINTR {
			return got, err
		}
	}
}

func (slow) fstatat(fd int, path string, st *unix.Stat_t) error {
	for {
		if err := unix.Fstatat(fd, path, st, unix.AT_SYMLINK_NOFOLLOW); err != unix.EINTR {
			return err
		}
	}
}

func (slow) mkdirat(fd int, path string, perm uint32) error {
	return again(func() error { return unix.Mkdirat(fd, path, perm) })
}

func (slow) linkat(from int, old string, to int, path string) error {
	return again(func() error { return unix.Linkat(from, old, to, path, 0) })
}

func (slow) utimensat(fd int, path string, ns int64) error {
	ts := unix.NsecToTimespec(ns)
	times := [2]unix.Timespec{ts, ts}
	return again(func() error { return unix.UtimesNanoAt(fd, path, times[:], unix.AT_SYMLINK_NOFOLLOW) })
}

// futimes knows no less than microseconds.
func (slow) futimes(fd int, ns int64) error {
	tv := unix.NsecToTimeval(ns)
	return again(func() error { return unix.Futimes(fd, []unix.Timeval{tv, tv}) })
}

func (slow) write(fd int, data []byte) (int, error) { return unix.Write(fd, data) }

func (slow) close(fd int) error { return unix.Close(fd) }

//go:build unix

package ops

import "syscall"

// errNotDir is what a path through a file gives.
var errNotDir error = syscall.ENOTDIR

// twoDevices says which devices two directories are on; ok is false unless both are there.
func twoDevices(a, b string) (x, y uint64, ok bool) {
	var s, t syscall.Stat_t
	if syscall.Stat(a, &s) != nil || syscall.Stat(b, &t) != nil {
		return 0, 0, false
	}
	return uint64(s.Dev), uint64(t.Dev), true
}

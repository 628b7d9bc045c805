//go:build unix

package ops

import "syscall"

// errNotDir is what a path through a file gives.
var errNotDir error = syscall.ENOTDIR

//go:build unix

package cas

import "syscall"

// openPlain keeps an open from following a link, and from waiting for the other end of a pipe.
const openPlain = syscall.O_NOFOLLOW | syscall.O_NONBLOCK

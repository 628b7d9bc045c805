//go:build unix

package solver

import (
	"syscall"
	"time"
)

// cpuTime is the processor time that this process took so far: other work on the machine disturbs it less than the clock.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

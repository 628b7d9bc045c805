//go:build unix

package git

import (
	"os/exec"
	"syscall"
)

// detach gives git a session of its own: without a terminal, neither it nor ssh can ask anybody anything. With git all that it started
// is killed.
func detach(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
}

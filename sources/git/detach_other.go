//go:build !unix

package git

import "os/exec"

// detach leaves git in the console: GIT_TERMINAL_PROMPT and SSH_ASKPASS_REQUIRE keep it from asking.
func detach(cmd *exec.Cmd) {
	cmd.Cancel = func() error { return cmd.Process.Kill() }
}

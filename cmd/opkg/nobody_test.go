//go:build unix

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestVerifyAsNobody lets another user, who may write nothing, verify what root synced: no lock is taken and no file made.
func TestVerifyAsNobody(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can become somebody else")
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	top, err := os.MkdirTemp("", "opkg-nobody-*") // t.TempDir's parent is closed to others
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(top) })
	data, err := os.ReadFile(exe)
	if err != nil {
		t.Fatal(err)
	}
	opkg := filepath.Join(top, "opkg")
	if err := os.WriteFile(opkg, data, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"workspace", "registry"} {
		if err := os.CopyFS(filepath.Join(top, part), os.DirFS(filepath.Join("..", "..", "testdata", part))); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(top, 0o755); err != nil {
		t.Fatal(err)
	}
	opkgAs := func(uid uint32, args ...string) (string, error) {
		cmd := exec.Command(opkg, append([]string{"-C", filepath.Join(top, "workspace")}, args...)...)
		cmd.Env = []string{"HOME=" + filepath.Join(top, "home"), "PATH=" + os.Getenv("PATH"), "GORACE=" + os.Getenv("GORACE")}
		cmd.Dir = top
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	const nobody = 65534
	if out, err := opkgAs(0, "sync"); err != nil {
		t.Fatalf("sync: %v\n%s", err, out)
	}
	for _, args := range [][]string{{"verify"}, {"verify", "--all"}, {"sync", "--locked"}, {"list"}} {
		out, err := opkgAs(nobody, args...)
		if err != nil || strings.Contains(out, "warning") {
			t.Errorf("%v as nobody: %v\n%s", args, err, out)
		}
	}
	file := filepath.Join(top, "home", ".openpackage", "registry", "opkg-demo-shell", "1.0.1", "openpackage.yml")
	if err := os.Chmod(file, 0o600); err != nil { // shut to others: that is what is wrong
		t.Fatal(err)
	}
	out, err := opkgAs(nobody, "verify")
	if err == nil || !strings.Contains(out, "opkg-demo-shell@1.0.1: openpackage.yml: expected a file, found unreadable: permission denied") {
		t.Errorf("verify of a file that may not be read: %v\n%s", err, out)
	}
}

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// TestReadmeSession runs the README's session as it stands there, in a directory beside the demo registry, and compares every
// line. Only durations, and the order in which downloads arrive, may differ.
func TestReadmeSession(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the session is a POSIX shell's")
	}
	readme, err := os.ReadFile(filepath.Join("..", "..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(readme), "## A session")
	_, rest, ok2 := strings.Cut(rest, "```console\n")
	session, _, ok3 := strings.Cut(rest, "```\n")
	if !ok || !ok2 || !ok3 {
		t.Fatal("README.md has no session")
	}
	top, bin := t.TempDir(), t.TempDir()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(exe, filepath.Join(bin, "opkg")); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(filepath.Join(top, "registry"), os.DirFS(filepath.Join("..", "..", "testdata", "registry"))); err != nil {
		t.Fatal(err)
	}
	home := filepath.Join(top, "home")
	write(t, filepath.Join(top, "my-project", ".openpackage", "config.yml"), "registries:\n  team: file:../registry\n")
	var got strings.Builder
	for _, line := range strings.Split(session, "\n") {
		command, ok := strings.CutPrefix(line, "$ ")
		if !ok {
			continue
		}
		cmd := exec.Command("sh", "-c", command+" 2>&1")
		cmd.Dir = filepath.Join(top, "my-project")
		cmd.Env = []string{"HOME=" + home, "PATH=" + bin + string(os.PathListSeparator) + os.Getenv("PATH")}
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%s: %v\n%s", command, err, out)
		}
		got.WriteString(line + "\n" + string(out))
	}
	if want, got := steady(session), steady(got.String()); want != got {
		t.Errorf("README.md says:\n%s\nbut the session gives:\n%s", want, got)
	}
}

// steady puts a placeholder for durations, and sorts downloads that stand together.
func steady(s string) string {
	lines := strings.Split(regexp.MustCompile(`in \d+\.\d+ s`).ReplaceAllString(s, "in N s"), "\n")
	for i := 0; i < len(lines); i++ {
		j := i
		for j < len(lines) && strings.HasPrefix(lines[j], "fetched ") {
			j++
		}
		slices.Sort(lines[i:j])
		i = max(i, j)
	}
	return strings.Join(lines, "\n")
}

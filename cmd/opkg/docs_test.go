package main

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// TestDocs runs the sessions of the documentation as they stand there, and compares every line. A page is one session: its console
// blocks run one after the other, in a directory my-project beside the demo registry, with a home of their own. Only durations, commits that are
// made, and the order in which downloads arrive, may differ. OPKG_UPDATE=1 writes what the commands print.
func TestDocs(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the sessions are a POSIX shell's")
	}
	for _, page := range []string{"README.md", "docs/json.md", "docs/ci.md", "docs/verify.md", "docs/troubleshooting.md", "docs/resolution.md", "docs/hosting.md"} {
		t.Run(page, func(t *testing.T) {
			file := filepath.Join("..", "..", filepath.FromSlash(page))
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			text, got := string(data), ""
			if page == "README.md" { // each of its sections is a session
				for i, section := range strings.SplitAfter(text, "\n## ") {
					if i > 0 && strings.Contains(section, "```console") {
						section = newShell(t).page(section)
					}
					got += section
				}
			} else {
				got = newShell(t).page(text)
			}
			if update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if want, got := steady(text), steady(got); want != got {
				t.Errorf("%s is not what the commands print (OPKG_UPDATE=1 go test ./cmd/opkg -run TestDocs writes it):\n%s", page, firstDifference(want, got))
			}
		})
	}
}

// shell is where the session of a page runs.
type shell struct {
	t        *testing.T
	top, bin string
	port     string // a free one, which stands for the 8080 of the page
}

func newShell(t *testing.T) *shell {
	s := &shell{t: t, top: t.TempDir(), bin: t.TempDir()}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(exe, filepath.Join(s.bin, "opkg")); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(filepath.Join(s.top, "registry"), os.DirFS(filepath.Join("..", "..", "testdata", "registry"))); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(s.top, "my-project", ".openpackage", "config.yml"), "registries:\n  team: file:../registry\n")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, s.port, _ = net.SplitHostPort(l.Addr().String())
	return s
}

// nginx puts the server block of a page where the page says, and an nginx that may read this test's files into the PATH. It reports whether
// there is one.
func (s *shell) nginx(text string) bool {
	m := regexp.MustCompile("(?s)```nginx\n(.*?)```\n").FindStringSubmatch(text)
	if m == nil {
		return true
	}
	path, err := exec.LookPath("nginx")
	if err != nil {
		path, err = exec.LookPath("/usr/sbin/nginx")
	}
	if err != nil {
		if os.Getenv("OPKG_REQUIRE") != "" {
			s.t.Fatal(err)
		}
		return false
	}
	as := ""
	if os.Getuid() == 0 {
		as = " -g 'user root;'"
	}
	if err := os.WriteFile(filepath.Join(s.bin, "nginx"), []byte("#!/bin/sh\nexec "+path+as+" \"$@\"\n"), 0o755); err != nil {
		s.t.Fatal(err)
	}
	write(s.t, filepath.Join(s.top, "registry.conf"), s.here(m[1]))
	s.t.Cleanup(func() {
		s.run(`test ! -f ../nginx/nginx.pid || nginx -p ../nginx -c "$(cd .. && pwd)/registry.conf" -s stop`)
	})
	return true
}

// here puts this machine's places for those of the page.
func (s *shell) here(text string) string {
	return strings.NewReplacer("/home/you/src", s.top, ":8080", ":"+s.port).Replace(text)
}

// page runs the console blocks of a page and returns the page with what they print.
func (s *shell) page(text string) string {
	if !s.nginx(text) {
		s.t.Log("a session needs nginx, which is not installed")
		return text
	}
	block := regexp.MustCompile("(?s)(```console\n)(.*?)(```\n)")
	return block.ReplaceAllStringFunc(text, func(b string) string {
		m := block.FindStringSubmatch(b)
		return m[1] + s.block(m[2]) + m[3]
	})
}

// block runs commands, each "$ " and what follows on lines that begin with "> ".
func (s *shell) block(text string) string {
	var out strings.Builder
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	for i := 0; i < len(lines); i++ {
		command, ok := strings.CutPrefix(lines[i], "$ ")
		if !ok {
			continue
		}
		out.WriteString(lines[i] + "\n")
		for i+1 < len(lines) && strings.HasPrefix(lines[i+1], "> ") {
			i++
			out.WriteString(lines[i] + "\n")
			command += "\n" + lines[i][2:]
		}
		out.WriteString(s.run(command))
	}
	return out.String()
}

func (s *shell) run(command string) string {
	cmd := exec.Command("sh", "-c", "{ "+s.here(command)+"\n} 2>&1")
	cmd.Dir = filepath.Join(s.top, "my-project")
	cmd.Env = []string{"HOME=" + filepath.Join(s.top, "home"), "PATH=" + s.bin + string(os.PathListSeparator) + os.Getenv("PATH"), "LC_ALL=C",
		"GIT_CONFIG_NOSYSTEM=1", "GIT_AUTHOR_NAME=you", "GIT_AUTHOR_EMAIL=you@example.com", "GIT_COMMITTER_NAME=you", "GIT_COMMITTER_EMAIL=you@example.com",
		"GIT_AUTHOR_DATE=2026-01-02T03:04:05Z", "GIT_COMMITTER_DATE=2026-01-02T03:04:05Z"}
	out, err := cmd.Output() // the status is the page's business: it prints it where it matters
	if _, failed := err.(*exec.ExitError); err != nil && !failed {
		s.t.Fatalf("%s: %v", command, err)
	}
	text := strings.ReplaceAll(string(out), filepath.Join(s.top, "home"), "/home/you")
	text = strings.NewReplacer(s.top, "/home/you/src", ":"+s.port, ":8080").Replace(text)
	if text != "" && !strings.HasSuffix(text, "\n") {
		text += "\n"
	}
	return text
}

// firstDifference shows where two texts part.
func firstDifference(want, got string) string {
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range min(len(w), len(g)) {
		if w[i] != g[i] {
			from := max(0, i-5)
			return "the page says:\n" + strings.Join(w[from:min(len(w), i+5)], "\n") + "\n\nthe commands:\n" + strings.Join(g[from:min(len(g), i+5)], "\n")
		}
	}
	return "one is longer"
}

// steady puts a placeholder for durations, and sorts downloads that stand together.
func steady(s string) string {
	s = regexp.MustCompile(`in \d+\.\d+ s`).ReplaceAllString(s, "in N s")
	s = regexp.MustCompile(`, commit [0-9a-f]{12}`).ReplaceAllString(s, ", commit N") // its time is now
	lines := strings.Split(s, "\n")
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

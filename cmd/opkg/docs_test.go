package main

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestDocs runs the sessions of the documentation as they stand there, and compares every line. A page is one session, as in one
// terminal: its console blocks run one after the other, and where one goes and what it exports holds for the next. It begins in a directory
// ~/src/my-project beside the demo registry. Only what the clock decides, and the order in which downloads arrive, may
// differ. OPKG_UPDATE=1 writes what the commands print.
func TestDocs(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the sessions are a POSIX shell's")
	}
	ran := 0
	for _, page := range docsPages(t) {
		file := filepath.Join("..", "..", filepath.FromSlash(page))
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		text := string(data)
		if !consoleBlock.MatchString(text) {
			continue
		}
		ran++
		t.Run(page, func(t *testing.T) {
			got := ""
			if page == "README.md" { // each of its sections is a session
				for _, section := range strings.SplitAfter(text, "\n## ") {
					if consoleBlock.MatchString(section) {
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
	if ran < 8 {
		t.Errorf("only %d pages have sessions", ran)
	}
}

// docsPages are the pages that somebody who uses opkg reads, relative to the repository.
func docsPages(t *testing.T) []string {
	t.Helper()
	pages, err := filepath.Glob(filepath.Join("..", "..", "docs", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	for i, page := range pages {
		pages[i] = "docs/" + filepath.Base(page)
	}
	return append(pages, "README.md")
}

// shell is where the session of a page runs.
type shell struct {
	t              *testing.T
	home, top, bin string // top is the src of home, since people have their projects there
	state          string // what one command leaves to the next: where it went, what it exported
	port           string // a free one, which stands for the 8080 of the page
	ran            int
}

func newShell(t *testing.T) *shell {
	s := &shell{t: t, home: t.TempDir(), bin: t.TempDir(), state: t.TempDir()}
	s.top = filepath.Join(s.home, "src")
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
	write(t, filepath.Join(s.state, "dir"), filepath.Join(s.top, "my-project"))
	write(t, filepath.Join(s.state, "env"), "")
	write(t, filepath.Join(s.state, "pids"), "")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, s.port, _ = net.SplitHostPort(l.Addr().String())
	t.Cleanup(s.end)
	return s
}

// end stops what a page left running in the background.
func (s *shell) end() {
	pids, _ := os.ReadFile(filepath.Join(s.state, "pids"))
	for _, field := range strings.Fields(string(pids)) {
		if pid, err := strconv.Atoi(field); err == nil {
			if p, err := os.FindProcess(pid); err == nil {
				_ = p.Kill()
			}
		}
	}
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
		s.run(`test ! -f ../nginx/nginx.pid || nginx -p ../nginx -c "$(cd .. && pwd)/registry.conf" -s stop`, 0)
	})
	return true
}

// here puts this machine's places for those of the page.
func (s *shell) here(text string) string {
	return strings.NewReplacer("/home/you/src", s.top, ":8080", ":"+s.port, "_P8080", "_P"+s.port).Replace(text)
}

// page runs the console blocks of a page and returns the page with what they print.
func (s *shell) page(text string) string {
	if !s.nginx(text) {
		s.t.Log("a session needs nginx, which is not installed")
		return text
	}
	return consoleBlock.ReplaceAllStringFunc(text, func(b string) string {
		m := consoleBlock.FindStringSubmatch(b)
		got := s.block(m[2])
		if steady(got) == steady(m[2]) {
			got = m[2] // so that an update changes what is new alone
		}
		return m[1] + got + m[3]
	})
}

var consoleBlock = regexp.MustCompile("(?s)(```console\n)(.*?)(```\n)")

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
		printed := 0
		for i+1+printed < len(lines) && !strings.HasPrefix(lines[i+1+printed], "$ ") {
			printed++
		}
		out.WriteString(s.run(command, printed))
	}
	return out.String()
}

// run gives what a command prints. One that goes to the background is waited for until it has printed as many lines as the page says, and one at least.
func (s *shell) run(command string, lines int) string {
	s.ran++
	out := filepath.Join(s.state, fmt.Sprintf("out%d", s.ran))
	cmd := exec.Command("sh", "-c", `cd "$(cat "$0/dir")" && . "$0/env"
{ `+s.here(command)+`
} >"$1" 2>&1
echo $! >>"$0/pids"; pwd >"$0/dir"; export -p >"$0/env"`, s.state, out)
	cmd.Env = []string{"HOME=" + s.home, "PATH=" + s.bin + string(os.PathListSeparator) + os.Getenv("PATH"), "LC_ALL=C",
		"GIT_CONFIG_NOSYSTEM=1", "GIT_AUTHOR_NAME=you", "GIT_AUTHOR_EMAIL=you@example.com", "GIT_COMMITTER_NAME=you", "GIT_COMMITTER_EMAIL=you@example.com",
		"GIT_AUTHOR_DATE=2026-01-02T03:04:05Z", "GIT_COMMITTER_DATE=2026-01-02T03:04:05Z",
		"GORACE=" + os.Getenv("GORACE")}
	if err := cmd.Run(); err != nil { // a command's own status is the page's business: it prints it where it matters
		s.t.Fatalf("%s: %v", command, err)
	}
	data, err := os.ReadFile(out)
	for deadline := time.Now().Add(10 * time.Second); strings.HasSuffix(command, " &") && bytes.Count(data, []byte("\n")) < max(lines, 1) && time.Now().Before(deadline); {
		time.Sleep(5 * time.Millisecond)
		data, err = os.ReadFile(out)
	}
	if err != nil {
		s.t.Fatal(err)
	}
	text := strings.NewReplacer(s.home, "/home/you", ":"+s.port, ":8080", "_P"+s.port, "_P8080").Replace(string(data))
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

// steady puts a placeholder for what the clock decides, and sorts downloads that stand together.
func steady(s string) string {
	s = regexp.MustCompile(`in \d+\.\d+ s`).ReplaceAllString(s, "in N s")
	s = regexp.MustCompile(`, commit [0-9a-f]{12}`).ReplaceAllString(s, ", commit N") // its time is now
	s = regexp.MustCompile(`commit = "[0-9a-f]{40}"`).ReplaceAllString(s, `commit = "N"`)
	s = regexp.MustCompile(`"commit": "[0-9a-f]{40}"`).ReplaceAllString(s, `"commit": "N"`)
	s = regexp.MustCompile(`published     20\d\d-[0-9T:-]+Z`).ReplaceAllString(s, "published     N")
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

package lock

import (
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func document(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile("../docs/lockfile.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// blocks are the fenced blocks of a document in one language.
func blocks(text, language string) []string {
	var out []string
	for _, m := range regexp.MustCompile("(?ms)^```"+language+"\n(.*?)^```$").FindAllStringSubmatch(text, -1) {
		out = append(out, m[1])
	}
	return out
}

func TestDocumentedExample(t *testing.T) {
	example := blocks(document(t), "toml")[0]
	l := parse(t, example)
	if string(l.Format()) != example {
		t.Errorf("the example is not canonical; this is:\n%s", l.Format())
	}
	if err := l.CheckClosed("opkg.lock"); err != nil {
		t.Error(err)
	}
}

func TestDocumentedLimits(t *testing.T) {
	for _, want := range []string{
		fmt.Sprintf("%d MiB", MaxSize>>20), "8,192 bytes", "4,294,967,296", fmt.Sprintf("format version %d", FormatVersion),
	} {
		if !strings.Contains(document(t), want) {
			t.Errorf("the document does not say %q", want)
		}
	}
	if MaxValue != 8192 || MaxArtifactSize != 4294967296 {
		t.Error("the document has other limits")
	}
}

// The recipe for the sha256 of a git package gives, with git, sha256sum and sort, what the text before it defines.
func TestDocumentedListing(t *testing.T) {
	need(t, "sh", "git", "sha256sum", "grep", "sort")
	var recipe string
	for _, b := range blocks(document(t), "sh") {
		if strings.Contains(b, "ls-tree") {
			recipe = b
		}
	}
	dir := t.TempDir()
	payload := map[string]string{
		"openpackage.yml": "name: demo\n", "rules/a.md": "a\r\n", "rules-b.md": "b", "rules/with blank.md": "", "run.sh": "#!/bin/sh\n",
		"Ünï.md": "ü\n", "sub/packages/kept.md": "kept\n", "~": "kept\n",
	}
	dropped := []string{".openpackage/x/y", "packages/p/z.md", "opkg.lock", "sub/opkg.lock", "openpackage.index.yml", ".DS_Store", "sub/Thumbs.db", "sub/._a", "a.md~"}
	for _, base := range []string{"", "mono/part"} {
		for path, text := range payload {
			write(t, filepath.Join(dir, base, path), text)
		}
		for _, path := range dropped {
			write(t, filepath.Join(dir, base, path), "dropped\n")
		}
		if err := os.Chmod(filepath.Join(dir, base, "run.sh"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	run := func(name string, args ...string) string {
		cmd := exec.Command(name, args...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null",
			"GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@example.test", "GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@example.test")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", name, err, out)
		}
		return strings.TrimSpace(string(out))
	}
	run("git", "init", "-q")
	run("git", "add", "-f", ".")
	run("git", "commit", "-q", "-m", "demo")

	listing := func(extra map[string]string) string {
		var paths []string
		all := map[string]string{}
		for _, files := range []map[string]string{payload, extra} {
			for path, text := range files {
				paths = append(paths, path)
				all[path] = text
			}
		}
		slices.Sort(paths)
		var b strings.Builder
		for _, path := range paths {
			mode := "644"
			if strings.HasSuffix(path, "run.sh") {
				mode = "755"
			}
			fmt.Fprintf(&b, "%x %s %s\n", sha256.Sum256([]byte(all[path])), mode, path)
		}
		return fmt.Sprintf("%x", sha256.Sum256([]byte(b.String())))
	}
	if got, want := run("sh", "-c", recipe, "sh", "HEAD", "mono/part"), listing(nil); got != want {
		t.Errorf("of a base: %s, want %s", got, want)
	}
	inBase := map[string]string{}
	for path, text := range payload {
		inBase["mono/part/"+path] = text
	}
	for _, path := range []string{".openpackage/x/y", "packages/p/z.md"} { // these are dropped at the root alone
		inBase["mono/part/"+path] = "dropped\n"
	}
	if got, want := run("sh", "-c", recipe, "sh", "HEAD"), listing(inBase); got != want {
		t.Errorf("of the root: %s, want %s", got, want)
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

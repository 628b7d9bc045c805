package main

import (
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	gogit "github.com/go-git/go-git/v5"

	"github.com/openpackage/opkg/internal/gitserver"
)

// BenchmarkGitSync compares a sync of a git registry of 500 packages and 20 MB, over HTTP on this machine, with what people do without opkg: a
// shallow clone and a copy. Cold is an empty OPKG_HOME; warm has everything; relinked has the store alone.
//
//	go test ./cmd/opkg -run '^$' -bench GitSync -benchtime 3x
func BenchmarkGitSync(b *testing.B) {
	top := b.TempDir()
	ws := gitBenchmark(b, top)
	s, err := gitserver.Start(filepath.Join(top, "repos"), gitserver.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	write(b, filepath.Join(ws, ".openpackage", "config.yml"), "registries:\n  team: git:"+s.URL+"/reg\n")
	b.Setenv("CI", "")
	b.Setenv("GIT_CONFIG_NOSYSTEM", "1")
	home := func() string {
		dir := filepath.Join(b.TempDir(), "home")
		b.Setenv("HOME", filepath.Dir(dir))
		b.Setenv("OPKG_HOME", dir)
		return dir
	}
	opkg := func(b *testing.B, args ...string) {
		if status := run(b.Context(), append([]string{"-C", ws, "-q"}, args...), strings.NewReader(""), io.Discard, os.Stderr); status != 0 {
			b.Fatalf("opkg %q: status %d", args, status)
		}
	}
	home()
	opkg(b, "lock")
	for _, engine := range []string{"git", "go-git"} {
		b.Run("cold/"+engine, func(b *testing.B) {
			b.Setenv("OPKG_GIT", engine)
			for b.Loop() {
				home()
				opkg(b, "sync", "--locked")
			}
		})
	}
	dir := home()
	opkg(b, "sync", "--locked")
	b.Run("warm", func(b *testing.B) {
		for b.Loop() {
			opkg(b, "sync", "--locked")
		}
	})
	b.Run("relinked", func(b *testing.B) {
		for b.Loop() {
			if err := os.RemoveAll(filepath.Join(dir, "registry")); err != nil {
				b.Fatal(err)
			}
			opkg(b, "sync", "--locked")
		}
	})
	copied := func(b *testing.B, from string) {
		if err := os.CopyFS(filepath.Join(b.TempDir(), "registry"), os.DirFS(filepath.Join(from, "packages"))); err != nil {
			b.Fatal(err)
		}
	}
	b.Run("clone and copy/git", func(b *testing.B) {
		for b.Loop() {
			to := filepath.Join(b.TempDir(), "clone")
			if out, err := exec.Command("git", "clone", "-q", "--depth=1", s.URL+"/reg", to).CombinedOutput(); err != nil {
				b.Fatalf("%v\n%s", err, out)
			}
			copied(b, to)
		}
	})
	b.Run("clone and copy/go-git", func(b *testing.B) {
		for b.Loop() {
			to := filepath.Join(b.TempDir(), "clone")
			if _, err := gogit.PlainClone(to, false, &gogit.CloneOptions{URL: s.URL + "/reg", Depth: 1}); err != nil {
				b.Fatal(err)
			}
			copied(b, to)
		}
	})
}

// gitBenchmark makes the registry and a workspace that asks for all of it.
func gitBenchmark(b *testing.B, top string) (ws string) {
	repo := filepath.Join(top, "repos", "reg")
	random := rand.New(rand.NewPCG(1, 2))
	var index, wanted strings.Builder
	index.WriteString("packages:\n")
	wanted.WriteString("name: ws\ndependencies:\n")
	for i := range 500 {
		name := fmt.Sprintf("p%03d", i)
		fmt.Fprintf(&index, "  %s: {versions: [1.0.0]}\n", name)
		fmt.Fprintf(&wanted, "  - name: %s\n", name)
		dir := filepath.Join(repo, "packages", name, "1.0.0")
		write(b, filepath.Join(dir, "openpackage.yml"), "name: "+name+"\nversion: 1.0.0\n")
		for _, file := range []string{"rules/a.md", "rules/b.md", "commands/c.md", "README.md"} {
			var text strings.Builder
			for text.Len() < 10_000 {
				fmt.Fprintf(&text, "%x ", random.Uint32())
			}
			write(b, filepath.Join(dir, filepath.FromSlash(file)), text.String())
		}
	}
	write(b, filepath.Join(repo, "index.yml"), index.String())
	for _, args := range [][]string{{"init", "-q", "-b", "main"}, {"config", "uploadpack.allowFilter", "true"}, {"add", "."}, {"-c", "user.name=a", "-c", "user.email=a@test", "commit", "-q", "-m", "all"}, {"gc", "-q"}} {
		if out, err := exec.Command("git", append([]string{"-C", repo}, args...)...).CombinedOutput(); err != nil {
			b.Fatalf("git %q: %v\n%s", args, err, out)
		}
	}
	ws = filepath.Join(top, "ws")
	write(b, filepath.Join(ws, "openpackage.yml"), wanted.String())
	return ws
}

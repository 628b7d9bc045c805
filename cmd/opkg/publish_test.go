package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/openpackage/opkg/internal/archive"
	"github.com/openpackage/opkg/internal/ops"
	"github.com/openpackage/opkg/registry"
)

// source writes a package to publish.
func source(t testing.TB, dir, name, version string) string {
	t.Helper()
	dir = filepath.Join(dir, name+"-"+version)
	for path, text := range map[string]string{
		"openpackage.yml": fmt.Sprintf("name: %s\nversion: %s\ndescription: A package\n", name, version),
		"rules/a.md":      strings.Repeat("rule of "+name+" "+version+"\n", 20),
		"run.sh":          "#!/bin/sh\n",
	} {
		file := filepath.Join(dir, filepath.FromSlash(path))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestPublishersLoseNothing publishes to one registry of each kind from several processes at once, each with a home of its own: versions of
// one package, other packages, and one version by two publishers.
func TestPublishersLoseNothing(t *testing.T) {
	const publishers = 5
	for _, kind := range []string{"directory", "git"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			top := t.TempDir()
			registry := filepath.Join(top, "registry")
			first := newMachine(t, "file:"+registry, "name: ws\n")
			if kind == "git" {
				if _, err := exec.LookPath("git"); err != nil {
					if os.Getenv("OPKG_REQUIRE") != "" {
						t.Fatal(err)
					}
					t.Skip(err)
				}
				first.must(t, "registry", "init", "--git", registry)
			} else {
				first.must(t, "registry", "init", registry)
			}
			var wg sync.WaitGroup
			run := func(dir string) {
				m := newMachine(t, "file:"+registry, "name: ws\n")
				wg.Go(func() {
					if out, err := m.opkg(t, "publish", dir, "--to", registry).CombinedOutput(); err != nil {
						t.Errorf("publish %s: %v\n%s", filepath.Base(dir), err, out)
					}
				})
			}
			for i := range publishers {
				run(source(t, top, "shared", fmt.Sprintf("1.%d.0", i)))
				run(source(t, top, fmt.Sprintf("own%d", i), "1.0.0"))
			}
			same := source(t, top, "same", "1.0.0")
			run(same)
			run(same)
			wg.Wait()
			want := fmt.Sprintf("%d packages, %d versions: 0 errors, 0 warnings", publishers+2, 2*publishers+1)
			if out := first.must(t, "registry", "check", registry); !strings.Contains(out, want) {
				t.Errorf("registry check: %s, want %s", out, want)
			}
		})
	}
}

// TestKilledPublish kills publish and yank at their n-th operation on the disk: what is visible is a whole registry, with the version or
// without it, and the next run completes without help.
func TestKilledPublish(t *testing.T) {
	if err := canTrace(); err != nil {
		t.Skip(err)
	}
	if testing.Short() {
		t.Skip("runs opkg many times")
	}
	for _, scene := range []struct {
		name string
		args []string
	}{
		{"first version", []string{"publish", "../sources/tool-1.0.0", "--to", "../reg"}},
		{"next version", []string{"publish", "../sources/base-1.1.0", "--to", "../reg"}},
		{"yank", []string{"yank", "base@1.0.0", "--to", "../reg", "--reason", "broken"}},
		{"index", []string{"registry", "index", "../reg"}},
		{"mirror", []string{"registry", "mirror", "../reg", "../copy"}},
	} {
		t.Run(scene.name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t)
			reg := filepath.Join(s.live, "reg")
			for _, p := range []string{"base 1.0.0", "base 1.1.0", "tool 1.0.0"} {
				name, version, _ := strings.Cut(p, " ")
				source(t, filepath.Join(s.live, "sources"), name, version)
			}
			s.must(t, "registry", "init", reg)
			s.must(t, "publish", filepath.Join(s.live, "sources", "base-1.0.0"), "--to", reg)
			if scene.name == "index" {
				if err := os.Remove(filepath.Join(reg, "packages", "base", "index.json")); err != nil {
					t.Fatal(err)
				}
			} else {
				s.must(t, "registry", "index", reg) // a bundle is kept current
			}
			s.keep(t)
			stride, kills := 5, 0
			if nightly() {
				stride = 1
			}
			for n := 1; ; n += stride {
				s.reset(t)
				rep, out := s.trace(t, fmt.Sprintf("kill:%d", n), scene.args)
				if rep.Op == "" {
					if rep.Status != 0 || kills == 0 {
						t.Errorf("status %d after %d operations\n%s", rep.Status, rep.Count, out)
					}
					return
				}
				kills++
				check := func() string { return s.must(t, "registry", "check", reg) } // errors are fatal; an archive that no index names yet is a warning
				check()
				if _, err := os.Stat(filepath.Join(s.live, "copy", "packages")); err == nil {
					s.must(t, "registry", "check", filepath.Join(s.live, "copy"))
				}
				s.must(t, scene.args...)
				if out := check(); !strings.Contains(out, ": 0 errors, 0 warnings") {
					t.Fatalf("killed at operation %d (%s %s), then run again: %s", n, rep.Op, rep.Path, out)
				}
				if _, err := os.Stat(filepath.Join(reg, registry.BundlePath)); err != nil {
					t.Fatalf("killed at operation %d (%s %s), then run again: %v", n, rep.Op, rep.Path, err)
				}
			}
		})
	}
}

// TestIncrement holds that an index reads what is new alone, among 1,000 packages.
func TestIncrement(t *testing.T) {
	dir := largeRegistry(t, 1000)
	w := &ops.World{Dir: dir, Now: time.Now}
	first, err := w.IndexRegistry(t.Context(), dir)
	if err != nil || first.Read != 1000 || len(first.Written) != 1000 {
		t.Fatalf("%+v, %v", first.Read, err)
	}
	old := time.Now().Add(-time.Hour)
	for i := range 1000 {
		if err := os.Chtimes(filepath.Join(dir, "packages", fmt.Sprintf("p%04d", i), "index.json"), old, old); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.IndexRegistry(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	addArchive(t, dir, "p0500", "1.1.0")
	more, err := w.IndexRegistry(t.Context(), dir)
	if err != nil || more.Read != 1 || len(more.Written) != 1 || more.Versions != 1001 {
		t.Errorf("read %d, wrote %v, %d versions, %v", more.Read, more.Written, more.Versions, err)
	}
}

// largeRegistry is a registry of n packages with archives an hour old, not indexed.
func largeRegistry(t testing.TB, n int) string {
	t.Helper()
	dir := t.TempDir()
	for i := range n {
		addArchive(t, dir, fmt.Sprintf("p%04d", i), "1.0.0")
	}
	return dir
}

func addArchive(t testing.TB, dir, name, version string) {
	t.Helper()
	tgz, err := packed([]archive.File{
		{Path: "openpackage.yml", Data: []byte("name: " + name + "\nversion: " + version + "\n")},
		{Path: "rules/a.md", Data: []byte(strings.Repeat("A rule of some length.\n", 200))},
	})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "packages", name, version+".tgz")
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, tgz, 0o644); err != nil {
		t.Fatal(err)
	}
	old := time.Now().Add(-time.Hour)
	if err := os.Chtimes(file, old, old); err != nil {
		t.Fatal(err)
	}
}

// BenchmarkIndex measures the index of 1,000 packages: the first one, one that finds nothing, and one after one more version.
func BenchmarkIndex(b *testing.B) {
	w := &ops.World{Now: time.Now}
	run := func(b *testing.B, dir string) {
		b.Helper()
		if _, err := w.IndexRegistry(b.Context(), dir); err != nil {
			b.Fatal(err)
		}
	}
	settled := func(b *testing.B) string {
		dir := largeRegistry(b, 1000)
		run(b, dir)
		old := time.Now().Add(-time.Hour)
		for i := range 1000 {
			_ = os.Chtimes(filepath.Join(dir, "packages", fmt.Sprintf("p%04d", i), "index.json"), old, old)
		}
		run(b, dir)
		return dir
	}
	b.Run("first", func(b *testing.B) {
		for b.Loop() {
			b.StopTimer()
			dir := largeRegistry(b, 1000)
			b.StartTimer()
			run(b, dir)
		}
	})
	b.Run("unchanged", func(b *testing.B) {
		dir := settled(b)
		for b.Loop() {
			run(b, dir)
		}
	})
	b.Run("one more", func(b *testing.B) {
		dir := settled(b)
		for i := 1; b.Loop(); i++ {
			b.StopTimer()
			addArchive(b, dir, "p0500", fmt.Sprintf("1.%d.0", i))
			b.StartTimer()
			run(b, dir)
		}
	})
}

// BenchmarkPublish measures publishing one more version to a registry of 1,000 packages.
func BenchmarkPublish(b *testing.B) {
	dir := largeRegistry(b, 1000)
	w := &ops.World{Dir: dir, OPKGHome: b.TempDir(), Now: time.Now, Env: func(string) string { return "" }}
	if _, err := w.IndexRegistry(b.Context(), dir); err != nil {
		b.Fatal(err)
	}
	top := b.TempDir()
	for i := 1; b.Loop(); i++ {
		b.StopTimer()
		src := source(b, top, "p0500", fmt.Sprintf("1.%d.0", i))
		b.StartTimer()
		if _, err := w.Publish(b.Context(), ops.PublishOptions{Source: src, To: dir}); err != nil {
			b.Fatal(err)
		}
	}
}

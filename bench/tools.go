package main

import (
	"context"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// opkgArgs are the commands of opkg, by case.
var opkgArgs = map[string]string{
	"cold": "sync --frozen -q", "warm": "sync --frozen -q", "noop": "sync --frozen -q", "resolve": "lock -q",
	"verify": "verify -q", "gc": "gc -q", "remove": "gc -q --grace 0s", "version": "--version",
}

// fileList is a file of the project that lists all installed files, each with a NUL behind it.
const fileList = "files"

// toolsBeside lists the plain tools that some cases are held against. Each has an installation of opkg's of its own, and looks at, reads or removes that.
func toolsBeside(c config, opkg *subject) (tools []*subject) {
	processors := runtime.GOMAXPROCS(0)
	for _, t := range []struct{ name, of, program, args string }{
		// One process for each processor: b3sum alone uses several for large files only.
		{"b3sum", "verify", "xargs", fmt.Sprintf("-0 -a %s -n 2000 -P %d b3sum --num-threads 1", fileList, processors)},
		{"find", "gc", "find", "../home/.openpackage/store -printf %s,%T@,%p\\n"},
		{"rm", "remove", "rm", "-rf ../home/.openpackage/store ../home/.openpackage/registry"},
	} {
		if !slices.Contains(c.cases, t.of) {
			continue
		}
		for _, program := range []string{t.program, t.name} {
			if _, err := exec.LookPath(program); err != nil {
				fmt.Fprintf(os.Stderr, "bench: %s is not installed\n", program)
				t.of = ""
			}
		}
		if t.of == "" {
			continue
		}
		s := *opkg
		s.name, s.cases, s.args, s.tools, s.lists = t.name, []string{t.of}, maps.Clone(opkg.args), map[string]string{t.of: t.program}, t.of == "verify"
		s.args[t.of] = t.args
		tools = append(tools, &s)
	}
	if slices.Contains(c.cases, "version") {
		tools = append(tools, &subject{name: "hello", cases: []string{"version"}, program: filepath.Join(c.work, "hello"), args: map[string]string{"version": ""}})
	}
	if c.asset > 0 {
		s := *opkg
		s.name, s.cases, s.copies = "opkg asset", []string{"cold", "resolve"}, nil
		s.files = maps.Clone(opkg.files)
		s.files["openpackage.yml"] = "name: bench\ndependencies:\n  - name: " + assetName + "\n    version: ^1.0.0\n"
		tools = append(tools, &s)
	}
	return tools
}

// helloSource is the least that a Go program costs.
const helloSource = "package main\n\nimport \"os\"\n\nfunc main() { os.Stdout.WriteString(\"hello\\n\") }\n"

// buildHello builds it in the scratch directory.
func buildHello(ctx context.Context, work string) error {
	source := filepath.Join(work, "hello.go")
	if err := write(source, []byte(helloSource)); err != nil {
		return err
	}
	return goBuild(ctx, filepath.Join(work, "hello"), source)
}

// goBuild builds a program as README says, without cgo.
func goBuild(ctx context.Context, file, source string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-o", file, source)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s: %w\n%s", source, err, out)
	}
	return nil
}

// starts is how often a program is started for one sample of how long that takes.
const starts = 20

// start measures how long one start takes.
func (s *subject) start(ctx context.Context, c config) (mean sample, err error) {
	if err := os.MkdirAll(s.path(""), 0o755); err != nil {
		return mean, err
	}
	for range starts {
		got, err := s.run(ctx, c, "version")
		if err != nil {
			return mean, err
		}
		mean.wall, mean.cpu, mean.peak = mean.wall+got.wall/starts, mean.cpu+got.cpu/starts, max(mean.peak, got.peak)
	}
	return mean, nil
}

// list writes the file list.
func (s *subject) list() error {
	var b strings.Builder
	err := filepath.WalkDir(s.path(s.target[0]), func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			b.WriteString(path + "\x00")
		}
		return err
	})
	if err != nil {
		return err
	}
	return write(s.path(fileList), []byte(b.String()))
}

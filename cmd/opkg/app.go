package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/term"

	"github.com/openpackage/opkg/internal/ops"
	"github.com/openpackage/opkg/sources"
)

// app is one invocation: where it reads and writes, and the global flags.
type app struct {
	stdin  io.Reader
	stdout io.Writer
	out    *output // what stdout is, with the first error of writing
	stderr io.Writer
	start  time.Time

	dir        string
	offline    bool
	json       bool
	quiet      bool
	verbose    bool
	noProgress bool
	color      string

	progress *progress
	traffic  traffic
}

func newApp(stdin io.Reader, stdout, stderr io.Writer) *app {
	out := &output{w: stdout}
	a := &app{stdin: stdin, stdout: out, out: out, start: time.Now()}
	a.progress = &progress{w: stderr, width: a.progressWidth, now: time.Now, started: a.start}
	a.stderr = a.progress
	out.before = a.progress.clear // stdout and stderr may be one terminal
	return a
}

// output remembers the first error of writing, so that a full disk does not look like success.
type output struct {
	w      io.Writer
	before func() // is called before each write
	err    error
}

func (o *output) Write(p []byte) (int, error) {
	o.before()
	n, err := o.w.Write(p)
	if o.err == nil {
		o.err = err
	}
	return n, err
}

// world gathers what an operation may know of the machine. Nothing below cmd/opkg reads the environment.
func (a *app) world() (*ops.World, error) {
	cwd, err := os.Getwd()
	if err != nil {
		return nil, fmt.Errorf("find the current directory: %w", err)
	}
	dir := cwd
	if a.dir != "" {
		dir = a.dir
		if !filepath.IsAbs(dir) {
			dir = filepath.Join(cwd, dir)
		}
		fi, err := os.Stat(dir)
		if err != nil {
			return nil, usagef("-C %s: %v", a.dir, errors.Unwrap(err))
		}
		if !fi.IsDir() {
			return nil, usagef("-C %s: it is not a directory", a.dir)
		}
	}
	home, err := homeDir()
	if err != nil {
		return nil, err
	}
	opkgHome := os.Getenv("OPKG_HOME")
	switch {
	case opkgHome == "" && home == "":
		return nil, sources.WithHint(errors.New("there is no home directory"), "set HOME, or OPKG_HOME to a directory for opkg's files")
	case opkgHome == "":
		opkgHome = filepath.Join(home, ".openpackage")
	case !filepath.IsAbs(opkgHome):
		return nil, usagef("OPKG_HOME is %q, not an absolute path", opkgHome)
	}
	return &ops.World{
		Dir:      filepath.Clean(dir),
		Home:     home,
		OPKGHome: filepath.Clean(opkgHome),
		Env:      os.Getenv,
		Environ:  os.Environ(),
		CI:       isCI(os.Getenv("CI")),
		Offline:  a.offline,
		Observer: a.observe,
		Now:      time.Now,
		Agent:    "opkg/" + version(),
	}, nil
}

// homeDir is the user's home directory, "" where there is none.
func homeDir() (string, error) {
	home, err := os.UserHomeDir()
	switch {
	case err != nil:
		return "", nil
	case !filepath.IsAbs(home):
		return "", usagef("the home directory is %q, not an absolute path", home)
	}
	return filepath.Clean(home), nil
}

// isCI reads the variable that all CI systems set; "false" and "0" are how people switch it off.
func isCI(v string) bool { return v != "" && !strings.EqualFold(v, "false") && v != "0" }

// home shortens a path below the user's home directory.
func (a *app) home(path string) string {
	home, err := homeDir()
	if err != nil || home == "" {
		return path
	}
	if rel, ok := strings.CutPrefix(path, home+string(filepath.Separator)); ok {
		return "~" + string(filepath.Separator) + rel
	}
	return path
}

// near shortens a path below the current directory, or else as home does: for people.
func (a *app) near(path string) string { return a.home(below(path)) }

// below shortens a path below the current directory. It still leads there.
func below(path string) string {
	if cwd, err := os.Getwd(); err == nil {
		if rel, err := filepath.Rel(cwd, path); err == nil && filepath.IsLocal(rel) {
			return rel
		}
	}
	return path
}

// terminal reports whether w is a terminal, and its width in columns.
func terminal(w io.Writer) (width int, ok bool) {
	switch inner := w.(type) {
	case *output:
		w = inner.w
	case *progress:
		w = inner.w
	}
	f, isFile := w.(*os.File)
	if !isFile || !term.IsTerminal(int(f.Fd())) {
		return 0, false
	}
	const usual = 80 // where a terminal does not know
	width, _, err := term.GetSize(int(f.Fd()))
	return cmp.Or(width, usual), err == nil
}

// note prints one line for people, unless -q. Names of files may be anybody's: what could drive a terminal is escaped.
func (a *app) note(format string, args ...any) {
	if a.quiet {
		return
	}
	fmt.Fprintln(a.stderr, message(fmt.Sprintf(format, args...)))
}

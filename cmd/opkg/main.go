// Command opkg installs coding-agent configuration from registries that a team hosts itself, reproducibly.
package main

import (
	"context"
	"errors"
	"io"
	"log"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	log.SetOutput(io.Discard) // net/http writes what servers send there
	os.Exit(run(untilInterrupted(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// untilInterrupted ends with the first interrupt, so that the work ends in order; the second ends opkg at once.
func untilInterrupted() context.Context {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	return ctx
}

// run is one invocation of opkg; it returns the exit status.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	a := newApp(stdin, stdout, stderr)
	cmd := newRoot(a)
	cmd.SetArgs(args)
	a.json = asksForJSON(args)
	used, err := cmd.ExecuteContextC(ctx)
	if wrong := (*usageError)(nil); errors.As(err, &wrong) && wrong.hint == "" {
		wrong.hint = used.CommandPath() + " --help shows how it is used"
	}
	a.progress.finish()
	if text := a.traffic.summary(); text != "" && a.verbose {
		a.note("opkg: %s", text)
	}
	if err != nil && ctx.Err() != nil {
		err = errInterrupted
	}
	return a.report(err)
}

// asksForJSON looks for --json, so that arguments that cannot be parsed are reported as JSON too.
func asksForJSON(args []string) bool {
	for _, arg := range args {
		switch arg {
		case "--json":
			return true
		case "--":
			return false
		}
	}
	return false
}

package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/openpackage/opkg/internal/auth"
)

func loginCmd(a *app) *cobra.Command {
	var tokenStdin, passwordStdin bool
	var username string
	cmd := &cobra.Command{
		Use:   "login REGISTRY",
		Short: "save credentials for a registry",
		Long: `Login saves a token, or a user name and password, in credentials.yml (readable by you alone). They are sent to
that registry's scheme, host and port, and to nowhere else.

REGISTRY is an alias of config.yml, or a URL.`,
		Args: args(1, 1, "one registry"),
		RunE: func(cmd *cobra.Command, given []string) error {
			w, err := a.world()
			if err != nil {
				return err
			}
			o, err := w.LoginTarget(given[0])
			if err != nil {
				return err
			}
			if !auth.Secure(o) {
				return &usageError{msg: fmt.Sprintf("%s is plain http, over which no credentials are sent to another machine", o), hint: "use https"}
			}
			if tokenStdin && (passwordStdin || username != "") {
				return usagef("--token-stdin goes without --username and --password-stdin")
			}
			if passwordStdin && username == "" {
				return usagef("--password-stdin needs --username")
			}
			e := auth.Entry{Username: username}
			what := "token"
			if username != "" {
				what = "password"
			}
			secret, err := a.readSecret(cmd.Context(), fmt.Sprintf("%s for %s", what, o), tokenStdin || passwordStdin)
			if err != nil {
				return err
			}
			if username == "" {
				e.Token = auth.NewSecret(secret)
			} else {
				e.Password = auth.NewSecret(secret)
			}
			if err := w.Login(cmd.Context(), o, e); err != nil {
				return err
			}
			return a.done(map[string]string{"origin": string(o)}, "saved the %s for %s in %s", what, o, a.home(w.CredentialsFile()))
		},
	}
	f := cmd.Flags()
	f.BoolVar(&tokenStdin, "token-stdin", false, "read the token from standard input")
	f.StringVar(&username, "username", "", "log in as `USER`, with a password in place of a token")
	f.BoolVar(&passwordStdin, "password-stdin", false, "read the password from standard input")
	return cmd
}

// readSecret reads one line from standard input: unseen from a terminal, as it is from a pipe that was asked for.
func (a *app) readSecret(ctx context.Context, prompt string, piped bool) (string, error) {
	if piped {
		line, err := bufio.NewReader(io.LimitReader(a.stdin, 64<<10)).ReadString('\n')
		if err != nil && err != io.EOF {
			return "", err
		}
		if line = strings.TrimSpace(line); line == "" {
			return "", usagef("standard input is empty")
		}
		return line, nil
	}
	f, ok := a.stdin.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return "", &usageError{msg: "there is no terminal to ask at", hint: "pass the secret with --token-stdin, or --username USER --password-stdin"}
	}
	fmt.Fprintf(a.stderr, "%s (not shown): ", prompt)
	data, err := readPassword(ctx, int(f.Fd()))
	fmt.Fprintln(a.stderr)
	if err != nil {
		return "", err
	}
	secret := strings.TrimSpace(string(data))
	if secret == "" {
		return "", usagef("nothing was entered")
	}
	return secret, nil
}

// readPassword reads a line unseen. An interrupt ends it, and the terminal shows again what is typed.
func readPassword(ctx context.Context, fd int) ([]byte, error) {
	state, err := term.GetState(fd)
	if err != nil {
		return nil, err
	}
	type answer struct {
		data []byte
		err  error
	}
	read := make(chan answer, 1)
	go func() { // a read from a terminal ends with the process at the latest
		data, err := term.ReadPassword(fd)
		read <- answer{data, err}
	}()
	select {
	case got := <-read:
		return got.data, got.err
	case <-ctx.Done():
		_ = term.Restore(fd, state)
		return nil, ctx.Err()
	}
}

func logoutCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "logout REGISTRY",
		Short: "forget saved credentials",
		Args:  args(1, 1, "one registry"),
		RunE: func(cmd *cobra.Command, given []string) error {
			w, err := a.world()
			if err != nil {
				return err
			}
			o, err := w.LoginTarget(given[0])
			if err != nil {
				return err
			}
			had, err := w.Logout(cmd.Context(), o)
			if err != nil {
				return err
			}
			out := map[string]any{"origin": string(o), "removed": had}
			if !had {
				return a.done(out, "nothing is saved for %s", o)
			}
			return a.done(out, "forgot what was saved for %s", o)
		},
	}
}

// done ends a command that has but one thing to say.
func (a *app) done(doc any, format string, args ...any) error {
	if a.json {
		a.printJSON(doc)
		return nil
	}
	a.note(format, args...)
	return nil
}

package git

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/openpackage/opkg/ident"
	"github.com/openpackage/opkg/internal/auth"
	"github.com/openpackage/opkg/internal/origin"
	"github.com/openpackage/opkg/sources"
)

// lastWords are the line of git's complaints that says most, without what a terminal would obey.
func lastWords(stderr string, err error) string {
	best := ""
	for line := range strings.Lines(stderr) {
		line = strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, "fatal: "), strings.HasPrefix(line, "ERROR: "), strings.HasPrefix(line, "remote: ") && best == "", best == "":
			if !strings.Contains(line, "Could not read from remote repository") || best == "" {
				best = line
			}
		}
	}
	if best == "" {
		return err.Error()
	}
	const most = 300
	best = withoutUser(strings.TrimPrefix(best, "fatal: "))
	if len(best) > most {
		best = best[:most] + "…"
	}
	return ident.CleanText(best)
}

// withoutUser takes user and password out of URLs: the user's own configuration may put them there.
func withoutUser(s string) string {
	var b strings.Builder
	for {
		before, after, ok := strings.Cut(s, "://")
		b.WriteString(before)
		if !ok {
			return b.String()
		}
		b.WriteString("://")
		end := strings.IndexAny(after, "/ '\"")
		if end < 0 {
			end = len(after)
		}
		if at := strings.LastIndexByte(after[:end], '@'); at >= 0 {
			b.WriteString("…")
			after = after[at:]
		}
		s = after
	}
}

// says reports whether an engine complains of any of these.
func says(err error, phrases ...string) bool {
	text := err.Error()
	if e := (*runError)(nil); errors.As(err, &e) {
		text = e.stderr
	}
	text = strings.ToLower(text)
	for _, p := range phrases {
		if strings.Contains(text, strings.ToLower(p)) {
			return true
		}
	}
	return false
}

// refusesCommit reports whether the server answered, and does not give an object by its name.
func refusesCommit(err error) bool {
	return says(err, "not our ref", "unadvertised object", "does not allow request", "shallow capabilities", "no such remote ref", "couldn't find remote ref",
		"bad object", "did not send all necessary objects", "dumb http", "does not support --depth", "does not support shallow")
}

// explain puts an error of an engine into the words of package sources. id is the source.
func (m *mirror) explain(err error) error {
	id := ident.SourceID(m.url)
	hint := func(text string) error {
		return &sources.UnavailableError{Source: id, Err: sources.WithHint(err, text)}
	}
	switch {
	case err == nil, errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case as[*sources.UnavailableError](err), as[*sources.NotAllowedError](err), as[*sources.NotFoundError](err), as[*auth.Error](err):
		return err
	case says(err, "could not read username", "could not read password", "authentication failed", "terminal prompts disabled", "error: 401", "authentication required"):
		return m.refused(401, err)
	case says(err, "error: 403", "authorization failed"):
		return m.refused(403, err)
	case says(err, "error: 404", "repository not found", "' not found", "does not appear to be a git repository", "not a git repository"):
		return hint("check the URL; many hosts say this too of a repository that your credentials do not show you")
	case says(err, "host key verification failed", "knownhosts:", "key is unknown"):
		return hint("the ssh host is not in your known_hosts, or its key is another one: connect to it once with ssh and compare the key")
	case says(err, "permission denied (", "unable to authenticate"):
		return hint("the ssh server takes none of your keys: load one into your ssh agent, or set it up in ~/.ssh/config")
	case says(err, "error: 301", "error: 302", "error: 307", "error: 308"):
		return hint("the server points elsewhere, and credentials do not follow: ask where to, and name that place")
	case says(err, "dubious ownership"):
		return hint("the directory belongs to somebody else: git config --global --add safe.directory DIRECTORY says that you trust it")
	}
	return &sources.UnavailableError{Source: id, Err: err}
}

// refused is a server that wants other credentials, or any.
func (m *mirror) refused(status int, err error) error {
	o, parseErr := origin.Parse(m.remote.url)
	if parseErr != nil {
		return &sources.UnavailableError{Source: ident.SourceID(m.url), Err: err}
	}
	return m.creds.Refused(o, m.url, status)
}

func as[T error](err error) bool {
	var t T
	return errors.As(err, &t)
}

// goneError is a commit that a lock names and the server does not give.
type goneError struct {
	commit string
	from   string
}

func (e *goneError) Error() string {
	return fmt.Sprintf("%s does not have commit %s any more", e.from, e.commit)
}

// Hint says what to do.
func (e *goneError) Hint() string {
	return "its history was rewritten: ask its owner to bring the commit back (a tag keeps it), or run opkg lock --upgrade for what is there now"
}

package git

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/openpackage/opkg/ident"
	"github.com/openpackage/opkg/internal/archive"
	"github.com/openpackage/opkg/registry"
)

// edit is how a registry is to become another.
type edit struct {
	message string
	index   *registry.GitIndex
	dir     string          // of the version that is added; "" for none
	files   archive.Payload // of dir
}

// pushedRef keeps a commit that is on its way.
const pushedRef = "refs/opkg-push/head"

// commit makes a commit on parent, or a first one for parent "", and returns its id. Paths of e are below prefix.
func (s *system) commit(ctx context.Context, dir, parent, prefix string, e *edit, now time.Time) (string, error) {
	who := s.identity(ctx, dir)
	stream, feed := io.Pipe()
	written := make(chan struct{})
	go func() {
		defer close(written)
		feed.CloseWithError(e.write(ctx, feed, parent, prefix, fmt.Sprintf("%s %d +0000", who, now.Unix())))
	}()
	defer func() {
		stream.Close() // which ends the writing, should git have ended first
		<-written
	}()
	out, err := s.run(ctx, s.command(ctx, remote{}, dir, "fast-import", "--quiet", "--force", "--done", "--date-format=raw"), stream)
	if err != nil {
		return "", err
	}
	id := strings.TrimSpace(string(out))
	if !isID(id) {
		return "", fmt.Errorf("git fast-import says %q, not the id of a commit", id)
	}
	return id, nil
}

// write is the edit in the language of git fast-import. Paths need no quotes: archive.CheckPath allows none that would.
func (e *edit) write(ctx context.Context, w io.Writer, parent, prefix, who string) error {
	var b bytes.Buffer
	fmt.Fprintf(&b, "commit %s\nmark :1\nauthor %s\ncommitter %s\ndata %d\n%s\n", pushedRef, who, who, len(e.message)+1, e.message)
	if parent != "" {
		fmt.Fprintf(&b, "\nfrom %s\n", parent)
	}
	text := e.index.Format()
	fmt.Fprintf(&b, "M 100644 inline %s\ndata %d\n%s\n", prefix+indexFile, len(text), text)
	if _, err := w.Write(b.Bytes()); err != nil {
		return err
	}
	if e.dir != "" {
		err := e.files.Each(ctx, func(f archive.File, r io.Reader) error {
			mode := modeFile
			if f.Exec {
				mode = modeExec
			}
			if _, err := fmt.Fprintf(w, "M %s inline %s\ndata %d\n", mode, prefix+e.dir+"/"+f.Path, f.Size); err != nil {
				return err
			}
			if _, err := io.CopyN(w, r, f.Size); err != nil {
				return err
			}
			_, err := io.WriteString(w, "\n")
			return err
		})
		if err != nil {
			return err
		}
	}
	_, err := io.WriteString(w, "get-mark :1\ndone\n")
	return err
}

// identity is who commits, as the user's environment or configuration of git says, "Name <address>".
func (s *system) identity(ctx context.Context, dir string) string {
	cmd := s.command(ctx, remote{}, dir, "-c", "user.useConfigOnly=true", "var", "GIT_COMMITTER_IDENT")
	for _, name := range []string{"GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL", "EMAIL"} {
		if v := lookup(s.environ, name); v != "" {
			cmd.Env = append(cmd.Env, name+"="+v)
		}
	}
	out, err := s.run(ctx, cmd, nil)
	who, _, ok := strings.Cut(strings.TrimSpace(string(out)), "> ")
	if err != nil || !ok || strings.ContainsAny(who, "\n\x00") {
		return "opkg <opkg@localhost>"
	}
	return who + ">"
}

// push moves the branch ref of the remote from the commit's parent to the commit. Nothing is forced: a branch that is elsewhere stays there.
func (s *system) push(ctx context.Context, r remote, dir, commit, ref string) error {
	cmd := s.command(ctx, r, dir, "-c", "push.followTags=false", "-c", "push.gpgSign=false", "push", "--no-verify", "--no-thin", "--recurse-submodules=no", "--", remoteName, commit+":"+ref)
	_, err := s.run(ctx, cmd, nil)
	return err
}

// InitBare makes an empty bare repository in a directory, with main as its branch.
func (h *Host) InitBare(ctx context.Context, dir string) error {
	git, ok := h.choose(ctx).(*system)
	if !ok {
		return &PushError{Registry: ident.SourceID(dir), Reason: "a repository is made with git, and there is none", HintText: "install git"}
	}
	_, err := git.run(ctx, git.command(ctx, remote{}, dir, "init", "-q", "--bare", "--initial-branch=main"), nil)
	return err
}

package git

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/openpackage/opkg/config"
	"github.com/openpackage/opkg/ident"
	"github.com/openpackage/opkg/internal/archive"
	"github.com/openpackage/opkg/internal/auth"
	"github.com/openpackage/opkg/registry"
	"github.com/openpackage/opkg/sources"
)

// payloadOf is a package to publish.
func payloadOf(t testing.TB, name, version, text string) archive.Payload {
	t.Helper()
	content := map[string]string{
		archive.Manifest: fmt.Sprintf("name: %s\nversion: %s\n", name, version),
		"rules/a.md":     text,
		"run.sh":         "#!/bin/sh\n",
	}
	files := archive.Files{List: []archive.File{{Path: archive.Manifest}, {Path: "rules/a.md"}, {Path: "run.sh", Exec: true}}}
	for i := range files.List {
		files.List[i].Size = int64(len(content[files.List[i].Path]))
	}
	files.Read = func(_ context.Context, list []archive.File, f func(archive.File, io.Reader) error) error {
		for _, file := range list {
			if err := f(file, strings.NewReader(content[file.Path])); err != nil {
				return err
			}
		}
		return nil
	}
	p, err := archive.Collect(t.Context(), name, files)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func (h *harness) publisher(name string, change ...func(*Options)) *Publisher {
	h.Helper()
	p, err := h.host(change...).Publisher(config.Registry{Source: ident.SourceID("git:" + h.url(name)), Dir: h.dir(name)}, time.Now, false)
	if err != nil {
		h.Fatal(err)
	}
	return p
}

// dir is the absolute path of a repository that is reached by its path, "" for others.
func (h *harness) dir(name string) string {
	if url := h.url(name); filepath.IsAbs(url) {
		return url
	}
	return ""
}

// Publishers with caches of their own, shallow ones, take turns and meet: nothing is lost, and what is read is what was published.
func TestPublish(t *testing.T) {
	everywhere(t, func(h *harness) {
		reg := demoRegistry(h)
		reg.commit("one")
		reg.git("", "config", "http.receivepack", "true")
		reg.git("", "config", "receive.denyCurrentBranch", "ignore")
		h.published(reg)
		ctx := h.Context()
		if h.engine != "system" {
			var none *PushError
			if _, err := h.publisher("reg").Publish(ctx, "new", version("1.0.0"), payloadOf(t, "new", "1.0.0", "x")); !errors.As(err, &none) || none.Hint() == "" {
				h.Errorf("without git: %v", err)
			}
			return
		}
		first := h.publisher("reg")
		pushed, err := first.Publish(ctx, "new", version("1.0.0"), payloadOf(t, "new", "1.0.0", "one"))
		if err != nil || pushed.Already || len(pushed.Commit) != 40 {
			h.Fatalf("%+v, %v", pushed, err)
		}
		own := func(o *Options) { o.Dir = filepath.Join(h.TempDir(), "git") }
		second := h.publisher("reg", own)
		if again, err := second.Publish(ctx, "new", version("1.0.0"), payloadOf(t, "new", "1.0.0", "one")); err != nil || !again.Already || again.Commit != pushed.Commit {
			h.Errorf("again: %+v, %v", again, err)
		}
		var exists *ExistsError
		if _, err := second.Publish(ctx, "new", version("1.0.0"), payloadOf(t, "new", "1.0.0", "two")); !errors.As(err, &exists) || !strings.Contains(exists.Reason, "rules/a.md has another content") {
			h.Errorf("other content: %v", err)
		}
		if _, err := second.Publish(ctx, "new", version("1.0.0+b"), payloadOf(t, "new", "1.0.0+b", "two")); !errors.As(err, &exists) {
			h.Errorf("other build metadata: %v", err)
		}
		var wg sync.WaitGroup
		for i := range 4 {
			p := h.publisher("reg", func(o *Options) { o.Dir = filepath.Join(h.TempDir(), fmt.Sprint("git", i)) })
			wg.Go(func() {
				v := fmt.Sprintf("2.%d.0", i)
				if _, err := p.Publish(ctx, "new", version(v), payloadOf(t, "new", v, "at once")); err != nil {
					h.Errorf("publish %s: %v", v, err)
				}
			})
		}
		wg.Wait()
		if _, err := first.Yank(ctx, "new", version("2.1.0"), true, "why: \"so\""); err != nil {
			h.Error(err)
		}
		var none *NoVersionError
		if _, err := first.Yank(ctx, "new", version("3.0.0"), true, "x"); !errors.As(err, &none) {
			h.Errorf("yank what is not there: %v", err)
		}
		ix, err := h.registry(h.host(own), "reg", "").List(ctx, "new")
		if err != nil || len(ix.Releases) != 5 || !ix.Releases[2].Yanked || ix.Releases[2].YankReason != "why: \"so\"" {
			h.Fatalf("%+v, %v", ix, err)
		}
		a, err := h.registry(h.host(), "reg", "").Open(ctx, sources.Ref{Name: "new", Version: version("1.0.0"), Commit: ix.Releases[0].Commit})
		if err != nil {
			h.Fatal(err)
		}
		if got := contents(t, a); !strings.Contains(got, "one") || !strings.Contains(got, "run.sh") {
			h.Errorf("%s", got)
		}
		if out := reg.git("", "rev-list", "--count", "HEAD"); strings.TrimSpace(out) != "7" {
			h.Errorf("%s commits", out)
		}
		reg.git("", "fsck", "--strict", "--no-dangling")
	}, "http", "path", "v0")
}

// Credentials go with a push as with a fetch, and what the server's owner forbids is said to be so.
func TestPublishAuth(t *testing.T) {
	everywhere(t, func(h *harness) {
		if h.engine != "system" {
			return
		}
		g := guardedServer(h)
		repo := filepath.Join(h.top, "reg")
		s := h.host().choose(h.Context()).(*system)
		for _, setting := range []string{"http.receivepack", "receive.denyCurrentBranch"} {
			value := map[string]string{"http.receivepack": "true", "receive.denyCurrentBranch": "ignore"}[setting]
			if _, err := s.run(h.Context(), s.command(h.Context(), remote{}, gitDirOf(repo), "config", setting, value), nil); err != nil {
				h.Fatal(err)
			}
		}
		publish := func(token string) error {
			reg := config.Registry{Source: ident.SourceID("git:" + g.url), Origin: config.User, CAFile: g.caFile}
			host := h.host(func(o *Options) {
				o.Dir = filepath.Join(h.TempDir(), "git")
				o.Registries = []config.Registry{reg}
				o.Auth = auth.New(auth.Options{Env: func(name string) string { return map[string]string{g.token: token}[name] }})
			})
			p, err := host.Publisher(reg, time.Now, false)
			if err == nil {
				_, err = p.Publish(h.Context(), "new", version("1.0.0"), payloadOf(t, "new", "1.0.0", "one"))
			}
			return err
		}
		var refused *auth.Error
		for _, token := range []string{"", "other"} {
			if err := publish(token); !errors.As(err, &refused) || strings.Contains(err.Error(), password) {
				h.Errorf("token %q: %v", token, err)
			}
		}
		if err := publish(password); err != nil {
			h.Error(err)
		}
	}, "http")
}

func gitDirOf(repo string) string { return filepath.Join(repo, ".git") }

// FuzzWriteEdit holds that no name or text leaves its place in what git fast-import is told.
func FuzzWriteEdit(f *testing.F) {
	f.Add("a file", "text\ncommit refs/heads/main\n", "reason\nfrom x")
	f.Fuzz(func(t *testing.T, name, text, message string) {
		path := "rules/" + name
		if archive.CheckPath(path) != nil || strings.HasPrefix(path, `"`) {
			return
		}
		files := archive.Files{List: []archive.File{{Path: archive.Manifest, Size: 7}, {Path: path, Size: int64(len(text))}}}
		files.Read = func(_ context.Context, list []archive.File, f func(archive.File, io.Reader) error) error {
			for _, file := range list {
				body := text
				if file.Path == archive.Manifest {
					body = "name: x"
				}
				if err := f(file, strings.NewReader(body)); err != nil {
					return err
				}
			}
			return nil
		}
		p, err := archive.Collect(t.Context(), "x", files)
		if err != nil {
			return
		}
		var b bytes.Buffer
		e := &edit{message: message, dir: "packages/x/1.0.0", files: p, index: &registry.GitIndex{}}
		if err := e.write(t.Context(), &b, strings.Repeat("0", 40), "", "x <x@x> 0 +0000"); err != nil {
			t.Fatal(err)
		}
		// Read it as git does: lines, and counted data.
		for rest := b.String(); rest != ""; {
			line, after, ok := strings.Cut(rest, "\n")
			if !ok {
				t.Fatalf("the last line has no end: %q", line)
			}
			word, arg, _ := strings.Cut(line, " ")
			switch word {
			case "commit", "mark", "author", "committer", "from", "get-mark", "done", "":
			case "M":
				if !strings.Contains(arg, " inline ") {
					t.Fatalf("%q", line)
				}
			case "data":
				var n int
				if _, err := fmt.Sscan(arg, &n); err != nil || n > len(after) {
					t.Fatalf("%q: %v", line, err)
				}
				after = after[n:]
			default:
				t.Fatalf("a line that nobody meant: %q", line)
			}
			rest = after
		}
	})
}

package git

import (
	"bytes"
	"compress/zlib"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/openpackage/opkg/ident"
	"github.com/openpackage/opkg/internal/archive"
	"github.com/openpackage/opkg/internal/event"
	"github.com/openpackage/opkg/sources"
)

// URLs that would make git run something, or read something as an option, do not come as far as a repository.
func TestHostileURLs(t *testing.T) {
	for _, url := range []string{
		"ext::sh -c touch% /tmp/pwned", "ext::sh", "fd::17", "--upload-pack=touch", "-oProxyCommand=touch", "ssh://-oProxyCommand=touch/x",
		"ssh://git@-oProxyCommand=touch/x", "ssh://-oProxyCommand=touch@host/x", "-oProxyCommand=touch:x", "git@-oProxyCommand=touch:x", "git@host:-x",
		"git@host::x", "https://host/x\n--upload-pack=touch", "transport::https://host/x", "git://host/x", "ftp://host/x", "https://user:password@host/x",
		"host:ext::sh", "http::https://host", "file://host/x",
	} {
		if got, err := ident.ParseGitURL(url); err == nil {
			t.Errorf("%q is taken for %q", url, got)
		}
		if got, err := ident.ParseSource("git:" + url); err == nil {
			t.Errorf("%q is taken for %q", url, got)
		}
	}
	for _, ref := range []string{"-x", "--upload-pack=touch", "a:b", "+main", "refs/heads/*", "^main", "main~1", "main^{tree}", "main@{1}", "a..b", "a b", "a\nb", "", "a/../b", ":/text"} {
		if ident.ParseRef(ref) == nil {
			t.Errorf("%q is taken for a ref", ref)
		}
	}
}

// Whatever the URL, git may use the transports that it asks for and no other, and takes nothing of it for an option.
func TestTransports(t *testing.T) {
	for url, want := range map[string]string{"": "none", "https://host/x": "https:ssh", "ssh://host/x": "https:ssh", "git@host:x": "https:ssh", "/x": "file", "file:///x": "file",
		"http://127.0.0.1/x": "http:https:ssh", "ext::sh": "https:ssh"} {
		if got := (remote{url: url}).protocols(); got != want {
			t.Errorf("%q: %s", url, got)
		}
	}
	needGit(t)
	dir := t.TempDir()
	marker := filepath.Join(dir, "marker")
	s := findSystem(context.Background(), testEnv(dir), dir)
	for _, url := range []string{"ext::touch " + marker, "--upload-pack=touch " + marker, "ssh://-oProxyCommand=touch" + marker + "/x", "-oProxyCommand=touch " + marker} {
		if _, err := s.refs(context.Background(), remote{url: url}); err == nil {
			t.Errorf("%q: no error", url)
		}
		if _, err := os.Stat(marker); err == nil {
			t.Fatalf("%q ran", url)
		}
	}
}

// A tree that holds more than regular files with plain names is refused, before any of its files is fetched.
func TestHostileTrees(t *testing.T) {
	everywhere(t, func(h *harness) {
		repo := newRepo(h, h.top, "tool")
		manifest := repo.blob("name: tool\n")
		x := repo.blob("x")
		empty := repo.git("", "mktree")
		sub := repo.git("100644 blob "+x+"\tconfig\n", "mktree")
		cases := map[string]struct{ line, reason string }{
			"link":      {"120000 blob " + x + "\tlink", "symbolic link"},
			"submodule": {"160000 commit " + strings.Repeat("1", 40) + "\tsub", "submodule"},
			"dot git":   {"040000 tree " + sub + "\t.git", "file system takes for .git"},
			"DOT GIT":   {"040000 tree " + sub + "\t.GIT", ""},
			"hfs":       {"040000 tree " + sub + "\t.g\u200cit", ""},
			"ntfs":      {"040000 tree " + sub + "\tGIT~1", ""},
			"stream":    {"100644 blob " + x + "\t.git::$INDEX_ALLOCATION", ""},
			"dot dot":   {"040000 tree " + sub + "\t..", ""},
			"device":    {"100644 blob " + x + "\tCON.md", ""},
			"backslash": {"100644 blob " + x + "\ta\\b", ""},
			"control":   {"100644 blob " + x + "\ta\x1b[2Jb", ""},
			"opkg":      {"100644 blob " + x + "\t.opkg-x", ""},
			"case":      {"100644 blob " + x + "\tOPENPACKAGE.yml", ""},
			"twice":     {"100644 blob " + x + "\topenpackage.yml", ""},
			"tree blob": {"100644 blob " + sub + "\tfile", ""},
		}
		commits := map[string]ident.Commit{}
		for name, c := range cases {
			if name == "tree blob" && h.place.name != "path" {
				continue // git's own checks do not let it go out
			}
			data := rawTree(h, "100644 blob "+manifest+"\topenpackage.yml", c.line)
			tree := repo.git(data, "hash-object", "-t", "tree", "-w", "--stdin", "--literally")
			commits[name] = ident.Commit(repo.git("", "commit-tree", "-m", name, tree))
			repo.git("", "update-ref", "refs/heads/"+strings.ReplaceAll(name, " ", "-"), string(commits[name]))
		}
		harmless := ident.Commit(repo.git("", "commit-tree", "-m", "ok", repo.git(
			rawTree(h, "100644 blob "+manifest+"\topenpackage.yml", "040000 tree "+empty+"\tempty", "100664 blob "+x+"\tgroup"), "hash-object", "-t", "tree", "-w", "--stdin", "--literally")))
		repo.git("", "update-ref", "refs/heads/harmless", string(harmless))
		h.published(repo)
		host := h.host()
		names := slices.Sorted(maps.Keys(commits)) // "tree blob" last: git itself dies of it, and may then refuse to send the others
		if i := slices.Index(names, "tree blob"); i >= 0 {
			names = append(slices.Delete(names, i, i+1), "tree blob")
		}
		for _, name := range names {
			a, err := h.pkg(host, "tool", "tool", "").Open(context.Background(), sources.Ref{Name: "tool", Commit: commits[name]})
			var unsafe *archive.UnsafeError
			if err == nil { // names that clash are found where they meet
				_, err = archive.Collect(context.Background(), "tool", *a.Files)
			}
			switch {
			case err == nil:
				h.Errorf("%s is taken", name)
			case name == "tree blob":
			case !errors.As(err, &unsafe) || !strings.Contains(err.Error(), cases[name].reason) || strings.Contains(err.Error(), "\x1b"):
				h.Errorf("%s: %q", name, err)
			}
		}
		a, err := h.pkg(host, "tool", "tool", "").Open(context.Background(), sources.Ref{Name: "tool", Commit: harmless})
		if err != nil {
			h.Fatal(err)
		}
		if got := contents(h, a); got != "644 group: \"x\"\n644 openpackage.yml: \"name: tool\\n\"" {
			h.Error(got)
		}
	}, "http", "path")
}

// rawTree is a tree object with these entries, in this order, whatever git would say to them.
func rawTree(t testing.TB, lines ...string) string {
	var b bytes.Buffer
	for _, line := range lines {
		meta, name, _ := strings.Cut(line, "\t")
		f := strings.Fields(meta)
		fmt.Fprintf(&b, "%s %s\x00", strings.TrimLeft(f[0], "0"), name)
		var id []byte
		if _, err := fmt.Sscanf(f[2], "%x", &id); err != nil {
			t.Fatal(err)
		}
		b.Write(id)
	}
	return b.String()
}

// A tree of trees that are one tree has 10^12 files and a handful of objects; one of 200,000 files has many.
func TestHugeTrees(t *testing.T) {
	if testing.Short() {
		t.Skip("100,000 files take a while")
	}
	everywhere(t, func(h *harness) {
		repo := newRepo(h, h.top, "tool")
		x := repo.blob("x")
		tree := repo.git("100644 blob "+x+"\tx\n", "mktree")
		for range 12 {
			var lines strings.Builder
			for i := range 10 {
				fmt.Fprintf(&lines, "040000 tree %s\t%d\n", tree, i)
			}
			tree = repo.git(lines.String(), "mktree")
		}
		bomb := ident.Commit(repo.git("", "commit-tree", "-m", "bomb", tree))
		repo.git("", "update-ref", "refs/heads/bomb", string(bomb))
		var lines strings.Builder
		for i := range archive.MaxEntries + 1 {
			fmt.Fprintf(&lines, "100644 blob %s\t%06d\n", x, i)
		}
		wide := ident.Commit(repo.git("", "commit-tree", "-m", "wide", repo.git(lines.String(), "mktree")))
		repo.git("", "update-ref", "refs/heads/wide", string(wide))
		h.published(repo)
		for _, commit := range []ident.Commit{bomb, wide} {
			_, err := h.pkg(h.host(), "tool", "tool", "").Open(context.Background(), sources.Ref{Name: "tool", Commit: commit})
			var unsafe *archive.UnsafeError
			if !errors.As(err, &unsafe) || !strings.Contains(err.Error(), "more than 100") {
				h.Errorf("%v", err)
			}
		}
	}, "http")
}

// Objects that are not what their names say are not read, whoever put them there.
func TestLyingObjects(t *testing.T) {
	everywhere(t, func(h *harness) {
		repo := newRepo(h, h.top, "tool")
		repo.write(map[string]string{"openpackage.yml": "name: tool\n", "rule.md": "a rule\n"})
		commit := repo.commit("one")
		h.published(repo)
		pkg := h.pkg(h.host(), "tool", "tool", "")
		open := func() error {
			a, err := h.pkg(h.host(func(o *Options) { o.Offline = true }), "tool", "tool", "").Open(context.Background(), sources.Ref{Name: "tool", Commit: commit})
			if err == nil {
				contents(h, a)
			}
			return err
		}
		if _, err := pkg.Open(context.Background(), sources.Ref{Name: "tool", Commit: commit}); err != nil {
			h.Fatal(err)
		}
		id := repo.git("", "rev-parse", "HEAD:rule.md")
		e := h.host().choose(context.Background())
		dir := pkg.mirror.dir(e, string(commit))
		packs, _ := filepath.Glob(filepath.Join(dir, "objects", "pack", "*"))
		for _, pack := range packs {
			if err := os.Remove(pack); err != nil {
				h.Fatal(err)
			}
		}
		for _, other := range []string{string(commit), repo.git("", "rev-parse", "HEAD^{tree}"), repo.git("", "rev-parse", "HEAD:openpackage.yml")} {
			kind := repo.git("", "cat-file", "-t", other)
			loose(h, dir, other, kind, repoObject(repo, kind, other))
		}
		loose(h, dir, id, "blob", []byte("a lie!\n"))
		if err := open(); err == nil || !strings.Contains(err.Error(), "does not hold what its name says") && !strings.Contains(err.Error(), "missing") {
			h.Errorf("%v", err)
		}
	}, "http")
}

func repoObject(r *repo, kind, id string) []byte {
	data, err := os.ReadFile(filepath.Join(r.dir, ".git", "objects", id[:2], id[2:]))
	if err != nil {
		r.t.Fatal(err)
	}
	z, err := zlib.NewReader(bytes.NewReader(data))
	if err != nil {
		r.t.Fatal(err)
	}
	var b bytes.Buffer
	if _, err := b.ReadFrom(z); err != nil {
		r.t.Fatal(err)
	}
	_, body, _ := bytes.Cut(b.Bytes(), []byte{0})
	return body
}

// loose puts an object into a repository under a name of its own choice.
func loose(t testing.TB, dir, id, kind string, body []byte) {
	t.Helper()
	path := filepath.Join(dir, "objects", id[:2], id[2:])
	_ = os.Remove(path)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	z := zlib.NewWriter(&b)
	fmt.Fprintf(z, "%s %d\x00%s", kind, len(body), body)
	z.Close()
	if err := os.WriteFile(path, b.Bytes(), 0o444); err != nil {
		t.Fatal(err)
	}
}

// Nothing that a user's configuration, or that of the repository, hooks into git runs.
func TestHooks(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the hooks are shell scripts")
	}
	everywhere(t, func(h *harness) {
		repo := demoRegistry(h)
		commit := repo.commit("one")
		h.published(repo)
		marker := filepath.Join(h.TempDir(), "marker")
		script := "#!/bin/sh\ntouch " + marker + "\n"
		hooks := h.TempDir()
		for _, hook := range []string{"reference-transaction", "post-checkout", "post-merge", "pre-auto-gc", "post-index-change", "fsmonitor", "alternate", "filter", "editor", "ssh", "helper"} {
			if err := os.WriteFile(filepath.Join(hooks, hook), []byte(script), 0o755); err != nil {
				h.Fatal(err)
			}
			_ = os.WriteFile(filepath.Join(repo.dir, ".git", "hooks", hook), []byte(script), 0o755)
		}
		settings := fmt.Sprintf("[core]\n\thooksPath = %[1]s\n\tfsmonitor = %[1]s/fsmonitor\n\teditor = %[1]s/editor\n\tpager = %[1]s/editor\n\talternateRefsCommand = %[1]s/alternate\n[filter \"x\"]\n\tprocess = %[1]s/filter\n[remote \"opkg\"]\n\tuploadpack = true\n[gc]\n\tauto = 1\n", hooks)
		settings = strings.ReplaceAll(settings, "[remote \"opkg\"]\n\tuploadpack = true\n", "")
		if err := os.WriteFile(filepath.Join(h.top, ".gitconfig"), []byte(settings), 0o644); err != nil {
			h.Fatal(err)
		}
		repo.git("", "config", "core.fsmonitor", filepath.Join(hooks, "fsmonitor"))
		repo.git("", "config", "uploadpack.packObjectsHook", filepath.Join(hooks, "filter"))
		a, err := h.registry(h.host(), "reg", "").Open(context.Background(), sources.Ref{Name: "tool", Version: version("1.0.0"), Commit: commit})
		if err != nil {
			h.Fatal(err)
		}
		contents(h, a)
		if _, err := os.Stat(marker); err == nil {
			h.Error("something ran")
		}
	}, "http", "url")
}

// A killed git leaves locks and half a mirror behind: the next one goes on.
func TestLeftovers(t *testing.T) {
	everywhere(t, func(h *harness) {
		repo := demoRegistry(h)
		first := repo.commit("one")
		h.published(repo)
		reg := h.registry(h.host(), "reg", "")
		if _, err := reg.List(context.Background(), "tool"); err != nil {
			h.Fatal(err)
		}
		e := h.host().choose(context.Background())
		dir := reg.mirror.dir(e, string(first))
		second := repo.commit("two")
		h.published(repo)
		for _, name := range []string{"shallow.lock", "HEAD.lock", "config.lock", "packed-refs.lock", keptRef(string(second)) + ".lock", "objects/pack/tmp_pack_x"} {
			_ = os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755)
			if err := os.WriteFile(filepath.Join(dir, name), nil, 0o444); err != nil {
				h.Fatal(err)
			}
		}
		if err := os.MkdirAll(filepath.Join(dir+".new", "x"), 0o755); err != nil {
			h.Fatal(err)
		}
		ix, err := h.registry(h.host(), "reg", "").List(context.Background(), "tool")
		if err != nil || ix.Releases[0].Commit != second {
			h.Errorf("%v %v", ix, err)
		}
		h.cache = filepath.Join(h.TempDir(), "git")
		other := h.registry(h.host(), "reg", "")
		if err := os.MkdirAll(other.mirror.dir(e, string(first))+".new", 0o755); err != nil {
			h.Fatal(err)
		}
		if _, err := other.List(context.Background(), "tool"); err != nil {
			h.Error(err)
		}
	}, "http")
}

// Several opkgs at once share a mirror.
func TestTogether(t *testing.T) {
	everywhere(t, func(h *harness) {
		repo := demoRegistry(h)
		commit := repo.commit("one")
		h.published(repo)
		done := make(chan error)
		const n = 8
		for range n {
			go func() {
				host := h.host()
				_, err := h.registry(host, "reg", "").List(context.Background(), "tool")
				if err == nil {
					_, err = h.registry(host, "reg", "").Open(context.Background(), sources.Ref{Name: "tool", Version: version("1.0.0"), Commit: commit})
				}
				done <- err
			}()
		}
		for range n {
			if err := <-done; err != nil {
				h.Error(err)
			}
		}
	}, "http", "path")
}

// A run can be given up, and an engine can be told.
func TestCancel(t *testing.T) {
	everywhere(t, func(h *harness) {
		demoRegistry(h).commit("one")
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		if _, err := h.registry(h.host(), "reg", "").List(ctx, "tool"); !errors.Is(err, context.Canceled) {
			h.Errorf("%v", err)
		}
		var said []string
		host := h.host(func(o *Options) { o.Observer = func(e event.Event) { said = append(said, e.Text) } })
		about := host.Engine(context.Background())
		if h.engine == "system" != strings.HasPrefix(about, "git version ") || len(said) != 1 || !strings.Contains(said[0], about) {
			h.Errorf("%q %q", about, said)
		}
	}, "http", "path")
}

// A server can name its branches as it likes: none of them comes near a terminal.
func TestRefsThatDriveTerminals(t *testing.T) {
	const id = "0123456789abcdef0123456789abcdef01234567"
	packet := func(s string) string { return fmt.Sprintf("%04x%s", len(s)+4, s) }
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/x-git-upload-pack-advertisement")
		fmt.Fprint(w, packet("# service=git-upload-pack\n"), "0000", packet(id+" HEAD\x00symref=HEAD:refs/heads/a\x1b[31mb\n"),
			packet(id+" refs/heads/a\x1b[31mb\n"), packet(id+" refs/heads/main\n"), packet(id+" refs/tags/v\u202e1\n"), "0000")
	}))
	defer srv.Close()
	for _, noSystem := range []bool{false, true} {
		host := New(Options{Dir: t.TempDir(), Environ: os.Environ(), NoSystem: noSystem})
		m, err := host.mirror(srv.URL+"/tool", "")
		if err != nil {
			t.Fatal(err)
		}
		list, err := m.refs(context.Background())
		if err != nil {
			t.Fatalf("%s: %v", host.Engine(context.Background()), err)
		}
		if text := list.format(); text != id+"\trefs/heads/main\n" {
			t.Errorf("%s: %q", host.Engine(context.Background()), text)
		}
	}
}

// A server that begins to answer and then says nothing does not keep git for ever.
func TestSilentServer(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/x-git-upload-pack-advertisement")
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	}))
	defer srv.Close()
	host := New(Options{Dir: t.TempDir(), Environ: append(os.Environ(), "GIT_HTTP_LOW_SPEED_TIME=1")})
	ctx := context.Background()
	if _, ok := host.choose(ctx).(*system); !ok {
		t.Skip("there is no git")
	}
	m, err := host.mirror(srv.URL+"/tool", "")
	if err != nil {
		t.Fatal(err)
	}
	var unavailable *sources.UnavailableError
	if _, err := m.refs(ctx); !errors.As(err, &unavailable) || !strings.Contains(err.Error(), "too slow") {
		t.Errorf("%v", err)
	}
}

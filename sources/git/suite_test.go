package git

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/openpackage/opkg/config"
	"github.com/openpackage/opkg/ident"
	"github.com/openpackage/opkg/internal/archive"
	"github.com/openpackage/opkg/internal/event"
	"github.com/openpackage/opkg/internal/gitserver"
	"github.com/openpackage/opkg/sources"
)

// needGit skips without git; where everything is required that is a failure.
func needGit(t testing.TB) {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		require(t, "there is no git")
	}
}

// repo is a repository that tests write with the system's git.
type repo struct {
	t   testing.TB
	dir string
}

// newRepo makes an empty repository called name below top.
func newRepo(t testing.TB, top, name string, args ...string) *repo {
	r := &repo{t, filepath.Join(top, name)}
	if err := os.MkdirAll(r.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	r.git("", append([]string{"init", "-q", "-b", "main"}, args...)...)
	r.git("", "config", "uploadpack.allowFilter", "true")
	return r
}

// testEnv is an environment without anybody's own settings.
func testEnv(home string) []string {
	return []string{"PATH=" + os.Getenv("PATH"), "HOME=" + home, "GIT_CONFIG_NOSYSTEM=1"}
}

// git runs git in the repository and returns what it writes, trimmed.
func (r *repo) git(stdin string, args ...string) string {
	r.t.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir = r.dir
	cmd.Env = append(testEnv(r.dir), "GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@test", "GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@test",
		"GIT_AUTHOR_DATE=2026-01-02T03:04:05Z", "GIT_COMMITTER_DATE=2026-01-02T03:04:05Z")
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	if err != nil {
		r.t.Fatalf("git %q: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

// write writes files; a name that ends with * is executable.
func (r *repo) write(files map[string]string) {
	r.t.Helper()
	for name, data := range files {
		mode := os.FileMode(0o644)
		if strings.HasSuffix(name, "*") {
			name, mode = strings.TrimSuffix(name, "*"), 0o755
		}
		path := filepath.Join(r.dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			r.t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(data), mode); err != nil {
			r.t.Fatal(err)
		}
	}
}

// commit commits all that stands there.
func (r *repo) commit(message string) ident.Commit {
	r.t.Helper()
	r.git("", "add", "-A", ".")
	r.git("", "commit", "-q", "--allow-empty", "-m", message)
	return ident.Commit(r.git("", "rev-parse", "HEAD"))
}

func (r *repo) blob(data string) string { return r.git(data, "hash-object", "-w", "--stdin") }

// place is one way to reach repositories.
type place struct {
	name  string
	start func(t testing.TB, top string) (base string)
	only  string // the engine that it is for; "" for both
}

func served(opt gitserver.Options) func(testing.TB, string) string {
	return func(t testing.TB, top string) string {
		s, err := gitserver.Start(top, opt)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(s.Close)
		return s.URL + "/"
	}
}

var places = []place{
	{"http", served(gitserver.Options{}), ""},
	{"v0", served(gitserver.Options{V0: true}), ""},
	{"path", func(_ testing.TB, top string) string { return filepath.ToSlash(top) + "/" }, ""},
	{"url", func(_ testing.TB, top string) string { return "file://" + filepath.ToSlash(top) + "/" }, ""},
	{"dumb", served(gitserver.Options{Dumb: true}), "system"},
}

// harness is one engine that reads repositories in one way.
type harness struct {
	*testing.T
	engine string
	place  place
	top    string // of the repositories
	cache  string
	base   string // URL of top
}

// everywhere runs a test with both engines over every place, or over those that are named.
func everywhere(t *testing.T, test func(*harness), only ...string) {
	needGit(t)
	for _, engine := range []string{"system", "go-git"} {
		for _, p := range places {
			if p.only != "" && p.only != engine || len(only) > 0 && !slices.Contains(only, p.name) || testing.Short() && p.name != "http" {
				continue
			}
			t.Run(engine+"/"+p.name, func(t *testing.T) {
				t.Parallel()
				h := &harness{T: t, engine: engine, place: p, top: t.TempDir(), cache: filepath.Join(t.TempDir(), "git")}
				h.base = p.start(t, h.top)
				test(h)
			})
		}
	}
}

// host makes a Host as one run of opkg has it.
func (h *harness) host(change ...func(*Options)) *Host {
	opt := Options{Dir: h.cache, Environ: testEnv(h.top), NoSystem: h.engine == "go-git"}
	for _, f := range change {
		f(&opt)
	}
	return New(opt)
}

// published is what a dumb server needs to be told.
func (h *harness) published(r *repo) {
	if h.place.name == "dumb" {
		r.git("", "update-server-info")
	}
}

// url is that of a repository; servers that are dumb have it in .git.
func (h *harness) url(name string) string {
	if h.place.name == "dumb" {
		return h.base + name + "/.git"
	}
	return h.base + name
}

func (h *harness) registry(host *Host, name, branch string) *Registry {
	h.Helper()
	text := "git:" + h.url(name)
	if branch != "" {
		text += "#" + branch
	}
	id, err := ident.ParseSource(text)
	if err != nil {
		h.Fatal(err)
	}
	reg := config.Registry{Source: id}
	if h.place.name == "path" {
		reg.Dir = filepath.Join(h.top, name)
	}
	r, err := host.Registry(reg)
	if err != nil {
		h.Fatal(err)
	}
	return r
}

func (h *harness) pkg(host *Host, name ident.Name, repository, base string) *Package {
	h.Helper()
	dir := ""
	if h.place.name == "path" {
		dir = filepath.Join(h.top, repository)
	}
	p, err := host.Package(name, h.url(repository), dir, base)
	if err != nil {
		h.Fatal(err)
	}
	return p
}

// contents reads a payload: "mode path: content", sorted.
func contents(t testing.TB, a *sources.Artifact) string {
	t.Helper()
	var lines []string
	err := a.Files.Read(context.Background(), a.Files.List, func(f archive.File, r io.Reader) error {
		data, err := io.ReadAll(r)
		mode := "644"
		if f.Exec {
			mode = "755"
		}
		if int64(len(data)) != f.Size {
			t.Errorf("%s has %d bytes, not %d", f.Path, len(data), f.Size)
		}
		lines = append(lines, fmt.Sprintf("%s %s: %s", mode, f.Path, shown(data)))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// shown is content in a few bytes.
func shown(data []byte) string {
	if len(data) > 1000 {
		return fmt.Sprintf("%x", sha256.Sum256(data))
	}
	return fmt.Sprintf("%q", data)
}

func version(s string) ident.Version {
	v, err := ident.ParseVersion(s)
	if err != nil {
		panic(err)
	}
	return v
}

const toolManifest = "name: tool\nversion: 1.0.0\ndependencies:\n- name: \"@demo/base\"\n  version: ^1.0.0\n"

func demoRegistry(h *harness) *repo {
	r := newRepo(h, h.top, "reg")
	r.write(map[string]string{
		"index.yml":                                 "packages:\n  tool:\n    versions: [1.0.0]\n  \"@demo/base\":\n    versions: [1.0.0, 1.1.0]\n    yanked: {1.0.0: old}\n",
		"packages/tool/1.0.0/openpackage.yml":       toolManifest,
		"packages/tool/1.0.0/a/rule.md":             "one\n",
		"packages/tool/1.0.0/run.sh*":               "#!/bin/sh\n",
		"packages/tool/1.0.0/opkg.lock":             "never part of a payload",
		"packages/@demo/base/1.0.0/openpackage.yml": "name: \"@demo/base\"\nversion: 1.0.0\n",
		"packages/@demo/base/1.1.0/openpackage.yml": "name: \"@demo/base\"\nversion: 1.1.0\n",
	})
	return r
}

func TestRegistry(t *testing.T) {
	everywhere(t, func(h *harness) {
		repo := demoRegistry(h)
		first := repo.commit("one")
		h.published(repo)
		ctx := context.Background()
		reg := h.registry(h.host(), "reg", "")
		ix, err := reg.List(ctx, "tool")
		if err != nil {
			h.Fatal(err)
		}
		if len(ix.Releases) != 1 || ix.Releases[0].Commit != first || fmt.Sprint(ix.Releases[0].Dependencies) == "[]" {
			h.Errorf("%+v", ix)
		}
		ix, err = reg.List(ctx, "@demo/base")
		if err != nil || len(ix.Releases) != 2 || !ix.Releases[0].Yanked || ix.Releases[0].YankReason != "old" || ix.Releases[1].Yanked {
			h.Errorf("%+v %v", ix, err)
		}
		var missing *sources.NotFoundError
		if _, err := reg.List(ctx, "other"); !errors.As(err, &missing) {
			h.Errorf("%v", err)
		}
		ref := sources.Ref{Name: "tool", Version: version("1.0.0"), Commit: first}
		want := "644 a/rule.md: \"one\\n\"\n644 openpackage.yml: " + fmt.Sprintf("%q", toolManifest) + "\n755 run.sh: \"#!/bin/sh\\n\""
		for range 2 { // the second time without the network
			a, err := reg.Open(ctx, ref)
			if err != nil {
				h.Fatal(err)
			}
			if got := contents(h, a); got != want {
				h.Errorf("%s", got)
			}
			reg = h.registry(h.host(func(o *Options) { o.Offline = true }), "reg", "")
		}
		if _, err := reg.Open(ctx, sources.Ref{Name: "tool", Version: version("9.0.0"), Commit: first}); !errors.As(err, &missing) {
			h.Errorf("%v", err)
		}
		if _, err := reg.Open(ctx, sources.Ref{Name: "tool", Version: version("1.0.0"), Commit: "main"}); err == nil {
			h.Error("a branch is no commit")
		}

		// The branch is rewritten: the commit is still there, and taken. Then another opkg, with an empty cache.
		repo.write(map[string]string{"packages/tool/1.0.0/a/rule.md": "two\n"})
		repo.git("", "commit", "-q", "-a", "--amend", "-m", "rewritten")
		repo.git("", "update-ref", "refs/heads/other", string(first)) // where v0 servers can see it
		h.published(repo)
		h.cache += "2"
		a, err := h.registry(h.host(), "reg", "").Open(ctx, ref)
		if err != nil {
			h.Fatal(err)
		}
		if got := contents(h, a); got != want {
			h.Errorf("%s", got)
		}

		// And then it is gone.
		repo.git("", "branch", "-q", "-D", "other")
		repo.git("", "reflog", "expire", "--expire=now", "--all")
		repo.git("", "gc", "-q", "--prune=now")
		h.published(repo)
		h.cache += "3"
		_, err = h.registry(h.host(), "reg", "").Open(ctx, ref)
		var gone *goneError
		var unavailable *sources.UnavailableError
		if !errors.As(err, &gone) || !errors.As(err, &unavailable) || unavailable.Hint() == "" {
			h.Errorf("%v", err)
		}
	})
}

// What a server does not advertise is given by version 2 of the protocol, and by version 0 if it is configured to; else it is gone.
func TestUnadvertised(t *testing.T) {
	everywhere(t, func(h *harness) {
		repo := demoRegistry(h)
		first := repo.commit("one")
		repo.commit("two")
		repo.git("", "reset", "-q", "--hard", "HEAD~")
		repo.git("", "commit", "-q", "--amend", "--allow-empty", "-m", "rewritten")
		h.published(repo)
		ref := sources.Ref{Name: "tool", Version: version("1.0.0"), Commit: first}
		_, err := h.registry(h.host(), "reg", "").Open(context.Background(), ref)
		var gone *goneError
		wantGone := h.place.name == "v0" || h.place.name == "dumb" || h.engine == "go-git" && h.place.name == "http" // it speaks version 0
		if wantGone != errors.As(err, &gone) || !wantGone && err != nil {
			h.Errorf("%v", err)
		}
		if h.place.name != "v0" {
			return
		}
		repo.git("", "config", "uploadpack.allowAnySHA1InWant", "true")
		if a, err := h.registry(h.host(), "reg", "").Open(context.Background(), ref); err != nil {
			h.Error(err)
		} else if got := contents(h, a); !strings.Contains(got, "one") {
			h.Error(got)
		}
	})
}

func TestChannels(t *testing.T) {
	everywhere(t, func(h *harness) {
		repo := demoRegistry(h)
		stable := repo.commit("one")
		repo.git("", "checkout", "-q", "-b", "beta/next")
		repo.write(map[string]string{"registry/index.yml": "packages: {x: {versions: [1.0.0]}}"}) // the one at the root wins
		beta := repo.commit("two")
		repo.git("", "checkout", "-q", "main")
		h.published(repo)
		host := h.host()
		for branch, want := range map[string]ident.Commit{"": stable, "main": stable, "beta/next": beta} {
			ix, err := h.registry(host, "reg", branch).List(context.Background(), "tool")
			if err != nil || ix.Releases[0].Commit != want {
				h.Errorf("%s: %+v %v", branch, ix, err)
			}
		}
		_, err := h.registry(host, "reg", "nightly").List(context.Background(), "tool")
		if err == nil || !strings.Contains(err.Error(), "has no branch nightly") {
			h.Error(err)
		}
		mirrors, _ := filepath.Glob(filepath.Join(h.cache, "*git"))
		if len(mirrors) != 1 {
			h.Errorf("%v", mirrors)
		}
	})
}

// No attribute, filter or line end changes a byte.
func TestBytes(t *testing.T) {
	everywhere(t, func(h *harness) {
		repo := newRepo(h, h.top, "tool")
		repo.git("", "config", "core.autocrlf", "false")
		files := map[string]string{"openpackage.yml": "name: tool\n", "a.txt": "unix\n", "b.txt": "dos\r\n", "id.txt": "$Id$\n", "bin": "\x00\xff", "big": strings.Repeat("0123456789", 2_000_000), "empty": ""}
		repo.write(files)
		repo.commit("without attributes")
		repo.write(map[string]string{".gitattributes": "*.txt text eol=crlf ident filter=evil working-tree-encoding=UTF-16\nbin export-ignore\nbig export-subst\n"})
		repo.git("", "add", ".gitattributes")
		repo.git("", "commit", "-q", "-m", "with attributes")
		commit := ident.Commit(repo.git("", "rev-parse", "HEAD"))
		repo.git("", "tag", "v1.0.0")
		h.published(repo)
		if err := os.WriteFile(filepath.Join(h.top, ".gitconfig"), []byte("[core]\n\tautocrlf = true\n[filter \"evil\"]\n\tsmudge = false\n\trequired = true\n"), 0o644); err != nil {
			h.Fatal(err)
		}
		a, err := h.pkg(h.host(), "tool", "tool", "").Open(context.Background(), sources.Ref{Name: "tool", Commit: commit})
		if err != nil {
			h.Fatal(err)
		}
		for range 2 { // large payloads are read twice
			n := 0
			err = a.Files.Read(context.Background(), a.Files.List, func(f archive.File, r io.Reader) error {
				data, err := io.ReadAll(r)
				if want, ok := files[f.Path]; ok {
					n++
					if !bytes.Equal(data, []byte(want)) {
						h.Errorf("%s is %.40q", f.Path, data)
					}
				}
				return err
			})
			if err != nil || n != len(files) {
				h.Errorf("%d files, %v", n, err)
			}
		}
	}, "http")
}

func TestTags(t *testing.T) {
	everywhere(t, func(h *harness) {
		repo := newRepo(h, h.top, "mono")
		repo.write(map[string]string{"openpackage.yml": "name: root\n", "packages/part/openpackage.yml": "name: \"@demo/part\"\nversion: 1.2.0\n"})
		first := repo.commit("one")
		for _, tag := range []string{"v1.0.0", "1.0.0", "v1.1.0-rc.1", "nightly", "part/v1.2.0", "part-v1.3.0", "part-two-v9.0.0", "@demo/part/v1.4.0"} {
			repo.git("", "tag", tag)
		}
		second := repo.commit("two")
		repo.git("", "tag", "-a", "-m", "annotated", "v2.0.0")
		repo.git("", "tag", "-f", "1.0.0")
		repo.git("", "branch", "v2.0.0", string(first)) // a tag goes before a branch
		repo.git("", "branch", strings.Repeat("a", 39)+"b")
		h.published(repo)
		ctx := context.Background()
		var warnings []string
		host := h.host(func(o *Options) {
			o.Observer = func(e event.Event) {
				if e.Kind == event.Warning {
					warnings = append(warnings, e.Text)
				}
			}
		})
		show := func(tags []Tag, err error) string {
			out := fmt.Sprint(err)
			for _, t := range tags {
				out += fmt.Sprintf(" %s=%s@%.4s", t.Version, t.Ref, t.Commit)
			}
			return out
		}
		a, b := fmt.Sprintf("@%.4s", first), fmt.Sprintf("@%.4s", second)
		if got, want := show(h.pkg(host, "root", "mono", "").Tags(ctx)), "<nil> 1.0.0=1.0.0"+b+" 1.1.0-rc.1=v1.1.0-rc.1"+a+" 2.0.0=v2.0.0"+b; got != want {
			h.Errorf("%s\n%s", got, want)
		}
		if len(warnings) != 1 || !strings.Contains(warnings[0], "two commits for version 1.0.0") {
			h.Errorf("%v", warnings)
		}
		part := h.pkg(host, "@demo/part", "mono", "packages/part")
		if got, want := show(part.Tags(ctx)), "<nil> 1.2.0=part/v1.2.0"+a+" 1.3.0=part-v1.3.0"+a+" 1.4.0=@demo/part/v1.4.0"+a; got != want {
			h.Errorf("%s\n%s", got, want)
		}
		if got := show(h.pkg(host, "other", "mono", "packages/part").Tags(ctx)); !strings.Contains(got, "2.0.0=v2.0.0") {
			h.Errorf("without tags of its own: %s", got)
		}
		for ref, want := range map[string]Tag{
			"v2.0.0": {version("2.0.0"), "v2.0.0", second}, "main": {Ref: "main", Commit: second}, "": {Commit: second},
			"nightly": {Ref: "nightly", Commit: first}, "part/v1.2.0": {version("1.2.0"), "part/v1.2.0", first}, string(first): {Ref: string(first), Commit: first},
			strings.Repeat("a", 39) + "b": {Ref: strings.Repeat("a", 39) + "b", Commit: ident.Commit(strings.Repeat("a", 39) + "b")}, // a commit, never a branch
		} {
			if got, err := part.Resolve(ctx, ref); err != nil || got != want {
				h.Errorf("%q: %v %v", ref, got, err)
			}
		}
		var missing *RefNotFoundError
		for _, ref := range []string{"nowhere", string(first)[:12]} {
			if _, err := part.Resolve(ctx, ref); !errors.As(err, &missing) {
				h.Errorf("%q: %v", ref, err)
			}
		}
		m, err := part.Manifest(ctx, first, "part/v1.2.0")
		if err != nil || m.Name != "@demo/part" {
			h.Errorf("%+v %v", m, err)
		}
		var unsafe *archive.UnsafeError
		if _, err := h.pkg(host, "x", "mono", "packages/none").Manifest(ctx, first, ""); !errors.As(err, &unsafe) {
			h.Error(err)
		}
		if _, err := h.pkg(host, "x", "mono", "packages").Manifest(ctx, first, ""); !errors.As(err, &unsafe) {
			h.Error(err)
		}
	})
}

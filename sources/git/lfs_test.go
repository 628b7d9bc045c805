package git

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/openpackage/opkg/config"
	"github.com/openpackage/opkg/ident"
	"github.com/openpackage/opkg/internal/archive"
	"github.com/openpackage/opkg/internal/auth"
	"github.com/openpackage/opkg/internal/transport"
	"github.com/openpackage/opkg/sources"
)

func pointerTo(data string) (oid, text string) {
	oid = fmt.Sprintf("%x", sha256.Sum256([]byte(data)))
	return oid, fmt.Sprintf("version https://git-lfs.github.com/spec/v1\noid sha256:%s\nsize %d\n", oid, len(data))
}

func TestParsePointer(t *testing.T) {
	oid, good := pointerTo("data")
	for text, want := range map[string]string{
		good: "true <nil> " + oid + " 4",
		"version https://git-lfs.github.com/spec/v1\nsize 4\nx y\noid sha256:" + oid + "\n": "true <nil> " + oid + " 4",
		"# a rule\n" + good: "false <nil>  0",
		"":                  "false <nil>  0",
		"version https://git-lfs.github.com/spec/v1\n":                                                 "true it is a git-LFS pointer without a sha256 and a size  0",
		"version https://git-lfs.github.com/spec/v1\noid sha256:../../x\nsize 4\n":                     "true it is a git-LFS pointer without a sha256 and a size ../../x 4",
		"version https://git-lfs.github.com/spec/v1\noid sha256:" + oid + "\nsize -4\n":                "true it is a git-LFS pointer without a sha256 and a size " + oid + " -4",
		"version https://git-lfs.github.com/spec/v1\noid sha256:" + oid + "\nsize 4\next-0-x sha256:1": "true it is a git-LFS pointer with the extension ext-0-x, which opkg does not know " + oid + " 4",
		good + strings.Repeat("#", maxPointer):                                                         "false <nil>  0",
	} {
		p, ok, err := parsePointer([]byte(text))
		if got := fmt.Sprint(ok, " ", err, " ", p.oid, " ", p.size); got != want {
			t.Errorf("%q\n%s\n%s", text, got, want)
		}
	}
}

// lfsRepo is a repository with two files of git-LFS, one of them large.
func lfsRepo(h *harness) (commit ident.Commit, large string) {
	large = strings.Repeat("large\n", 2_900_000)
	repo := newRepo(h, h.top, "tool")
	_, small := pointerTo("small")
	_, big := pointerTo(large)
	repo.write(map[string]string{"openpackage.yml": "name: tool\n", "a.bin": small, "m.txt": "between\n", "z.bin*": big})
	return repo.commit("one"), large
}

// keep puts objects where a server, or the repository itself, has them.
func keepObjects(h *harness, contents ...string) {
	for _, data := range contents {
		oid, _ := pointerTo(data)
		path := filepath.Join(h.top, "lfs", oid)
		if h.place.name == "path" {
			path = filepath.Join(h.top, "tool", ".git", "lfs", "objects", oid[:2], oid[2:4], oid)
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			h.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(data), 0o644); err != nil {
			h.Fatal(err)
		}
	}
}

func withClient(o *Options) {
	o.Client = transport.New(transport.Options{Limits: transport.Limits{Retries: -1}})
}

func TestLFS(t *testing.T) {
	everywhere(t, func(h *harness) {
		commit, large := lfsRepo(h)
		ref := sources.Ref{Name: "tool", Commit: commit}
		open := func(change ...func(*Options)) (*sources.Artifact, error) {
			return h.pkg(h.host(append(change, withClient)...), "tool", "tool", "").Open(context.Background(), ref)
		}
		var unavailable *sources.UnavailableError
		_, err := open() // no LFS server at all
		if !errors.As(err, &unavailable) || !strings.Contains(err.Error(), `"a.bin" is kept by git-LFS`) || unavailable.Hint() == "" {
			h.Errorf("%v", err)
		}
		keepObjects(h, "small")
		if _, err = open(); !errors.As(err, &unavailable) || !strings.Contains(err.Error(), `"z.bin" is kept by git-LFS`) || strings.Contains(err.Error(), "\x1b") {
			h.Errorf("%v", err)
		}
		keepObjects(h, large)
		a, err := open()
		if err != nil {
			h.Fatal(err)
		}
		want := fmt.Sprintf("644 a.bin: %q\n644 m.txt: %q\n644 openpackage.yml: %q\n755 z.bin: %s", "small", "between\n", "name: tool\n", shown([]byte(large)))
		if contents(h, a) != want {
			h.Error("other files")
		}
		if h.place.name != "path" { // the mirror has them now
			if err := os.RemoveAll(filepath.Join(h.top, "lfs")); err != nil {
				h.Fatal(err)
			}
			if a, err := open(func(o *Options) { o.Offline = true }); err != nil || contents(h, a) != want {
				h.Errorf("from the mirror: %v", err)
			}
		}
	}, "http", "path")
}

// What is not what the pointer says is not taken.
func TestLyingLFS(t *testing.T) {
	everywhere(t, func(h *harness) {
		commit, large := lfsRepo(h)
		keepObjects(h, "small", large)
		oid, _ := pointerTo("small")
		for _, lie := range []string{"smalL", "smaller"} {
			if err := os.WriteFile(filepath.Join(h.top, "lfs", oid), []byte(lie), 0o644); err != nil {
				h.Fatal(err)
			}
			_, err := h.pkg(h.host(withClient), "tool", "tool", "").Open(context.Background(), sources.Ref{Name: "tool", Commit: commit})
			var unsafe *archive.UnsafeError
			if !errors.As(err, &unsafe) || unsafe.Entry != "a.bin" {
				h.Errorf("%s: %v", lie, err)
			}
		}
		if kept, _ := filepath.Glob(filepath.Join(h.cache, "*.lfs", oid+"*")); len(kept) > 0 {
			h.Errorf("%s are kept", kept)
		}
	}, "http")
}

// The password of the repository opens its LFS server as well, and goes nowhere else.
func TestLFSAuth(t *testing.T) {
	everywhere(t, func(h *harness) {
		g := guardedServer(h)
		commit, large := lfsRepo(h)
		keepObjects(h, "small", large)
		reg := config.Registry{Source: ident.SourceID("git:" + g.server.URL + "/tool"), Origin: config.User, CAFile: g.caFile}
		for token, ok := range map[string]bool{password: true, "": false} {
			host := h.host(withClient, func(o *Options) {
				o.Registries = []config.Registry{reg}
				o.Auth = auth.New(auth.Options{Env: func(name string) string { return token }})
				o.Dir = filepath.Join(h.TempDir(), "git")
			})
			p, err := host.Package("tool", reg.Source.URL(), "", "")
			if err != nil {
				h.Fatal(err)
			}
			if _, err = p.Open(context.Background(), sources.Ref{Name: "tool", Commit: commit}); (err == nil) != ok {
				h.Errorf("%q: %v", token, err)
			}
		}
		if h.engine != "system" {
			return
		}
		helper := fmt.Sprintf("[credential]\n\thelper = \"!f() { echo username=me; echo password=%s; }; f\"\n", password)
		if err := os.WriteFile(filepath.Join(h.top, ".gitconfig"), []byte(helper), 0o644); err != nil {
			h.Fatal(err)
		}
		host := h.host(withClient, func(o *Options) { o.Registries = []config.Registry{reg}; o.Dir = filepath.Join(h.TempDir(), "git") })
		p, err := host.Package("tool", reg.Source.URL(), "", "")
		if err != nil {
			h.Fatal(err)
		}
		if _, err := p.Open(context.Background(), sources.Ref{Name: "tool", Commit: commit}); err != nil {
			h.Errorf("a credential helper: %v", err)
		}
	}, "http")
}

// An LFS server must not point into the network behind it, nor from https to http, nor speak nonsense.
func TestHostileLFS(t *testing.T) {
	oid, _ := pointerTo("small")
	for name, answer := range map[string]string{
		"nonsense":  "<html>",
		"other way": `{"transfer":"tus","objects":[]}`,
		"nothing":   `{"objects":[]}`,
		"no href":   `{"objects":[{"oid":"` + oid + `","size":5}]}`,
		"file":      `{"objects":[{"oid":"` + oid + `","size":5,"actions":{"download":{"href":"file:///etc/passwd"}}}]}`,
		"other":     `{"objects":[{"oid":"` + oid + `","size":5,"actions":{"download":{"href":"http://169.254.169.254/latest"}}}]}`,
		"size":      `{"objects":[{"oid":"` + oid + `","size":6,"actions":{"download":{"href":"HERE/x"}}}]}`,
	} {
		var s *httptest.Server
		s = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprint(w, strings.ReplaceAll(answer, "HERE", s.URL))
		}))
		host := New(Options{Dir: t.TempDir(), NoSystem: true})
		withClient(&host.opt)
		m, err := host.mirror(s.URL+"/tool", "")
		if err != nil {
			t.Fatal(err)
		}
		err = m.bringLarge(context.Background(), "tool", map[string]pointer{"a.bin": {oid, 5}})
		var unavailable *sources.UnavailableError
		var unsafe *archive.UnsafeError
		if !errors.As(err, &unavailable) && !errors.As(err, &unsafe) {
			t.Errorf("%s: %v", name, err)
		}
		s.Close()
	}
}

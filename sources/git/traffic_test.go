package git

import (
	"context"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"

	"github.com/openpackage/opkg/config"
	"github.com/openpackage/opkg/ident"
	"github.com/openpackage/opkg/internal/gitserver"
	"github.com/openpackage/opkg/sources"
)

// largeRegistry has n packages of four files, 40 kB together, in words that compress as prose does.
func largeRegistry(t testing.TB, top string, n int) *repo {
	r := newRepo(t, top, "reg")
	random := rand.New(rand.NewPCG(1, 2))
	text := func() string {
		var b strings.Builder
		for b.Len() < 10_000 {
			fmt.Fprintf(&b, "%x ", random.Uint32())
		}
		return b.String()
	}
	var index strings.Builder
	index.WriteString("packages:\n")
	files := map[string]string{}
	for i := range n {
		name := fmt.Sprintf("p%03d", i)
		fmt.Fprintf(&index, "  %s: {versions: [1.0.0]}\n", name)
		dir := "packages/" + name + "/1.0.0/"
		files[dir+"openpackage.yml"] = "name: " + name + "\nversion: 1.0.0\n"
		for _, file := range []string{"rules/a.md", "rules/b.md", "commands/c.md", "README.md"} {
			files[dir+file] = text()
		}
	}
	files["index.yml"] = index.String()
	r.write(files)
	r.commit("all")
	return r
}

// A lock and sync of five packages of a registry of 500 moves a small fraction of the repository. With git 2.39 it is
// 198 kB for the metadata of all and 117 kB for the five, in 10 requests, of 11.8 MB that git clone --depth 1 moves: 2.7 %.
func TestTraffic(t *testing.T) {
	needGit(t)
	if testing.Short() {
		t.Skip("a registry of 500 packages takes a while to make")
	}
	top := t.TempDir()
	repo := largeRegistry(t, top, 500)
	s, err := gitserver.Start(top, gitserver.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	host := New(Options{Dir: filepath.Join(t.TempDir(), "git"), Environ: testEnv(top)})
	r, err := host.Registry(config.Registry{Source: ident.SourceID("git:" + s.URL + "/reg")})
	if err != nil {
		t.Fatal(err)
	}
	var refs []sources.Ref
	for i := range 5 {
		name := ident.Name(fmt.Sprintf("p%03d", i*100))
		ix, err := r.List(context.Background(), name)
		if err != nil {
			t.Fatal(err)
		}
		refs = append(refs, sources.Ref{Name: name, Version: version("1.0.0"), Commit: ix.Releases[0].Commit})
	}
	metadata := s.Sent() + s.Received()
	if err := r.Gather(context.Background(), refs); err != nil {
		t.Fatal(err)
	}
	for _, ref := range refs {
		if _, err := r.Open(context.Background(), ref); err != nil {
			t.Fatal(err)
		}
	}
	all := s.Sent() + s.Received()
	var whole int64
	err = filepath.WalkDir(filepath.Join(repo.dir, ".git", "objects"), func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		fi, err := d.Info()
		whole += fi.Size()
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("metadata %d bytes, with five packages %d, in %d requests; the objects of the repository have %d", metadata, all, len(s.Log()), whole)
	if all*20 > whole {
		t.Errorf("%d bytes are more than 5 %% of %d", all, whole)
	}
}

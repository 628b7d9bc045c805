package cas

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/openpackage/opkg/ident"
	"github.com/openpackage/opkg/internal/archive"
)

// files serves a package as PutFiles takes it, last file first.
func (p pkg) files() archive.Files {
	var src archive.Files
	for path, text := range p {
		src.List = append(src.List, archive.File{Path: path, Exec: strings.HasSuffix(path, ".sh"), Size: int64(len(text))})
	}
	slices.SortFunc(src.List, func(a, b archive.File) int { return strings.Compare(b.Path, a.Path) })
	src.Read = func(_ context.Context, list []archive.File, f func(archive.File, io.Reader) error) error {
		for _, file := range list {
			if err := f(file, strings.NewReader(p[file.Path])); err != nil {
				return err
			}
		}
		return nil
	}
	return src
}

// listing is the sha256 of docs/lockfile.md.
func (p pkg) listing() ident.SHA256 {
	var lines []string
	for path, text := range p {
		mode := "644"
		if strings.HasSuffix(path, ".sh") {
			mode = "755"
		}
		lines = append(lines, fmt.Sprintf("%x %s %s\n", sha256.Sum256([]byte(text)), mode, path))
	}
	slices.SortFunc(lines, func(a, b string) int {
		return strings.Compare(a[strings.Index(a, " ")+5:], b[strings.Index(b, " ")+5:])
	})
	return sha256.Sum256([]byte(strings.Join(lines, "")))
}

// Files are stored as the same package in an archive is, under a sha256 of their own.
func TestPutFiles(t *testing.T) {
	for name, p := range map[string]pkg{"small": demo("1.0.0", nil), "large": demo("1.0.0", pkg{"a/big": strings.Repeat("0123456789abcdef", 3<<20), "a.b": "sorts before a/"})} {
		s := newStore(t)
		tgz := p.tgz(t)
		asArchive := mustPut(t, s, wantOf(t, "1.0.0", tgz), tgz)
		want := Want{Name: "demo", Version: mustVersion(t, "1.0.0"), Source: "git", SHA256: p.listing(), Tree: asArchive.Tree, Dependencies: mustDependencies(t, "base", "^1.0.0")}
		a, err := s.PutFiles(t.Context(), want, p.files())
		if err != nil {
			t.Fatal(err)
		}
		if a.SHA256 != p.listing() || a.Tree != asArchive.Tree {
			t.Errorf("%s: %s %s", name, a.SHA256, a.Tree)
		}
		if err := s.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got, ok, err := s.Artifact(p.listing()); err != nil || !ok || got.Tree != a.Tree || got.Size != a.Size {
			t.Errorf("%s: %+v %v %v", name, got, ok, err)
		}
	}
}

func TestPutFilesRefusesWhatWasNotPromised(t *testing.T) {
	p := demo("1.0.0", nil)
	good := Want{Name: "demo", Version: mustVersion(t, "1.0.0"), Source: "git", SHA256: p.listing(), Dependencies: mustDependencies(t, "base", "^1.0.0")}
	with := func(change func(*Want)) Want { w := good; change(&w); return w }
	unversioned := pkg{"openpackage.yml": "name: demo\n"}
	sends := pkg{"openpackage.yml": "name: demo\ndependencies:\n- name: x\n  git: https://host/x.git\n"}
	at := ident.GitVersion(ident.Version{}, ident.Commit(strings.Repeat("a", 40)))
	for name, c := range map[string]struct {
		want Want
		p    pkg
		ok   bool
	}{
		"sha256":              {with(func(w *Want) { w.SHA256[0] ^= 1 }), p, false},
		"tree":                {with(func(w *Want) { w.Tree[0] ^= 1 }), p, false},
		"name":                {with(func(w *Want) { w.Name = "other" }), p, false},
		"version":             {with(func(w *Want) { w.Version = mustVersion(t, "2.0.0") }), p, false},
		"dependencies":        {with(func(w *Want) { w.Dependencies = []ident.Requirement{} }), p, false},
		"tag":                 {Want{Name: "demo", Version: mustVersion(t, "1.2.0"), Tagged: true}, unversioned, true},
		"tag, not of git":     {Want{Name: "demo", Version: mustVersion(t, "1.2.0")}, unversioned, false},
		"other tag":           {Want{Name: "demo", Version: mustVersion(t, "2.0.0"), Tagged: true}, p, false},
		"commit":              {Want{Name: "demo", Version: at, Tagged: true}, unversioned, true},
		"repository":          {Want{Name: "demo", Version: at, Tagged: true}, sends, false},
		"repository, known":   {Want{Name: "demo", Version: at, Tagged: true, Repositories: []string{"https://host/x.git"}}, sends, true},
		"repository, another": {Want{Name: "demo", Version: at, Tagged: true, Repositories: []string{"https://host/y.git"}}, sends, false},
	} {
		s := newStore(t)
		_, err := s.PutFiles(t.Context(), c.want, c.p.files())
		var mismatch *ident.MismatchError
		var unsafe *archive.UnsafeError
		if c.ok != (err == nil) || err != nil && !errors.As(err, &mismatch) && !errors.As(err, &unsafe) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

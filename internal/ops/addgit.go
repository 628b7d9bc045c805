package ops

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/openpackage/opkg/ident"
	"github.com/openpackage/opkg/manifest"
	"github.com/openpackage/opkg/sources/git"
)

// GitSpec is one package of a git repository as a command line names it.
type GitSpec struct {
	Name  ident.Name  // "": what the repository's openpackage.yml says
	URL   string      // as written: with #REF or #semver:RANGE perhaps, or a directory relative to where the user stands
	Ref   string      // tag, branch or commit
	Range ident.Range // over the tags
	Base  string      // a directory of the repository

	HasRange bool
}

// AddGit is Add for a package of a git repository. Where the spec says neither ref nor range, it is the newest stable tag with a caret, or
// the default branch of a repository without tags. The error for a URL or ref that is none is a *SpecError.
func (w *World) AddGit(ctx context.Context, spec GitSpec, opt AddOptions) (*AddResult, error) {
	return w.edit(ctx, opt, func(ws *Workspace, res *AddResult) ([]byte, error) {
		d, err := ws.gitDependency(ctx, spec)
		if err != nil {
			return nil, err
		}
		d.Dev = opt.Dev
		added := Added{Name: d.Name, Git: d.Git, Ref: d.Ref, Base: d.Base}
		if d.HasRange {
			added.Range = d.Range.String()
		}
		res.Added = append(res.Added, added)
		return manifest.Add(w.show(ws.ManifestPath), ws.ManifestData, d)
	})
}

// gitDependency is the entry that the manifest gets.
func (ws *Workspace) gitDependency(ctx context.Context, spec GitSpec) (manifest.Dependency, error) {
	d := manifest.Dependency{Name: spec.Name, Ref: spec.Ref, Range: spec.Range, HasRange: spec.HasRange}
	bad := func(input string, err error) (manifest.Dependency, error) {
		return d, &GitSpecError{SpecError{Input: input, Err: err}}
	}
	location, fragment, _ := strings.Cut(spec.URL, "#")
	var err error
	if d.Git, err = ident.ParseGitURL(location); err != nil {
		return bad(location, err)
	}
	if manifest.IsPlainHTTP(d.Git) {
		return bad(location, errors.New("anybody on the way can change what comes by http:, use https: or ssh: instead"))
	}
	if d.Git[0] == '.' {
		if d.Git, err = ws.fromRoot(d.Git); err != nil {
			return bad(location, err)
		}
	}
	if fragment != "" && (d.Ref != "" || d.HasRange) {
		return bad(spec.URL, fmt.Errorf("it says after # what --ref or --version says too"))
	}
	if rest, ok := strings.CutPrefix(fragment, "semver:"); ok {
		if d.Range, err = ident.ParseRange(rest); err != nil {
			return bad(spec.URL, err)
		}
		d.HasRange = true
	} else if fragment != "" {
		d.Ref = fragment
	}
	if d.Ref != "" {
		if err := ident.ParseRef(d.Ref); err != nil {
			return bad(d.Ref, err)
		}
	}
	if d.Base = filepath.ToSlash(filepath.Clean(spec.Base)); d.Base == "." {
		d.Base = ""
	}
	if !filepath.IsLocal(filepath.FromSlash(d.Base)) && d.Base != "" {
		return bad(spec.Base, fmt.Errorf("it is outside the repository"))
	}
	return d, ws.completeGit(ctx, &d)
}

// completeGit asks the repository for the name, and for the version, that the command line does not say.
func (ws *Workspace) completeGit(ctx context.Context, d *manifest.Dependency) error {
	if d.Name == "" {
		src, err := ws.gitSource("", d.Git, d.Base)
		if err != nil {
			return err
		}
		at, err := src.Resolve(ctx, d.Ref)
		if err != nil {
			return err
		}
		m, err := src.Manifest(ctx, at.Commit, at.Ref)
		if err != nil {
			return err
		}
		d.Name = m.Name
	}
	if d.Ref != "" || d.HasRange {
		return nil
	}
	src, err := ws.gitSource(d.Name, d.Git, d.Base)
	if err != nil {
		return err
	}
	tags, err := src.Tags(ctx)
	if best := newestTag(tags); err == nil && best != nil {
		d.Range, err = ident.ParseRange(ident.Caret(best.Version))
		d.HasRange = true
	}
	return err
}

// newestTag is the highest stable one of tags, which are sorted, else the highest.
func newestTag(tags []git.Tag) *git.Tag {
	for i := len(tags) - 1; i >= 0; i-- {
		if tags[i].Version.Prerelease() == "" {
			return &tags[i]
		}
	}
	if len(tags) == 0 {
		return nil
	}
	return &tags[len(tags)-1]
}

// fromRoot turns a path relative to where the user stands into one relative to the workspace, as the manifest has it.
func (ws *Workspace) fromRoot(url string) (string, error) {
	rel, err := filepath.Rel(ws.Root, filepath.Join(ws.world.Dir, filepath.FromSlash(url)))
	if err != nil {
		return "", err
	}
	rel = filepath.ToSlash(rel)
	if !strings.HasPrefix(rel, "..") {
		rel = "./" + rel
	}
	return ident.ParseGitURL(rel)
}

// GitSpecError says why arguments name no package of a repository.
type GitSpecError struct{ SpecError }

// Hint shows the form.
func (e *GitSpecError) Hint() string {
	return "write opkg add [NAME] --git URL, with --ref TAG|BRANCH|COMMIT or --version RANGE, and --base DIR for a directory of the repository"
}

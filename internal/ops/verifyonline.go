package ops

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"

	"github.com/openpackage/opkg/ident"
	"github.com/openpackage/opkg/lock"
	"github.com/openpackage/opkg/registry"
	"github.com/openpackage/opkg/sources"
)

// verifyOnline asks the source of each package what it says of the locked version today. Another digest or commit is a problem; what is
// withdrawn, gone, or shadowed by a registry that goes before, is a notice.
func (ws *Workspace) verifyOnline(ctx context.Context, l *lock.Lock, opt VerifyOptions, res *VerifyResult) error {
	router, err := ws.routerWith(pinsOf(ws.Requires()), true)
	if err != nil {
		return err
	}
	asked := make([][]Problem, len(l.Packages))
	notices := make([][]Problem, len(l.Packages))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(fetchParallel)
	for i, p := range l.Packages {
		if p.Path != "" || opt.NoDev && p.Dev {
			continue
		}
		g.Go(func() (err error) {
			asked[i], notices[i], err = askAbout(gctx, router, p)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	for i := range asked {
		res.Problems = append(res.Problems, asked[i]...)
		res.Notices = append(res.Notices, notices[i]...)
	}
	res.sort()
	return nil
}

// askAbout compares one package with what its source says.
func askAbout(ctx context.Context, router *sources.Router, p lock.Package) (problems, notices []Problem, err error) {
	if err := router.Permitted(p.Name, p.Source, p.Artifact); err != nil {
		return nil, nil, err
	}
	say := func(expected, found string) Problem {
		return Problem{Name: p.Name, Version: p.Version, Where: Online, Path: string(p.Source), Expected: expected, Found: found}
	}
	src, err := router.SourceFor(p.Source)
	if err != nil {
		return nil, nil, err
	}
	ix, err := src.List(ctx, p.Name)
	var gone *sources.NotFoundError
	var changed *ident.MismatchError
	switch {
	case errors.As(err, &gone):
		return nil, []Problem{say("the package", "no such name")}, nil
	case errors.As(err, &changed): // the cached index remembers what was said before
		return []Problem{say(changed.What+" "+changed.Want, changed.Got)}, nil, nil
	case err != nil:
		return nil, nil, err
	}
	rel := releaseOf(ix, p.Version)
	switch {
	case rel == nil:
		notices = append(notices, say("version "+p.Version.String(), "no such version"))
	case rel.SHA256 != p.SHA256:
		problems = append(problems, say("sha256 "+p.SHA256.String(), rel.SHA256.String()))
	case !rel.Tree.IsZero() && rel.Tree != p.Tree:
		problems = append(problems, say("tree "+p.Tree.String(), rel.Tree.String()))
	}
	if rel != nil && rel.Yanked {
		notices = append(notices, say("a version to be used", "it is yanked"))
	}
	owner, err := router.Owner(ctx, p.Name)
	switch {
	case errors.As(err, &gone):
	case err != nil:
		return nil, nil, err
	case owner.Source.ID() != p.Source:
		notices = append(notices, say("to answer for this name", fmt.Sprintf("%s goes before it and has the name now", owner.Source.ID())))
	}
	return problems, notices, nil
}

// releaseOf finds a version in an index.
func releaseOf(ix *registry.Index, v ident.Version) *registry.Release {
	for i := range ix.Releases {
		if ix.Releases[i].Version.Compare(v) == 0 {
			return &ix.Releases[i]
		}
	}
	return nil
}

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

// verifyOnline asks the source of each package what it says of the locked version today. Other content is a problem; what is
// withdrawn, gone, or shadowed by a registry that goes before, is a notice. All are asked, whatever one of them answers: the error is the first, by
// the order of the lock, of those that could not be asked.
func (ws *Workspace) verifyOnline(ctx context.Context, l *lock.Lock, opt VerifyOptions, res *VerifyResult) error {
	router, err := ws.routerWith(pinsOf(ws.Requires()), true)
	if err != nil {
		return err
	}
	asked := make([]inquiry, len(l.Packages))
	errs := make([]error, len(l.Packages))
	g := errgroup.Group{}
	g.SetLimit(fetchParallel)
	for i, p := range l.Packages {
		if p.Path != "" || opt.NoDev && p.Dev {
			continue
		}
		asked[i].about = p
		g.Go(func() error {
			if p.Git != "" {
				errs[i] = asked[i].askRepository(ctx, ws)
			} else {
				errs[i] = asked[i].ask(ctx, router)
			}
			return nil
		})
	}
	_ = g.Wait()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	for i := range asked {
		res.Problems = append(res.Problems, asked[i].problems...)
		res.Notices = append(res.Notices, asked[i].notices...)
		if errs[i] != nil {
			res.Unanswered++
			if err == nil {
				err = errs[i]
			}
		}
	}
	res.sort()
	return err
}

// inquiry is what was learned of one package from its source.
type inquiry struct {
	about             lock.Package
	problems, notices []Problem
}

func (q *inquiry) problem(expected, found string) {
	q.problems = append(q.problems, q.says(expected, found))
}

func (q *inquiry) notice(expected, found string) {
	q.notices = append(q.notices, q.says(expected, found))
}

func (q *inquiry) says(expected, found string) Problem {
	return Problem{Name: q.about.Name, Version: q.about.Version, Where: Online, Path: comesFrom(&q.about), Expected: expected, Found: found}
}

// ask compares one package with what its source says.
func (q *inquiry) ask(ctx context.Context, router *sources.Router) error {
	p := q.about
	if err := router.Permitted(p.Name, p.Source, p.Artifact); err != nil {
		return err
	}
	src, err := router.SourceFor(p.Source)
	if err != nil {
		return err
	}
	ix, err := src.List(ctx, p.Name)
	var gone *sources.NotFoundError
	var changed *ident.MismatchError
	switch {
	case errors.As(err, &gone):
		q.notice("the package", "no such name")
		return nil
	case errors.As(err, &changed): // what is kept of the index remembers what was said before, of this version or of another one
		q.about.Version = changed.Version
		q.problem(changed.What+" "+changed.Want, changed.Got)
		return nil
	case err != nil:
		return err
	}
	rel := releaseOf(ix, p.Version)
	q.compare(rel)
	if m, ok := src.(sources.Mover); ok && rel != nil && p.Commit != "" {
		move, err := m.Moved(ctx, refOf(&p))
		if err != nil {
			return err
		}
		q.judge(move)
	}
	owner, err := router.Owner(ctx, p.Name)
	switch {
	case errors.As(err, &gone):
	case err != nil:
		return err
	case owner.Source.ID() != p.Source:
		q.notice("to answer for this name", fmt.Sprintf("%s goes before it and has the name now", owner.Source.ID()))
	}
	return nil
}

// askRepository asks where the ref leads today that a package of a repository was locked from. A branch may lead anywhere.
func (q *inquiry) askRepository(ctx context.Context, ws *Workspace) error {
	p := q.about
	if err := ws.permitGit(&p); err != nil {
		return err
	}
	src, err := ws.gitSource(p.Name, p.Git, p.Base)
	if err != nil {
		return err
	}
	move, err := src.Moved(ctx, p.Ref, p.Commit)
	if err != nil {
		return err
	}
	if move != nil && (move.Tag || move.Lost || move.Now == "") {
		q.judge(move)
	}
	return nil
}

// judge says what a move means: other content where there was the locked one is a problem.
func (q *inquiry) judge(move *sources.Move) {
	if move == nil {
		return
	}
	expected := fmt.Sprintf("commit %s at %s", q.about.Commit, move.What)
	switch {
	case move.Now == "":
		q.notice(expected, "it is not there any more")
	case move.Lost:
		q.notice("commit "+string(q.about.Commit), "the server does not have it any more")
	case move.Same:
		q.notice(expected, fmt.Sprintf("commit %s, with the same content", move.Now))
	default:
		q.problem(expected, fmt.Sprintf("commit %s, with other content", move.Now))
	}
}

// compare holds a release, nil if it is gone, against the lock. A git registry's releases have no digests.
func (q *inquiry) compare(rel *registry.Release) {
	p := &q.about
	switch {
	case rel == nil:
		q.notice("version "+p.Version.String(), "no such version")
		return
	case !rel.SHA256.IsZero() && rel.SHA256 != p.SHA256:
		q.problem("sha256 "+p.SHA256.String(), rel.SHA256.String())
	case !rel.Tree.IsZero() && rel.Tree != p.Tree:
		q.problem("tree "+p.Tree.String(), rel.Tree.String())
	case rel.Size != 0 && p.Size != 0 && rel.Size != p.Size:
		q.problem(fmt.Sprintf("%d bytes", p.Size), fmt.Sprintf("%d bytes", rel.Size))
	}
	if rel.Yanked {
		found := "it is yanked"
		if rel.YankReason != "" {
			found += ": " + ident.CleanText(rel.YankReason)
		}
		q.notice("a version to be used", found)
	}
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

package ops

import (
	"context"
	"errors"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/openpackage/opkg/ident"
	"github.com/openpackage/opkg/lock"
	"github.com/openpackage/opkg/solver"
	"github.com/openpackage/opkg/sources"
)

// OutdatedOptions say what Outdated looks at.
type OutdatedOptions struct {
	Names []ident.Name // these; none: all that All says
	All   bool         // what the manifest does not name as well
}

// OutdatedPackage is a locked package of a registry or repository, and the versions that are to be had.
type OutdatedPackage struct {
	Name       ident.Name
	Current    ident.Version  // in the lock
	Wanted     ident.Version  // what upgrade would choose; zero where it would choose none
	Latest     ident.Version  // the newest that is stable and not yanked; zero where there is none
	Owner      ident.SourceID // the registry that answers for the name now
	Alias      string         // of Owner
	Locked     ident.SourceID // the registry that it was locked from
	Yanked     bool           // Current was withdrawn
	YankReason string         // or ""
	Gone       bool           // Owner no longer lists Current
	Moved      *sources.Move  // of a package of a repository: its branch or tag leads elsewhere now; nil: it does not
	Direct     bool
	Dev        bool
}

// Behind reports whether there is something to tell.
func (p *OutdatedPackage) Behind() bool {
	return p.Yanked || p.Gone || p.Moved != nil || p.Owner != p.Locked || p.Latest.Compare(p.Current) > 0 || !p.Wanted.IsZero() && p.Wanted.Compare(p.Current) != 0
}

// Outdated compares the lock with what the registries offer, sorted by name. It writes no lock. unsolved is why nothing can
// be wanted: the requirements as they stand have no solution with the newest versions. The error is one of reading or asking.
func (w *World) Outdated(ctx context.Context, opt OutdatedOptions) (list []OutdatedPackage, unsolved error, err error) {
	ws, err := w.Open()
	if err != nil {
		return nil, nil, err
	}
	old, _, err := ws.ReadLock()
	if err != nil {
		return nil, nil, err
	}
	for _, name := range opt.Names {
		if old.Find(name) == nil {
			return nil, nil, notLocked(old, name)
		}
	}
	wanted, _, err := ws.resolve(ctx, old, LockOptions{Upgrade: true, versionsAlone: true})
	if as[*solver.NoSolutionError](err) {
		unsolved, err = err, nil
	}
	if err != nil {
		return nil, nil, err
	}
	router, err := ws.router() // the indexes were asked for anew a moment ago
	if err != nil {
		return nil, nil, err
	}
	for _, p := range old.Packages {
		direct := slices.ContainsFunc(old.Requires, func(r lock.Require) bool { return r.Name == p.Name })
		if p.Path == "" && (slices.Contains(opt.Names, p.Name) || len(opt.Names) == 0 && (direct || opt.All)) {
			list = append(list, OutdatedPackage{Name: p.Name, Current: p.Version, Locked: sourceOf(&p), Direct: direct, Dev: p.Dev})
		}
	}
	names := make([]ident.Name, len(list))
	for i := range list {
		names[i] = list[i].Name
	}
	router.Expect(ctx, names)
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(fetchParallel)
	for i := range list {
		g.Go(func() error {
			if k := old.Find(list[i].Name); k.Git != "" {
				return list[i].askRepository(gctx, ws, k)
			}
			return list[i].ask(gctx, router)
		})
	}
	if err := g.Wait(); err != nil {
		return nil, nil, err
	}
	for i := range list {
		if k := find(wanted, list[i].Name); k != nil {
			list[i].Wanted = k.Version
		}
	}
	return list, unsolved, nil
}

// sourceOf is where a package was locked from; a repository is written as a git registry is.
func sourceOf(p *lock.Package) ident.SourceID {
	if p.Git != "" {
		return ident.SourceID("git:" + p.Git)
	}
	return p.Source
}

// askRepository completes p by the tags of its repository, and by where its ref leads today. A repository that the lock alone names
// is not asked: an edited lock cannot point a machine elsewhere.
func (p *OutdatedPackage) askRepository(ctx context.Context, ws *Workspace, k *lock.Package) error {
	p.Owner = p.Locked
	if err := ws.permitGit(k); err != nil {
		return err
	}
	src, err := ws.gitSource(k.Name, k.Git, k.Base)
	if err != nil {
		return err
	}
	if !p.Current.IsGit() { // who follows a branch does not wait for versions
		tags, err := src.Tags(ctx)
		if err != nil {
			return err
		}
		if best := newestTag(tags); best != nil {
			p.Latest = best.Version
		}
	}
	p.Moved, err = src.Moved(ctx, k.Ref, k.Commit)
	return err
}

// ask completes p by what its registry says today.
func (p *OutdatedPackage) ask(ctx context.Context, router *sources.Router) error {
	a, err := router.Owner(ctx, p.Name)
	var missing *sources.NotFoundError
	if errors.As(err, &missing) {
		p.Gone = true
		return nil
	}
	if err != nil {
		return err
	}
	p.Owner, p.Alias, p.Gone = a.Source.ID(), a.Registry.Alias, true
	for _, r := range a.Index.Releases {
		if r.Version.Compare(p.Current) == 0 {
			p.Gone, p.Yanked, p.YankReason = false, r.Yanked, r.YankReason
		}
	}
	if newest := pickNewest(a.Index.Releases); newest != nil {
		p.Latest = newest.Version
	}
	return nil
}

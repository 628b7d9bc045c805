package ops

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/openpackage/opkg/cas"
	"github.com/openpackage/opkg/ident"
	"github.com/openpackage/opkg/internal/event"
	"github.com/openpackage/opkg/lock"
	"github.com/openpackage/opkg/sources"
)

// fetchParallel is how many artifacts are under way at once: enough to hide the latency of small ones.
const fetchParallel = 16

// learn completes packages whose index does not say size and tree: it fetches their artifacts into the store, where sync
// finds them.
func (ws *Workspace) learn(ctx context.Context, router *sources.Router, packages []lock.Package) error {
	var short []*lock.Package
	var total int64
	for i := range packages {
		if p := &packages[i]; p.Path == "" && (p.Size == 0 || p.Tree.IsZero()) {
			short = append(short, p)
			total += p.Size
		}
	}
	if len(short) == 0 {
		return nil
	}
	store, err := cas.Open(ws.world.StoreDir(), cas.Options{Observer: ws.world.Observer})
	if err != nil {
		return err
	}
	release, err := store.Shared(ctx)
	if err != nil {
		return err
	}
	defer release()
	ws.world.Observer.Emit(event.Event{Kind: event.Plan, Count: len(short), Total: total})
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(fetchParallel)
	for _, p := range short {
		g.Go(func() error { return ws.learnOne(gctx, store, router, p) })
	}
	if err := g.Wait(); err != nil {
		store.Discard()
		return err
	}
	return store.Flush(ctx)
}

func (ws *Workspace) learnOne(ctx context.Context, store *cas.Store, router *sources.Router, p *lock.Package) error {
	have, ok, err := store.Artifact(p.SHA256)
	if err != nil {
		return err
	}
	if !ok {
		src, err := router.SourceFor(p.Source)
		if err != nil {
			return err
		}
		if have, err = ws.fetchInto(ctx, store.Put, src, *p); err != nil {
			return err
		}
	} else if err := sameArtifact(*p, have, string(p.Source)); err != nil {
		return err
	}
	p.Size, p.Tree = have.Size, have.Tree
	return nil
}

// putFunc is cas.Store.Put or PutUnpacked.
type putFunc func(context.Context, cas.Want, io.Reader) (*cas.Artifact, error)

// fetchInto downloads, verifies and stores one artifact.
func (ws *Workspace) fetchInto(ctx context.Context, put putFunc, src sources.Source, p lock.Package) (*cas.Artifact, error) {
	want, err := wantOf(p)
	if err != nil {
		return nil, err
	}
	observer := ws.world.Observer
	e := event.Event{Name: p.Name, Version: p.Version, Source: string(p.Source)}
	started := e
	started.Kind, started.Total = event.FetchStart, p.Size
	observer.Emit(started)
	body, err := src.Open(ctx, sources.Ref{Name: p.Name, Version: p.Version, Artifact: p.Artifact, Size: p.Size, SHA256: p.SHA256, Commit: p.Commit})
	if err != nil {
		return nil, err
	}
	defer body.Close()
	got, err := put(ctx, want, &counter{r: body, event: e, observer: observer})
	if err != nil {
		return nil, err
	}
	done := e
	done.Kind, done.Bytes = event.FetchDone, got.Size
	observer.Emit(done)
	return got, nil
}

// counter emits FetchBytes as bytes come by.
type counter struct {
	r        io.Reader
	event    event.Event
	observer event.Observer
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	if n > 0 && c.observer != nil {
		e := c.event
		e.Kind, e.Bytes = event.FetchBytes, int64(n)
		c.observer(e)
	}
	return n, err
}

// sameArtifact holds what the store knows of an artifact against what the lock or the index says of it: either may be wrong.
// A zero size or tree is not known. says is who says it, for the message.
func sameArtifact(p lock.Package, have *cas.Artifact, says string) error {
	diff := func(what, want, got string) error {
		return &ident.MismatchError{Name: p.Name, Version: p.Version, Source: says, What: what, Want: want, Got: got}
	}
	switch {
	case have.Name != p.Name || have.Version != p.Version:
		return diff("the package in the artifact", fmt.Sprintf("%s@%s", p.Name, p.Version), fmt.Sprintf("%s@%s", have.Name, have.Version))
	case have.Tree != p.Tree && !p.Tree.IsZero():
		return diff("tree", p.Tree.String(), have.Tree.String())
	case have.Size != p.Size && p.Size != 0:
		return diff("size", fmt.Sprint(p.Size), fmt.Sprint(have.Size))
	case !slices.Equal(lockDependencies(have.Dependencies), p.Dependencies):
		return diff("list of dependencies", describeLocked(p.Dependencies), describeLocked(lockDependencies(have.Dependencies)))
	}
	return nil
}

// describeLocked is a dependency list in words.
func describeLocked(deps []lock.Dependency) string {
	if len(deps) == 0 {
		return "none"
	}
	parts := make([]string, len(deps))
	for i, d := range deps {
		parts[i] = string(d.Name) + " " + d.Range
	}
	return strings.Join(parts, ", ")
}

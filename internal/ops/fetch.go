package ops

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/openpackage/opkg/cas"
	"github.com/openpackage/opkg/ident"
	"github.com/openpackage/opkg/internal/event"
	"github.com/openpackage/opkg/internal/parallel"
	"github.com/openpackage/opkg/lock"
	"github.com/openpackage/opkg/sources"
)

// How much is under way at once.
const (
	downloadParallel = 96 // artifacts over HTTP: enough to hide the latency of small ones, and fewer than the 100 streams that servers of HTTP/2 grant. To a near registry, the transport lets fewer through.
	fetchParallel    = 16 // what may take a program or a file each, as git does
)

// parallelFor is how many of the packages are fetched at once.
func parallelFor(packages []*lock.Package) int {
	if slices.ContainsFunc(packages, func(p *lock.Package) bool { return p.Source.Kind() != ident.StaticHTTP }) {
		return fetchParallel
	}
	return downloadParallel
}

// learn completes packages whose index does not say size and tree: it fetches their artifacts into the store, where sync
// finds them.
func (ws *Workspace) learn(ctx context.Context, router *sources.Router, packages []lock.Package) error {
	var short []*lock.Package
	var total int64
	for i := range packages {
		if p := &packages[i]; p.Path == "" && (p.Size == 0 && p.Commit == "" || p.Tree.IsZero()) {
			short = append(short, p)
			total += p.Size
		}
	}
	if len(short) == 0 {
		return nil
	}
	store, err := ws.world.openStore()
	if err != nil {
		return err
	}
	release, err := store.Shared(ctx)
	if err != nil {
		return err
	}
	defer release()
	ws.world.Observer.Emit(event.Event{Kind: event.Plan, Count: len(short), Total: total})
	if err := ws.gather(ctx, router, short); err != nil {
		return err
	}
	err = parallel.Each(ctx, parallelFor(short), len(short), func(ctx context.Context, i int) error { return ws.learnOne(ctx, store, router, short[i]) })
	if err != nil {
		store.Discard()
		return err
	}
	return store.Flush(ctx)
}

func (ws *Workspace) learnOne(ctx context.Context, store *cas.Store, router *sources.Router, p *lock.Package) error {
	var have *cas.Artifact
	ok := false
	if !p.SHA256.IsZero() {
		var err error
		if have, ok, err = store.Artifact(p.SHA256); err != nil {
			return err
		}
	}
	if !ok {
		src, err := ws.openerOf(router, p)
		if err != nil {
			return err
		}
		if have, err = ws.fetchInto(ctx, store, src, *p); err != nil {
			return err
		}
	} else if err := sameArtifact(*p, have, comesFrom(p)); err != nil {
		return err
	}
	p.SHA256, p.Tree = have.SHA256, have.Tree
	if p.Commit == "" {
		p.Size = have.Size
	}
	return nil
}

// fetchInto downloads, verifies and stores one artifact.
func (ws *Workspace) fetchInto(ctx context.Context, store *cas.Store, src opener, p lock.Package) (*cas.Artifact, error) {
	want, err := ws.wantOf(p)
	if err != nil {
		return nil, err
	}
	observer := ws.world.Observer
	e := event.Event{Name: p.Name, Version: p.Version, Source: comesFrom(&p)}
	started := e
	started.Kind, started.Total = event.FetchStart, p.Size
	observer.Emit(started)
	body, err := src.Open(ctx, refOf(&p))
	if err != nil {
		return nil, err
	}
	defer body.Close()
	var got *cas.Artifact
	if body.Files != nil {
		got, err = store.PutFiles(ctx, want, *body.Files)
	} else {
		got, err = store.Put(ctx, want, &counter{r: body.Archive, event: e, observer: observer})
	}
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
	case have.Name != p.Name, p.Git == "" && have.Version != p.Version, p.Git != "" && !cas.SameVersion(p.Version, have.Version):
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

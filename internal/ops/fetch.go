package ops

import (
	"context"
	"io"
	"strings"

	"github.com/openpackage/opkg/cas"
	"github.com/openpackage/opkg/internal/event"
	"github.com/openpackage/opkg/lock"
	"github.com/openpackage/opkg/sources"
)

// fetchParallel is how many artifacts are under way at once: enough to hide the latency of small ones.
const fetchParallel = 16

// fetch downloads one artifact into the store of this machine.
func (ws *Workspace) fetch(ctx context.Context, src sources.Source, p lock.Package) (*cas.Artifact, error) {
	store, err := cas.Open(ws.world.StoreDir(), cas.Options{Observer: ws.world.Observer})
	if err != nil {
		return nil, err
	}
	release, err := store.Shared(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	if have, ok, err := store.Artifact(p.SHA256); err != nil || ok {
		return have, err
	}
	a, err := ws.fetchInto(ctx, store, src, p)
	if err != nil {
		return nil, err
	}
	return a, store.Flush(ctx)
}

// fetchInto downloads, verifies and stores one artifact.
func (ws *Workspace) fetchInto(ctx context.Context, store *cas.Store, src sources.Source, p lock.Package) (*cas.Artifact, error) {
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
	got, err := store.Put(ctx, want, &counter{r: body, event: e, observer: observer})
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

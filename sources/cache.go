package sources

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/openpackage/opkg/ident"
	"github.com/openpackage/opkg/internal/event"
	"github.com/openpackage/opkg/registry"
)

// Revalidator is a Source whose indexes are documents that can be kept, and asked for again at little cost.
type Revalidator interface {
	Source
	// Fetch gets the document of a name. Errors as List.
	Fetch(ctx context.Context, name ident.Name, opt FetchOptions) (*Document, error)
	// Parse reads a document, and resolves its artifacts. The error is a *registry.Error.
	Parse(name ident.Name, data []byte) (*registry.Index, error)
}

// FetchOptions of Revalidator.Fetch.
type FetchOptions struct {
	ETag    string // of the document that is kept: NotModified is an answer then
	NoCache bool   // caches on the way must ask the registry itself
}

// Document is an index as it came.
type Document struct {
	NotModified bool // Data is nil: what is kept is current
	Data        []byte
	ETag        string
	MaxAge      time.Duration // how long it may be used without asking; 0: not at all
	NoStore     bool          // it must not be kept
}

// CacheOptions of NewCached.
type CacheOptions struct {
	Dir      string           // OPKG_HOME/cache; safe to delete at any time
	Now      func() time.Time // nil: time.Now
	Offline  bool             // ask nothing, and answer from what is kept
	Refresh  bool             // ask even for what is still fresh
	Asked    *Asked           // what need not be asked again; nil: all is
	Observer event.Observer
}

// Asked remembers what registries said of names that a run asked for one by one. The zero Asked is empty; it is safe for concurrent use.
type Asked struct{ answers sync.Map } // askedName → *registry.Index; nil: the registry does not have the name

type askedName struct {
	source ident.SourceID
	name   ident.Name
	anew   bool // caches on the way were passed by
}

func (a *Asked) note(id ident.SourceID, name ident.Name, anew bool, ix *registry.Index) {
	if a != nil {
		a.answers.Store(askedName{id, name, anew}, ix)
	}
}

func (a *Asked) answer(id ident.SourceID, name ident.Name, anew bool) (ix *registry.Index, known bool) {
	if a == nil {
		return nil, false
	}
	v, known := a.answers.Load(askedName{id, name, true})
	if !known && !anew {
		v, known = a.answers.Load(askedName{id, name, false})
	}
	if known {
		ix = v.(*registry.Index)
	}
	return ix, known
}

// Cached keeps the indexes of a Source on disk, and what they said before in mind: a version that vanished is a warning, a
// version whose sha256 changed an *ident.MismatchError that names both. What is kept is replaced only
// by a good answer.
type Cached struct {
	src Revalidator
	opt CacheOptions
	dir *cacheDir

	expected atomic.Int64             // names, by Expect
	bundles  memo[struct{}, *bundled] // see current
}

// NewCached wraps src. Nothing is read yet.
func NewCached(src Revalidator, opt CacheOptions) *Cached {
	if opt.Now == nil {
		opt.Now = time.Now
	}
	return &Cached{src: src, opt: opt, dir: cacheDirOf(opt.Dir, src.ID())}
}

// ID implements Source.
func (c *Cached) ID() ident.SourceID { return c.src.ID() }

// Open implements Source. Artifacts are not kept here, but in the store.
func (c *Cached) Open(ctx context.Context, ref Ref) (*Artifact, error) {
	if c.opt.Offline {
		return nil, &UnavailableError{Source: c.ID(), Err: &offlineError{fmt.Sprintf("%s@%s is not in the store", ref.Name, ref.Version)}}
	}
	return c.src.Open(ctx, ref)
}

// offlineError says what is missing where nothing may be asked.
type offlineError struct{ missing string }

func (e *offlineError) Error() string { return e.missing + ", and --offline forbids to ask for it" }
func (e *offlineError) Hint() string  { return "run the command once with the network" }

// List implements Source.
func (c *Cached) List(ctx context.Context, name ident.Name) (*registry.Index, error) {
	ix, known := c.opt.Asked.answer(c.ID(), name, c.opt.Refresh)
	switch {
	case !known:
		return c.list(ctx, name)
	case ix == nil:
		return nil, &NotFoundError{Name: name, Asked: []string{string(c.ID())}}
	}
	return ix, nil
}

func (c *Cached) list(ctx context.Context, name ident.Name) (*registry.Index, error) {
	defer c.dir.pack.use()()
	old := c.load(name)
	switch {
	case c.opt.Offline && old == nil:
		return nil, &UnavailableError{Source: c.ID(), Err: &offlineError{fmt.Sprintf("its index of %s is not in the cache", name)}}
	case c.opt.Offline && old.Missing:
		return nil, &NotFoundError{Name: name, Asked: []string{string(c.ID())}}
	case c.opt.Offline, old != nil && !c.opt.Refresh && old.fresh(c.opt.Now()):
		return old.index, nil
	}
	if ix, err := c.fromBundle(ctx, name, old); ix != nil || err != nil {
		return ix, err
	}
	opt := FetchOptions{NoCache: c.opt.Refresh}
	if old != nil && !old.Missing {
		opt.ETag = old.ETag
	}
	doc, err := c.src.Fetch(ctx, name, opt)
	var missing *NotFoundError
	switch {
	case errors.As(err, &missing):
		c.noteMissing(name, old)
		c.opt.Asked.note(c.ID(), name, c.opt.Refresh, nil)
		return nil, err
	case err != nil:
		return nil, err
	case doc.NotModified && (old == nil || opt.ETag == ""):
		return nil, &UnavailableError{Source: c.ID(), Err: fmt.Errorf("it says that its index of %s is not modified, to who has none", name)}
	case doc.NotModified:
		if doc.MaxAge > 0 {
			old.keepUntil(c.opt.Now(), doc.MaxAge)
			c.dir.write(name, &old.entry)
		}
		c.opt.Asked.note(c.ID(), name, c.opt.Refresh, old.index)
		return old.index, nil
	}
	ix, err := c.take(name, old, doc)
	if err == nil {
		c.opt.Asked.note(c.ID(), name, c.opt.Refresh, ix)
	}
	return ix, err
}

// kept is an entry with its index parsed; index is nil where the registry never had the name.
type kept struct {
	entry
	index *registry.Index
}

// load reads what is kept of a name; what cannot be read is not there.
func (c *Cached) load(name ident.Name) *kept {
	e := c.dir.read(name)
	if e == nil {
		return nil
	}
	k := &kept{entry: *e}
	if len(e.data) == 0 && e.Missing {
		return k
	}
	var err error
	if k.index, err = c.src.Parse(name, e.data); err != nil {
		return nil
	}
	return k
}

// noteMissing remembers that the registry does not have the name, and what it had before.
func (c *Cached) noteMissing(name ident.Name, old *kept) {
	e := entry{}
	if old != nil {
		if old.Missing {
			return
		}
		e = old.entry
		c.warn(fmt.Sprintf("%s had %s before and says now that it does not", c.ID(), name))
	}
	e.Missing, e.Until = true, time.Time{}
	c.dir.write(name, &e)
}

// take holds a new document against the one that is kept, and keeps it.
func (c *Cached) take(name ident.Name, old *kept, doc *Document) (*registry.Index, error) {
	ix, err := c.src.Parse(name, doc.Data)
	if err != nil {
		return nil, err
	}
	e := entry{ETag: doc.ETag, data: doc.Data}
	if old != nil {
		if e.Gone, err = c.compare(name, old, ix); err != nil {
			return nil, err
		}
	}
	if doc.NoStore {
		return ix, nil
	}
	e.keepUntil(c.opt.Now(), doc.MaxAge)
	c.dir.write(name, &e)
	return ix, nil
}

// compare returns the versions that were there once and are not in ix, with their digests. What a bundle said alone accuses nobody.
func (c *Cached) compare(name ident.Name, old *kept, ix *registry.Index) (gone map[string]string, err error) {
	now := byVersion(ix)
	check := func(v, was string) (vanished bool, err error) {
		is := now[v]
		if is == nil || is.SHA256.String() == was {
			return is == nil, nil
		}
		version, _ := ident.ParseVersion(v)
		return false, &ChangedError{MismatchError: &ident.MismatchError{Name: name, Version: version, Source: string(c.ID()), What: "sha256",
			Want: was + " (as seen before)", Got: is.SHA256.String()}}
	}
	gone = map[string]string{}
	for v, was := range old.Gone {
		vanished, err := check(v, was)
		if err != nil {
			return nil, err
		}
		if vanished {
			gone[v] = was
		}
	}
	if old.index == nil {
		return gone, nil
	}
	var doubted []string
	for _, r := range old.index.Releases {
		v := r.Version.String()
		vanished, err := check(v, r.SHA256.String())
		if _, sure := old.Indexed[v]; old.Bundled && !sure {
			if vanished || err != nil {
				doubted = append(doubted, v)
			}
			continue
		}
		if err != nil {
			return nil, err
		}
		if vanished {
			gone[v] = r.SHA256.String()
			c.warn(fmt.Sprintf("%s had %s %s before and does not list it any more", c.ID(), name, v))
		}
	}
	if len(doubted) > 0 {
		c.warn(fmt.Sprintf("%s%s had %s %s otherwise than the index of the package, which counts", c.ID(), registry.BundlePath, name, strings.Join(doubted, ", ")))
	}
	return gone, nil
}

// byVersion are the releases of an index; a version that is not there is nil.
func byVersion(ix *registry.Index) map[string]*registry.Release {
	m := make(map[string]*registry.Release, len(ix.Releases))
	for i := range ix.Releases {
		m[ix.Releases[i].Version.String()] = &ix.Releases[i]
	}
	return m
}

func (c *Cached) warn(text string) {
	c.opt.Observer.Emit(event.Event{Kind: event.Warning, Source: string(c.ID()), Text: text,
		Hint: "a registry keeps what it has published, and yanks what is not to be used: ask its owner"})
}

// ChangedError is a published version whose archive is another one now. It wraps an *ident.MismatchError.
type ChangedError struct{ *ident.MismatchError }

func (e *ChangedError) Unwrap() error { return e.MismatchError }

// Hint says what to do.
func (e *ChangedError) Hint() string {
	return "a published version never changes: ask the registry's owner, and if this is right, empty the cache directory"
}

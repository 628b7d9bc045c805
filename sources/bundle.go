package sources

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/openpackage/opkg/ident"
	"github.com/openpackage/opkg/internal/event"
	"github.com/openpackage/opkg/registry"
)

// A registry may keep the indexes of all its packages in one file more, a bundle (registry.BundlePath). Who will need many of them asks for that
// first, and for single ones only where it does not have them: a name that is not in a bundle may be in the registry all the same.

// Expecter is a Source that asks otherwise for many names than for few. Expect says how many will probably be asked for, before the
// first is.
type Expecter interface {
	Expect(names int)
}

// BundleRevalidator is a Revalidator that may have a bundle, a document as an index is.
type BundleRevalidator interface {
	Revalidator
	// FetchBundle gets the document, inflated, if it has no more than most bytes as it is served. It is asked for once: whatever stands in the
	// way is an error, since there is another way.
	FetchBundle(ctx context.Context, opt FetchOptions, most int64) (*Document, error)
}

const (
	// minBundled is for how many names a bundle is asked for: fewer are few requests, which bring what is newest of each.
	minBundled = 16
	// A bundle may have as many bytes as these, and as many for each name that is expected: about what asking for each costs.
	bundleBytes     = 256 << 10
	bundleBytesEach = 4 << 10
)

// bundleName stands for the bundle among the names of a cache: no package has it.
const bundleName ident.Name = ".all"

// bundled are the documents of a bundle.
type bundled struct {
	texts   map[ident.Name][]byte
	noStore bool                  // they must not be kept
	keep    atomic.Pointer[entry] // is to be kept itself, by whoever takes it; nil: by nobody
}

// Expect implements Expecter.
func (c *Cached) Expect(names int) { c.expected.Store(int64(names)) }

// Expect tells the registries which names will probably be asked for. It asks nothing. What is wrong with a registry, shows when it is asked.
func (r *Router) Expect(ctx context.Context, names []ident.Name) {
	counts := map[ident.SourceID]int{}
	for _, name := range names {
		if list, _ := r.candidates(name); len(list) > 0 {
			counts[list[0].Source]++ // whether the next is asked, only the answer tells
		}
	}
	for _, reg := range r.distinct() {
		if n := counts[reg.Source]; n > 0 {
			if src, err := r.source(ctx, reg); err == nil {
				src.Expect(n)
			}
		}
	}
}

// current is the bundle as the registry has it now, asked for once; nil where it is not asked for, or there is none.
func (c *Cached) current(ctx context.Context) (*bundled, error) {
	src, ok := c.src.(BundleRevalidator)
	if !ok || c.expected.Load() < minBundled {
		return nil, nil
	}
	return c.bundles.do(ctx, struct{}{}, func() (*bundled, error) {
		b, err := c.fetchBundle(ctx, src)
		if err != nil && ctx.Err() != nil {
			return nil, ctx.Err() // not its cause, which may be an error that the memo would keep
		}
		instead := func(e event.Event, err error) {
			e.Source, e.Text = string(c.ID()), fmt.Sprintf("%v; the index of each package is asked for instead", err)
			c.opt.Observer.Emit(e)
		}
		var bad *registry.Error
		var down *UnavailableError
		switch {
		case errors.As(err, &bad):
			instead(event.Event{Kind: event.Warning, Hint: "tell the registry's owner: opkg registry index writes the file anew"}, bad)
		case errors.As(err, &down):
			instead(event.Event{Kind: event.Retry}, down.Err)
		}
		return b, nil
	})
}

func (c *Cached) fetchBundle(ctx context.Context, src BundleRevalidator) (*bundled, error) {
	parse := func(data []byte) (map[ident.Name][]byte, error) {
		return registry.ParseBundle(string(c.ID())+registry.BundlePath, data)
	}
	opt := FetchOptions{NoCache: c.opt.Refresh}
	var kept map[ident.Name][]byte
	old := c.dir.read(bundleName)
	if old != nil {
		var err error
		if kept, err = parse(old.data); err == nil {
			opt.ETag = old.ETag
		}
	}
	if kept != nil && !c.opt.Refresh && old.fresh(c.opt.Now()) {
		return &bundled{texts: kept}, nil
	}
	doc, err := src.FetchBundle(ctx, opt, bundleBytes+bundleBytesEach*c.expected.Load())
	switch {
	case err != nil:
		return nil, err
	case doc.NotModified && opt.ETag == "":
		return nil, errors.New("it says that nothing is modified, to who has nothing")
	case doc.NotModified:
		b := &bundled{texts: kept}
		if doc.MaxAge > 0 {
			old.keepUntil(c.opt.Now(), doc.MaxAge)
			b.keep.Store(old)
		}
		return b, nil
	}
	b := &bundled{noStore: doc.NoStore}
	if b.texts, err = parse(doc.Data); err != nil || doc.NoStore {
		return b, err
	}
	e := &entry{ETag: doc.ETag, data: doc.Data}
	e.keepUntil(c.opt.Now(), doc.MaxAge)
	b.keep.Store(e)
	return b, nil
}

// fromBundle answers for a name from the bundle; nil where the registry is to be asked for the name itself. old is what was known of it.
func (c *Cached) fromBundle(ctx context.Context, name ident.Name, old *kept) (*registry.Index, error) {
	b, err := c.current(ctx)
	if b == nil || err != nil {
		return nil, err
	}
	if e := b.keep.Swap(nil); e != nil { // by one, while the others go on
		c.dir.write(bundleName, e)
	}
	text, ok := b.texts[name]
	switch {
	case !ok:
		return nil, nil
	case old != nil && !old.Missing && bytes.Equal(old.data, text):
		return old.index, nil
	}
	ix, err := c.src.Parse(name, text)
	if err != nil || old != nil && !old.agrees(ix) { // the bundle may be damaged, or older: the index itself has the last word
		return nil, nil
	}
	if !b.noStore {
		e := entry{data: text, Bundled: true}
		if old != nil {
			e.Gone, e.Indexed = old.Gone, old.indexed()
		}
		c.dir.write(name, &e)
	}
	return ix, nil
}

// indexed are the versions that an index had, with their sha256.
func (k *kept) indexed() map[string]string {
	if k.Bundled || k.index == nil {
		return k.Indexed
	}
	has := make(map[string]string, len(k.index.Releases))
	for i := range k.index.Releases {
		has[k.index.Releases[i].Version.String()] = k.index.Releases[i].SHA256.String()
	}
	return has
}

// agrees reports whether ix has all versions that were seen before, as they were, and yanked those that were.
func (k *kept) agrees(ix *registry.Index) bool {
	now := byVersion(ix)
	for v := range k.Gone {
		if now[v] != nil {
			return false
		}
	}
	if k.index == nil {
		return true
	}
	for i := range k.index.Releases {
		was := &k.index.Releases[i]
		is := now[was.Version.String()]
		if is == nil || is.SHA256 != was.SHA256 || was.Yanked && !is.Yanked {
			return false
		}
	}
	return true
}

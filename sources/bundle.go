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
	entry
	texts map[ident.Name][]byte
	news  atomic.Bool // it is to be kept
}

// entryOf is what a cache keeps of a name that it has from a bundle alone; nil where it has nothing.
func (b *bundled) entryOf(name ident.Name) *entry {
	if b == nil || b.texts[name] == nil {
		return nil
	}
	return &entry{From: b.From, Until: b.Until, data: b.texts[name]}
}

// bundle is the bundle that is kept; nil where there is none that can be read.
func (d *cacheDir) bundle() *bundled {
	e := d.read(bundleName)
	if e == nil || e.Missing {
		return nil
	}
	texts, err := registry.ParseBundle(registry.BundlePath, e.data)
	if err != nil {
		return nil
	}
	return &bundled{entry: *e, texts: texts}
}

// Expect implements Expecter.
func (c *Cached) Expect(names int) { c.expected.Store(int64(names)) }

// Expect tells the registries which names will probably be asked for. It asks nothing.
func (r *Router) Expect(ctx context.Context, names []ident.Name) error {
	counts := map[ident.SourceID]int{}
	for _, name := range names {
		list, _ := r.candidates(name)
		if len(list) == 0 {
			continue
		}
		counts[list[0].Source]++ // whether the next is asked, only the answer tells
	}
	for _, reg := range r.distinct() {
		n := counts[reg.Source]
		if n == 0 {
			continue
		}
		src, err := r.source(ctx, reg)
		if err != nil {
			return err
		}
		src.Expect(n)
	}
	return nil
}

// current is the bundle as the registry has it now, asked for once; nil where it is not asked for, or there is none.
func (c *Cached) current(ctx context.Context) (*bundled, error) {
	if c.expected.Load() < minBundled {
		return nil, nil
	}
	return c.bundles.do(ctx, struct{}{}, func() (*bundled, error) {
		b, err := c.fetchBundle(ctx)
		if err != nil && ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		var bad *registry.Error
		if errors.As(err, &bad) {
			c.opt.Observer.Emit(event.Event{Kind: event.Warning, Source: string(c.ID()), Text: fmt.Sprintf("%v; the index of each package is asked for instead", bad),
				Hint: "tell the registry's owner: opkg registry index writes the file anew"})
		}
		return b, nil
	})
}

func (c *Cached) fetchBundle(ctx context.Context) (*bundled, error) {
	src, ok := c.src.(BundleRevalidator)
	if !ok {
		return nil, nil
	}
	opt := FetchOptions{NoCache: c.opt.Refresh}
	old := c.keptBundle()
	if old != nil {
		opt.ETag = old.ETag
	}
	doc, err := src.FetchBundle(ctx, opt, bundleBytes+bundleBytesEach*c.expected.Load())
	switch {
	case err != nil:
		return nil, err
	case doc.NotModified && opt.ETag == "":
		return nil, errors.New("it says that nothing is modified, to who has nothing")
	case doc.NotModified:
		if doc.MaxAge > 0 {
			old.keepUntil(c.opt.Now(), doc.MaxAge)
			old.news.Store(true)
		}
		return old, nil
	}
	b := &bundled{entry: entry{ETag: doc.ETag, data: doc.Data}}
	if b.texts, err = registry.ParseBundle(string(c.ID())+registry.BundlePath, doc.Data); err != nil || doc.NoStore {
		return b, err
	}
	c.remember(old, b)
	b.keepUntil(c.opt.Now(), doc.MaxAge)
	b.news.Store(true)
	return b, nil
}

// remember keeps on its own what the bundle that is kept says of a name and the new one says otherwise, until the name is asked for and the two are
// compared.
func (c *Cached) remember(old, now *bundled) {
	if old == nil {
		return
	}
	for name, text := range old.texts {
		if !bytes.Equal(text, now.texts[name]) && c.dir.head(name) == nil {
			c.dir.write(name, &entry{data: text})
		}
	}
}

// fromBundle answers for a name from the bundle; ok is false where the registry is to be asked for the name itself. old is what was known of it.
func (c *Cached) fromBundle(ctx context.Context, name ident.Name, old *kept) (ix *registry.Index, ok bool, err error) {
	b, err := c.current(ctx)
	if b == nil || err != nil {
		return nil, false, err
	}
	if b.news.CompareAndSwap(true, false) { // by one, while the others go on
		c.dir.write(bundleName, &b.entry)
	}
	text, ok := b.texts[name]
	if !ok {
		return nil, false, nil
	}
	if old != nil && !old.Missing && bytes.Equal(old.data, text) {
		return old.index, true, nil
	}
	if ix, err = c.src.Parse(name, text); err != nil {
		return nil, false, nil // its own index.json has the last word
	}
	if old != nil {
		e := entry{data: text, From: b.From, Until: b.Until}
		if e.Gone, err = c.compare(name, old, ix); err != nil {
			return nil, false, err
		}
		c.dir.write(name, &e)
	}
	return ix, true, nil
}

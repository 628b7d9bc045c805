package sources

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/openpackage/opkg/config"
	"github.com/openpackage/opkg/ident"
	"github.com/openpackage/opkg/registry"
)

// Searcher is a Source that can say in short all that it has.
type Searcher interface {
	Source
	// Search returns what there is, to look for a package in. Errors: *NoSearchError; all others as List.
	Search(ctx context.Context) (*registry.Search, error)
}

// SearchRevalidator is a Revalidator with search data, a document as an index is.
type SearchRevalidator interface {
	Revalidator
	// FetchSearch gets the document. Errors as Searcher.
	FetchSearch(ctx context.Context, opt FetchOptions) (*Document, error)
	// ParseSearch reads it. Errors: *registry.Error, *registry.SearchFormatError.
	ParseSearch(data []byte) (*registry.Search, error)
}

// NoSearchError says that a registry answers for names that one knows, and cannot be searched.
type NoSearchError struct{ Source ident.SourceID }

func (e *NoSearchError) Error() string {
	return fmt.Sprintf("%s cannot be searched: it has no %s", e.Source, registry.SearchPath)
}

// Hint says who can change that.
func (e *NoSearchError) Hint() string { return "its owner writes one with opkg registry index --site" }

// searchName stands for the search data among the names of a cache: no package has it.
const searchName ident.Name = ""

// Search implements Searcher, and keeps the answer as List keeps indexes.
func (c *Cached) Search(ctx context.Context) (*registry.Search, error) {
	src, ok := c.src.(SearchRevalidator)
	if !ok {
		return nil, &NoSearchError{Source: c.ID()}
	}
	defer c.dir.pack.use()()
	old := c.dir.read(searchName)
	var kept *registry.Search
	if old != nil && !old.Missing {
		var err error
		if kept, err = src.ParseSearch(old.data); err != nil {
			old = nil
		}
	}
	switch {
	case c.opt.Offline && old == nil:
		return nil, &UnavailableError{Source: c.ID(), Err: &offlineError{"its search data is not in the cache"}}
	case c.opt.Offline && old.Missing:
		return nil, &NoSearchError{Source: c.ID()}
	case c.opt.Offline, kept != nil && !c.opt.Refresh && old.fresh(c.opt.Now()):
		return kept, nil
	}
	opt := FetchOptions{NoCache: c.opt.Refresh}
	if kept != nil {
		opt.ETag = old.ETag
	}
	doc, err := src.FetchSearch(ctx, opt)
	if none := (*NoSearchError)(nil); errors.As(err, &none) {
		c.dir.write(searchName, &entry{Missing: true})
	}
	switch {
	case err != nil:
		return nil, err
	case doc.NotModified && opt.ETag == "":
		return nil, &UnavailableError{Source: c.ID(), Err: errors.New("it says that its search data is not modified, to who has none")}
	case doc.NotModified:
		if doc.MaxAge > 0 {
			old.keepUntil(c.opt.Now(), doc.MaxAge)
			c.dir.write(searchName, old)
		}
		return kept, nil
	}
	found, err := src.ParseSearch(doc.Data)
	if err == nil && !doc.NoStore {
		e := entry{ETag: doc.ETag, data: doc.Data}
		e.keepUntil(c.opt.Now(), doc.MaxAge)
		c.dir.write(searchName, &e)
	}
	return found, err
}

// Found is one package of one registry that fits what is looked for.
type Found struct {
	Entry    registry.SearchEntry
	Registry config.Registry
	// Owner is the registry that answers for the name: Registry itself, or one that shadows it. Zero where none does (Registry is
	// asked for its scope alone), or where that cannot be said, since Unsure, which comes first, did not answer.
	Owner  config.Registry
	Unsure *config.Registry
}

// Shadowed reports whether another registry answers for the name.
func (f *Found) Shadowed() bool { return f.Unsure == nil && f.Owner.Source != f.Registry.Source }

// SearchFailure is a registry that could not be searched, and why.
type SearchFailure struct {
	Registry config.Registry
	Err      error
}

// Search looks for term in all configured registries at once. The best fit comes first; what one registry cannot answer is in
// failed, and hides nothing of the others. A registry without search data is asked for the package whose whole name term is.
func (r *Router) Search(ctx context.Context, term string) (found []Found, failed []SearchFailure, err error) {
	registries := r.distinct()
	answers := make([]*registry.Search, len(registries))
	errs := make([]error, len(registries))
	var all sync.WaitGroup
	for i, reg := range registries {
		all.Go(func() { answers[i], errs[i] = r.searchOne(ctx, reg) })
	}
	all.Wait()
	if ctx.Err() != nil {
		return nil, nil, context.Cause(ctx)
	}
	has := make(map[ident.SourceID]*registry.Search, len(registries))
	askable := map[ident.SourceID]bool{} // for one name at a time
	var pool registry.Search
	var from []config.Registry
	for i, reg := range registries {
		var none *NoSearchError
		switch {
		case errs[i] == nil:
			has[reg.Source] = answers[i]
		case errors.As(errs[i], &none):
			if answers[i], err = r.lookup(ctx, reg, term); err != nil {
				errs[i] = err
			} else {
				askable[reg.Source] = true
			}
			fallthrough
		default:
			failed = append(failed, SearchFailure{reg, failureOf(reg, errs[i])})
		}
		if answers[i] != nil {
			pool.Entries = append(pool.Entries, answers[i].Entries...)
			from = append(from, slices.Repeat([]config.Registry{reg}, len(answers[i].Entries))...)
		}
	}
	asked := 0
	for _, at := range pool.Find(term) {
		f := Found{Entry: pool.Entries[at], Registry: from[at]}
		f.Owner, f.Unsure = r.ownerAmong(f.Entry.Name, has)
		if f.Unsure != nil && askable[f.Unsure.Source] && asked < maxAsked {
			asked++
			if a, err := r.Owner(ctx, f.Entry.Name); err == nil {
				f.Owner, f.Unsure = a.Registry, nil
			}
		}
		found = append(found, f)
	}
	return found, failed, ctx.Err()
}

// maxAsked is for how many finds a registry that cannot be searched is asked.
const maxAsked = 50

// ownerAmong is the registry that answers for name, by what each says that it has; unsure is the first that did not say.
func (r *Router) ownerAmong(name ident.Name, has map[ident.SourceID]*registry.Search) (owner config.Registry, unsure *config.Registry) {
	candidates, rule := r.candidates(name)
	if rule != "" {
		return candidates[0], nil
	}
	for _, reg := range candidates {
		s := has[reg.Source]
		if s == nil {
			return config.Registry{}, &reg
		}
		_, ok := slices.BinarySearchFunc(s.Entries, name, func(e registry.SearchEntry, n ident.Name) int { return strings.Compare(string(e.Name), string(n)) })
		if ok {
			return reg, nil
		}
	}
	return config.Registry{}, nil
}

func (r *Router) searchOne(ctx context.Context, reg config.Registry) (*registry.Search, error) {
	src, err := r.source(ctx, reg)
	if err != nil {
		return nil, err
	}
	if s, ok := src.Source.(Searcher); ok {
		return s.Search(ctx)
	}
	return nil, &NoSearchError{Source: reg.Source}
}

// lookup asks a registry that cannot be searched for the package whose whole name term is; nil where there is none. A name that belongs to
// one registry alone is asked of no other: see Others.
func (r *Router) lookup(ctx context.Context, reg config.Registry, term string) (*registry.Search, error) {
	name, err := ident.ParseName(strings.TrimSpace(term))
	if err != nil {
		return nil, nil
	}
	if owners, rule := r.candidates(name); rule != "" && owners[0].Source != reg.Source {
		return nil, nil
	}
	_, ix, err := r.ask(ctx, reg, name)
	var missing *NotFoundError
	switch {
	case errors.As(err, &missing):
		return nil, nil
	case err != nil:
		return nil, err
	}
	e, ok := registry.EntryOf(ix)
	if !ok {
		return nil, nil
	}
	return &registry.Search{Entries: []registry.SearchEntry{e}}, nil
}

// distinct are all registries that the configuration names, each source once, in search order, those of scopes last.
func (r *Router) distinct() []config.Registry {
	seen := map[ident.SourceID]bool{}
	return slices.DeleteFunc(slices.Clone(r.all), func(reg config.Registry) bool {
		again := seen[reg.Source]
		seen[reg.Source] = true
		return again
	})
}

// Others are the registries below the owner of name that have it too, and are not asked for it; what does not answer is in failed. A name
// that belongs to one registry alone is asked of no other: that would tell them the names of private packages.
func (r *Router) Others(ctx context.Context, name ident.Name) (shadowed []config.Registry, failed []SearchFailure, err error) {
	owner, err := r.Owner(ctx, name)
	if err != nil {
		return nil, nil, err
	}
	candidates, _ := r.candidates(name)
	for _, reg := range candidates[len(owner.Tried)+1:] {
		_, _, err := r.ask(ctx, reg, name)
		var missing *NotFoundError
		switch {
		case ctx.Err() != nil:
			return nil, nil, context.Cause(ctx)
		case err == nil:
			shadowed = append(shadowed, reg)
		case !errors.As(err, &missing):
			failed = append(failed, SearchFailure{reg, failureOf(reg, err)})
		}
	}
	return shadowed, failed, nil
}

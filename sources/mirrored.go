package sources

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/openpackage/opkg/ident"
	"github.com/openpackage/opkg/internal/origin"
	"github.com/openpackage/opkg/registry"
)

// Mirrored is a registry that is read from a copy: as the user's own configuration says. To everybody else it is the registry itself: the
// same identity, the same artifacts in what it lists, the same locks. All requests go to the copy, and nothing is
// asked of the registry. Whoever takes an artifact holds it against the digest in the lock or the index, as always.
type Mirrored struct {
	id   ident.SourceID
	base *url.URL // of the registry; nil for a git registry, whose copies are the same to the bit
	copy Source
}

// Noter is a Source that may say that it is a mirror.
type Noter interface {
	// MirrorNote returns what the source says of itself; nil where it says nothing. Errors as List.
	MirrorNote(ctx context.Context) (*registry.MirrorNote, error)
}

// NewMirrored reads the registry id from a copy of it.
func NewMirrored(id ident.SourceID, copy Source) (*Mirrored, error) {
	m := &Mirrored{id: id, copy: copy}
	if id.Kind() == ident.StaticHTTP {
		var err error
		if m.base, err = origin.ParseURL(id.URL()); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// ID implements Source: it is that of the registry.
func (m *Mirrored) ID() ident.SourceID { return m.id }

// List implements Source. A name that a copy of a part does not have may be in the registry all the same: that is no answer, and
// not a reason to ask another registry.
func (m *Mirrored) List(ctx context.Context, name ident.Name) (*registry.Index, error) {
	got, err := m.copy.List(ctx, name)
	var missing *NotFoundError
	if errors.As(err, &missing) {
		return nil, m.missing(ctx, name, missing)
	}
	if err != nil || m.base == nil {
		return got, err
	}
	ix := *got
	ix.Releases = make([]registry.Release, len(got.Releases))
	for i, r := range got.Releases {
		if r.Artifact, err = m.artifact(name, r); err != nil {
			return nil, &registry.Error{File: fmt.Sprintf("%s: %s", m.copy.ID(), registry.IndexPath(name)), Msg: fmt.Sprintf("the tarball of version %s: %v", r.Version, err)}
		}
		ix.Releases[i] = r
	}
	return &ix, nil
}

// artifact is where the registry itself has what the copy lists.
func (m *Mirrored) artifact(name ident.Name, r registry.Release) (string, error) {
	switch {
	case r.Canonical != "":
		return Resolve(m.base, name, r.Canonical)
	case strings.Contains(r.Artifact, "://"): // the index is the registry's own, word for word
		return Resolve(m.base, name, r.Artifact)
	}
	return r.Artifact, nil
}

func (m *Mirrored) missing(ctx context.Context, name ident.Name, missing *NotFoundError) error {
	noter, ok := m.copy.(Noter)
	if !ok {
		return missing
	}
	note, err := noter.MirrorNote(ctx)
	switch {
	case err != nil:
		return err
	case note == nil || note.Complete && note.Source == m.id:
		return missing
	case note.Source != m.id:
		return &UnavailableError{Source: m.id, Err: &mirrorError{fmt.Sprintf("its mirror %s is one of %s", m.copy.ID(), note.Source), "mend mirrors: in your own config.yml"}}
	}
	return &UnavailableError{Source: m.id, Err: &mirrorError{fmt.Sprintf("its mirror %s has only a part of it, and not %s", m.copy.ID(), name),
		"copy more with opkg registry mirror, or take the line out of mirrors: in your own config.yml"}}
}

type mirrorError struct{ msg, hint string }

func (e *mirrorError) Error() string { return e.msg }
func (e *mirrorError) Hint() string  { return e.hint }

// Open implements Source.
func (m *Mirrored) Open(ctx context.Context, ref Ref) (*Artifact, error) {
	if m.base != nil && ref.Artifact != registry.ArtifactPath(ref.Name, ref.Version) {
		ix, err := m.copy.List(ctx, ref.Name)
		if err != nil {
			return nil, err
		}
		ref.Artifact = m.place(ix, ref)
	}
	return m.copy.Open(ctx, ref)
}

// place is where the copy has an artifact that does not stand where registries usually have it.
func (m *Mirrored) place(ix *registry.Index, ref Ref) string {
	for _, r := range ix.Releases {
		if r.Version == ref.Version && !strings.Contains(r.Artifact, "://") {
			return r.Artifact
		}
	}
	if !strings.Contains(ref.Artifact, "://") {
		return ref.Artifact // a copy of all files
	}
	return registry.ArtifactPath(ref.Name, ref.Version)
}

// Gather implements Gatherer, as far as the copy does.
func (m *Mirrored) Gather(ctx context.Context, refs []Ref) error {
	if g, ok := m.copy.(Gatherer); ok {
		return g.Gather(ctx, refs)
	}
	return nil
}

// Expect implements Expecter, as far as the copy does.
func (m *Mirrored) Expect(names int) {
	if e, ok := m.copy.(Expecter); ok {
		e.Expect(names)
	}
}

// Search implements Searcher, as far as the copy does.
func (m *Mirrored) Search(ctx context.Context) (*registry.Search, error) {
	if s, ok := m.copy.(Searcher); ok {
		return s.Search(ctx)
	}
	return nil, &NoSearchError{Source: m.copy.ID()}
}

// MirrorNote implements Noter, as far as the source does.
func (c *Cached) MirrorNote(ctx context.Context) (*registry.MirrorNote, error) {
	noter, ok := c.src.(Noter)
	if !ok {
		return nil, nil
	}
	if c.opt.Offline {
		return nil, &UnavailableError{Source: c.ID(), Err: &offlineError{"what it is a mirror of is not in the cache"}}
	}
	return noter.MirrorNote(ctx)
}

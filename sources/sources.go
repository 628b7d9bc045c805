package sources

import (
	"context"
	"io"

	"github.com/openpackage/opkg/ident"
	"github.com/openpackage/opkg/registry"
)

// Source is one place that packages come from. It is safe for concurrent use.
//
// In the releases that List returns, Artifact is relative to the source where it lies under it, and else an absolute
// https URL: what a lock says, and what Open takes.
type Source interface {
	// ID is the canonical identity, as it stands in a lock.
	ID() ident.SourceID
	// List returns all releases of name. Errors: *NotFoundError when the source does not have the name;
	// *UnavailableError; *auth.Error; *NotAllowedError; *registry.Error for malformed data; the context's own.
	List(ctx context.Context, name ident.Name) (*registry.Index, error)
	// Open opens one artifact, not yet verified. Errors, also of Read: as List, and *ident.MismatchError for a size that
	// is not ref's. A *NotFoundError says that the artifact is not there.
	Open(ctx context.Context, ref Ref) (io.ReadCloser, error)
}

// Ref names one artifact of a source, as a lock does.
type Ref struct {
	Name     ident.Name
	Version  ident.Version
	Artifact string
	Size     int64 // 0 = not known
	SHA256   ident.SHA256
	Commit   ident.Commit
}

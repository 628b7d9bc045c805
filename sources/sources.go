package sources

import (
	"context"
	"io"

	"github.com/openpackage/opkg/ident"
	"github.com/openpackage/opkg/registry"
)

// Source is one place that packages come from.
type Source interface {
	// ID is the canonical identity, as it stands in a lock.
	ID() ident.SourceID
	// List returns all releases of name. Errors: *NotFoundError when the source does not have the name;
	// *UnavailableError; *auth.Error; *registry.Error for malformed data.
	List(ctx context.Context, name ident.Name) (*registry.Index, error)
	// Open opens one artifact, not yet verified.
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

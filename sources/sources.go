package sources

import (
	"context"
	"io"

	"github.com/openpackage/opkg/ident"
	"github.com/openpackage/opkg/internal/archive"
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
	// Open opens one artifact, not yet verified; the caller closes it. Errors, also of reading: as List, and *ident.MismatchError
	// for a size that is not ref's. A *NotFoundError says that the artifact is not there.
	Open(ctx context.Context, ref Ref) (*Artifact, error)
}

// Artifact is what a source serves for one version: exactly one of its fields is set.
type Artifact struct {
	Archive io.ReadCloser  // the bytes of a .tgz
	Files   *archive.Files // the files of a git tree
}

// Close gives back what the artifact holds.
func (a *Artifact) Close() error {
	if a.Archive == nil {
		return nil
	}
	return a.Archive.Close()
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

// Gatherer is a Source that gets several artifacts at less cost than one by one. Gather brings what Open of each will ask for; it is
// asked for what is needed anyway, and need not be called. Errors as Open.
type Gatherer interface {
	Gather(ctx context.Context, refs []Ref) error
}

package cas

import (
	"context"
	"io"
	"os"

	"github.com/openpackage/opkg/ident"
	"github.com/openpackage/opkg/internal/event"
)

// Store is the content-addressed store of one machine: OPKG_HOME/store/v1.
type Store struct{}

// Options of Open.
type Options struct {
	Observer event.Observer
}

// Open opens dir (.../store/v1), which need not exist yet: it is made by the first Put.
func Open(dir string, opt Options) (*Store, error) { panic("stub") }

// Dir is the directory that was given to Open.
func (s *Store) Dir() string { panic("stub") }

// Want is what an artifact must be. Zero Size, SHA256 or Tree are not known and not checked; Dependencies nil
// are not checked (empty and not nil: there must be none).
type Want struct {
	Name         ident.Name
	Version      ident.Version
	Source       string // for messages
	Size         int64
	SHA256       ident.SHA256
	Tree         ident.TreeID
	Dependencies []ident.Requirement
}

// Artifact is the record of one artifact that was verified and stored.
type Artifact struct {
	Name         ident.Name
	Version      ident.Version
	Size         int64
	SHA256       ident.SHA256
	Tree         ident.TreeID
	Dependencies []ident.Requirement // as the package's own manifest says, sorted by name
}

// Put verifies a .tgz against want, unpacks, stores and commits it, in one call. An error leaves nothing
// visible: *ident.MismatchError, *archive.UnsafeError, or the reader's own.
func (s *Store) Put(ctx context.Context, want Want, r io.Reader) (*Artifact, error) { panic("stub") }

// Artifact finds the record of a stored artifact by the digest of its bytes; ok is false when it, its tree or any
// of its blobs is not there (blobs are judged by one stat each: size, mode, mtime).
func (s *Store) Artifact(d ident.SHA256) (a *Artifact, ok bool, err error) { panic("stub") }

// Entry is one file of a tree.
type Entry struct {
	Path string // slash-separated, relative
	Exec bool   // mode 755, otherwise 644
	Size int64
	Blob ident.BlobID
}

// Tree is the listing of one payload, sorted by path bytes.
type Tree struct{ Entries []Entry }

// ID is the digest of the listing.
func (t *Tree) ID() ident.TreeID { panic("stub") }

// Format is the listing: "opkg tree v1\n" and a line a file.
func (t *Tree) Format() []byte { panic("stub") }

// ParseTree reads a listing strictly.
func ParseTree(data []byte) (*Tree, error) { panic("stub") }

// Tree reads a stored listing and checks it against its own name. fs.ErrNotExist when it is not there.
func (s *Store) Tree(id ident.TreeID) (*Tree, error) { panic("stub") }

// BlobPath is where the blob stands; it need not exist.
func (s *Store) BlobPath(id ident.BlobID) string { panic("stub") }

// CheckBlob stats the blob (size, mode, mtime) and re-hashes it when the stat betrays a change; a damaged blob is
// removed and fs.ErrNotExist returned.
func (s *Store) CheckBlob(id ident.BlobID, size int64) (os.FileInfo, error) { panic("stub") }

// TreeOfDir hashes a directory as it stands.
func TreeOfDir(ctx context.Context, dir string) (*Tree, error) { panic("stub") }

// Inspect reads an artifact without storing it: for registry index.
func Inspect(ctx context.Context, source string, r io.Reader) (*Artifact, error) { panic("stub") }

// BusyError says that another opkg holds the store.
type BusyError struct{ Path string }

func (e *BusyError) Error() string { panic("stub") }

// Shared takes the store's lock for use beside others; the function releases it.
func (s *Store) Shared(ctx context.Context) (release func(), err error) { panic("stub") }

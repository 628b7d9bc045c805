package cas

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/openpackage/opkg/ident"
	"github.com/openpackage/opkg/internal/archive"
	"github.com/openpackage/opkg/internal/dirfd"
	"github.com/openpackage/opkg/internal/event"
)

// Store is the content-addressed store of one machine: OPKG_HOME/store/v1. It is safe for concurrent use, by
// several processes too.
type Store struct {
	dir      string
	observer event.Observer
	lockWait time.Duration
	unpacker archive.Unpacker
	buffers  sync.Pool     // *[]byte: archives as they are downloaded
	extract  chan struct{} // bounds how many archives are unpacked at once
	spool    int64         // the largest archive, in bytes, that is always kept in memory; a larger one goes through a file in tmp
	large    int64         // unless it has no more bytes than this, and few others are there
	reserved atomic.Int64  // bytes of memory that such have

	mu   sync.Mutex
	disk *disk // nil until the directory is there

	staging sync.Mutex
	area    *area                       // nil while nothing is under way
	batch   batch                       // staged in area, to be made visible by the next Flush
	flushed map[ident.BlobID]stagedBlob // by the Flush under way, or the last one
	keeping bool                        // the area stays until DropUnpacked
	ready   map[ident.TreeID]Unpacked

	flushing sync.Mutex  // one Flush at a time
	crowded  atomic.Bool // another process published a blob first that this Flush was about to
	bare     atomic.Bool // there was no blob when the area was made, and none was published since
	placed   placed
	records  recordsMemory

	modes atomic.Pointer[bool] // what KeepsModes found

	mark    sync.Mutex
	marked  bool        // the mark of this boot is on the disk
	checked atomic.Bool // what the mark of another asks for was done, and could not be noted

	boot func() string
	now  func() time.Time
	step func(op, path string) error // for tests: called before everything that changes the disk
}

// Options of Open.
type Options struct {
	Observer event.Observer
	LockWait time.Duration           // how long to wait for the store's lock; 0: DefaultLockWait
	Boot     func(dir string) string // tells one boot from all others, "" if it cannot: SystemBoot, see DeferSync; nil: it cannot
}

// The directories and files of the store.
const (
	blobsDir     = "blobs"
	treesDir     = "trees"
	artifactsDir = "artifacts"
	rootsDir     = "roots"
	tmpDir       = "tmp"
	placedFile   = "placed"
	lockFile     = "lock"
)

// lockMode lets every user take the lock, and is a mode that no mount option gives to all files.
const lockMode fs.FileMode = 0o604

// Open opens dir (.../store/v1), which need not exist yet: it is made when something is written.
func Open(dir string, opt Options) (*Store, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	if opt.LockWait == 0 {
		opt.LockWait = DefaultLockWait
	}
	if opt.Boot == nil {
		opt.Boot = func(string) string { return "" }
	}
	return &Store{dir: dir, observer: opt.Observer, lockWait: opt.LockWait, extract: make(chan struct{}, runtime.GOMAXPROCS(0)), spool: spoolSize, large: largeSize, boot: func() string { return opt.Boot(dir) }, now: time.Now}, nil
}

// Dir is the directory that was given to Open.
func (s *Store) Dir() string { return s.dir }

// open returns the store's directory; fs.ErrNotExist when it is not there.
func (s *Store) open() (*disk, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.openLocked()
}

func (s *Store) openLocked() (*disk, error) {
	if s.disk == nil {
		root, err := os.OpenRoot(s.dir)
		if err != nil {
			return nil, err
		}
		at, err := dirfd.Open(s.dir)
		if err != nil {
			root.Close()
			return nil, err
		}
		if err := s.refuseLinks(at); err != nil {
			root.Close()
			at.Close()
			return nil, err
		}
		s.disk = &disk{root: root, at: at, step: s.step}
		runtime.AddCleanup(s.disk, (*dirfd.Dir).Close, at) // as os.Root has it
	}
	return s.disk, nil
}

// LinkedError says that a link stands where one of the store's directories should. What lies behind it is no part of the store: nothing that
// is said of the store's files, whose they are and who may write them, is known of those.
type LinkedError struct {
	Path  string // of the link
	Store string // the directory that may be a link
}

func (e *LinkedError) Error() string {
	return e.Path + " is a symbolic link: no directory in a store may be one"
}

// Hint says what to do.
func (e *LinkedError) Hint() string {
	return "put the directory itself there, or remove the link, which loses nothing but time; to have the store on another disk set OPKG_HOME, or make " + e.Store + " itself a link"
}

// refuseLinks looks at what the store's directory holds.
func (s *Store) refuseLinks(at *dirfd.Dir) error {
	entries, err := at.Entries()
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.Type&fs.ModeSymlink == 0 {
			continue
		}
		switch e.Name {
		case blobsDir, treesDir, artifactsDir, rootsDir, settledDir, tmpDir:
			return &LinkedError{Path: filepath.Join(s.dir, e.Name), Store: s.dir}
		}
	}
	return nil
}

// create is open for a store that is about to be written.
func (s *Store) create() (*disk, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d, err := s.openLocked()
	if errors.Is(err, fs.ErrNotExist) {
		if s.step != nil {
			if err := s.step("mkdir", s.dir); err != nil {
				return nil, err
			}
		}
		if err := os.MkdirAll(s.dir, 0o755); err != nil {
			return nil, err
		}
		d, err = s.openLocked()
	}
	return d, err
}

// within says where an error of the disk arose: those of os.Root name paths below the store alone.
func (s *Store) within(err error) error {
	if linked := (*LinkedError)(nil); err == nil || errors.As(err, &linked) { // which says where
		return err
	}
	return fmt.Errorf("store %s: %w", s.dir, err)
}

// BlobPath is where the blob stands; it need not exist.
func (s *Store) BlobPath(id ident.BlobID) string {
	return filepath.Join(s.dir, filepath.FromSlash(BlobName(id)))
}

// BlobName is where the blob stands below the store's directory, slash-separated.
func BlobName(id ident.BlobID) string {
	h := id.String()
	return blobsDir + "/" + h[:2] + "/" + h[2:]
}

func treeName(id ident.TreeID) string { return treesDir + "/" + id.Hex() }

package cas

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/openpackage/opkg/ident"
)

// Audit is what was found wrong in the store.
type Audit struct {
	Blobs, Trees, Artifacts int // looked at
	Bytes                   int64
	Faults                  []AuditFault // sorted as the store is: blobs, listings, records
}

// AuditFault is one file of the store that is not what its name says.
type AuditFault struct {
	Path            string // absolute
	Expected, Found string
}

// Audit reads the whole store: every blob against its name, every listing, every record. It changes nothing, and trusts no stat. The
// error is one of listing directories, or ctx's.
func (s *Store) Audit(ctx context.Context) (*Audit, error) {
	a := &Audit{}
	d, err := s.open()
	if errors.Is(err, fs.ErrNotExist) {
		return a, nil
	}
	if err != nil {
		return nil, s.within(err)
	}
	var blobs []ident.BlobID
	if err := d.eachBlob(ctx, func(id ident.BlobID) error { blobs = append(blobs, id); return nil }); err != nil {
		return nil, s.within(err)
	}
	faults := make([]*BlobFault, len(blobs))
	var read atomic.Int64
	if err := EachScanner(ctx, len(blobs), func(_ context.Context, scan *Scanner, i int) error {
		var n int64
		faults[i], n = scan.AuditBlob(s, blobs[i], -1)
		read.Add(n)
		return nil
	}); err != nil {
		return nil, err
	}
	for _, f := range faults {
		if f != nil && !f.Missing { // one that went meanwhile was collected
			a.Faults = append(a.Faults, AuditFault{f.Path, f.Expected, f.Found})
		}
	}
	a.Blobs, a.Bytes = len(blobs), read.Load()
	trees, err := d.digests(treesDir)
	if err != nil {
		return nil, s.within(err)
	}
	for _, name := range trees {
		id, err := ident.ParseTreeID(treePrefix + name)
		if err != nil {
			return nil, err
		}
		if _, err := s.Tree(id); err != nil && d.exists(treeName(id)) {
			a.Faults = append(a.Faults, AuditFault{s.path(treeName(id)), "the listing of that digest", "another content"})
		}
	}
	a.Trees = len(trees)
	records, err := s.readRecords(ctx, d)
	if err != nil {
		return nil, s.within(err)
	}
	for _, name := range sortedRecords(records) {
		if records[name] == nil && d.exists(artifactName(name)) {
			a.Faults = append(a.Faults, AuditFault{s.path(artifactName(name)), "the record of that archive", "another content"})
		}
	}
	a.Artifacts = len(records)
	return a, ctx.Err()
}

func (s *Store) path(name string) string { return filepath.Join(s.dir, filepath.FromSlash(name)) }

func (d *disk) exists(name string) bool {
	_, err := d.root.Lstat(name)
	return err == nil
}

func sortedRecords(records map[ident.SHA256]*Artifact) []ident.SHA256 {
	return slices.SortedFunc(maps.Keys(records), func(a, b ident.SHA256) int { return strings.Compare(a.String(), b.String()) })
}

// EachScanner calls f for 0 to n-1, as many at once as there are processors, each worker with a Scanner of its own. The error is f's
// first, or ctx's.
func EachScanner(ctx context.Context, n int, f func(ctx context.Context, scan *Scanner, i int) error) error {
	g, ctx := errgroup.WithContext(ctx)
	var next atomic.Int64
	for range min(runtime.GOMAXPROCS(0), n) {
		g.Go(func() error {
			scan := &Scanner{}
			for {
				i := int(next.Add(1)) - 1
				if i >= n {
					return nil
				}
				if err := ctx.Err(); err != nil {
					return err
				}
				if err := f(ctx, scan, i); err != nil {
					return err
				}
			}
		})
	}
	return g.Wait()
}

// RemoveDamaged looks again at files of the store that an Audit or AuditBlob named, and removes those that are not what their names say;
// a blob that has only lost its mode gets it back. The caller holds the store alone. A path that is no file of the
// store is an error.
func (s *Store) RemoveDamaged(paths []string) error {
	d, err := s.open()
	if err != nil {
		return s.within(err)
	}
	scan := &Scanner{}
	for _, path := range paths {
		rel, err := filepath.Rel(s.dir, path)
		if err != nil || !filepath.IsLocal(rel) {
			return fmt.Errorf("%s is not in the store", path)
		}
		name := filepath.ToSlash(rel)
		if id, ok := blobOfName(name); ok {
			fault, _ := scan.AuditBlob(s, id, -1)
			if fault == nil || fault.Missing {
				continue
			}
			if good, err := d.hashes(name, id, sizeOf(d, name)); err == nil && good {
				if err := d.root.Chmod(name, blobMode); err != nil {
					return s.within(err)
				}
				continue
			}
		}
		if err := d.do("remove", name); err != nil {
			return s.within(err)
		}
		if err := d.root.RemoveAll(name); err != nil {
			return s.within(fmt.Errorf("remove a damaged file: %w", err))
		}
	}
	return nil
}

// blobOfName is the inverse of blobName.
func blobOfName(name string) (ident.BlobID, bool) {
	rest, ok := strings.CutPrefix(name, blobsDir+"/")
	if !ok {
		return ident.BlobID{}, false
	}
	id, err := ident.ParseBlobID(strings.ReplaceAll(rest, "/", ""))
	return id, err == nil && BlobName(id) == name
}

func sizeOf(d *disk, name string) int64 {
	fi, err := d.root.Lstat(name)
	if err != nil {
		return -1
	}
	return fi.Size()
}

package cas

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/openpackage/opkg/ident"
	"github.com/openpackage/opkg/internal/parallel"
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
	if a.Faults, err = s.AuditShards(); err != nil {
		return nil, err
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
	for _, id := range trees {
		if f := s.AuditTree(ident.TreeID(id)); f != nil {
			a.Faults = append(a.Faults, *f)
		}
	}
	a.Trees = len(trees)
	n, damaged, err := s.AuditRecords()
	if err != nil {
		return nil, err
	}
	a.Artifacts, a.Faults = n, append(a.Faults, damaged...)
	return a, ctx.Err()
}

// AuditPlaced reads the journal of version directories; nil when all of its lines say something, or it is not there.
func (s *Store) AuditPlaced() *AuditFault {
	p := &s.placed
	p.mu.Lock()
	defer p.mu.Unlock()
	err := s.readPlaced(p)
	if err == nil && !p.odd {
		return nil
	}
	return s.faultAt(placedFile, "a journal of version directories", err)
}

// AuditTree reads a listing; nil when it is what its name says, or is not there.
func (s *Store) AuditTree(id ident.TreeID) *AuditFault {
	if _, err := s.Tree(id); err != nil {
		return s.faultAt(treeName(id), "the listing of that digest", err)
	}
	return nil
}

// faultAt says what is wrong with a file that could not be read as what it should be; nil when it is not there.
func (s *Store) faultAt(name, expected string, err error) *AuditFault {
	fi, serr := os.Lstat(s.path(name))
	f := &AuditFault{Path: s.path(name), Expected: expected, Found: "another content"}
	switch {
	case errors.Is(serr, fs.ErrNotExist):
		return nil
	case serr == nil && !fi.Mode().IsRegular():
		f.Found = kindOf(fi.Mode())
	case errors.Is(err, fs.ErrPermission):
		f.Found = "unreadable: " + reasonOf(err)
	}
	return f
}

// AuditShards finds what is no directory where directories of blobs should be: what is reached through a link there is no part of the store.
func (s *Store) AuditShards() (faults []AuditFault, err error) {
	d, err := s.open()
	if err != nil {
		return nil, ignoreMissing(err)
	}
	entries, err := fs.ReadDir(d.root.FS(), blobsDir)
	if err != nil {
		return nil, s.within(ignoreMissing(err))
	}
	for _, e := range entries {
		if isShard(e.Name()) && !e.IsDir() {
			faults = append(faults, AuditFault{s.path(blobsDir + "/" + e.Name()), "a directory", kindOf(e.Type())})
		}
	}
	return faults, nil
}

func isShard(name string) bool {
	return len(name) == 2 && hexDigit(name[0])|hexDigit(name[1]) <= 0xf
}

func (s *Store) path(name string) string { return filepath.Join(s.dir, filepath.FromSlash(name)) }

// EachScanner calls f for 0 to n-1 from two goroutines a processor, so that one hashes while another waits for the disk, each with a Scanner of
// its own. The error is f's first, or ctx's.
func EachScanner(ctx context.Context, n int, f func(ctx context.Context, scan *Scanner, i int) error) error {
	return parallel.EachWith(ctx, 2*runtime.GOMAXPROCS(0), n, func() *Scanner { return &Scanner{} }, f)
}

// RemoveDamaged looks again at files of the store that an Audit or AuditBlob named, and removes those that are not what their names say;
// a blob that has only lost its mode gets it back, and records that are whole stay. The caller holds the store alone. A path that is no file of the
// store is an error.
func (s *Store) RemoveDamaged(paths []string) error {
	d, err := s.open()
	if err != nil {
		return s.within(err)
	}
	scan := &Scanner{}
	var records []string
	for _, path := range paths {
		rel, err := filepath.Rel(s.dir, path)
		if err != nil || !filepath.IsLocal(rel) {
			return fmt.Errorf("%s is not in the store", path)
		}
		name := filepath.ToSlash(rel)
		if strings.HasPrefix(name, artifactsDir+"/") {
			records = append(records, name)
			continue
		}
		if name == placedFile {
			if err := s.mendPlaced(); err != nil {
				return err
			}
			continue
		}
		if mended, err := s.isMended(d, name); mended || err != nil {
			if err != nil {
				return s.within(err)
			}
			continue
		}
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
	if len(records) == 0 {
		return nil
	}
	damaged := func(file string) bool { return slices.Contains(records, file) }
	return s.keepRecords(damaged, func(*Artifact) bool { return true })
}

// isMended reports whether a directory of blobs, or a listing, that was damaged is not any more: another opkg was here since. Blobs
// are judged by the caller.
func (s *Store) isMended(d *disk, name string) (bool, error) {
	if hex, ok := strings.CutPrefix(name, treesDir+"/"); ok {
		id, err := ident.ParseTreeID("blake3:" + hex)
		return err == nil && s.AuditTree(id) == nil, err
	}
	if shard, ok := strings.CutPrefix(name, blobsDir+"/"); ok && isShard(shard) {
		fi, err := d.root.Lstat(name)
		if errors.Is(err, fs.ErrNotExist) {
			return true, nil
		}
		return err == nil && fi.IsDir(), err
	}
	return false, nil
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

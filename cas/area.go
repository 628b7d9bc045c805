package cas

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/zeebo/blake3"

	"github.com/openpackage/opkg/ident"
)

// flushBytes is how many bytes of blobs are staged before Put flushes by itself: what a kill may cost to
// download again.
const flushBytes = 64 << 20

// area is the directory in tmp that the Puts of one Store share. It is there, and the store's shared lock is held, while a
// Put is under way or something waits for Flush.
type area struct {
	folder   *folder
	release  func()
	deferred bool // nothing in it need be synced: see DeferSync
	seq      atomic.Uint64
	users    int
}

// batch is what stands in the area, complete, under names that nobody looks for.
type batch struct {
	blobs     map[ident.BlobID]stagedBlob
	trees     map[ident.TreeID]string
	artifacts map[ident.SHA256]string // their records
	records   string                  // the file that those were written to, once they are
	unpacked  map[ident.TreeID]Unpacked
	bytes     int64 // of blobs and records
}

type stagedBlob struct {
	name  string // a path below the area
	size  int64
	stays bool // it is part of an unpacked payload: it becomes visible by a link, and is not moved
}

func (b *batch) names() []string {
	var names []string
	for _, s := range b.blobs {
		names = append(names, s.name)
	}
	if b.records != "" {
		names = append(names, b.records)
	}
	return slices.Sorted(slices.Values(append(names, slices.Collect(maps.Values(b.trees))...)))
}

func (b *batch) addBlob(id ident.BlobID, s stagedBlob) {
	if b.blobs == nil {
		b.blobs = make(map[ident.BlobID]stagedBlob)
	}
	b.blobs[id] = s
	b.bytes += s.size
}

// enter returns the area, which leave gives up again.
func (s *Store) enter(ctx context.Context) (_ *area, err error) {
	s.staging.Lock()
	defer s.staging.Unlock()
	if s.area == nil {
		release, err := s.Shared(ctx)
		if err != nil {
			return nil, err
		}
		a := &area{release: release}
		if a.deferred, err = s.DeferSync(); err == nil {
			a.folder, err = s.session()
		}
		if err == nil {
			_, missing := a.folder.disk.at.Stat(blobsDir)
			s.bare.Store(errors.Is(missing, fs.ErrNotExist))
		}
		if err != nil {
			release()
			return nil, s.within(err)
		}
		s.area = a
	}
	s.area.users++
	return s.area, nil
}

// session makes a directory in tmp that nobody else uses. Numbers tell apart the stores of one process, and processes
// of the same id on two machines that share a home.
func (s *Store) session() (*folder, error) {
	d, err := s.create()
	if err != nil {
		return nil, err
	}
	if err := d.mkdir(tmpDir); err != nil {
		return nil, err
	}
	for n := 0; ; n++ {
		name := fmt.Sprintf("%s/%d-%d", tmpDir, os.Getpid(), n)
		if err := d.do("mkdir", name); err != nil {
			return nil, err
		}
		err := d.root.Mkdir(name, 0o700)
		if err == nil {
			f, err := d.folder(name)
			if err != nil {
				_ = d.root.Remove(name)
			}
			return f, err
		}
		if !errors.Is(err, fs.ErrExist) {
			return nil, err
		}
	}
}

// leave gives up the area; the last one to leave removes it, unless something waits in it for Flush.
func (s *Store) leave(a *area) {
	s.staging.Lock()
	defer s.staging.Unlock()
	if a.users--; a.users == 0 && len(s.batch.artifacts) == 0 && !s.keeping {
		s.close(a)
	}
}

// close removes the area. The caller holds staging.
func (s *Store) close(a *area) {
	s.area, s.flushed = nil, nil
	a.folder.close()
	_ = a.folder.disk.root.RemoveAll(a.folder.name) // left behind, it is garbage that Shared removes
	a.release()
}

func (a *area) newName() string { return strconv.FormatUint(a.seq.Add(1), 10) }

// spoolFile is a new file for a download.
func (a *area) spoolFile() (f *os.File, name string, err error) {
	name = a.newName()
	if err := a.folder.disk.do("create", a.folder.name+"/"+name); err != nil {
		return nil, "", err
	}
	if f, err = a.folder.root.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600); err != nil {
		return nil, "", err
	}
	return f, name, nil
}

// stage writes one blob.
func (a *area) stage(b *batch, id ident.BlobID, data []byte) error {
	name := a.newName()
	if err := a.write(name, blobMode, data); err != nil {
		return err
	}
	if err := a.folder.finish(name); err != nil {
		_ = a.folder.at.Unlink(name)
		return err
	}
	b.addBlob(id, stagedBlob{name: name, size: int64(len(data))})
	return nil
}

// stageListing writes the listing, and keeps the record for writeRecords.
func (a *area) stageListing(b *batch, art *Artifact, listing []byte) error {
	name, err := a.stageText(listing)
	if err != nil {
		return err
	}
	b.trees = map[ident.TreeID]string{art.Tree: name}
	b.artifacts = map[ident.SHA256]string{art.SHA256: art.format()}
	return nil
}

// writeRecords writes all records of b into one file; as is what it will be called in the store.
func (a *area) writeRecords(b *batch) (as string, err error) {
	ids := slices.SortedFunc(maps.Keys(b.artifacts), func(x, y ident.SHA256) int { return bytes.Compare(x[:], y[:]) })
	var text strings.Builder
	for _, id := range ids {
		text.WriteString(b.artifacts[id])
	}
	b.records, err = a.stageText([]byte(text.String()))
	return recordName(text.String()), err
}

func (a *area) stageText(text []byte) (name string, err error) {
	name = a.newName()
	return name, a.write(name, 0o644, text)
}

// write makes a new file of the area that holds data. On an error nothing is left.
func (a *area) write(name string, mode fs.FileMode, data []byte) error {
	f := a.folder
	err := f.disk.do("create", f.name+"/"+name)
	if err == nil {
		err = f.disk.do("write", f.name+"/"+name)
	}
	if err != nil {
		return err
	}
	if err = f.at.Write(name, mode, 0, data); err != nil {
		_ = f.at.Unlink(name)
	}
	return err
}

// discard removes what was staged for a Put that failed. An unpacked payload goes with the area.
func (a *area) discard(b *batch) {
	for _, name := range b.names() {
		if !strings.Contains(name, "/") {
			_ = a.folder.root.Remove(name)
		}
	}
}

// spill writes a file that is read as it is inflated, unless it turns out to be there already.
func (s *Store) spill(a *area, b *batch, size int64, r io.Reader) (id ident.BlobID, err error) {
	name := a.newName()
	h := blake3.New()
	err = a.folder.fill(name, true, func(w io.Writer) error {
		_, err := io.Copy(io.MultiWriter(w, h), r)
		return err
	})
	if err != nil {
		return id, err
	}
	h.Sum(id[:0])
	if s.has(b, Entry{Blob: id, Size: size}) {
		return id, a.folder.root.Remove(name)
	}
	b.addBlob(id, stagedBlob{name: name, size: size})
	return id, nil
}

// stagedBlob finds a blob that is staged, by this Put or another, or was until the last Flush: then it may be under its own name by now.
func (s *Store) stagedBlob(b *batch, id ident.BlobID) (stagedBlob, bool) {
	if staged, ok := b.blobs[id]; ok {
		return staged, true
	}
	s.staging.Lock()
	defer s.staging.Unlock()
	return s.known(id)
}

// known finds a blob that is part of the batch, or of the last one. The caller holds staging.
func (s *Store) known(id ident.BlobID) (stagedBlob, bool) {
	staged, ok := s.batch.blobs[id]
	if !ok {
		staged, ok = s.flushed[id]
	}
	return staged, ok
}

// has reports whether a blob is staged, by this Put or another, or stored; or was, before another process stored the first of all.
func (s *Store) has(b *batch, e Entry) bool {
	if _, ok := s.stagedBlob(b, e.Blob); ok {
		return true
	}
	if s.bare.Load() {
		return false
	}
	if d, err := s.open(); err == nil {
		fi, err := d.at.Stat(BlobName(e.Blob))
		if errors.Is(err, fs.ErrNotExist) {
			return false
		}
		if err == nil && s.Intact(fi, e.Size) {
			return true
		}
	}
	return s.CheckBlob(e.Blob, e.Size) == nil
}

// add puts what one Put staged to what the next Flush makes visible, and reports whether that is time.
func (s *Store) add(a *area, b *batch) (full bool) {
	s.staging.Lock()
	defer s.staging.Unlock()
	for id, blob := range b.blobs {
		if first, ok := s.known(id); ok { // another Put was quicker
			if blob.stays {
				_ = a.relink(blob.name, id, first.name) // one file more than need be, if that fails
			} else {
				_ = a.folder.root.Remove(blob.name)
			}
			continue
		}
		s.batch.addBlob(id, blob)
	}
	if s.batch.artifacts == nil {
		s.batch.trees, s.batch.artifacts, s.batch.unpacked = make(map[ident.TreeID]string), make(map[ident.SHA256]string), make(map[ident.TreeID]Unpacked)
	}
	maps.Copy(s.batch.unpacked, b.unpacked)
	for id, name := range b.trees { // of two listings, which say the same, the newer stays
		if old, ok := s.batch.trees[id]; ok {
			_ = a.folder.root.Remove(old)
		}
		s.batch.trees[id] = name
	}
	for id, text := range b.artifacts {
		s.batch.artifacts[id] = text
		s.batch.bytes += int64(len(text))
	}
	return s.batch.bytes >= flushBytes
}

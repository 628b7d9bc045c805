package cas

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"maps"
	"path"
	"runtime"
	"slices"

	"github.com/openpackage/opkg/ident"
	"github.com/openpackage/opkg/internal/parallel"
)

// Flush makes all that was Put before it durable and visible: steps 7 to 10 of the package comment. It costs one
// sync, however much was Put. After an error what was staged is gone, and nothing but whole blobs may
// have become visible.
func (s *Store) Flush(ctx context.Context) error {
	s.flushing.Lock()
	defer s.flushing.Unlock()
	a, b := s.takeBatch()
	if a == nil {
		return nil
	}
	defer s.leave(a)
	err := s.publish(ctx, a, b)
	if err != nil {
		s.drop(a, b)
	}
	return s.within(err)
}

// Discard forgets what was Put since the last Flush: for a run that failed.
func (s *Store) Discard() {
	s.DropUnpacked()
	if a, b := s.takeBatch(); a != nil {
		s.drop(a, b)
		s.leave(a)
	}
}

// drop removes what takeBatch took and nobody will see.
func (s *Store) drop(a *area, b *batch) {
	s.staging.Lock()
	s.flushed = nil
	s.staging.Unlock()
	a.discard(b)
}

// takeBatch returns what is staged, and the area, which the caller must leave; nil when nothing is.
func (s *Store) takeBatch() (*area, *batch) {
	s.staging.Lock()
	defer s.staging.Unlock()
	if len(s.batch.artifacts) == 0 {
		return nil, nil
	}
	b := s.batch
	s.batch, s.flushed = batch{}, b.blobs
	s.area.users++
	return s.area, &b
}

func (s *Store) publish(ctx context.Context, a *area, b *batch) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	records, err := a.writeRecords(b) // of step 6
	if err != nil {
		return err
	}
	wholly := false
	if !a.deferred { // step 7
		if wholly, err = a.folder.syncAll(b.names()); err != nil {
			return err
		}
	}
	if err := s.publishBlobs(ctx, a, b); err != nil { // step 8
		return err
	}
	trees := slices.SortedFunc(maps.Keys(b.trees), func(x, y ident.TreeID) int { return bytes.Compare(x[:], y[:]) })
	err = a.replaceAll(ctx, treesDir, len(trees), func(i int) (name, as string) { return b.trees[trees[i]], trees[i].Hex() }) // step 9
	if err != nil {
		return err
	}
	defer s.records.forget()
	err = a.replaceAll(ctx, artifactsDir, 1, func(int) (name, as string) { return b.records, path.Base(records) }) // step 10
	if err != nil {
		return err
	}
	if !s.crowded.Swap(false) {
		s.handOut(b.unpacked, wholly)
	}
	return nil
}

// replaceAll moves n files of the area into the directory dir of the store.
func (a *area) replaceAll(ctx context.Context, dir string, n int, file func(i int) (name, as string)) error {
	to, err := a.folder.disk.folder(dir)
	if err != nil {
		return err
	}
	defer to.close()
	// What is begun is finished: it takes less time than to do it again.
	return each(context.WithoutCancel(ctx), n, n/manyFiles, func(_ context.Context, i int) error {
		name, as := file(i)
		return a.folder.replace(name, to.at, as)
	})
}

// publishBlobs goes by digest, so that each of the 256 directories is opened once.
func (s *Store) publishBlobs(ctx context.Context, a *area, b *batch) error {
	s.bare.Store(false)
	ids := slices.SortedFunc(maps.Keys(b.blobs), func(x, y ident.BlobID) int { return bytes.Compare(x[:], y[:]) })
	var shards [][]ident.BlobID
	for len(ids) > 0 {
		n := 1
		for n < len(ids) && ids[n][0] == ids[0][0] {
			n++
		}
		shards, ids = append(shards, ids[:n]), ids[n:]
	}
	return each(ctx, len(shards), len(b.blobs)/manyFiles, func(_ context.Context, i int) error { return s.publishShard(a, b, shards[i]) })
}

// manyFiles is how many files to name are worth a goroutine.
const manyFiles = 64

// each calls f for 0 to n-1, from as many goroutines as are worth it and there are processors; see parallel.Each.
func each(ctx context.Context, n, worth int, f func(ctx context.Context, i int) error) error {
	return parallel.Each(ctx, min(worth, runtime.GOMAXPROCS(0)), n, f)
}

// publishShard publishes blobs whose digests begin alike.
func (s *Store) publishShard(a *area, b *batch, ids []ident.BlobID) error {
	to, err := a.folder.disk.shard(blobsDir + "/" + ids[0].String()[:2])
	if err != nil {
		return err
	}
	defer to.close()
	for _, id := range ids {
		if err := s.publishBlob(a, b.blobs[id], to, id); err != nil {
			return err
		}
	}
	return nil
}

// publishBlob gives one blob its name, unless an intact one has it.
func (s *Store) publishBlob(a *area, blob stagedBlob, to *folder, id ident.BlobID) error {
	name := id.String()[2:]
	existed, err := a.folder.publish(blob, to, name)
	if err != nil || !existed {
		return err
	}
	if err = s.CheckBlob(id, blob.size); errors.Is(err, fs.ErrNotExist) { // it was damaged, and is removed now
		_, err = a.folder.publish(blob, to, name)
		return err
	}
	if err != nil {
		return err
	}
	if blob.stays { // payloads are links to this one, and must be to the one that stands there: they are linked anew
		s.crowded.Store(true)
		return nil
	}
	return a.folder.remove(blob.name)
}

package cas

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/openpackage/opkg/ident"
	"github.com/openpackage/opkg/internal/dirfd"
	"github.com/openpackage/opkg/internal/event"
	"github.com/openpackage/opkg/internal/parallel"
)

// unsyncedFile says that since the boot it names things became visible that were not synced to the disk:
//
//	opkg unsynced v1
//	boot <what tells this boot of the system from all others>
//	since <seconds since 1970>
//
// A boot is one start of the system and one mount of the file system: a disk that is pulled out loses what was not synced as well.
// While that boot lasts, what programs see does not depend on the disk, and a sync would only cost time. In any other boot the
// power may have been lost, and stats prove nothing: what is younger than the mark is hashed before anybody uses the store.
const unsyncedFile = "unsynced"

const unsyncedHeader = "opkg unsynced v1"

// clockSlack is how far, at most, a clock is thought to have been set back while opkg worked.
const clockSlack = time.Hour

// DeferSync reports whether nothing need be synced in this run: it leaves a mark on the disk, itself synced, by which the first opkg
// after a restart knows what to hash. False where the system does not tell its boots apart. Call it, holding the lock of Shared,
// before anything becomes visible that refers to bytes which may not be on the disk yet.
func (s *Store) DeferSync() (bool, error) {
	s.mark.Lock()
	defer s.mark.Unlock()
	if s.marked {
		return true, nil
	}
	boot := s.boot()
	if boot == "" {
		return false, nil
	}
	switch was, _, err := s.readMark(); {
	case err != nil || was != "" && was != boot:
		return false, err
	case was == "":
		if err := s.writeMark(boot); err != nil {
			return false, err
		}
	}
	s.marked = true
	return true, nil
}

// readMark returns the boot that the mark names, and its time; "" where there is no mark. A mark that cannot be read
// names a boot that never was.
func (s *Store) readMark() (boot string, since time.Time, err error) {
	data, err := s.read(unsyncedFile, maxRecord)
	if errors.Is(err, fs.ErrNotExist) && !errors.Is(err, errRecord) {
		return "", since, nil
	}
	if err != nil && !errors.Is(err, errRecord) {
		return "", since, err
	}
	lines := strings.Split(string(data), "\n")
	if len(lines) != 4 || lines[0] != unsyncedHeader {
		return "?", since, nil
	}
	boot, ok := strings.CutPrefix(lines[1], "boot ")
	at, err := strconv.ParseInt(strings.TrimPrefix(lines[2], "since "), 10, 64)
	if !ok || boot == "" || err != nil {
		return "?", since, nil
	}
	return boot, time.Unix(at, 0), nil
}

// writeMark puts the mark on the disk.
func (s *Store) writeMark(boot string) error {
	f, err := s.session()
	if err != nil {
		return s.within(err)
	}
	defer func() {
		f.close()
		_ = f.disk.root.RemoveAll(f.name)
	}()
	err = f.fill("mark", false, func(w io.Writer) error {
		_, err := fmt.Fprintf(w, "%s\nboot %s\nsince %d\n", unsyncedHeader, boot, s.now().Unix())
		return err
	})
	if err == nil {
		err = f.syncOneByOne([]string{"mark"})
	}
	if err == nil {
		err = f.replace("mark", f.disk.at, unsyncedFile)
	}
	if err == nil {
		err = f.disk.do("sync", ".")
	}
	if err == nil {
		err = f.disk.at.Sync()
	}
	return s.within(err)
}

// doubtful reports whether the mark names another boot than this one.
func (s *Store) doubtful() (bool, error) {
	if s.checked.Load() {
		return false, nil
	}
	boot, _, err := s.readMark()
	if err != nil || boot == "" {
		return false, err
	}
	return boot != s.boot(), nil
}

// recover hashes what may have been lost with the power: blobs that changed since the mark was left. A damaged one is removed.
// Version directories are doubted from now on, until their content was compared. In a store that may not be written all is checked, too; that it was,
// and what is doubted, only this Store remembers. The caller holds the lock alone.
func (s *Store) recover(ctx context.Context) error {
	d, err := s.open()
	if err != nil {
		return err
	}
	_, since, err := s.readMark()
	if err != nil {
		return err
	}
	s.observer.Emit(event.Event{Kind: event.Waiting, Text: "the system was restarted, or the store is mounted anew: what was stored before is checked"})
	since = since.Add(-clockSlack)
	if err := d.hashSince(ctx, since); err != nil {
		return s.within(err)
	}
	if err := s.dropTorn(d, since); err != nil {
		return err
	}
	if err := s.appendPlaced(doubtedLine); mayNotWrite(err) {
		s.checked.Store(true)
		return nil
	} else if err != nil {
		return err
	}
	if err := d.do("sync", "."); err != nil {
		return s.within(err)
	}
	if err := d.at.SyncAll(); err != nil {
		return s.within(err)
	}
	if err := d.do("remove", unsyncedFile); err != nil {
		return s.within(err)
	}
	return s.within(d.root.Remove(unsyncedFile))
}

// dropTorn removes listings and records that changed at a time or later and are not whole, or name what is not there.
func (s *Store) dropTorn(d *disk, since time.Time) error {
	ids, err := d.digests(treesDir)
	if err != nil {
		return s.within(err)
	}
	for _, id := range ids {
		name := treeName(ident.TreeID(id))
		fi, err := d.at.Stat(name)
		if err != nil || !young(fi, since) {
			continue
		}
		if _, err = s.Tree(ident.TreeID(id)); !errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err := d.remove(name); err != nil {
			return s.within(err)
		}
	}
	files, err := s.recordFiles(d) // after the listings: a record needs its own
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(files, func(f recordFile) bool {
		fi, err := d.at.Stat(f.name)
		return err == nil && young(fi, since)
	}) {
		return nil
	}
	anyFile := func(string) bool { return true } // nobody could say what the power took from it
	return s.keepRecords(anyFile, func(a *Artifact) bool {
		_, whole, err := s.Artifact(a.SHA256)
		return whole || err != nil
	})
}

// young reports whether a file changed at a time or later, or may have.
func young(fi dirfd.Info, since time.Time) bool {
	return fi.Change == 0 || !time.Unix(0, fi.Change).Before(since)
}

// hashSince hashes the blobs that changed at a time or later, and removes the damaged.
func (d *disk) hashSince(ctx context.Context, since time.Time) error {
	shards, err := fs.ReadDir(d.root.FS(), blobsDir)
	if err != nil {
		return ignoreMissing(err)
	}
	return parallel.EachWith(ctx, runtime.GOMAXPROCS(0), len(shards), newHashBuffer, func(ctx context.Context, buf []byte, i int) error {
		return d.hashShard(ctx, blobsDir+"/"+shards[i].Name(), since, buf)
	})
}

func (d *disk) hashShard(ctx context.Context, shard string, since time.Time, buf []byte) error {
	dir, err := d.at.Sub(shard)
	if err != nil {
		if dirfd.IsNoDir(err) || errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	}
	defer dir.Close()
	names, err := dir.Names()
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := ctx.Err(); err != nil {
			return err
		}
		id, err := ident.ParseBlobID(shard[len(blobsDir)+1:] + name)
		if err != nil {
			continue // not a blob, and nobody takes it for one
		}
		fi, err := dir.Stat(name)
		if err != nil || !young(fi, since) {
			continue
		}
		good := false
		if f, err := dir.Open(name); err == nil {
			var got ident.BlobID
			got, _, err = hashReader(f, buf)
			f.Close()
			good = err == nil && got == id
		}
		if good {
			continue
		}
		if err := d.do("remove", shard+"/"+name); err != nil {
			return err
		}
		if err := d.root.RemoveAll(shard + "/" + name); err != nil {
			return fmt.Errorf("remove a damaged blob: %w", err)
		}
	}
	return nil
}

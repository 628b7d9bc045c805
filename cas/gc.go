package cas

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/openpackage/opkg/ident"
	"github.com/openpackage/opkg/internal/dirfd"
)

// GCOptions say what of the store stays, beside what a root names.
type GCOptions struct {
	Live    []Named   // what the locks name
	Since   time.Time // what was used since then stays as well; zero: nothing more, or with MaxSize everything
	MaxSize int64     // > 0: of what would stay and is not live, the least recently used goes until all blobs take no more than this, in bytes
}

// GC is a garbage collection of the store that was planned. The caller holds the store alone from PlanGC to Sweep; for a plan that
// is only shown, it need not.
//
// Sweep removes records, then listings, then blobs, so that a kill leaves garbage, and never a record without what it names.
type GC struct {
	Artifacts, Trees, Blobs int   // how many are to go
	Size                    int64 // what stays takes, in bytes; 0 unless MaxSize was given
	Live                    int64 // of it, what the locks name; likewise

	store   *Store
	records []string // names of files, in the order of their removal
	rewrite bool     // of the other files of records some are written anew
	trees   []string
	blobs   []string
	kept    map[ident.TreeID]*keptTree
}

// keptTree is a listing that stays.
type keptTree struct {
	live  bool
	used  time.Time
	blobs []ident.BlobID // each once; none where the listing is damaged: what it names is not known
}

// Spares reports whether a tree stays although no lock names it.
func (g *GC) Spares(id ident.TreeID) bool { return g.kept[id] != nil && !g.kept[id].live }

// PlanGC looks at the whole store and says what is to go. A file that no opkg makes is left alone.
func (s *Store) PlanGC(ctx context.Context, opt GCOptions) (*GC, error) {
	g := &GC{store: s, kept: make(map[ident.TreeID]*keptTree)}
	d, err := s.open()
	if err != nil {
		return g, s.within(ignoreMissing(err))
	}
	live := make(map[ident.TreeID]bool)
	liveArchives := make(map[ident.SHA256]bool)
	for i := range opt.Live {
		live[opt.Live[i].Tree], liveArchives[opt.Live[i].SHA256] = true, true
	}
	files, err := s.readableRecords(d)
	if err != nil {
		return nil, err
	}
	records := gcRecords(files)
	for _, file := range records {
		for i := range file {
			if r := &file[i]; r.whole && liveArchives[r.id] {
				live[r.tree] = true
			}
		}
	}
	if err := g.chooseTrees(ctx, d, live, opt); err != nil {
		return nil, s.within(err)
	}
	if g.blobs, err = g.chooseBlobs(ctx, d, opt.MaxSize); err != nil {
		return nil, s.within(err)
	}
	g.chooseRecords(files, records)
	if err := g.dropTrees(d); err != nil {
		return nil, s.within(err)
	}
	g.count()
	return g, nil
}

// digests lists the files of a directory that are named by 64 hex digits in lower case, sorted.
func (d *disk) digests(dir string) ([]ident.SHA256, error) {
	at, err := d.at.Sub(dir)
	if err != nil {
		return nil, ignoreMissing(err)
	}
	defer at.Close()
	entries, err := at.Entries()
	if err != nil {
		return nil, err
	}
	ids := make([]ident.SHA256, 0, len(entries))
	for i := range entries {
		if id, ok := parseDigest("", entries[i].Name); ok {
			ids = append(ids, id)
		}
	}
	slices.SortFunc(ids, func(a, b ident.SHA256) int { return bytes.Compare(a[:], b[:]) })
	return ids, nil
}

// parseDigest reads 64 hex digits in lower case, in two parts.
func parseDigest(head, tail string) (id [32]byte, ok bool) {
	if len(head)+len(tail) != 64 || len(head)%2 != 0 {
		return id, false
	}
	at := 0
	for _, part := range [2]string{head, tail} {
		for i := 0; i < len(part); i += 2 {
			high, low := hexDigit(part[i]), hexDigit(part[i+1])
			if high|low > 0xf {
				return id, false
			}
			id[at] = high<<4 | low
			at++
		}
	}
	return id, true
}

// hexDigit is the value of a digit in lower case; 0xff for what is none.
func hexDigit(c byte) byte {
	switch {
	case '0' <= c && c <= '9':
		return c - '0'
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10
	}
	return 0xff
}

// gcRecord is what a collection needs to know of a record.
type gcRecord struct {
	id    ident.SHA256
	tree  ident.TreeID
	whole bool // not damaged
}

// gcRecords parses the records of each file.
func gcRecords(files []recordFile) [][]gcRecord {
	all := make([][]gcRecord, len(files))
	for i := range files {
		for _, text := range files[i].texts {
			var r gcRecord
			if a, err := parseArtifact(text); err == nil {
				r = gcRecord{a.SHA256, a.Tree, true}
			}
			all[i] = append(all[i], r)
		}
	}
	return all
}

// chooseRecords decides which files of records go, and whether others are written anew: when some of their records go, or when the files are many.
func (g *GC) chooseRecords(files []recordFile, records [][]gcRecord) {
	left := 0
	for i, file := range records {
		gone := 0
		for j := range file {
			if r := &file[j]; !r.whole || g.kept[r.tree] == nil {
				gone++
			}
		}
		if gone == len(file) {
			g.records = append(g.records, files[i].name)
			g.Artifacts += max(gone, 1)
			continue
		}
		g.Artifacts += gone
		g.rewrite = g.rewrite || gone > 0 || files[i].torn
		left++
	}
	g.rewrite = g.rewrite || left > maxRecordFiles
}

// chooseTrees decides which listings stay, the bound on the size apart.
func (g *GC) chooseTrees(ctx context.Context, d *disk, live map[ident.TreeID]bool, opt GCOptions) error {
	ids, err := d.digests(treesDir)
	if err != nil {
		return err
	}
	kept := make([]*keptTree, len(ids))
	err = each(ctx, len(ids), len(ids), func(_ context.Context, i int) error {
		id := ident.TreeID(ids[i])
		fi, err := d.at.Stat(treeName(id))
		if err != nil {
			return err
		}
		used := time.Unix(0, fi.Mtime)
		recent := !opt.Since.IsZero() && !used.Before(opt.Since)
		if !live[id] && !recent && (opt.MaxSize <= 0 || !opt.Since.IsZero()) {
			return nil
		}
		t, err := g.store.Tree(id)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if t != nil || live[id] {
			kept[i] = &keptTree{live: live[id], used: used, blobs: t.blobs()}
		}
		return nil
	})
	for i, k := range kept {
		if k != nil {
			g.kept[ident.TreeID(ids[i])] = k
		}
	}
	return err
}

// chooseBlobs lists the blobs that go. With a bound on the size it first lets go listings, the least recently used first.
func (g *GC) chooseBlobs(ctx context.Context, d *disk, maxSize int64) (gone []string, err error) {
	files := 0
	for _, k := range g.kept {
		files += len(k.blobs)
	}
	users := make(map[ident.BlobID]int32, files)
	for _, k := range g.kept {
		for _, id := range k.blobs {
			users[id]++
		}
	}
	sizes := make(map[ident.BlobID]int64)
	var orphans []ident.BlobID
	err = d.eachBlob(ctx, func(id ident.BlobID) error {
		if users[id] == 0 {
			orphans = append(orphans, id)
			return nil
		}
		if maxSize > 0 {
			u, err := UsageOf(g.store.BlobPath(id))
			sizes[id] = u.Bytes
			return ignoreMissing(err)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if maxSize > 0 {
		orphans = append(orphans, g.shrink(maxSize, users, sizes)...)
	}
	return blobNames(orphans), nil
}

// blobNames is where blobs stand, sorted.
func blobNames(ids []ident.BlobID) []string {
	slices.SortFunc(ids, func(a, b ident.BlobID) int { return bytes.Compare(a[:], b[:]) })
	names := make([]string, len(ids))
	for i, id := range ids {
		names[i] = BlobName(id)
	}
	return names
}

// blobs are those of a listing, each once, sorted; none where t is nil.
func (t *Tree) blobs() []ident.BlobID {
	if t == nil {
		return nil
	}
	ids := make([]ident.BlobID, len(t.Entries))
	for i := range t.Entries {
		ids[i] = t.Entries[i].Blob
	}
	slices.SortFunc(ids, func(a, b ident.BlobID) int { return bytes.Compare(a[:], b[:]) })
	return slices.Compact(ids)
}

// shrink lets go listings that are not live until what stays takes maxSize bytes or less, and returns the blobs that no
// other listing has.
func (g *GC) shrink(maxSize int64, users map[ident.BlobID]int32, sizes map[ident.BlobID]int64) (gone []ident.BlobID) {
	for _, n := range sizes {
		g.Size += n
	}
	var spare []ident.TreeID
	needed := make(map[ident.BlobID]bool)
	for id, k := range g.kept {
		if !k.live {
			spare = append(spare, id)
			continue
		}
		for _, blob := range k.blobs {
			needed[blob] = true
		}
	}
	for id := range needed {
		g.Live += sizes[id]
	}
	slices.SortFunc(spare, func(a, b ident.TreeID) int {
		return cmp.Or(g.kept[a].used.Compare(g.kept[b].used), bytes.Compare(a[:], b[:]))
	})
	for _, id := range spare {
		if g.Size <= maxSize {
			break
		}
		for _, blob := range g.kept[id].blobs {
			if users[blob]--; users[blob] == 0 {
				g.Size -= sizes[blob]
				if _, there := sizes[blob]; there {
					gone = append(gone, blob)
				}
			}
		}
		delete(g.kept, id)
	}
	return gone
}

// eachBlob calls f for every blob of the store, from one goroutine.
func (d *disk) eachBlob(ctx context.Context, f func(ident.BlobID) error) error {
	blobs, err := d.at.Sub(blobsDir)
	if err != nil {
		return ignoreMissing(err)
	}
	defer blobs.Close()
	shards, err := blobs.Entries()
	if err != nil {
		return err
	}
	for _, shard := range shards {
		if !isShard(shard.Name) || !shard.Type.IsDir() {
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		at, err := blobs.Sub(shard.Name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		entries, err := at.Entries()
		at.Close()
		if err != nil {
			return err
		}
		for i := range entries {
			if id, ok := parseDigest(shard.Name, entries[i].Name); ok {
				if err := f(id); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// Sweep removes what PlanGC found, and counts what that frees, apart from files of records that are written anew; without really, it only counts. What
// cannot be removed is passed over: the error is the first of them.
func (g *GC) Sweep(ctx context.Context, really bool, tally *Tally) error {
	first := g.sweep(ctx, g.records, really, tally)
	late := really && ctx.Err() == nil && g.rewriteRecords() != nil // on a full disk: once there is room
	for _, list := range [][]string{g.trees, g.blobs} {
		if err := g.sweep(ctx, list, really, tally); first == nil {
			first = err
		}
	}
	if late && ctx.Err() == nil {
		if err := g.rewriteRecords(); first == nil {
			first = err
		}
	}
	if really && first == nil {
		g.pruneShards()
	}
	return first
}

// sweep removes files, whose names are sorted, some directories at once. It returns the first error.
func (g *GC) sweep(ctx context.Context, names []string, really bool, tally *Tally) error {
	var dirs [][]string
	for at := 0; at < len(names); {
		end := at + 1
		for end < len(names) && path.Dir(names[end]) == path.Dir(names[at]) {
			end++
		}
		dirs, at = append(dirs, names[at:end]), end
	}
	var mu sync.Mutex
	var first error
	err := each(ctx, len(dirs), len(names)/manyFiles, func(ctx context.Context, i int) error {
		used, err := g.store.sweepDir(ctx, dirs[i], really)
		mu.Lock()
		defer mu.Unlock()
		for _, u := range used {
			tally.Removed(u)
		}
		if first == nil {
			first = err
		}
		return nil
	})
	return errors.Join(first, err)
}

func (g *GC) rewriteRecords() error {
	g.store.records.forget()
	if !g.rewrite {
		return nil
	}
	return g.store.keepRecords(noFile, func(a *Artifact) bool { return g.kept[a.Tree] != nil })
}

// sweepDir removes files of one directory, and returns what they took and the first error.
func (s *Store) sweepDir(ctx context.Context, names []string, really bool) (used []Usage, first error) {
	d, err := s.open()
	if err != nil {
		return nil, s.within(ignoreMissing(err))
	}
	dir, _ := d.at.Below(path.Dir(names[0])) // nil: a link stands there, perhaps
	if dir != nil {
		defer dir.Close()
	}
	for _, name := range names {
		if err := ctx.Err(); err != nil {
			return used, errors.Join(first, err)
		}
		u, err := UsageOf(filepath.Join(s.dir, filepath.FromSlash(name)))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil && really {
			err = s.within(d.sweep(dir, name))
		}
		if err == nil {
			used = append(used, u)
		} else if first == nil {
			first = err
		}
	}
	return used, first
}

// sweep removes whatever stands under a name; in, which may be nil, is the directory that it stands in.
func (d *disk) sweep(in *dirfd.Dir, name string) error {
	if err := d.do("remove", name); err != nil {
		return err
	}
	if in != nil && in.Unlink(path.Base(name)) == nil {
		return nil
	}
	return d.root.RemoveAll(name)
}

// pruneShards removes directories of blobs that are empty now.
func (g *GC) pruneShards() {
	d, err := g.store.open()
	if err != nil {
		return
	}
	last := ""
	for _, name := range g.blobs {
		shard := name[:len(blobsDir)+3]
		if shard == last {
			continue
		}
		last = shard
		if d.do("rmdir", shard) == nil {
			_ = d.root.Remove(shard) // not empty
		}
	}
}

// Leftovers removes what killed runs left in tmp, and counts it; without really, it only counts. The caller holds the store alone.
func (s *Store) Leftovers(really bool, tally *Tally) (n int, err error) {
	d, err := s.open()
	if err != nil {
		return 0, s.within(ignoreMissing(err))
	}
	entries, err := fs.ReadDir(d.root.FS(), tmpDir)
	if err != nil {
		return 0, s.within(ignoreMissing(err))
	}
	for _, e := range entries {
		name := tmpDir + "/" + e.Name()
		used, err := UsageBelow(filepath.Join(s.dir, filepath.FromSlash(name)))
		if err != nil {
			return n, s.within(err)
		}
		if really {
			if err := d.do("remove", name); err != nil {
				return n, s.within(err)
			}
			if err := d.root.RemoveAll(name); err != nil {
				return n, s.within(err)
			}
		}
		n++
		for _, u := range used {
			tally.Removed(u)
		}
	}
	return n, nil
}

// UsageBelow is what a directory and all in it take, name by name; nothing for one that is not there.
func UsageBelow(dir string) (all []Usage, err error) {
	err = filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return ignoreMissing(err)
		}
		u, err := UsageOf(path)
		if err == nil {
			all = append(all, u)
		}
		return ignoreMissing(err)
	})
	return all, err
}

// Alone takes the store's lock exclusively if that needs no waiting; ok is false when another uses the store, or when no lock can be
// had. Unlike Exclusive it makes nothing: for who only looks.
func (s *Store) Alone() (release func(), ok bool) {
	d, err := s.open()
	if err != nil {
		return func() {}, false
	}
	f, err := d.root.OpenFile(lockFile, os.O_RDWR, 0)
	if err != nil {
		return func() {}, false
	}
	if ok, err := tryLock(f, true); !ok || err != nil {
		f.Close()
		return func() {}, false
	}
	return func() { f.Close() }, true
}

// PlanClean says that everything is to go that a registry can give again. The listings of version directories stay: without them,
// every sync would have to hash what it can tell by stats.
func (s *Store) PlanClean(ctx context.Context) (*GC, error) {
	g := &GC{store: s, kept: make(map[ident.TreeID]*keptTree)}
	d, err := s.open()
	if err != nil {
		return g, s.within(ignoreMissing(err))
	}
	placed, err := s.Placements()
	if err != nil {
		return nil, err
	}
	for i := range placed {
		g.kept[placed[i].Tree] = &keptTree{live: true}
	}
	files, err := s.recordFiles(d)
	if err != nil {
		return nil, err
	}
	for i := range files {
		g.records = append(g.records, files[i].name)
		g.Artifacts += max(len(files[i].texts), 1)
	}
	if err := g.dropTrees(d); err != nil {
		return nil, s.within(err)
	}
	var blobs []ident.BlobID
	err = d.eachBlob(ctx, func(id ident.BlobID) error {
		blobs = append(blobs, id)
		return nil
	})
	g.blobs = blobNames(blobs)
	g.count()
	return g, s.within(err)
}

// dropTrees lists the listings that are not kept.
func (g *GC) dropTrees(d *disk) error {
	trees, err := d.digests(treesDir)
	if err != nil {
		return err
	}
	for _, id := range trees {
		if g.kept[ident.TreeID(id)] == nil {
			g.trees = append(g.trees, treeName(ident.TreeID(id)))
		}
	}
	return nil
}

func (g *GC) count() {
	g.Trees, g.Blobs = len(g.trees), len(g.blobs)
}

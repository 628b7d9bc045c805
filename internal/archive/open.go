package archive

import (
	"bytes"
	"context"
	"io"
	"strings"
	"sync"

	"github.com/openpackage/opkg/internal/inflate"
)

// Unpacker opens archives and keeps their buffers for the next. The zero Unpacker is ready; it is safe for
// concurrent use.
type Unpacker struct {
	inflaters sync.Pool // *inflater
	decoders  sync.Pool // *inflate.Decoder
	tars      sync.Pool // *[]byte: an inflated tar
	windows   sync.Pool // *[]byte of windowSize
}

const windowSize = MaxExtended

// File is one file of a payload.
type File struct {
	Path string // slash-separated; CheckPath accepts it
	Exec bool   // the owner's x bit
	Size int64
	Data []byte // the content, until Close; nil where the archive is not in memory
}

// Archive is one archive that was checked whole.
type Archive struct {
	u        *Unpacker
	name     string
	src      compressed
	tar      *[]byte // inflated, or nil
	files    []File
	members  []int // of each file: its place among the tar's members
	manifest []byte
}

// Open checks an archive that stands in memory. name is for messages. The error is an *UnsafeError or the context's.
// data must not change until Close.
func (u *Unpacker) Open(ctx context.Context, name string, data []byte) (*Archive, error) {
	return u.open(ctx, name, compressed{data: data, size: int64(len(data))})
}

// OpenFile is Open for an archive in a file of size bytes.
func (u *Unpacker) OpenFile(ctx context.Context, name string, r io.ReaderAt, size int64) (*Archive, error) {
	return u.open(ctx, name, compressed{file: r, size: size})
}

func (u *Unpacker) open(ctx context.Context, name string, src compressed) (*Archive, error) {
	a := &Archive{u: u, name: name, src: src}
	if err := a.check(ctx); err != nil {
		a.Close()
		return nil, about(err, name, "")
	}
	return a, nil
}

// Files are the files of the payload in the archive's order. The caller must not change them.
func (a *Archive) Files() []File { return a.files }

// Manifest is the content of openpackage.yml, valid until Close.
func (a *Archive) Manifest() []byte { return a.manifest }

// Close gives the buffers back. The archive and what it gave out must not be used any more.
func (a *Archive) Close() {
	if a.tar != nil {
		a.u.keep(a.tar)
		a.tar = nil
	}
}

// keptTar is the largest buffer for a tar that is kept for the next archive, in bytes. Most fit; of one that held a large asset the memory
// is worth more than the time to get it again.
const keptTar = 1 << 20

func (u *Unpacker) keep(tar *[]byte) {
	if cap(*tar) <= keptTar {
		u.tars.Put(tar)
	}
}

// Each calls f for every file in the archive's order. The reader is valid during the call; f need not read
// all of it.
func (a *Archive) Each(ctx context.Context, f func(File, io.Reader) error) error {
	if a.tar != nil {
		for _, file := range a.files {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := f(file, bytes.NewReader(file.Data)); err != nil {
				return err
			}
		}
		return nil
	}
	err := a.u.stream(ctx, &a.src, func(t *tarReader) error {
		files, members := a.files, a.members
		for i := 0; ; i++ {
			m, err := t.next()
			if err == io.EOF {
				return nil
			}
			if err != nil {
				return about(err, "", m.name)
			}
			if len(members) == 0 || members[0] != i {
				continue
			}
			if err := f(files[0], t.body()); err != nil {
				return err
			}
			files, members = files[1:], members[1:]
		}
	})
	return about(err, a.name, "")
}

// check reads the whole archive, in memory or past it.
func (a *Archive) check(ctx context.Context) error {
	n, err := a.src.claimed()
	if err != nil {
		return err
	}
	switch {
	case n/maxDeflate > a.src.size:
		return wrongLength()
	case n > RatioFree && n/MaxRatio > a.src.size:
		return unsafef("it inflates to more than %d times its size", MaxRatio)
	case n <= InMemory:
		if a.tar, err = a.u.inflate(ctx, &a.src, int(n)); err != nil {
			return err
		}
		return a.list(&tarReader{src: window{mem: *a.tar}})
	}
	return a.u.stream(ctx, &a.src, a.list)
}

// inflate reads all of src, which claims to be n bytes, into a buffer of the pool.
func (u *Unpacker) inflate(ctx context.Context, src *compressed, n int) (*[]byte, error) {
	buf, _ := u.tars.Get().(*[]byte)
	if buf == nil || cap(*buf) < n {
		b := make([]byte, n)
		buf = &b
	}
	*buf = (*buf)[:n]
	var err error
	if src.file == nil {
		err = u.inflateAtOnce(ctx, src.data, *buf)
	} else {
		err = u.inflateStream(ctx, src, *buf)
	}
	if err != nil {
		u.keep(buf)
		return nil, err
	}
	return buf, nil
}

// inflateAtOnce fills dst with what the gzip file data holds, which must be as long.
func (u *Unpacker) inflateAtOnce(ctx context.Context, data, dst []byte) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	d, _ := u.decoders.Get().(*inflate.Decoder)
	if d == nil {
		d = new(inflate.Decoder)
	}
	defer u.decoders.Put(d)
	return gunzip(d, data, dst)
}

// inflateStream is inflateAtOnce for what need not stand in memory.
func (u *Unpacker) inflateStream(ctx context.Context, src *compressed, dst []byte) error {
	z, err := u.inflater(ctx, src)
	if err != nil {
		return err
	}
	defer u.inflaters.Put(z)
	got, err := io.ReadFull(z, dst)
	if err == nil {
		var more [1]byte
		_, err = io.ReadFull(z, more[:])
	}
	if err == io.EOF && got == len(dst) {
		return nil
	}
	if err == nil || err == io.EOF || err == io.ErrUnexpectedEOF {
		return wrongLength()
	}
	return err
}

// stream lets f read the tar in src as it is inflated.
func (u *Unpacker) stream(ctx context.Context, src *compressed, f func(*tarReader) error) error {
	z, err := u.inflater(ctx, src)
	if err != nil {
		return err
	}
	defer u.inflaters.Put(z)
	buf, _ := u.windows.Get().(*[]byte)
	if buf == nil {
		b := make([]byte, windowSize)
		buf = &b
	}
	defer u.windows.Put(buf)
	return f(&tarReader{src: window{r: z, buf: *buf}})
}

func (u *Unpacker) inflater(ctx context.Context, src *compressed) (*inflater, error) {
	z, _ := u.inflaters.Get().(*inflater)
	if z == nil {
		z = new(inflater)
	}
	if err := z.reset(ctx, src); err != nil {
		u.inflaters.Put(z)
		return nil, err
	}
	return z, nil
}

// list reads all members, checks their names, and works out the payload.
func (a *Archive) list(t *tarReader) error {
	var names NameSet
	var found []File
	var members []int
	var manifests candidates
	for i := 0; ; i++ {
		m, err := t.next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return about(err, "", m.name)
		}
		path := cleanName(m)
		if m.dir && path == "" {
			continue // the root itself
		}
		if err := CheckPath(path); err != nil {
			return about(err, "", m.name)
		}
		if err := names.Add(path, m.dir); err != nil {
			return about(err, "", m.name)
		}
		if m.dir {
			continue
		}
		f := File{Path: path, Exec: m.exec, Size: m.size}
		if t.src.r == nil {
			if f.Data, err = t.src.take(int(m.size)); err != nil {
				return about(early(err), "", m.name)
			}
			t.left = 0
		}
		if slot := manifests.slot(path); slot != nil {
			if *slot, err = readManifest(t, f); err != nil {
				return about(err, "", m.name)
			}
		}
		found, members = append(found, f), append(members, i)
	}
	top := onlyDirectory(found)
	for i, f := range found {
		f.Path = strings.TrimPrefix(f.Path, top)
		if Dropped(f.Path) {
			continue
		}
		a.files, a.members = append(a.files, f), append(a.members, members[i])
	}
	a.manifest = manifests.root
	if top != "" {
		a.manifest = manifests.below
	}
	if a.manifest == nil {
		return unsafef("it holds no %s", Manifest)
	}
	return nil
}

// cleanName takes off what tar writers put around a name: "./" before it, a slash behind a directory.
func cleanName(m member) string {
	if m.dir {
		if m.name == "." || m.name == "./" {
			return ""
		}
		return strings.TrimSuffix(strings.TrimPrefix(m.name, "./"), "/")
	}
	return strings.TrimPrefix(m.name, "./")
}

// candidates are the files that may turn out to be the package's openpackage.yml: the one at the root, and the first in
// a directory there. Where two directories have one, neither is stripped.
type candidates struct{ root, below []byte }

// slot is where to keep the content of the file at path, or nil.
func (c *candidates) slot(path string) *[]byte {
	switch dir, ok := strings.CutSuffix(path, Manifest); {
	case !ok:
		return nil
	case dir == "":
		return &c.root
	case strings.IndexByte(dir, '/') == len(dir)-1 && c.below == nil:
		return &c.below
	}
	return nil
}

func readManifest(t *tarReader, f File) ([]byte, error) {
	if f.Size > MaxManifestBytes {
		return nil, unsafef("it has %d bytes, more than %d", f.Size, MaxManifestBytes)
	}
	if f.Data != nil {
		return f.Data, nil
	}
	return io.ReadAll(t.body())
}

// onlyDirectory returns "dir/" when all files, junk apart, stand below one top-level directory that holds
// openpackage.yml; otherwise "".
func onlyDirectory(files []File) string {
	top, manifest := "", false
	for _, f := range files {
		dir, base, ok := strings.Cut(f.Path, "/")
		switch {
		case isJunk(f.Path[strings.LastIndexByte(f.Path, '/')+1:]):
			continue
		case !ok, top != "" && dir != top:
			return ""
		}
		top = dir
		manifest = manifest || base == Manifest
	}
	if !manifest {
		return ""
	}
	return top + "/"
}

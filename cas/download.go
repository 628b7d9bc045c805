package cas

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"os"

	"github.com/openpackage/opkg/ident"
	"github.com/openpackage/opkg/internal/archive"
)

// spoolSize is what Store.spool is, tests apart.
const spoolSize = 256 << 10

// A download that is larger than spoolSize, up to largeSize, is kept in memory too, if all such together are not more than largeTotal: in
// bytes.
const (
	largeSize  = 8 << 20
	largeTotal = 16 << 20
)

// reserve returns how much of the download may stand in memory, in bytes. close gives back what it took.
func (p *put) reserve() int64 {
	s := p.store
	if p.want.Size <= s.spool || p.want.Size > s.large {
		return s.spool
	}
	if s.reserved.Add(p.want.Size) > largeTotal {
		s.reserved.Add(-p.want.Size)
		return s.spool
	}
	p.reserved = p.want.Size
	return p.want.Size
}

// firstBuffer is how much memory a download of unknown size begins with.
const firstBuffer = 64 << 10

// download is steps 1 and 2: it reads r into memory or a spool file, and compares size and digest.
func (p *put) download(ctx context.Context, r io.Reader) error {
	limit := int64(archive.MaxArchive)
	if p.want.Size > 0 {
		limit = min(limit, p.want.Size)
	}
	memory := p.reserve()
	more, err := p.readMemory(ctx, r, min(limit, memory))
	if err != nil {
		return err
	}
	switch {
	case !more:
		p.size, p.sum = int64(len(*p.data)), sha256.Sum256(*p.data)
	case limit > memory:
		if err := p.readSpool(ctx, r, limit); err != nil {
			return err
		}
	default:
		p.size = limit + 1
	}
	switch {
	case p.size > limit && p.want.Size > 0:
		return p.want.mismatch("size", size(p.want.Size), "more than that")
	case p.size > limit:
		return &archive.UnsafeError{Archive: p.want.label(), Reason: fmt.Sprintf("it has more than %d bytes", limit)}
	case p.want.Size > 0 && p.size != p.want.Size:
		return p.want.mismatch("size", size(p.want.Size), size(p.size))
	case !p.want.SHA256.IsZero() && p.sum != p.want.SHA256:
		return p.want.mismatch("sha256", p.want.SHA256.String(), p.sum.String())
	}
	return nil
}

// readMemory reads up to limit bytes and one, which tells whether there are more.
func (p *put) readMemory(ctx context.Context, r io.Reader, limit int64) (more bool, err error) {
	p.data, _ = p.store.buffers.Get().(*[]byte)
	if p.data == nil {
		p.data = new([]byte)
	}
	b := (*p.data)[:0]
	defer func() { *p.data = b }()
	if want := p.want.Size + 1; p.want.Size > 0 && want <= limit+1 && int64(cap(b)) < want {
		b = make([]byte, 0, want)
	}
	for {
		if len(b) == cap(b) {
			grown := make([]byte, len(b), min(max(2*cap(b), firstBuffer), int(limit)+1))
			copy(grown, b)
			b = grown
		}
		if err := ctx.Err(); err != nil {
			return false, err
		}
		n, err := r.Read(b[len(b):min(cap(b), int(limit)+1)])
		b = b[:len(b)+n]
		if int64(len(b)) > limit {
			return true, nil
		}
		if err == io.EOF {
			return false, nil
		}
		if err != nil {
			return false, err
		}
	}
}

// readSpool writes what is in memory and what follows to a file in tmp.
func (p *put) readSpool(ctx context.Context, r io.Reader, limit int64) (err error) {
	if err := p.enter(ctx); err != nil {
		return err
	}
	if p.spool, p.spoolName, err = p.area.spoolFile(); err != nil {
		return p.store.within(err)
	}
	head := *p.data
	h := sha256.New()
	w := io.MultiWriter(writer{p.area.folder.disk, p.spool}, h)
	if _, err := w.Write(head); err != nil {
		return p.store.within(err)
	}
	n, err := io.Copy(w, &contextReader{ctx, io.LimitReader(r, limit+1-int64(len(head)))})
	if err != nil {
		return err
	}
	p.size, p.sum = int64(len(head))+n, ident.SHA256(h.Sum(nil))
	p.recycle()
	return nil
}

// readAll is download for Inspect: without a store to spool to, and with nothing to compare.
func (p *put) readAll(r io.Reader) (err error) {
	h := sha256.New()
	if f := regularFile(r); f != nil {
		p.spool = f
		p.size, err = io.Copy(h, io.NewSectionReader(f, 0, archive.MaxArchive+1))
	} else {
		var data []byte
		data, err = io.ReadAll(io.TeeReader(io.LimitReader(r, archive.MaxArchive+1), h))
		p.data, p.size = &data, int64(len(data))
	}
	if err == nil && p.size > archive.MaxArchive {
		err = &archive.UnsafeError{Archive: p.want.label(), Reason: fmt.Sprintf("it has more than %d bytes", int64(archive.MaxArchive))}
	}
	p.sum = ident.SHA256(h.Sum(nil))
	return err
}

func regularFile(r io.Reader) *os.File {
	if f, ok := r.(*os.File); ok {
		if fi, err := f.Stat(); err == nil && fi.Mode().IsRegular() {
			return f
		}
	}
	return nil
}

// contextReader ends when its context does.
type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (c *contextReader) Read(b []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(b)
}

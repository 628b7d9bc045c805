package archive

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"

	"github.com/klauspost/compress/flate"

	"github.com/openpackage/opkg/internal/inflate"
)

// compressed is the archive as it came, in memory or in a file.
type compressed struct {
	data []byte      // the whole of it, or
	file io.ReaderAt // the place to read it from
	size int64
}

// byteReader is what DEFLATE must be read from, so that nothing behind its end is taken.
type byteReader interface {
	io.Reader
	io.ByteReader
}

func (c *compressed) reader() byteReader {
	if c.file == nil {
		return bytes.NewReader(c.data)
	}
	return bufio.NewReaderSize(io.NewSectionReader(c.file, 0, c.size), 64<<10)
}

// claimed is the inflated size, modulo 2³², that the gzip trailer names.
func (c *compressed) claimed() (int64, error) {
	if c.size < 18 { // the shortest header and trailer
		return 0, unsafef("it is no gzip file: it has only %d bytes", c.size)
	}
	var head, size [4]byte
	if c.file == nil {
		copy(head[:], c.data)
		copy(size[:], c.data[c.size-4:])
	} else if _, err := c.file.ReadAt(head[:], 0); err != nil {
		return 0, err
	} else if _, err := c.file.ReadAt(size[:], c.size-4); err != nil {
		return 0, err
	}
	if !IsGzip(head[:]) {
		return 0, unsafef("it is no gzip file")
	}
	return int64(binary.LittleEndian.Uint32(size[:])), nil
}

// inflater reads the tar out of a gzip file, strictly: one member and nothing else.
type inflater struct {
	ctx   context.Context
	src   byteReader
	flate io.ReadCloser // also a flate.Resetter
	crc   uint32
	n     int64
	size  int64 // of the compressed file
	err   error // sticky
}

// reset makes z read from c. It reads the gzip header.
func (z *inflater) reset(ctx context.Context, c *compressed) error {
	z.ctx, z.src, z.size = ctx, c.reader(), c.size
	z.crc, z.n, z.err = 0, 0, nil
	if err := gzipHeader(z.src); err != nil {
		return cut(err)
	}
	if z.flate == nil {
		z.flate = flate.NewReader(z.src)
		return nil
	}
	return z.flate.(flate.Resetter).Reset(z.src, nil)
}

// Read gives inflated bytes within the limits; io.EOF means that CRC, length and end are right as well.
func (z *inflater) Read(p []byte) (int, error) {
	if z.err != nil {
		return 0, z.err
	}
	if z.err = z.ctx.Err(); z.err != nil {
		return 0, z.err
	}
	n, err := z.flate.Read(p)
	z.crc = crc32.Update(z.crc, crc32.IEEETable, p[:n])
	z.n += int64(n)
	switch {
	case z.n > MaxTotal:
		err = unsafef("it inflates to more than %d bytes", int64(MaxTotal))
	case z.n > RatioFree && z.n/MaxRatio > z.size:
		err = unsafef("it inflates to more than %d times its size", MaxRatio)
	case err == io.EOF:
		err = z.trailer()
	case err != nil:
		err = damaged(err)
	}
	z.err = err
	return n, err
}

func (z *inflater) trailer() error {
	var t [trailerSize]byte
	if _, err := io.ReadFull(z.src, t[:]); err != nil {
		return cut(err)
	}
	if err := checkTrailer(t[:], z.crc, z.n); err != nil {
		return err
	}
	switch _, err := z.src.ReadByte(); {
	case err == nil:
		return bytesFollow()
	case err != io.EOF:
		return err
	}
	return io.EOF
}

// gunzip fills dst with what the gzip file data holds, which must be as long: one member and nothing else.
func gunzip(d *inflate.Decoder, data, dst []byte) error {
	head := bytes.NewReader(data)
	if err := gzipHeader(head); err != nil {
		return cut(err)
	}
	rest := data[len(data)-head.Len():]
	n, used, err := d.Decode(dst, rest)
	switch {
	case errors.Is(err, inflate.ErrShort):
		return wrongLength()
	case errors.Is(err, inflate.ErrCorrupt):
		return broken()
	case err != nil:
		return cut(err)
	}
	if rest = rest[used:]; len(rest) < trailerSize {
		return cut(io.ErrUnexpectedEOF)
	}
	if err := checkTrailer(rest, crc32.ChecksumIEEE(dst[:n]), int64(n)); err != nil {
		return err
	}
	if len(rest) > trailerSize {
		return bytesFollow()
	}
	return nil
}

// trailerSize is the length in bytes of checksum and length at the end of a gzip member.
const trailerSize = 8

// checkTrailer holds a trailer against the checksum and the length of what was inflated.
func checkTrailer(t []byte, crc uint32, n int64) error {
	switch {
	case binary.LittleEndian.Uint32(t) != crc:
		return unsafef("the gzip checksum is wrong")
	case binary.LittleEndian.Uint32(t[4:]) != uint32(n):
		return wrongLength()
	}
	return nil
}

func wrongLength() error { return unsafef("the length in the gzip trailer is wrong") }

func bytesFollow() error { return unsafef("bytes follow the end of the gzip member") }

// gzipHeader reads past the header of RFC 1952, section 2.3.
func gzipHeader(r byteReader) error {
	const (
		hasCRC = 1 << (iota + 1)
		hasExtra
		hasName
		hasComment
		reserved = 0xe0
	)
	var h [10]byte
	sum := crc32.NewIEEE()
	tee := io.TeeReader(r, sum)
	if _, err := io.ReadFull(tee, h[:]); err != nil {
		return err
	}
	flags := h[3]
	switch {
	case h[0] != 0x1f || h[1] != 0x8b || h[2] != 8:
		return unsafef("it is no gzip file")
	case flags&reserved != 0:
		return unsafef("reserved flags are set in the gzip header")
	}
	if flags&hasExtra != 0 {
		var n [2]byte
		if _, err := io.ReadFull(tee, n[:]); err != nil {
			return err
		}
		if _, err := io.CopyN(io.Discard, tee, int64(binary.LittleEndian.Uint16(n[:]))); err != nil {
			return err
		}
	}
	for _, flag := range []byte{hasName, hasComment} {
		if flags&flag == 0 {
			continue
		}
		if err := skipString(tee); err != nil {
			return err
		}
	}
	if flags&hasCRC != 0 {
		want := uint16(sum.Sum32())
		var got [2]byte
		if _, err := io.ReadFull(r, got[:]); err != nil {
			return err
		}
		if binary.LittleEndian.Uint16(got[:]) != want {
			return unsafef("the checksum of the gzip header is wrong")
		}
	}
	return nil
}

func skipString(r io.Reader) error {
	var b [1]byte
	for range MaxGzipString {
		if _, err := io.ReadFull(r, b[:]); err != nil {
			return err
		}
		if b[0] == 0 {
			return nil
		}
	}
	return unsafef("a string in the gzip header is longer than %d bytes", MaxGzipString)
}

// cut says in our words that the file ends too early.
func cut(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return unsafef("the gzip file is cut short")
	}
	return err
}

// damaged says in our words what the decoder found; an error of the disk stays what it is.
func damaged(err error) error {
	var corrupt flate.CorruptInputError
	var internal flate.InternalError
	if errors.As(err, &corrupt) || errors.As(err, &internal) {
		return broken()
	}
	return cut(err)
}

func broken() error { return unsafef("the compressed data is damaged") }

// Package inflate decodes DEFLATE (RFC 1951) from memory to memory in one go: the whole stream is there, and the
// place for what it holds is as large as it claims to be. That is what an archive of a package is, and it is
// two to three times as fast as a decoder that may be stopped between any two bytes.
//
// It accepts what compress/flate accepts, and nothing else; a fuzz target holds the two against each other.
package inflate

import (
	"encoding/binary"
	"errors"
	"io"
)

// What Decode returns beside io.ErrUnexpectedEOF, for a stream that ends too early.
var (
	ErrCorrupt = errors.New("corrupt DEFLATE stream")
	ErrShort   = errors.New("DEFLATE stream holds more than there is room for")
)

// Decoder holds the code tables of a block, some 26 KiB. The zero Decoder is ready; it may be used again, by one goroutine
// at a time.
type Decoder struct {
	literals  [literalSize]entry
	distances [distanceSize]entry
	lengths   [fixedLiterals + fixedDistances]uint8 // of the codes of a block, in bits
	fixed     bool                                  // the tables are those of the fixed codes
}

const (
	endOfBlock = 256
	maxMatch   = 258
	// A turn of the fast loop writes at most two literals and a match, and copying by words writes up to 13 bytes behind it.
	fastRoom = 2 + maxMatch + 13
	fastRead = 16 // and looks at so many bytes
)

// input is the bits of a stream that are not yet decoded.
type input struct {
	src  []byte
	pos  int    // of the first byte that is not in bits
	bits uint64 // the next bits, lowest first
	n    uint   // how many of them
}

// fill makes n at least 56, or all that is left.
func (in *input) fill() {
	if in.pos+8 <= len(in.src) {
		in.bits |= binary.LittleEndian.Uint64(in.src[in.pos:]) << in.n
		in.pos += int(63-in.n) >> 3
		in.n |= 56
		return
	}
	for in.n < 56 && in.pos < len(in.src) {
		in.bits |= uint64(in.src[in.pos]) << in.n
		in.pos++
		in.n += 8
	}
}

// take returns the next n bits, n at most 32.
func (in *input) take(n uint) (uint, error) {
	if in.n < n {
		if in.fill(); in.n < n {
			return 0, io.ErrUnexpectedEOF
		}
	}
	v := uint(in.bits) & (1<<n - 1)
	in.bits >>= n
	in.n -= n
	return v, nil
}

// align goes to the next whole byte and gives back the bytes that were read ahead.
func (in *input) align() {
	in.pos -= int(in.n >> 3)
	in.bits, in.n = 0, 0
}

// Decode inflates the stream at the beginning of src into dst. It returns how many bytes of dst it wrote, and
// how many of src the stream is long. The error is ErrCorrupt, ErrShort or io.ErrUnexpectedEOF; dst then holds anything.
func (d *Decoder) Decode(dst, src []byte) (written, read int, err error) {
	in := input{src: src}
	for last := false; !last; {
		head, err := in.take(3)
		if err != nil {
			return written, in.pos, err
		}
		last = head&1 != 0
		switch head >> 1 {
		case 0:
			written, err = stored(&in, dst, written)
		case 1:
			d.useFixed()
			written, err = d.block(&in, dst, written)
		case 2:
			if err = d.readCodes(&in); err == nil {
				written, err = d.block(&in, dst, written)
			}
		default:
			err = ErrCorrupt
		}
		if err != nil {
			return written, in.pos, err
		}
	}
	in.align()
	return written, in.pos, nil
}

// stored copies a block that is not compressed (RFC 1951, section 3.2.4) to dst[out:], and returns where it ends.
func stored(in *input, dst []byte, out int) (int, error) {
	in.align()
	if len(in.src)-in.pos < 4 {
		return out, io.ErrUnexpectedEOF
	}
	n := binary.LittleEndian.Uint16(in.src[in.pos:])
	if binary.LittleEndian.Uint16(in.src[in.pos+2:]) != ^n {
		return out, ErrCorrupt
	}
	in.pos += 4
	body := in.src[in.pos:]
	if len(body) < int(n) {
		return out, io.ErrUnexpectedEOF
	}
	if len(dst)-out < int(n) {
		return out, ErrShort
	}
	in.pos += int(n)
	return out + copy(dst[out:], body[:n]), nil
}

// block decodes the symbols of one block to dst[out:], and returns where it ends.
func (d *Decoder) block(in *input, dst []byte, out int) (int, error) {
	out, done, err := d.fast(in, dst, out)
	if done || err != nil {
		return out, err
	}
	return d.careful(in, dst, out)
}

// fast decodes while there are input and room enough for any symbol, so that neither is asked for at each. It
// reports whether the block ended.
func (d *Decoder) fast(in *input, dst []byte, out int) (_ int, done bool, err error) {
	src, pos, bits, n := in.src, in.pos, in.bits, in.n
	lits, dists := &d.literals, &d.distances
	for pos+fastRead <= len(src) && out+fastRoom <= len(dst) {
		bits |= binary.LittleEndian.Uint64(src[pos:]) << (n & 63)
		pos += int(63-n) >> 3
		n |= 56

		e := lits[bits&(1<<literalBits-1)]
		if e&literal != 0 { // three of 11 bits at most
			dst[out] = byte(e >> 16)
			out++
			bits >>= e & 31
			n -= e.all()
			if e = lits[bits&(1<<literalBits-1)]; e&literal != 0 {
				dst[out] = byte(e >> 16)
				out++
				bits >>= e & 31
				n -= e.all()
				if e = lits[bits&(1<<literalBits-1)]; e&literal != 0 {
					dst[out] = byte(e >> 16)
					out++
					bits >>= e & 31
					n -= e.all()
					continue
				}
			}
			bits |= binary.LittleEndian.Uint64(src[pos:]) << (n & 63)
			pos += int(63-n) >> 3
			n |= 56
		}
		// A length has up to 20 bits, a distance up to 28, and 56 are there.
		if e&special != 0 {
			if e.isSecond() {
				bits >>= literalBits
				n -= literalBits
				e = lits[e.base()+uint(bits)&e.mask()]
			}
			if e&literal != 0 {
				dst[out] = byte(e >> 16)
				out++
				bits >>= e & 31
				n -= e.all()
				continue
			}
			if e == none {
				err = ErrCorrupt
				break
			}
			if e&special != 0 { // the end
				bits >>= e & 31
				n -= e.all()
				done = true
				break
			}
		}
		length := e.value(bits)
		bits >>= e & 31
		n -= e.all()

		e = dists[bits&(1<<distanceBits-1)]
		if e&special != 0 {
			if e.isSecond() {
				bits >>= distanceBits
				n -= distanceBits
				e = dists[e.base()+uint(bits)&e.mask()]
			}
			if e == none {
				err = ErrCorrupt
				break
			}
		}
		distance := e.value(bits)
		bits >>= e & 31
		n -= e.all()

		from, to := out-distance, out
		out += length
		if distance < 8 || length > 64 {
			if from < 0 {
				err = ErrCorrupt
				break
			}
			repeat(dst, from, to, out)
			continue
		}
		if from < 0 {
			err = ErrCorrupt
			break
		}
		// By words, of which the first two are written in any case: that costs less than to ask.
		binary.LittleEndian.PutUint64(dst[to:], binary.LittleEndian.Uint64(dst[from:]))
		binary.LittleEndian.PutUint64(dst[to+8:], binary.LittleEndian.Uint64(dst[from+8:]))
		for to += 16; to < out; to += 8 {
			from += 8
			binary.LittleEndian.PutUint64(dst[to:], binary.LittleEndian.Uint64(dst[from+8:]))
		}
	}
	in.pos, in.bits, in.n = pos, bits, n
	return out, done, err
}

// repeat copies b[from:] to b[to:end], where what was copied may be copied on. from is before to.
func repeat(b []byte, from, to, end int) {
	for to < end {
		to += copy(b[to:end], b[from:to]) // twice as much each time
	}
}

// careful is fast for the end of a stream and of the room.
func (d *Decoder) careful(in *input, dst []byte, out int) (int, error) {
	for {
		e, length, err := next(in, d.literals[:], literalBits)
		switch {
		case err != nil:
			return out, err
		case e&literal != 0:
			if out == len(dst) {
				return out, ErrShort
			}
			dst[out] = byte(e >> 16)
			out++
			continue
		case e&special != 0:
			return out, nil
		}
		_, distance, err := next(in, d.distances[:], distanceBits)
		switch {
		case err != nil:
			return out, err
		case distance > out:
			return out, ErrCorrupt
		case length > len(dst)-out:
			return out, ErrShort
		}
		repeat(dst, out-distance, out, out+length)
		out += length
	}
}

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
	// A turn of the fast loop writes a match or less, and looks at so many bytes.
	fastRoom = 258
	fastRead = 8
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
func (d *Decoder) block(in *input, dst []byte, out int) (_ int, err error) {
	for done := false; !done && err == nil; {
		out = d.fast(in, dst, out)
		out, done, err = d.symbol(in, dst, out)
	}
	return out, err
}

// fast decodes to dst[out:] and returns where it came to: to the end of what it may decode without asking for input and room at each
// symbol, or to a symbol that is rare, or to none. What it leaves is for symbol to decode, or to refuse.
//
// A turn is for up to three literals, or for one match: that takes 33 bits at most of the 56 that are there. So enough are left to look up
// the next turn's entry before the input is refilled, and neither has to wait for the other.
func (d *Decoder) fast(in *input, dst []byte, out int) int {
	in.fill()
	// Of n only the low six bits count, which is all that a shift looks at: so a whole entry can be subtracted from it.
	src, pos, bits, n := in.src, in.pos, in.bits, in.n
	lits, dists := &d.literals, &d.distances
	e := lits[bits&(1<<literalBits-1)]
	// Neither pos nor out is ever negative. It is asked so that the compiler leaves out its own checks.
	for pos >= 0 && pos <= len(src)-fastRead && out >= 0 && out <= len(dst)-fastRoom {
		bits |= binary.LittleEndian.Uint64(src[pos:pos+8]) << (n & 63)
		pos += int(^n >> 3 & 7)
		n |= 56
		to := (*[fastRoom]byte)(dst[out : out+fastRoom])

		if e.isLiteral() {
			to[0] = byte(e >> 16)
			bits >>= e & 63
			n -= uint(e)
			e = lits[bits&(1<<literalBits-1)]
			out++
			if e.isLiteral() {
				to[1] = byte(e >> 16)
				bits >>= e & 63
				n -= uint(e)
				e = lits[bits&(1<<literalBits-1)]
				out++
				if e.isLiteral() {
					to[2] = byte(e >> 16)
					bits >>= e & 63
					n -= uint(e)
					e = lits[bits&(1<<literalBits-1)]
					out++
				}
			}
			continue
		}

		if e&special != 0 {
			break
		}
		// A match: 11 bits, in which a length has its extra bits, and up to 21 for the distance.
		length := int(e >> 16)
		behind := bits >> (e & 63)
		f := dists[behind&(1<<distanceBits-1)]
		if f&special != 0 {
			break
		}
		distance := int(f>>16) + int(behind&(1<<(f&63)-1)>>(f>>8&63))
		from := out - distance
		if from < 0 {
			break
		}
		bits = behind >> (f & 63)
		n -= uint(e) + uint(f)
		e = lits[bits&(1<<literalBits-1)]

		if distance >= 16 {
			// 32 bytes in any case, by two registers: that costs less than to ask how many, and few matches are longer.
			from := (*[32]byte)(dst[from : from+32])
			*(*[16]byte)(to[:]) = *(*[16]byte)(from[:])
			*(*[16]byte)(to[16:]) = *(*[16]byte)(from[16:])
			if length <= 32 {
				out += length
				continue
			}
		}
		repeat(dst, from, out, out+length)
		out += length
	}
	in.pos, in.bits, in.n = pos, bits, n&63
	return out
}

// repeat copies b[from:] to b[to:end], where what was copied may be copied on. from is before to.
func repeat(b []byte, from, to, end int) {
	for to < end {
		to += copy(b[to:end], b[from:to]) // twice as much each time
	}
}

// symbol decodes one symbol of any kind to dst[out:], and returns where it came to and whether it was the end of the block. It looks neither
// beyond the input nor beyond the room.
func (d *Decoder) symbol(in *input, dst []byte, out int) (_ int, done bool, err error) {
	e, length, err := next(in, d.literals[:], literalBits)
	switch {
	case err != nil:
		return out, false, err
	case e.isLiteral():
		if out == len(dst) {
			return out, false, ErrShort
		}
		dst[out] = byte(e >> 16)
		return out + 1, false, nil
	case e.isEnd():
		return out, true, nil
	}
	_, distance, err := next(in, d.distances[:], distanceBits)
	switch {
	case err != nil:
		return out, false, err
	case distance > out:
		return out, false, ErrCorrupt
	case length > len(dst)-out:
		return out, false, ErrShort
	}
	repeat(dst, out-distance, out, out+length)
	return out + length, false, nil
}

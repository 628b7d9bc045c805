package inflate

import (
	"io"
	"math/bits"
)

// entry is what a table says of the next bits.
//
//	bits 0-5   how many of them are the code (or its second half) and the extra bits behind it: bits that a shift looks at
//	bit  6     this is neither byte, nor length, nor distance, but what bits 14 and 15 say
//	bits 8-11  how many of these are the code; second: how many bits choose among the second level
//	bits 16-30 literal: the byte; length, distance: what the extra bits are added to; second: where its second level begins
//	bit  31    this is a byte
type entry uint32

const (
	literal entry = 1 << 31
	special entry = 1 << 6          // one of these:
	none          = special         // no code is so
	second        = special | 1<<14 // the code is longer than the first level looks
	end           = special | 1<<15 // the end of the block
	extra         = second | end    // a length with extra bits that the first level does not see
)

func (e entry) isLiteral() bool { return int32(e) < 0 }
func (e entry) isSecond() bool  { return e&extra == second }
func (e entry) isEnd() bool     { return e&extra == end }
func (e entry) isExtra() bool   { return e&extra == extra }
func (e entry) all() uint       { return uint(e & 63) }
func (e entry) code() uint      { return uint(e >> 8 & 15) }
func (e entry) mask() uint      { return 1<<(e>>8&15) - 1 }
func (e entry) base() uint      { return uint(e >> 16 & 0x7fff) }

// value is base and the extra bits, which are behind the code in bits.
func (e entry) value(bits uint64) int {
	return int(e.base()) + int(bits&(1<<e.all()-1)>>e.code())
}

// coded is a symbol's entry with n bits of its code.
func (e entry) coded(n uint) entry {
	if e == none {
		return none
	}
	return e + entry(n)<<8 + entry(n)
}

// The numbers of symbols, and the places of the tables: 2^bits for the first level, and for each pair of symbols with longer codes
// all that the bits beyond can choose: in a complete code two symbols at least share a place of the first level.
const (
	maxCode        = 15 // bits
	maxLiterals    = 286
	maxDistances   = 30
	fixedLiterals  = 288 // the fixed codes have symbols that no stream may use
	fixedDistances = 32

	literalBits  = 11
	literalSize  = 1<<literalBits + maxLiterals/2<<(maxCode-literalBits)
	distanceBits = 8
	distanceSize = 1<<distanceBits + maxDistances/2<<(maxCode-distanceBits)
	metaBits     = 7 // the longest code of a code length
)

// What length and distance symbols mean (RFC 1951, section 3.2.5).
var (
	lengthBase    = [29]uint16{3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258}
	lengthExtra   = [29]uint8{0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0}
	distanceBase  = [30]uint16{1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145, 8193, 12289, 16385, 24577}
	distanceExtra = [30]uint8{0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13}
	metaOrder     = [19]uint8{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}
)

// What the tables say of each symbol, but for the bits of its code.
var (
	literalEntries  = entriesOf(fixedLiterals, literalOf)
	distanceEntries = entriesOf(fixedDistances, distanceOf)
	metaEntries     = entriesOf(len(metaOrder), metaOf)
)

func entriesOf(n int, of func(symbol int) entry) []entry {
	list := make([]entry, n)
	for symbol := range list {
		list[symbol] = of(symbol)
	}
	return list
}

func literalOf(symbol int) entry {
	switch {
	case symbol < endOfBlock:
		return byteOf(symbol)
	case symbol == endOfBlock:
		return end
	case symbol < maxLiterals:
		i := symbol - endOfBlock - 1
		e := entry(lengthBase[i])<<16 | entry(lengthExtra[i])
		if lengthExtra[i] != 0 {
			e |= extra
		}
		return e
	}
	return none
}

func byteOf(symbol int) entry { return literal | entry(symbol)<<16 }

func distanceOf(symbol int) entry {
	if symbol >= maxDistances {
		return none
	}
	return entry(distanceBase[symbol])<<16 | entry(distanceExtra[symbol])
}

func metaOf(symbol int) entry {
	switch symbol {
	case 16: // the length before, 3 to 6 times
		return 3<<16 | 2
	case 17: // none, 3 to 10 times
		return 3<<16 | 3
	case 18: // none, 11 to 138 times
		return 11<<16 | 7
	}
	return byteOf(symbol)
}

// build fills table for the canonical code (RFC 1951, section 3.2.2) in which symbol i has lengths[i] bits and means entries[i]; the
// first level looks at so many bits as first says. The code must be complete. Two others pass, as they do in other decoders: none at
// all, and one symbol of one bit.
func build(table []entry, first uint, lengths []uint8, entries []entry) error {
	var count [maxCode + 1]uint16 // of symbols with so many bits
	for _, n := range lengths {
		count[n&15]++
	}
	var place [maxCode + 2]uint16 // of the next symbol with so many bits, in sorted
	place[1] = count[0]
	var longest uint
	left := 1 // codes of this length that are not taken
	for n := uint(1); n <= maxCode; n++ {
		left = left<<1 - int(count[n])
		if left < 0 {
			return ErrCorrupt
		}
		if count[n] != 0 {
			longest = n
		}
		place[n+1] = place[n] + count[n]
	}
	if left != 0 {
		return buildIncomplete(table[:1<<first], longest, lengths, entries)
	}
	var sorted [fixedLiterals]uint16
	for symbol, n := range lengths {
		sorted[place[n&15]] = uint16(symbol)
		place[n&15]++
	}
	symbols := sorted[count[0]:len(lengths)]

	// Shorter codes first: what is there for n bits is there twice for n+1. That costs less than to store each symbol in all its places.
	code := uint16(0)                 // the next one, from the left, so that it goes on from one length to the next
	var whole [len(lengthBase)]uint16 // the places of lengths of which the first level sees all extra bits
	wholes := 0
	for n := uint(1); n <= first; n++ {
		copy(table[1<<(n-1):1<<n], table[:1<<(n-1)])
		for _, symbol := range symbols[:count[n]] {
			at := bits.Reverse16(code)
			code += 1 << (16 - n)
			e := entries[symbol].coded(n)
			table[at] = e
			if e.isExtra() && e.all() <= first {
				whole[wholes] = at
				wholes++
			}
		}
		symbols = symbols[count[n]:]
	}
	for _, at := range whole[:wholes] { // these bits become the code's, and what they add the base's
		e := table[at]
		n, all := e.code(), e.all()
		e = e&^extra + entry(all-n)<<8
		for i := uint(at); i < 1<<first; i += 1 << n {
			table[i] = e + entry(i>>n&(1<<(all-n)-1))<<16
		}
	}

	if longest <= first {
		return nil
	}
	beyond := longest - first // bits of the second level
	free := uint(1) << first
	head, level := free, free // the place of the first level that leads to a second, and where that begins; none yet
	for n := first + 1; n <= longest; n++ {
		for _, symbol := range symbols[:count[n]] {
			at := uint(bits.Reverse16(code))
			code += 1 << (16 - n)
			if at&(1<<first-1) != head {
				head, level = at&(1<<first-1), free
				free += 1 << beyond
				table[head] = second | entry(level)<<16 | entry(beyond)<<8
			}
			e := entries[symbol].coded(n - first)
			for i := at >> first; i < 1<<beyond; i += 1 << (n - first) {
				table[level+i] = e
			}
		}
		symbols = symbols[count[n]:]
	}
	return nil
}

// buildIncomplete fills the first level of a table for a code that is not complete, if it is one of those that pass.
func buildIncomplete(table []entry, longest uint, lengths []uint8, entries []entry) error {
	one := none
	for symbol, n := range lengths {
		switch {
		case n == 0:
		case n == 1 && longest == 1:
			one = entries[symbol].coded(1) // the only one: two would be complete
		default:
			return ErrCorrupt
		}
	}
	for i := 0; i < len(table); i += 2 {
		table[i], table[i+1] = one, none
	}
	return nil
}

// next decodes one symbol with a table, and its extra bits, without looking beyond the input. The entry is never none; value is its
// base and extra bits.
func next(in *input, table []entry, first uint) (e entry, value int, err error) {
	in.fill()
	left, bits := in.n, in.bits
	e = table[bits&(1<<first-1)]
	if e.isSecond() {
		bits >>= first
		left -= min(first, left)
		e = table[e.base()+uint(bits)&e.mask()]
	}
	switch {
	case e.all() > left, left == 0:
		return none, 0, io.ErrUnexpectedEOF
	case e == none:
		return none, 0, ErrCorrupt
	}
	in.bits = bits >> e.all()
	in.n = left - e.all()
	return e, e.value(bits), nil
}

// useFixed sets the tables to the fixed codes (RFC 1951, section 3.2.6).
func (d *Decoder) useFixed() {
	if d.fixed {
		return
	}
	literals, distances := d.lengths[:fixedLiterals], d.lengths[fixedLiterals:]
	for i := range literals {
		switch {
		case i < 144:
			literals[i] = 8
		case i < 256:
			literals[i] = 9
		case i < 280:
			literals[i] = 7
		default:
			literals[i] = 8
		}
	}
	for i := range distances {
		distances[i] = 5
	}
	if build(d.literals[:], literalBits, literals, literalEntries) != nil || build(d.distances[:], distanceBits, distances, distanceEntries) != nil {
		panic("the fixed codes are complete")
	}
	d.fixed = true
}

// readCodes sets the tables to the codes at the head of a block (RFC 1951, section 3.2.7).
func (d *Decoder) readCodes(in *input) error {
	d.fixed = false
	head, err := in.take(14)
	if err != nil {
		return err
	}
	literals, distances, metas := int(head&31)+257, int(head>>5&31)+1, int(head>>10)+4
	if literals > maxLiterals || distances > maxDistances {
		return ErrCorrupt
	}
	var meta [len(metaOrder)]uint8
	for _, symbol := range metaOrder[:metas] {
		n, err := in.take(3)
		if err != nil {
			return err
		}
		meta[symbol] = uint8(n)
	}
	table := d.literals[:1<<metaBits] // until the codes proper are known
	if err := build(table, metaBits, meta[:], metaEntries); err != nil {
		return err
	}
	lengths := d.lengths[:literals+distances]
	for i := 0; i < len(lengths); {
		if in.n < 14 { // a code, and the extra bits that say how often
			in.fill()
		}
		bits, n := in.bits, in.n
		e := table[bits&(1<<metaBits-1)]
		again := e.all() == e.code()+2 // symbol 16 alone has two extra bits
		switch {
		case e.code() > n, n == 0:
			return io.ErrUnexpectedEOF
		case e == none, again && i == 0:
			return ErrCorrupt
		case e.all() > n:
			return io.ErrUnexpectedEOF
		}
		in.bits = bits >> e.all()
		in.n = n - e.all()
		if e.isLiteral() {
			lengths[i] = byte(e >> 16)
			i++
			continue
		}
		times := e.value(bits)
		if times > len(lengths)-i {
			return ErrCorrupt
		}
		value := uint8(0)
		if again {
			value = lengths[i-1]
		}
		for range times {
			lengths[i] = value
			i++
		}
	}
	if lengths[endOfBlock] == 0 {
		return ErrCorrupt
	}
	if err := build(d.literals[:], literalBits, lengths[:literals], literalEntries); err != nil {
		return err
	}
	return build(d.distances[:], distanceBits, lengths[literals:], distanceEntries)
}

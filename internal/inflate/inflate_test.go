package inflate

import (
	"bytes"
	"compress/flate"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	klauspost "github.com/klauspost/compress/flate"
)

// deflate is data as the standard library packs it.
func deflate(t testing.TB, level int, data []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := flate.NewWriter(&out, level)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// texts are contents of many kinds: what a length, a distance, a code can be should be in one of them.
func texts() map[string][]byte {
	r := rand.New(rand.NewPCG(1, 2))
	noise := make([]byte, 300_000)
	for i := range noise {
		noise[i] = byte(r.Uint32())
	}
	skewed := make([]byte, 200_000) // codes of all lengths
	for i := range skewed {
		b := 0
		for b < 250 && r.Uint32()&1 == 0 {
			b++
		}
		skewed[i] = byte(b)
	}
	far := bytes.Clone(noise[:40_000])
	for _, d := range []int{32768, 32767, 24577, 16385, 1, 2, 3, 7, 8, 9, 257, 258, 259} {
		from := len(far) - d
		far = append(far, far[from:from+min(d, 300)]...)
		far = append(far, byte(d))
	}
	var runs []byte // matches of each length at each short distance
	for d := 1; d <= 40; d++ {
		for n := 3; n <= 300; n += 1 + n/16 {
			unit := noise[d*300+n : d*300+n+d]
			for len(unit) < n+d {
				unit = append(unit[:len(unit):len(unit)], unit[:d]...)
			}
			runs = append(append(runs, unit...), noise[n])
		}
	}
	var prose bytes.Buffer
	for i := range 5000 {
		fmt.Fprintf(&prose, "- rule %d: when %x is met, prefer the %d-th of the two; see rules/%d.md\n", i, r.Uint32()&0xfff, r.Uint32()&7, r.Uint32()%900)
	}
	return map[string][]byte{
		"empty": {}, "one": {'x'}, "zeros": make([]byte, 100_000), "noise": noise, "skewed": skewed, "far": far,
		"runs": runs, "prose": prose.Bytes(), "short": []byte("name: x\nversion: 1.0.0\n"),
	}
}

func TestDecode(t *testing.T) {
	var d Decoder // one for all: what a stream leaves in it must not matter to the next
	for name, want := range texts() {
		for _, level := range []int{flate.HuffmanOnly, flate.NoCompression, 1, 6, 9} {
			packed := deflate(t, level, want)
			for _, behind := range []int{0, 1, 7, 8, 15, 64} {
				dst := make([]byte, len(want))
				n, used, err := d.Decode(dst, append(packed[:len(packed):len(packed)], bytes.Repeat([]byte{0xa5}, behind)...))
				if err != nil || n != len(want) || used != len(packed) {
					t.Fatalf("%s, level %d, %d bytes behind: %d, %d, %v; want %d, %d", name, level, behind, n, used, err, len(want), len(packed))
				}
				if !bytes.Equal(dst, want) {
					t.Fatalf("%s, level %d: other bytes", name, level)
				}
			}
			if len(want) > 0 {
				if _, _, err := d.Decode(make([]byte, len(want)-1), packed); err != ErrShort {
					t.Fatalf("%s, level %d, with too little room: %v", name, level, err)
				}
			}
			for _, cut := range []int{0, 1, len(packed) / 2, len(packed) - 9, len(packed) - 1} {
				if cut < 0 || cut >= len(packed) {
					continue
				}
				if _, _, err := d.Decode(make([]byte, len(want)), packed[:cut]); err != io.ErrUnexpectedEOF {
					t.Fatalf("%s, level %d, cut to %d of %d bytes: %v", name, level, cut, len(packed), err)
				}
			}
		}
	}
}

// Where input or room ends, one way of decoding gives way to another: so they end in all places.
func TestEnds(t *testing.T) {
	var d Decoder
	for name, text := range texts() {
		text = text[:min(len(text), 1500)]
		for _, level := range []int{flate.HuffmanOnly, 1, 9} {
			packed := deflate(t, level, text)
			dst := make([]byte, len(text)+64)
			for n := range packed {
				if _, _, err := d.Decode(dst, packed[:n]); err != io.ErrUnexpectedEOF {
					t.Fatalf("%s, level %d, cut to %d of %d bytes: %v", name, level, n, len(packed), err)
				}
			}
			for room := range text {
				clear(dst)
				if _, _, err := d.Decode(dst[:room], packed); err != ErrShort {
					t.Fatalf("%s, level %d, %d bytes in room for %d: %v", name, level, len(text), room, err)
				}
				if !bytes.Equal(dst[room:], make([]byte, len(dst)-room)) {
					t.Fatalf("%s, level %d: bytes behind a room for %d", name, level, room)
				}
			}
			for room := len(text); room <= len(dst); room++ {
				n, used, err := d.Decode(dst[:room], packed)
				if err != nil || used != len(packed) || !bytes.Equal(dst[:n], text) {
					t.Fatalf("%s, level %d, in room for %d: %d, %d, %v", name, level, room, n, used, err)
				}
			}
		}
	}
}

// bitWriter writes streams that no compressor would.
type bitWriter struct {
	out  []byte
	bits uint64
	n    uint
}

func (w *bitWriter) put(v uint64, n uint) {
	w.bits |= v << w.n
	for w.n += n; w.n >= 8; w.n -= 8 {
		w.out = append(w.out, byte(w.bits))
		w.bits >>= 8
	}
}

func (w *bitWriter) bytes() []byte {
	if w.n > 0 {
		return append(w.out, byte(w.bits))
	}
	return w.out
}

// dynamic is the head of a block with codes of the given lengths, each code length written as itself by a code of 4 and 5 bits.
func dynamic(literals, distances []int) *bitWriter {
	var w bitWriter
	w.put(1, 1)
	w.put(2, 2)
	w.put(uint64(len(literals)-257), 5)
	w.put(uint64(len(distances)-1), 5)
	w.put(15, 4)
	// symbols 0 to 12 have 4 bits, 13 to 18 have 5: 13/16 + 6/32 = 1
	for _, symbol := range metaOrder {
		if symbol < 13 {
			w.put(4, 3)
		} else {
			w.put(5, 3)
		}
	}
	for _, n := range append(append([]int{}, literals...), distances...) {
		if n < 13 {
			w.put(reversed(n, 4), 4)
		} else {
			w.put(reversed(26+n-13, 5), 5)
		}
	}
	return &w
}

func reversed(v int, n uint) (r uint64) {
	for range n {
		r = r<<1 | uint64(v&1)
		v >>= 1
	}
	return r
}

// withEnd is 257 lengths or more of which the end of the block has one bit.
func withEnd(n int, more map[int]int) []int {
	lengths := make([]int, n)
	lengths[endOfBlock] = 1
	for symbol, bits := range more {
		lengths[symbol] = bits
	}
	return lengths
}

func TestOddStreams(t *testing.T) {
	fixed := func(f func(w *bitWriter)) []byte {
		var w bitWriter
		w.put(1, 1)
		w.put(1, 2)
		f(&w)
		return w.bytes()
	}
	end := func(w *bitWriter) { w.put(0, 7) }
	head := func(literals, distances, metas uint64) []byte {
		var w bitWriter
		w.put(5, 3)
		w.put(literals, 5)
		w.put(distances, 5)
		w.put(metas, 4)
		w.put(0, 60)
		return w.bytes()
	}
	block := func(literals, distances []int, f func(w *bitWriter)) []byte {
		w := dynamic(literals, distances)
		f(w)
		return w.bytes()
	}
	for _, c := range []struct {
		name   string
		packed []byte
		want   string
		err    error
	}{
		{"reserved kind of block", []byte{7}, "", ErrCorrupt},
		{"stored, wrong complement", []byte{1, 1, 0, 0, 0, 'x'}, "", ErrCorrupt},
		{"stored, empty", []byte{1, 0, 0, 0xff, 0xff}, "", nil},
		{"stored, cut length", []byte{1, 0, 0, 0xff}, "", io.ErrUnexpectedEOF},
		{"stored, cut", []byte{1, 2, 0, 0xfd, 0xff, 'x'}, "", io.ErrUnexpectedEOF},
		{"fixed, empty", fixed(end), "", nil},
		{"fixed, a byte of nine bits", fixed(func(w *bitWriter) { w.put(reversed(0b111111111, 9), 9); end(w) }), "\xff", nil},
		{"fixed, symbol 286", fixed(func(w *bitWriter) { w.put(reversed(0b11000110, 8), 8); end(w) }), "", ErrCorrupt},
		{"fixed, distance symbol 30", fixed(func(w *bitWriter) {
			w.put(reversed(0x30+'a', 8), 8)
			w.put(reversed(1, 7), 7)
			w.put(reversed(30, 5), 5)
			end(w)
		}), "", ErrCorrupt},
		{"fixed, a match before the beginning", fixed(func(w *bitWriter) {
			w.put(reversed(0x30+'a', 8), 8)
			w.put(reversed(1, 7), 7)
			w.put(reversed(1, 5), 5)
			end(w)
		}), "", ErrCorrupt},
		{"fixed, a match", fixed(func(w *bitWriter) {
			w.put(reversed(0x30+'a', 8), 8)
			w.put(reversed(1, 7), 7)
			w.put(reversed(0, 5), 5)
			end(w)
		}), "aaaa", nil},
		{"287 literals", head(30, 0, 15), "", ErrCorrupt},
		{"31 distances", head(0, 30, 15), "", ErrCorrupt},
		{"no code of code lengths", head(0, 0, 15), "", ErrCorrupt},
		{"only the end of the block, no distances", block(withEnd(257, nil), []int{0}, func(w *bitWriter) { w.put(0, 1) }), "", nil},
		{"the other half of a code of one symbol", block(withEnd(257, nil), []int{0}, func(w *bitWriter) { w.put(1, 1) }), "", ErrCorrupt},
		{"one symbol of two bits", block(withEnd(257, map[int]int{256: 2}), []int{0}, func(w *bitWriter) { w.put(0, 9) }), "", ErrCorrupt},
		{"three codes of one bit", block(withEnd(257, map[int]int{'a': 1, 'b': 1}), []int{0}, func(w *bitWriter) { w.put(0, 9) }), "", ErrCorrupt},
		{"an incomplete code", block(withEnd(257, map[int]int{'a': 3}), []int{0}, func(w *bitWriter) { w.put(0, 9) }), "", ErrCorrupt},
		{"no end of the block", block(withEnd(257, map[int]int{256: 0, 'a': 1, 'b': 1}), []int{0}, func(w *bitWriter) { w.put(0, 9) }), "", ErrCorrupt},
		{"a match without distance codes", block(withEnd(258, map[int]int{'a': 2, 257: 2}), []int{0}, func(w *bitWriter) {
			w.put(reversed(2, 2), 2)
			w.put(reversed(3, 2), 2)
			w.put(0, 3)
		}), "", ErrCorrupt},
		{"one distance of one bit", block(withEnd(258, map[int]int{'a': 2, 257: 2}), []int{1}, func(w *bitWriter) {
			w.put(reversed(2, 2), 2)
			w.put(reversed(3, 2), 2)
			w.put(0, 1)
			w.put(0, 1)
		}), "aaaa", nil},
		{"its other half", block(withEnd(258, map[int]int{'a': 2, 257: 2}), []int{1}, func(w *bitWriter) {
			w.put(reversed(2, 2), 2)
			w.put(reversed(3, 2), 2)
			w.put(1, 1)
			w.put(0, 1)
		}), "", ErrCorrupt},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, behind := range []int{0, 400} { // the careful loop, and the fast one
				if c.err == io.ErrUnexpectedEOF && behind > 0 {
					continue
				}
				var d Decoder
				dst := make([]byte, 4096)
				n, _, err := d.Decode(dst, append(c.packed[:len(c.packed):len(c.packed)], make([]byte, behind)...))
				if err != c.err {
					t.Fatalf("%d bytes behind: %v, want %v", behind, err, c.err)
				}
				if err == nil && string(dst[:n]) != c.want {
					t.Fatalf("%q, want %q", dst[:n], c.want)
				}
				_, theirs := io.ReadAll(flate.NewReader(bytes.NewReader(c.packed)))
				if (theirs == nil) != (c.err == nil) {
					t.Fatalf("compress/flate says %v", theirs)
				}
			}
		})
	}
}

// Codes of up to 15 bits, whose second levels are as large as they get.
func TestLongCodes(t *testing.T) {
	lengths := make([]int, 286)
	lengths[endOfBlock] = 1
	for i := range 13 { // 2 to 14 bits
		lengths['a'+i] = 2 + i
	}
	lengths['y'], lengths['z'] = 15, 15
	codes := map[int]uint64{}
	code := 0
	for n := 1; n <= maxCode; n++ {
		for symbol, bits := range lengths {
			if bits == n {
				codes[symbol] = reversed(code, uint(n))
				code++
			}
		}
		code <<= 1
	}
	w := dynamic(lengths, []int{0})
	var want strings.Builder
	for i := range 3000 {
		symbol := "abcdefghijklmyz"[i*i%15]
		w.put(codes[int(symbol)], uint(lengths[symbol]))
		want.WriteByte(symbol)
	}
	w.put(codes[endOfBlock], 1)
	var d Decoder
	dst := make([]byte, want.Len())
	n, _, err := d.Decode(dst, w.bytes())
	if err != nil || string(dst[:n]) != want.String() {
		t.Fatalf("%d bytes, %v", n, err)
	}
}

// Whatever is accepted is what compress/flate reads, and whatever that reads is accepted.
func FuzzAgainstStandardLibrary(f *testing.F) {
	for _, text := range texts() {
		for _, level := range []int{flate.HuffmanOnly, 1, 9} {
			packed := deflate(f, level, text)
			f.Add(packed[:min(len(packed), 4096)])
			f.Add(deflate(f, level, text[:min(len(text), 2000)]))
			f.Add(deflate(f, level, text[:min(len(text), fastRoom+40)])) // the fast loop makes some turns
		}
	}
	var d Decoder
	f.Fuzz(func(t *testing.T, packed []byte) {
		const room = 1 << 20
		in := bytes.NewReader(packed)
		want, theirs := io.ReadAll(io.LimitReader(flate.NewReader(in), room+1))
		if len(want) > room {
			return
		}
		dst := make([]byte, len(want))
		n, used, err := d.Decode(dst, packed)
		if theirs != nil {
			if err == nil {
				t.Fatalf("accepted what compress/flate refuses: %v", theirs)
			}
			if n > len(want) {
				t.Fatalf("%d bytes before the error %v, compress/flate %d before %v", n, err, len(want), theirs)
			}
			return
		}
		if err != nil || !bytes.Equal(dst[:n], want) {
			t.Fatalf("%d bytes, %v; want %d", n, err, len(want))
		}
		if used != len(packed)-in.Len() {
			t.Fatalf("the stream is %d bytes long, compress/flate says %d", used, len(packed)-in.Len())
		}
		if len(want) > 0 {
			if _, _, err := d.Decode(dst[:len(want)-1], packed); !errors.Is(err, ErrShort) {
				t.Fatalf("with too little room: %v", err)
			}
		}
	})
}

func BenchmarkInflate(b *testing.B) {
	for name, text := range texts() {
		if len(text) < 10_000 {
			continue
		}
		packed := deflate(b, 6, text)
		b.Run(name+"/ours", func(b *testing.B) {
			var d Decoder
			dst := make([]byte, len(text))
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				if _, _, err := d.Decode(dst, packed); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(name+"/klauspost", func(b *testing.B) {
			r := klauspost.NewReader(bytes.NewReader(packed))
			dst := make([]byte, len(text))
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				if err := r.(klauspost.Resetter).Reset(bytes.NewReader(packed), nil); err != nil {
					b.Fatal(err)
				}
				if _, err := io.ReadFull(r, dst); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

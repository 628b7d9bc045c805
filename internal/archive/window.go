package archive

import "io"

// window reads a tar that stands in memory whole, or one that is inflated as it is read. What its methods
// return is valid until the next call (in memory: until the buffer goes back).
type window struct {
	mem []byte // what is left, or
	r   io.Reader
	buf []byte // for r; holds MaxExtended rounded up to blocks
}

// take returns the next n bytes; io.ErrUnexpectedEOF or io.EOF when there are fewer.
func (w *window) take(n int) ([]byte, error) {
	if w.r != nil {
		_, err := io.ReadFull(w.r, w.buf[:n])
		return w.buf[:n], err
	}
	if n > len(w.mem) {
		return nil, io.ErrUnexpectedEOF
	}
	b := w.mem[:n:n]
	w.mem = w.mem[n:]
	return b, nil
}

// upTo returns at least one of the next n bytes (n > 0), and at most all.
func (w *window) upTo(n int) ([]byte, error) {
	if w.r == nil {
		return w.take(n)
	}
	n = min(n, len(w.buf))
	got, err := io.ReadAtLeast(w.r, w.buf[:n], 1)
	return w.buf[:got], err
}

// some returns what comes next, and io.EOF with or after the last of it.
func (w *window) some() ([]byte, error) {
	if w.r == nil {
		b := w.mem
		w.mem = nil
		return b, io.EOF
	}
	n, err := w.r.Read(w.buf)
	return w.buf[:n], err
}

// skip reads past n bytes.
func (w *window) skip(n int64) error {
	for w.r != nil && n > 0 {
		b, err := w.upTo(int(min(n, int64(len(w.buf)))))
		if err != nil {
			return err
		}
		n -= int64(len(b))
	}
	if n > int64(len(w.mem)) {
		return io.ErrUnexpectedEOF
	}
	w.mem = w.mem[n:]
	return nil
}

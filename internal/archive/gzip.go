package archive

import (
	"bytes"

	"github.com/klauspost/compress/gzip"

	"github.com/openpackage/opkg/internal/inflate"
)

// Gzip packs one text, into bytes that depend on it alone: see Write.
func Gzip(text []byte) ([]byte, error) {
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.DefaultCompression)
	if err != nil {
		return nil, err
	}
	if _, err := z.Write(text); err != nil {
		return nil, err
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// Gunzip inflates a gzip file of one member that holds up to most bytes. name is for messages. The error is an *UnsafeError.
func Gunzip(name string, data []byte, most int64) ([]byte, error) {
	src := compressed{data: data, size: int64(len(data))}
	n, err := src.claimed()
	switch {
	case err != nil:
	case n/maxDeflate > src.size: // what is cut short says anything of its length
		err = wrongLength()
	case n > most:
		err = unsafef("it inflates to more than %d bytes", most)
	default:
		text := make([]byte, n)
		if err = gunzip(new(inflate.Decoder), data, text); err == nil {
			return text, nil
		}
	}
	return nil, about(err, name, "")
}

// IsGzip reports whether data begins like a gzip file.
func IsGzip(data []byte) bool { return bytes.HasPrefix(data, []byte{0x1f, 0x8b}) }

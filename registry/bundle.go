package registry

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/openpackage/opkg/ident"
)

// BundlePath is where a static registry keeps the indexes of all its packages in one file, relative to the registry: a bundle, packed with
// gzip. Who needs many of them asks once.
const BundlePath = "indexes.gz"

// Limits of a bundle. A registry that has more does without.
const (
	MaxBundleSize     = 8 << 20  // bytes, as it is served
	MaxBundleText     = 64 << 20 // bytes, inflated
	MaxBundlePackages = 200_000
)

// bundleHeader is the first line of a bundle, with a version.
const (
	bundleForm   = "opkg indexes v"
	bundleHeader = bundleForm + "1\n"
)

// BundleFormError says that a bundle has a form that came after this opkg.
type BundleFormError struct{ File string }

func (e *BundleFormError) Error() string { return e.File + " was written by a newer opkg" }

// Bundled is one index of a bundle.
type Bundled struct {
	Name ident.Name
	Data []byte // of index.json, byte for byte
}

// FormatBundle writes what ParseBundle reads, sorted by name:
//
//	opkg indexes v1
//	<name> <bytes>
//	<so many bytes: its index.json>
func FormatBundle(indexes []Bundled) []byte {
	size := len(bundleHeader)
	for _, ix := range indexes {
		size += len(ix.Name) + len(ix.Data) + 20
	}
	b := append(make([]byte, 0, size), bundleHeader...)
	for _, ix := range slices.SortedFunc(slices.Values(indexes), func(a, b Bundled) int { return strings.Compare(string(a.Name), string(b.Name)) }) {
		b = append(append(b, ix.Name...), ' ')
		b = append(strconv.AppendInt(b, int64(len(ix.Data)), 10), '\n')
		b = append(b, ix.Data...)
	}
	return b
}

// ParseBundle finds the indexes in an inflated bundle. They are parts of data, and are not read here: that is ParseIndex's. The error is an *Error or a
// *BundleFormError.
func ParseBundle(file string, data []byte) (map[ident.Name][]byte, error) {
	fail := func(pos int, format string, args ...any) error {
		line, _ := position(data, pos)
		return &Error{File: file, Line: line, Msg: fmt.Sprintf(format, args...)}
	}
	rest, ok := bytes.CutPrefix(data, []byte(bundleHeader))
	switch {
	case len(data) > MaxBundleText:
		return nil, &Error{File: file, Msg: fmt.Sprintf("it has more than %d bytes", MaxBundleText)}
	case !ok && bytes.HasPrefix(data, []byte(bundleForm)):
		return nil, &BundleFormError{File: file}
	case !ok:
		return nil, fail(0, "it does not begin with %q", strings.TrimSpace(bundleHeader))
	}
	indexes := map[ident.Name][]byte{}
	for last := ident.Name(""); len(rest) > 0; {
		at := len(data) - len(rest)
		head, after, whole := bytes.Cut(rest, []byte("\n"))
		name, length, _ := strings.Cut(string(head), " ")
		n, err := strconv.Atoi(length)
		switch {
		case !whole || err != nil || n < 0 || length != strconv.Itoa(n):
			return nil, fail(at, "want a name and a number of bytes")
		case n > len(after):
			return nil, fail(at, "it is cut short")
		}
		parsed, err := ident.ParseName(name)
		switch {
		case err != nil:
			return nil, fail(at, "%v", err)
		case len(indexes) == MaxBundlePackages:
			return nil, fail(at, "it has more than %d packages", MaxBundlePackages)
		case parsed <= last:
			return nil, fail(at, "%s is not behind %s, in the order of their bytes", parsed, last)
		}
		indexes[parsed], rest, last = after[:n:n], after[n:], parsed
	}
	return indexes, nil
}

package cas

import (
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"

	"github.com/zeebo/blake3"

	"github.com/openpackage/opkg/ident"
	"github.com/openpackage/opkg/internal/archive"
)

const treeHeader = "opkg tree v1\n"

// Entry is one file of a tree.
type Entry struct {
	Path string // slash-separated, relative
	Exec bool   // mode 755, otherwise 644
	Size int64
	Blob ident.BlobID
}

// Tree is the listing of one payload, sorted by path bytes.
type Tree struct{ Entries []Entry }

// ID is the digest of the listing.
func (t *Tree) ID() ident.TreeID { return ident.TreeID(blake3.Sum256(t.Format())) }

// Format is the listing: "opkg tree v1\n", then "<mode> <size> <blake3> <path>\n" per file.
func (t *Tree) Format() []byte {
	n := len(treeHeader)
	for _, e := range t.Entries {
		n += len(e.Path) + 96
	}
	b := append(make([]byte, 0, n), treeHeader...)
	for _, e := range t.Entries {
		mode := "644 "
		if e.Exec {
			mode = "755 "
		}
		b = append(b, mode...)
		b = strconv.AppendInt(b, e.Size, 10)
		b = append(b, ' ')
		b = append(b, e.Blob.String()...)
		b = append(b, ' ')
		b = append(b, e.Path...)
		b = append(b, '\n')
	}
	return b
}

func (t *Tree) sort() {
	slices.SortFunc(t.Entries, func(a, b Entry) int { return strings.Compare(a.Path, b.Path) })
}

// ParseTree reads a listing strictly: only what Format writes for paths that archive.CheckPath accepts and that can
// stand beside each other.
func ParseTree(data []byte) (*Tree, error) {
	var names archive.NameSet
	return parseTree(string(data), func(path string) error {
		if err := archive.CheckPath(path); err != nil {
			return err
		}
		return names.Add(path, false)
	})
}

// parseKept reads a listing that Put wrote, as its digest shows. Its names were checked then; that they stay below
// their directory is looked at again, since that is cheap.
func parseKept(data []byte) (*Tree, error) {
	return parseTree(string(data), func(path string) error {
		if !fs.ValidPath(path) || path == "." {
			return fmt.Errorf("%q is not below its directory", path)
		}
		return nil
	})
}

// parseTree reads what Format writes, with names that check accepts.
func parseTree(text string, check func(path string) error) (*Tree, error) {
	rest, ok := strings.CutPrefix(text, treeHeader)
	if !ok {
		return nil, fmt.Errorf("it is no listing: it does not begin with %q", treeHeader)
	}
	t := &Tree{Entries: make([]Entry, 0, strings.Count(rest, "\n"))}
	last := ""
	for line := 2; len(rest) > 0; line++ {
		text, after, ok := strings.Cut(rest, "\n")
		rest = after
		e, err := parseEntry(text)
		switch {
		case err != nil:
		case !ok:
			err = fmt.Errorf("the last line is cut short")
		case len(t.Entries) > 0 && e.Path <= last:
			err = fmt.Errorf("%q is out of order", e.Path)
		default:
			err = check(e.Path)
		}
		if err != nil {
			return nil, fmt.Errorf("listing, line %d: %w", line, err)
		}
		t.Entries = append(t.Entries, e)
		last = e.Path
	}
	return t, nil
}

func parseEntry(line string) (e Entry, err error) {
	mode, rest, _ := strings.Cut(line, " ")
	size, rest, _ := strings.Cut(rest, " ")
	blob, path, ok := strings.Cut(rest, " ")
	if !ok {
		return e, fmt.Errorf("want mode, size, blake3 and path")
	}
	switch mode {
	case "644":
	case "755":
		e.Exec = true
	default:
		return e, fmt.Errorf("the mode is %.20q, want 644 or 755", mode)
	}
	if e.Size, err = parseSize(size); err != nil {
		return e, err
	}
	if e.Blob, err = ident.ParseBlobID(blob); err != nil {
		return e, err
	}
	if strings.ContainsAny(blob, "ABCDEF") {
		return e, fmt.Errorf("the digest is not in lower case")
	}
	e.Path = path
	return e, nil
}

// parseSize reads a decimal number as FormatInt writes it.
func parseSize(s string) (int64, error) {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || s[0] == '-' || s[0] == '+' || s[0] == '0' && s != "0" {
		return 0, fmt.Errorf("%.30q is not a size", s)
	}
	return n, nil
}

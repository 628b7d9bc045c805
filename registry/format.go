package registry

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/openpackage/opkg/ident"
)

// Format writes an index.json in its canonical form: two-space indent, versions from the lowest up, keys in a fixed
// order, one newline at the end. It sorts copies: ix stays as it is. Commit is not written.
func (ix *Index) Format() []byte {
	w := jsonWriter{buf: make([]byte, 0, 256+512*len(ix.Releases))}
	w.open()
	w.str("name", string(ix.Name))
	w.text("description", ix.Description)
	w.key("versions")
	w.open()
	releases := slices.Clone(ix.Releases)
	slices.SortStableFunc(releases, func(a, b Release) int {
		return cmp.Or(a.Version.Compare(b.Version), cmp.Compare(a.Version.Build(), b.Version.Build()))
	})
	for i := range releases {
		w.key(releases[i].Version.String())
		w.release(&releases[i])
	}
	w.close()
	w.close()
	return append(w.buf, '\n')
}

func (w *jsonWriter) release(r *Release) {
	w.open()
	w.str("tarball", r.Artifact)
	w.str("sha256", r.SHA256.String())
	if r.Size != 0 {
		w.key("size")
		w.buf = strconv.AppendInt(w.buf, r.Size, 10)
	}
	if !r.Tree.IsZero() {
		w.str("tree", r.Tree.String())
	}
	w.key("dependencies")
	w.open()
	deps := slices.Clone(r.Dependencies)
	slices.SortFunc(deps, func(a, b ident.Requirement) int { return cmp.Compare(a.Name, b.Name) })
	for _, d := range deps {
		w.str(string(d.Name), d.Range.String())
	}
	w.close()
	w.text("published", r.Published)
	if r.Yanked && r.YankReason == "" {
		w.key("yanked")
		w.buf = append(w.buf, "true"...)
	} else if r.Yanked {
		w.str("yanked", r.YankReason)
	}
	w.text("description", r.Description)
	w.text("canonical", r.Canonical)
	w.close()
}

// jsonWriter writes indented JSON.
type jsonWriter struct {
	buf   []byte
	depth int
	empty bool // nothing stands in the innermost object yet
}

func (w *jsonWriter) open() {
	w.buf = append(w.buf, '{')
	w.depth++
	w.empty = true
}

func (w *jsonWriter) close() {
	w.depth--
	if !w.empty {
		w.newline()
	}
	w.buf = append(w.buf, '}')
	w.empty = false
}

func (w *jsonWriter) newline() {
	w.buf = append(w.buf, '\n')
	for range w.depth {
		w.buf = append(w.buf, "  "...)
	}
}

func (w *jsonWriter) key(key string) {
	if !w.empty {
		w.buf = append(w.buf, ',')
	}
	w.empty = false
	w.newline()
	w.quoted(key)
	w.buf = append(w.buf, ": "...)
}

func (w *jsonWriter) str(key, value string) {
	w.key(key)
	w.quoted(value)
}

// text is str for what may be left out.
func (w *jsonWriter) text(key, value string) {
	if value != "" {
		w.str(key, value)
	}
}

func (w *jsonWriter) quoted(s string) { w.buf = appendQuoted(w.buf, s) }

// appendQuoted escapes what JSON wants escaped and no more: HTML stays readable. YAML reads the result alike.
func appendQuoted(buf []byte, s string) []byte {
	buf = append(buf, '"')
	for _, r := range strings.ToValidUTF8(s, string(utf8.RuneError)) {
		switch {
		case r == '"' || r == '\\':
			buf = append(buf, '\\', byte(r))
		case isControl(r) && r <= 0xffff:
			buf = fmt.Appendf(buf, `\u%04x`, r)
		default:
			buf = utf8.AppendRune(buf, r)
		}
	}
	return append(buf, '"')
}

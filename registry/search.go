package registry

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/openpackage/opkg/ident"
)

// SearchPath is where a static registry keeps its search data, relative to the registry.
const SearchPath = "search.json"

// Limits of search data, and its format.
const (
	SearchFormat      = 1
	MaxSearchSize     = 16 << 20 // bytes of search.json
	MaxSearchPackages = 200_000
	MaxKeywords       = 64  // of one package
	MaxKeyword        = 100 // bytes of one
)

// Search is what a registry says of all its packages in one file, for finding them. It decides nothing: what is installed comes
// from the index of each name.
type Search struct {
	Entries []SearchEntry // sorted by name
}

// SearchEntry is one package as search data describes it.
type SearchEntry struct {
	Name        ident.Name
	Version     ident.Version // as Newest chooses
	Description string
	Keywords    []string // lower case
	Published   string   // of Version: RFC 3339, or ""
	Yanked      bool     // every version is
	YankReason  string   // of Version; "" = not said
}

// Newest is the place of the release that a person looking for the package wants to see: the newest stable one that is not yanked,
// else the newest that is not, else the newest; -1 where there is none. Releases are sorted, lowest first.
func Newest(releases []Release) int {
	best, rank := -1, -1
	for i, r := range releases {
		of := 0
		if !r.Yanked {
			of++
			if r.Version.Prerelease() == "" {
				of++
			}
		}
		if of >= rank {
			best, rank = i, of
		}
	}
	return best
}

// EntryOf is what search data says of an index, without keywords; ok is false where it has no releases.
func EntryOf(ix *Index) (e SearchEntry, ok bool) {
	i := Newest(ix.Releases)
	if i < 0 {
		return e, false
	}
	r := &ix.Releases[i]
	e = SearchEntry{Name: ix.Name, Version: r.Version, Description: r.Description, Published: r.Published, Yanked: r.Yanked, YankReason: r.YankReason}
	if e.Description == "" {
		e.Description = ix.Description
	}
	return e, true
}

// CleanKeywords makes keywords fit for search data: lower case, one blank between words, each once, within the limits.
func CleanKeywords(keywords []string) []string {
	var out []string
	for _, k := range keywords {
		k, err := cleanText(strings.ToLower(strings.ToValidUTF8(k, "")))
		if err == nil && len(k) <= MaxKeyword && !slices.Contains(out, k) && len(out) < MaxKeywords {
			out = append(out, k)
		}
	}
	return out
}

// CleanDescription makes text from a manifest fit for an index, or "".
func CleanDescription(s string) string {
	s = strings.ToValidUTF8(s, string(utf8.RuneError))
	if len(s) > MaxText {
		s = strings.ToValidUTF8(s[:MaxText-len("…")], "") + "…"
	}
	s, err := cleanText(s)
	if err != nil {
		return ""
	}
	return s
}

var (
	searchKeys = []string{"format", "packages"}
	entryKeys  = []string{"version", "description", "keywords", "published", "yanked"}
)

// SearchFormatError says that search data is of a format that came after this opkg.
type SearchFormatError struct {
	File   string
	Format int64
}

func (e *SearchFormatError) Error() string {
	return fmt.Sprintf("%s: its format is %d, written by a newer opkg", e.File, e.Format)
}

// Hint says what to do.
func (e *SearchFormatError) Hint() string { return "update opkg" }

// ParseSearch reads a search.json as strictly as ParseIndex reads an index. The error is an *Error or a *SearchFormatError.
func ParseSearch(file string, data []byte) (*Search, error) {
	p := searchParser{indexParser{scanner: scanner{data: data}}}
	s, err := p.parse(file)
	if newer := (*SearchFormatError)(nil); errors.As(err, &newer) {
		return nil, newer
	}
	if err != nil {
		return nil, errorIn(file, data, err)
	}
	return s, nil
}

type searchParser struct{ indexParser }

func (p *searchParser) parse(file string) (*Search, error) {
	s := &Search{}
	known := false // the format
	err := p.document("search data", MaxSearchSize, searchKeys, searchKeys, func(key string, pos int) error {
		switch {
		case key == "format":
			n, err := p.whole(1, 1<<31)
			if err == nil && n != SearchFormat {
				err = &SearchFormatError{File: file, Format: n}
			}
			known = true
			return err
		case !known:
			return &fault{pos, `"format" must stand before "packages"`}
		}
		return p.object(func(key string, pos int) error {
			if len(s.Entries) == MaxSearchPackages {
				return &fault{pos, fmt.Sprintf("there are more than %d packages", MaxSearchPackages)}
			}
			name, err := ident.ParseName(key)
			if err != nil {
				return within("", pos, err)
			}
			e, err := p.entry()
			if err != nil {
				return within(string(name), pos, err)
			}
			e.Name = name
			s.Entries = append(s.Entries, e)
			return nil
		})
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(s.Entries, func(a, b SearchEntry) int { return strings.Compare(string(a.Name), string(b.Name)) })
	for i := 1; i < len(s.Entries); i++ {
		if s.Entries[i].Name == s.Entries[i-1].Name {
			return nil, fmt.Errorf("%s stands twice", s.Entries[i].Name)
		}
	}
	return s, nil
}

func (p *searchParser) entry() (SearchEntry, error) {
	var e SearchEntry
	keys := members{known: entryKeys}
	err := p.fields(&keys, func(key string, _ int) error {
		at := p.pos
		if err := p.entryKey(&e, key); err != nil {
			return within(key, at, err)
		}
		return nil
	})
	if err == nil && !keys.has("version") {
		err = errors.New("it has no version")
	}
	return e, err
}

func (p *searchParser) entryKey(e *SearchEntry, key string) (err error) {
	switch key {
	case "version":
		var s string
		if s, err = p.str(); err == nil {
			e.Version, err = ident.ParseVersion(s)
		}
	case "keywords":
		err = p.list(func() error {
			k, err := p.text()
			k = strings.ToLower(k) // which may be longer
			switch {
			case err != nil:
				return err
			case len(e.Keywords) == MaxKeywords:
				return p.fail("there are more than %d", MaxKeywords)
			case len(k) > MaxKeyword:
				return p.fail("a keyword has more than %d bytes", MaxKeyword)
			}
			e.Keywords = append(e.Keywords, k)
			return nil
		})
	default:
		var r Release
		err = p.releaseKey(&r, key)
		switch key {
		case "description":
			e.Description = r.Description
		case "published":
			e.Published = r.Published
		case "yanked":
			e.Yanked, e.YankReason = r.Yanked, r.YankReason
		}
	}
	return err
}

// Format writes search data in its canonical form: one package a line, sorted, so that one more package is one more line.
func (s *Search) Format() []byte {
	entries := slices.Clone(s.Entries)
	slices.SortFunc(entries, func(a, b SearchEntry) int { return strings.Compare(string(a.Name), string(b.Name)) })
	buf := append(make([]byte, 0, 64+200*len(entries)), `{"format": `...)
	buf = strconv.AppendInt(buf, SearchFormat, 10)
	buf = append(buf, `, "packages": {`...)
	for i := range entries {
		if i > 0 {
			buf = append(buf, ',')
		}
		buf = appendEntry(append(buf, '\n'), &entries[i])
	}
	return append(buf, "\n}}\n"...)
}

func appendEntry(buf []byte, e *SearchEntry) []byte {
	text := func(key, value string) {
		if value != "" {
			buf = append(append(append(buf, `, "`...), key...), `": `...)
			buf = appendQuoted(buf, value)
		}
	}
	buf = appendQuoted(buf, string(e.Name))
	buf = append(buf, `: {"version": `...)
	buf = appendQuoted(buf, e.Version.String())
	text("description", e.Description)
	if len(e.Keywords) > 0 {
		buf = append(buf, `, "keywords": [`...)
		for i, k := range e.Keywords {
			if i > 0 {
				buf = append(buf, ", "...)
			}
			buf = appendQuoted(buf, k)
		}
		buf = append(buf, ']')
	}
	text("published", e.Published)
	switch {
	case e.Yanked && e.YankReason == "":
		buf = append(buf, `, "yanked": true`...)
	case e.Yanked:
		text("yanked", e.YankReason)
	}
	return append(buf, '}')
}

package sources

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/openpackage/opkg/ident"
	"github.com/openpackage/opkg/internal/held"
	"github.com/openpackage/opkg/registry"
)

// entry is what the cache keeps of one name: a line of JSON, and the document behind it.
type entry struct {
	Format  int               `json:"format"`
	Source  ident.SourceID    `json:"source"`
	Name    ident.Name        `json:"name"`
	ETag    string            `json:"etag,omitempty"`
	From    time.Time         `json:"from,omitzero"`  // fresh from
	Until   time.Time         `json:"until,omitzero"` // and until
	Missing bool              `json:"missing,omitempty"`
	Gone    map[string]string `json:"gone,omitempty"`    // version → sha256, of versions that vanished
	Bundled bool              `json:"bundled,omitempty"` // the document is from a bundle
	Indexed map[string]string `json:"indexed,omitempty"` // then: version → sha256, of versions that the index itself had
	Large   string            `json:"large,omitempty"`   // sha256 of a document that stands in a file of its own
	data    []byte
}

const (
	entryFormat = 2
	maxETag     = 1 << 10  // bytes
	maxPacked   = 16 << 10 // bytes of a document in a pack: to read a larger one costs more than to open its file
)

// fresh reports whether the entry may be used without asking. A clock that was set back does not prolong it.
func (e *entry) fresh(now time.Time) bool {
	return !e.Missing && !now.Before(e.From) && now.Before(e.Until)
}

func (e *entry) keepUntil(now time.Time, maxAge time.Duration) {
	e.From, e.Until = time.Time{}, time.Time{}
	if maxAge > 0 {
		e.From, e.Until = now.UTC(), now.Add(maxAge).UTC()
	}
}

// cacheDir keeps the entries of one source, all in one file. Only a large document has a file of its own beside it:
//
//	<cache>/indexes/<digest of the source>/pack
//	<cache>/indexes/<digest of the source>/<name>.idx
type cacheDir struct {
	path   string
	source ident.SourceID
	pack   pack
}

func cacheDirOf(cache string, id ident.SourceID) *cacheDir {
	sum := sha256.Sum256([]byte(id))
	path := filepath.Join(cache, "indexes", hex.EncodeToString(sum[:12]))
	return &cacheDir{path: path, source: id, pack: pack{cache: cache, file: filepath.Join(path, "pack")}}
}

// large is where the document of a name stands that is too large for the pack.
func (d *cacheDir) large(name ident.Name) string {
	return filepath.Join(d.path, filepath.FromSlash(string(name))+".idx")
}

// CachedNames lists the names that the cache in dir (OPKG_HOME/cache) knows the source id to have, sorted. It is for suggestions: what
// cannot be read is left out.
func CachedNames(dir string, id ident.SourceID) []ident.Name {
	var names []ident.Name
	d := cacheDirOf(dir, id)
	for _, name := range d.pack.names() {
		if _, err := ident.ParseName(string(name)); err != nil {
			continue
		}
		if e := d.head(name); e != nil && !e.Missing {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// read returns nil for an entry that is not there or not whole.
func (d *cacheDir) read(name ident.Name) *entry {
	e := d.head(name)
	if e == nil || e.Large == "" {
		return e
	}
	most := int64(registry.MaxIndexSize)
	if name == bundleName {
		most = registry.MaxBundleText
	}
	fi, err := os.Stat(d.large(name))
	if err != nil || fi.Size() > most {
		return nil
	}
	if e.data, err = os.ReadFile(d.large(name)); err != nil || digest(e.data) != e.Large {
		return nil
	}
	return e
}

// head is read without the file of a large document.
func (d *cacheDir) head(name ident.Name) *entry {
	text := d.pack.get(name)
	head, data, ok := bytes.Cut(text, []byte("\n"))
	var e entry
	if !ok || json.Unmarshal(head, &e) != nil || e.Format != entryFormat || e.Source != d.source || e.Name != name {
		return nil
	}
	e.data = data
	return &e
}

// write replaces an entry. A cache that cannot be written costs time and nothing else, so that is no error; nor is it
// synced to disk, since a torn entry shows.
func (d *cacheDir) write(name ident.Name, e *entry) {
	e.Format, e.Source, e.Name, e.Large = entryFormat, d.source, name, ""
	if len(e.ETag) > maxETag || strings.ContainsFunc(e.ETag, func(r rune) bool { return r < ' ' || r > '~' }) {
		e.ETag = ""
	}
	data := e.data
	if len(data) > maxPacked {
		e.Large = digest(data)
		if !replace(d.pack.cache, d.large(name), data) {
			return
		}
		data = nil
	}
	head, err := json.Marshal(e)
	if err != nil || bytes.IndexByte(data, 0) >= 0 { // no document that can be parsed holds a NUL
		return
	}
	d.pack.put(name, append(head, '\n'), data)
}

// makePrivate makes a directory for entries, which are nobody else's business, since they name private packages; what stands around the
// indexes, OPKG_HOME perhaps, is as open as others make it.
func makePrivate(cache, dir string) error {
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return err
	}
	return os.MkdirAll(dir, 0o700)
}

// replace puts a file of a cache in the place of an older one, which is lost only for a whole one.
func replace(cache, file string, data []byte) bool {
	tmp, err := os.CreateTemp(filepath.Dir(file), ".tmp-*")
	if errors.Is(err, fs.ErrNotExist) && makePrivate(cache, filepath.Dir(file)) == nil {
		tmp, err = os.CreateTemp(filepath.Dir(file), ".tmp-*")
	}
	if err != nil {
		return false
	}
	_, err = tmp.Write(data)
	if closeErr := tmp.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = held.Retry(func() error { return os.Rename(tmp.Name(), file) })
	}
	if err != nil {
		os.Remove(tmp.Name())
	}
	return err == nil
}

func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

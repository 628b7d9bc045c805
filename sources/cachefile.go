package sources

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
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
	Gone    map[string]string `json:"gone,omitempty"` // version → sha256, of versions that vanished
	SHA256  string            `json:"sha256"`         // of the document: the file may be torn
	data    []byte
}

const (
	entryFormat = 1
	maxEntry    = registry.MaxIndexSize + 4<<20 // bytes
	maxETag     = 1 << 10                       // bytes
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

// cacheDir keeps the entries of one source: <cache>/indexes/<digest of the source>/<name>.
type cacheDir struct {
	path   string
	source ident.SourceID
}

func cacheDirOf(cache string, id ident.SourceID) cacheDir {
	sum := sha256.Sum256([]byte(id))
	return cacheDir{filepath.Join(cache, "indexes", hex.EncodeToString(sum[:12])), id}
}

func (d cacheDir) file(name ident.Name) string {
	return filepath.Join(d.path, filepath.FromSlash(string(name))+".idx")
}

// CachedNames lists the names that the cache in dir (OPKG_HOME/cache) has asked the source id for, sorted. It is for suggestions: what cannot be read is left out.
func CachedNames(dir string, id ident.SourceID) []ident.Name {
	var names []ident.Name
	top := cacheDirOf(dir, id).path
	_ = filepath.WalkDir(top, func(path string, d fs.DirEntry, err error) error {
		rel, relErr := filepath.Rel(top, path)
		base, ok := strings.CutSuffix(filepath.ToSlash(rel), ".idx")
		if err != nil || relErr != nil || d.IsDir() || !ok {
			return nil
		}
		if name, err := ident.ParseName(base); err == nil && !saysMissing(path) {
			names = append(names, name)
		}
		return nil
	})
	return names
}

// saysMissing looks for the mark of a name that the source did not have, in the line that begins an entry.
func saysMissing(file string) bool {
	f, err := os.Open(file)
	if err != nil {
		return false
	}
	defer f.Close()
	head := make([]byte, 1<<10)
	n, _ := io.ReadFull(f, head)
	line, _, _ := bytes.Cut(head[:n], []byte("\n"))
	return bytes.Contains(line, []byte(`"missing":true`))
}

// read returns nil for an entry that is not there or not whole.
func (d cacheDir) read(name ident.Name) *entry {
	f, err := os.Open(d.file(name))
	if err != nil {
		return nil
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxEntry))
	head, data, ok := bytes.Cut(text, []byte("\n"))
	if err != nil || !ok {
		return nil
	}
	var e entry
	if json.Unmarshal(head, &e) != nil || e.Format != entryFormat || e.Source != d.source || e.Name != name || e.SHA256 != digest(data) {
		return nil
	}
	e.data = data
	return &e
}

// write replaces the entry whole. A cache that cannot be written costs time and nothing else, so that is no error; nor is it
// synced to disk, since a torn entry shows.
func (d cacheDir) write(name ident.Name, e *entry) {
	e.Format, e.Source, e.Name, e.SHA256 = entryFormat, d.source, name, digest(e.data)
	if len(e.ETag) > maxETag || strings.ContainsFunc(e.ETag, func(r rune) bool { return r < ' ' || r > '~' }) {
		e.ETag = ""
	}
	head, err := json.Marshal(e)
	if err != nil || bytes.IndexByte(head, '\n') >= 0 {
		return
	}
	text := append(append(head, '\n'), e.data...)
	file := d.file(name)
	err = create(file, text)
	if errors.Is(err, fs.ErrNotExist) && os.MkdirAll(filepath.Dir(file), 0o700) == nil {
		err = create(file, text)
	}
	if errors.Is(err, fs.ErrExist) {
		replace(file, text)
	}
}

// create writes an entry where there was none. Who reads it before it is whole sees that.
func create(file string, text []byte) error {
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		os.Remove(file)
	}
	return nil // the cache is full or failing: without this entry, then
}

// replace puts an entry in the place of an older one, which is lost only for a whole one.
func replace(file string, text []byte) {
	tmp, err := os.CreateTemp(filepath.Dir(file), ".tmp-*")
	if err != nil {
		return
	}
	_, err = tmp.Write(text)
	if closeErr := tmp.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = held.Retry(func() error { return os.Rename(tmp.Name(), file) })
	}
	if err != nil {
		os.Remove(tmp.Name())
	}
}

func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

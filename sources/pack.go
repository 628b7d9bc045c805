package sources

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/openpackage/opkg/ident"
)

// pack is a file of small texts by name, written at its end alone: a text is replaced by a later one. Each is
//
//	NUL <sha256 of the rest, in hex> SPACE <name> LF <text without NUL>
//
// so a record begins wherever a NUL stands, and one that is torn, or that another process wrote into, shows and hides no other. A name
// whose last record shows so has its last but one. Several processes may write; each reads the file once. It is
// safe for concurrent use.
type pack struct {
	cache string // the directory of all caches
	file  string

	mu      sync.Mutex
	loaded  bool
	records map[ident.Name]record
	last    int64    // number of the newest record
	size    int64    // bytes of the file, as far as is known
	live    int64    // of these, the newest records of all names
	pending [][]byte // is to be written yet: records with their NULs
	kept    int      // bytes of pending
	users   int
}

// record is one record without its NUL.
type record struct {
	text  []byte
	at    int64   // its number: later ones have higher
	older *record // of the same name
}

const (
	maxPack   = 32 << 20 // bytes: a larger file is made smaller, and one beyond twice that not read
	packSlack = 1 << 20  // bytes that a file may waste in any case
	maxFlush  = 1 << 20  // bytes that are kept back at most
)

// use has what is put kept back until the last user is done: one write takes the place of hundreds.
func (p *pack) use() (done func()) {
	p.mu.Lock()
	p.users++
	p.mu.Unlock()
	return func() {
		p.mu.Lock()
		if p.users--; p.users == 0 {
			p.flush()
		}
		p.mu.Unlock()
	}
}

// get returns the text of a name, nil where there is none that is whole. The caller must not change it.
func (p *pack) get(name ident.Name) []byte {
	p.mu.Lock()
	p.load()
	r, ok := p.records[name]
	p.mu.Unlock()
	for next := &r; ok && next != nil; next = next.older {
		if text, whole := next.whole(name); whole {
			return text
		}
	}
	return nil
}

// whole returns the text of a record of name, if it is as it was written.
func (r *record) whole(name ident.Name) (text []byte, ok bool) {
	rest := r.text[hexSize:]
	var sum [hexSize]byte
	raw := sha256.Sum256(rest)
	hex.Encode(sum[:], raw[:])
	return rest[1+len(name)+1:], bytes.Equal(sum[:], r.text[:hexSize])
}

const hexSize = 2 * sha256.Size

// put replaces the text of a name by one that may come in parts.
func (p *pack) put(name ident.Name, text ...[]byte) {
	size := 1 + hexSize + len(" ") + len(name) + len("\n")
	for _, part := range text {
		size += len(part)
	}
	rec := append(append(append(make([]byte, 1+hexSize, size), ' '), name...), '\n')
	for _, part := range text {
		rec = append(rec, part...)
	}
	sum := sha256.Sum256(rec[1+hexSize:])
	hex.Encode(rec[1:], sum[:])
	p.mu.Lock()
	defer p.mu.Unlock()
	p.load()
	p.note(name, rec[1:])
	p.pending, p.kept = append(p.pending, rec), p.kept+len(rec)
	if p.users == 0 || p.kept > maxFlush {
		p.flush()
	}
}

// names lists all names that there are records of.
func (p *pack) names() (names []ident.Name) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.load()
	for name := range p.records {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// load reads the file, once. The lock is held.
func (p *pack) load() {
	if !p.loaded {
		p.loaded = true
		p.scan()
	}
}

// scan takes in the records of the file as it is now. What it holds is looked at only when it is asked for.
func (p *pack) scan() {
	p.records, p.size, p.live = map[ident.Name]record{}, 0, 0
	fi, err := os.Lstat(p.file)
	if err != nil || !fi.Mode().IsRegular() {
		return
	}
	if p.size = fi.Size(); p.size > 2*maxPack {
		return
	}
	data, err := os.ReadFile(p.file)
	if err != nil {
		return
	}
	_, data, _ = bytes.Cut(data, []byte{0})
	for len(data) > 0 {
		var text []byte
		text, data, _ = bytes.Cut(data, []byte{0})
		if len(text) <= hexSize || text[hexSize] != ' ' {
			continue
		}
		if name, _, ok := bytes.Cut(text[hexSize+1:], []byte("\n")); ok {
			p.note(ident.Name(name), text)
		}
	}
}

// note makes text the newest record of name. The lock is held.
func (p *pack) note(name ident.Name, text []byte) {
	p.last++
	r := record{text: text, at: p.last}
	if old, ok := p.records[name]; ok {
		p.live -= int64(len(old.text)) + 1
		r.older = &old
	}
	p.live += int64(len(text)) + 1
	p.records[name] = r
}

// flush writes what is kept back. The lock is held.
func (p *pack) flush() {
	if len(p.pending) == 0 {
		return
	}
	p.append(bytes.Join(p.pending, nil))
	p.size += int64(p.kept)
	p.pending, p.kept = nil, 0
	if p.size > maxPack || p.size > packSlack && p.size > 2*p.live {
		p.compact()
	}
}

// append adds whole records to the file. What is cut short, by a full disk or a kill, shows.
func (p *pack) append(records []byte) {
	if fi, err := os.Lstat(p.file); err == nil && !fi.Mode().IsRegular() { // a pipe would block, a link have another file written
		_ = os.Remove(p.file)
	}
	open := func() (*os.File, error) { return os.OpenFile(p.file, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600) }
	f, err := open()
	if errors.Is(err, fs.ErrNotExist) && makePrivate(p.cache, filepath.Dir(p.file)) == nil {
		f, err = open()
	}
	if err != nil {
		return
	}
	_, _ = f.Write(records)
	f.Close()
}

// compact puts a file of the newest records, those of other processes too, in the place of one that mostly holds others. If these
// are still too much, the oldest are left out. What another process writes meanwhile is lost: that costs it a request.
func (p *pack) compact() {
	p.scan()
	names := slices.SortedFunc(maps.Keys(p.records), func(a, b ident.Name) int { return cmp.Compare(p.records[b].at, p.records[a].at) })
	var kept [][]byte // from the newest on
	size := int64(0)
	for _, name := range names {
		r := p.records[name]
		for next := &r; next != nil; next = next.older {
			if _, whole := next.whole(name); whole {
				kept = append(kept, next.text)
				size += int64(len(next.text)) + 1
				break
			}
		}
		if size > maxPack/2 {
			break
		}
	}
	data := make([]byte, 0, size)
	for _, text := range slices.Backward(kept) {
		data = append(append(data, 0), text...)
	}
	if replace(p.cache, p.file, data) {
		p.scan()
	}
}

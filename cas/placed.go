package cas

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"strings"
	"sync"

	"github.com/openpackage/opkg/ident"
)

// placed is what the store's file of that name says, as last read. The file is a journal, so that many versions are noted
// by many short appends and read at once; a later line overrides an earlier one:
//
//	placed <name> <version> blake3:<hex>
//	cleared <name> <version>
//
// A line that is anything else, such as one that a power loss tore, is read past: a version directory that is not
// known is judged by its content.
type placed struct {
	mu    sync.Mutex
	info  os.FileInfo // of the file when it was read
	trees map[placedKey]ident.TreeID
}

type placedKey struct {
	name    ident.Name
	version string
}

// Placed says which tree opkg itself put into the version directory of name and version; ok is false when
// it did not make that directory, or is not known to.
func (s *Store) Placed(name ident.Name, version ident.Version) (id ident.TreeID, ok bool) {
	p := &s.placed
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := s.readPlaced(p); err != nil {
		return ident.TreeID{}, false
	}
	id, ok = p.trees[placedKey{name, version.String()}]
	return id, ok
}

// SetPlaced notes that opkg put tree into the version directory of name and version. Call it when the directory
// stands there whole.
func (s *Store) SetPlaced(name ident.Name, version ident.Version, tree ident.TreeID) error {
	return s.SetPlacedAll([]Placement{{name, version, tree}})
}

// ClearPlaced notes that the version directory is opkg's no more: it was removed.
func (s *Store) ClearPlaced(name ident.Name, version ident.Version) error {
	return s.ClearPlacedAll([]Placement{{Name: name, Version: version}})
}

// appendPlaced writes lines by one write, which the file system puts behind those of other processes.
func (s *Store) appendPlaced(lines string) error {
	d, err := s.create()
	if err != nil {
		return s.within(err)
	}
	if err := d.do("append", placedFile); err != nil {
		return s.within(err)
	}
	f, err := d.root.OpenFile(placedFile, os.O_RDWR|os.O_APPEND|os.O_CREATE, 0o644)
	if err != nil {
		return s.within(err)
	}
	if torn(f) {
		lines = "\n" + lines
	}
	_, err = f.WriteString(lines)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return s.within(err)
}

// torn reports whether the last line of f has no end.
func torn(f *os.File) bool {
	fi, err := f.Stat()
	if err != nil || fi.Size() == 0 {
		return false
	}
	var last [1]byte
	_, err = f.ReadAt(last[:], fi.Size()-1)
	return err == nil && last[0] != '\n'
}

// readPlaced reads the file again if it is not the one that was read before.
func (s *Store) readPlaced(p *placed) error {
	d, err := s.open()
	if err != nil {
		return err
	}
	fi, err := d.root.Lstat(placedFile)
	if errors.Is(err, fs.ErrNotExist) {
		p.info, p.trees = nil, nil
		return nil
	}
	if err != nil {
		return err
	}
	if p.info != nil && os.SameFile(p.info, fi) && p.info.Size() == fi.Size() && p.info.ModTime().Equal(fi.ModTime()) {
		return nil
	}
	f, err := d.root.Open(placedFile)
	if err != nil {
		return err
	}
	defer f.Close()
	if fi, err = f.Stat(); err != nil {
		return err
	}
	data, err := io.ReadAll(io.LimitReader(f, fi.Size()))
	if err != nil {
		return err
	}
	p.info, p.trees = fi, parsePlaced(string(data))
	return nil
}

func parsePlaced(text string) map[placedKey]ident.TreeID {
	trees := make(map[placedKey]ident.TreeID)
	for line := range strings.Lines(text) {
		fields := strings.Split(strings.TrimSuffix(line, "\n"), " ")
		switch {
		case len(fields) == 4 && fields[0] == "placed":
			if id, err := ident.ParseTreeID(fields[3]); err == nil {
				trees[placedKey{ident.Name(fields[1]), fields[2]}] = id
			}
		case len(fields) == 3 && fields[0] == "cleared":
			delete(trees, placedKey{ident.Name(fields[1]), fields[2]})
		}
	}
	return trees
}

package cas

import (
	"errors"
	"io/fs"
	"os"
	"strings"
	"sync"

	"github.com/openpackage/opkg/ident"
	"github.com/openpackage/opkg/internal/dirfd"
)

// placed is what the store's file of that name says, as last read. The file is a journal, so that many versions are noted
// by many short appends and read at once; a later line overrides an earlier one:
//
//	placed <name> <version> blake3:<hex>
//	adopted <name> <version> blake3:<hex>
//	cleared <name> <version>
//	doubted
//
// What was adopted somebody else made: its content is what was locked, its modes are what they are. The last line says that a power
// loss may have damaged all that was placed before.
// A line that is anything else, such as one that a power loss tore, is read past: a version directory that is not
// known is judged by its content.
type placed struct {
	mu    sync.Mutex
	read  bool
	info  dirfd.Info // of the file when it was read
	trees map[placedKey]Noted
	torn  bool // a power loss may have taken lines
	odd   bool // some lines say nothing
}

// Noted is what the store remembers of one version directory.
type Noted struct {
	Tree    ident.TreeID // what opkg put there, or found there
	Adopted bool         // opkg did not make it, and found that it holds that tree
	Doubted bool         // it is not certain to have outlived the last restart of the system: a stat proves nothing until SetPlaced is called anew
}

const doubtedLine = "doubted\n"

type placedKey struct {
	name    ident.Name
	version string
}

// Noted says what opkg put into the version directory of name and version, or adopted there; ok is false when it did neither, or is not
// known to.
func (s *Store) Noted(name ident.Name, version ident.Version) (n Noted, ok bool) {
	p := &s.placed
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := s.readPlaced(p); err != nil {
		return Noted{}, false
	}
	n, ok = p.trees[placedKey{name, version.String()}]
	n.Doubted = n.Doubted || ok && s.checked.Load() // which could not be noted
	return n, ok
}

// Forgetful reports whether a power loss may have taken what was noted of some version directories.
func (s *Store) Forgetful() bool {
	p := &s.placed
	p.mu.Lock()
	defer p.mu.Unlock()
	return s.readPlaced(p) == nil && (p.torn || s.checked.Load())
}

// SetPlaced notes that opkg put tree into the version directory of name and version. Call it when the directory
// stands there whole.
func (s *Store) SetPlaced(name ident.Name, version ident.Version, tree ident.TreeID) error {
	return s.SetPlacedAll([]Placement{{Name: name, Version: version, Tree: tree}})
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
	if fi, err := d.at.Stat(placedFile); err == nil && !fi.Mode.IsRegular() { // it holds nothing, and would take what is written for itself
		if err := d.root.RemoveAll(placedFile); err != nil {
			return s.within(err)
		}
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
	fi, err := d.at.Stat(placedFile)
	if errors.Is(err, fs.ErrNotExist) {
		p.read, p.trees, p.torn, p.odd = false, nil, false, false
		return nil
	}
	if err != nil {
		return err
	}
	if p.read && p.info.Same(fi) && p.info.Size == fi.Size && p.info.Mtime == fi.Mtime {
		return nil
	}
	data, err := s.read(placedFile, maxPlaced)
	if err != nil {
		return err
	}
	fi.Size = int64(len(data))
	p.read, p.info = true, fi
	p.trees, p.odd = parsePlaced(string(data))
	p.torn = strings.Contains(string(data), "\n"+doubtedLine) || strings.HasPrefix(string(data), doubtedLine)
	return nil
}

// maxPlaced bounds the file, in bytes.
const maxPlaced = 256 << 20

// parsePlaced reads the journal; odd says that some of its lines say nothing.
func parsePlaced(text string) (trees map[placedKey]Noted, odd bool) {
	trees = make(map[placedKey]Noted)
	for line := range strings.Lines(text) {
		if line == doubtedLine {
			for key, t := range trees {
				t.Doubted = true
				trees[key] = t
			}
			continue
		}
		fields := strings.Split(strings.TrimSuffix(line, "\n"), " ")
		switch {
		case len(fields) == 4 && (fields[0] == "placed" || fields[0] == "adopted"):
			if id, err := ident.ParseTreeID(fields[3]); err == nil {
				trees[placedKey{ident.Name(fields[1]), fields[2]}] = Noted{Tree: id, Adopted: fields[0] == "adopted"}
			} else {
				odd = true
			}
		case len(fields) == 3 && fields[0] == "cleared":
			delete(trees, placedKey{ident.Name(fields[1]), fields[2]})
		default:
			odd = odd || line != "\n"
		}
	}
	return trees, odd
}

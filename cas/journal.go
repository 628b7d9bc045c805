package cas

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"github.com/openpackage/opkg/ident"
)

// Placement is one version directory that opkg made, and what it put there; or one that it adopted.
type Placement struct {
	Name    ident.Name
	Version ident.Version
	Tree    ident.TreeID
	Adopted bool
}

func (p *Placement) placed() string {
	verb := "placed "
	if p.Adopted {
		verb = "adopted "
	}
	return verb + string(p.Name) + " " + p.Version.String() + " " + p.Tree.String() + "\n"
}

func (p *Placement) cleared() string { return fmt.Sprintf("cleared %s %s\n", p.Name, p.Version) }

// SetPlacedAll is SetPlaced for many, by one write.
func (s *Store) SetPlacedAll(all []Placement) error { return s.appendAll(all, (*Placement).placed) }

// ClearPlacedAll is ClearPlaced for many, by one write.
func (s *Store) ClearPlacedAll(all []Placement) error { return s.appendAll(all, (*Placement).cleared) }

func (s *Store) appendAll(all []Placement, line func(*Placement) string) error {
	if len(all) == 0 {
		return nil
	}
	var b strings.Builder
	for i := range all {
		b.WriteString(line(&all[i]))
	}
	return s.appendPlaced(b.String())
}

// Placements are the version directories that opkg made or adopted, as far as it knows, sorted by name and version. Lines that
// name no package that there can be are read past.
func (s *Store) Placements() ([]Placement, error) {
	all, _, err := s.placements()
	return all, err
}

// placements is Placements, and which of them are doubted.
func (s *Store) placements() (all []Placement, doubted []bool, err error) {
	p := &s.placed
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := s.readPlaced(p); err != nil {
		return nil, nil, s.within(ignoreMissing(err))
	}
	keys := slices.Collect(maps.Keys(p.trees))
	slices.SortFunc(keys, func(a, b placedKey) int {
		return cmp.Or(strings.Compare(string(a.name), string(b.name)), strings.Compare(a.version, b.version))
	})
	all, doubted = make([]Placement, 0, len(keys)), make([]bool, 0, len(keys))
	for _, key := range keys {
		name, err := ident.ParseName(string(key.name))
		version, verr := ident.ParseVersion(key.version)
		if err == nil && verr == nil && version.String() == key.version {
			tree := p.trees[key]
			all, doubted = append(all, Placement{name, version, tree.Tree, tree.Adopted}), append(doubted, tree.Doubted)
		}
	}
	return all, doubted, nil
}

// CompactPlaced rewrites the journal without what later lines override, if that makes it half as long or less. The caller holds the
// store alone.
func (s *Store) CompactPlaced() error {
	text, err := s.shortPlaced()
	if err != nil {
		return err
	}
	d, err := s.open()
	if err != nil {
		return s.within(ignoreMissing(err))
	}
	fi, err := d.root.Lstat(placedFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil || int64(len(text))*2 > fi.Size() {
		return s.within(err)
	}
	return s.replaceFile(placedFile, text)
}

// mendPlaced rewrites the journal with what can be read of it, if it is damaged still. The caller holds the store alone.
func (s *Store) mendPlaced() error {
	if s.AuditPlaced() == nil {
		return nil
	}
	text, err := s.shortPlaced()
	if err != nil && !errors.Is(err, fs.ErrPermission) {
		return err
	}
	return s.replaceFile(placedFile, text)
}

// shortPlaced is the journal without what later lines override.
func (s *Store) shortPlaced() (string, error) {
	all, isDoubted, err := s.placements()
	if err != nil {
		return "", err
	}
	var doubted, safe strings.Builder
	for i := range all {
		if isDoubted[i] {
			doubted.WriteString(all[i].placed())
		} else {
			safe.WriteString(all[i].placed())
		}
	}
	b := &safe
	if doubted.Len() > 0 || s.Forgetful() {
		b = &doubted
		b.WriteString(doubtedLine + safe.String())
	}
	return b.String(), nil
}

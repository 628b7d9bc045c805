package cas

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/zeebo/blake3"

	"github.com/openpackage/opkg/ident"
	"github.com/openpackage/opkg/internal/dirfd"
)

// Settled is what is known of a workspace in which a sync found everything in place, so that the next one need only look at that again.
// It is kept in a file of its own, and whatever is odd about that file, or has changed since, makes it count for nothing:
//
//	opkg settled v1
//	judged <BLAKE3 of all that was judged>
//	fresh                                              or frozen: the manifest was not compared with the lock
//	placed <size> <mtime> <change>                     of the file placed, in bytes and nanoseconds since 1970
//	root <size> <mtime> <change>                       of the file in roots
//	package <name> <version> blake3:<hex> <n>          and then its files, sorted, in n bytes:
//	644 <size> <path>                                  or 755
//	blake3 <hex of all lines above>
type Settled struct {
	Fresh    bool // the lock was compared with the manifest
	Packages []Settlement

	root         string // the file in roots
	placed, seen string // what a stat told of placed, and of root
}

// Settlement is a version directory as it stood.
type Settlement struct {
	Name    ident.Name
	Version ident.Version
	Tree    ident.TreeID

	files string
}

const (
	settledDir    = "settled"
	settledHeader = "opkg settled v1\n"
)

// maxSettled bounds a file in settled/, in bytes. A workspace that takes more does without.
const maxSettled = 64 << 20

// Settled returns what was last noted of the workspace, if that was for what is judged now. ok is false where there is nothing of the
// kind. It counts only while Holds says so.
func (s *Store) Settled(workspace string, judged [][]byte) (st *Settled, ok bool) {
	id := RootID(workspace)
	data, err := s.read(settledDir+"/"+id, maxSettled)
	if err != nil {
		return nil, false
	}
	st, err = parseSettled(string(data), digestOf(judged))
	if err != nil {
		return nil, false
	}
	st.root = rootsDir + "/" + id
	return st, true
}

// Holds reports whether the store still knows those version directories as opkg's, and the workspace as one that synced within UseStep.
// The caller holds the lock of Shared.
func (s *Store) Holds(st *Settled, now time.Time) bool {
	d, err := s.open()
	if err != nil {
		return false
	}
	placed, err := d.at.Stat(placedFile)
	if err != nil || stamp(placed) != st.placed || s.checked.Load() {
		return false
	}
	root, err := d.at.Stat(st.root)
	return err == nil && stamp(root) == st.seen && now.Sub(time.Unix(0, root.Mtime)).Abs() < UseStep
}

// stamp is what of a stat differs when anybody wrote to the file.
func stamp(fi dirfd.Info) string {
	return fmt.Sprintf("%d %d %d", fi.Size, fi.Mtime, fi.Change)
}

// digestOf tells lists of texts apart.
func digestOf(texts [][]byte) [32]byte {
	h := blake3.New()
	for _, t := range texts {
		fmt.Fprintf(h, "%d\n", len(t))
		_, _ = h.Write(t)
	}
	return [32]byte(h.Sum(nil))
}

// Settle notes for Settled that the versions of r.Named stand in their places, as opkg put them there. The caller holds the lock of Shared
// since before it looked. What is noted is judged by nobody but the next sync: it is not synced to the disk, and gc forgets it with r.
func (s *Store) Settle(r Root, judged [][]byte, fresh bool, packages []Placement) error {
	id := RootID(r.Workspace)
	st := &Settled{Fresh: fresh, root: rootsDir + "/" + id}
	if !s.stampFor(st, r, packages) {
		return nil // somebody else works here: another time
	}
	size := 0
	for _, p := range packages {
		t, err := s.Tree(p.Tree)
		if err != nil {
			return ignoreMissing(err)
		}
		files := filesOf(t)
		if size += len(files) + 200; size > maxSettled {
			return nil
		}
		st.Packages = append(st.Packages, Settlement{p.Name, p.Version, p.Tree, files})
	}
	text := st.format(digestOf(judged))
	d, err := s.create()
	if err == nil {
		err = d.mkdir(settledDir)
	}
	if err != nil {
		return s.within(err)
	}
	folder, err := s.session()
	if err != nil {
		return s.within(err)
	}
	defer func() {
		folder.close()
		_ = d.root.RemoveAll(folder.name)
	}()
	err = folder.fill("new", false, func(w io.Writer) error {
		_, err := w.Write(text)
		return err
	})
	if err == nil {
		err = folder.replace("new", d.at, settledDir+"/"+id)
	}
	return s.within(err)
}

// stampFor notes what stats tell of placed and of the file of r, if they say what packages and r say.
func (s *Store) stampFor(st *Settled, r Root, packages []Placement) bool {
	d, err := s.open()
	if err != nil {
		return false
	}
	placed, err := d.at.Stat(placedFile)
	if err != nil {
		return false
	}
	st.placed = stamp(placed)
	for _, p := range packages {
		if n, ok := s.Noted(p.Name, p.Version); !ok || n.Doubted || n.Adopted || n.Tree != p.Tree {
			return false
		}
	}
	s.placed.mu.Lock()
	same := stamp(s.placed.info) == st.placed
	s.placed.mu.Unlock()
	if !same {
		return false
	}
	root, err := d.at.Stat(st.root)
	if err != nil {
		return false
	}
	st.seen = stamp(root)
	text, _, err := s.readRoot(RootID(r.Workspace))
	return err == nil && text == r.canonical()
}

// filesOf is a listing without digests.
func filesOf(t *Tree) string {
	var b []byte
	for i := range t.Entries {
		e := &t.Entries[i]
		mode := "644 "
		if e.Exec {
			mode = "755 "
		}
		b = append(strconv.AppendInt(append(b, mode...), e.Size, 10), ' ')
		b = append(append(b, e.Path...), '\n')
	}
	return string(b)
}

func (st *Settled) format(judged [32]byte) []byte {
	b := fmt.Appendf(nil, "%sjudged %x\n", settledHeader, judged)
	if st.Fresh {
		b = append(b, "fresh\n"...)
	} else {
		b = append(b, "frozen\n"...)
	}
	b = fmt.Appendf(b, "placed %s\nroot %s\n", st.placed, st.seen)
	for i := range st.Packages {
		p := &st.Packages[i]
		b = fmt.Appendf(b, "package %s %s %s %d\n", p.Name, p.Version, p.Tree, len(p.files))
		b = append(b, p.files...)
	}
	return append(b, sealOf(string(b))...)
}

// sealOf is the last line of a file that text begins.
func sealOf(text string) string { return fmt.Sprintf("blake3 %x\n", blake3.Sum256([]byte(text))) }

var errSettled = errors.New("it says nothing of what is judged")

// parseSettled reads what format writes for the same digest.
func parseSettled(text string, judged [32]byte) (*Settled, error) {
	end := len(text) - len("blake3 \n") - 2*len(judged)
	if end < 0 || text[end:] != sealOf(text[:end]) {
		return nil, errSettled
	}
	rest, ok := strings.CutPrefix(text[:end], fmt.Sprintf("%sjudged %x\n", settledHeader, judged))
	if !ok {
		return nil, errSettled
	}
	st := &Settled{Packages: make([]Settlement, 0, strings.Count(rest, "\npackage "))}
	line := func(key string) string {
		text, after, _ := strings.Cut(rest, "\n")
		value, has := strings.CutPrefix(text, key)
		rest, ok = after, ok && has
		return value
	}
	switch line("") {
	case "fresh":
		st.Fresh = true
	case "frozen":
	default:
		return nil, errSettled
	}
	st.placed, st.seen = line("placed "), line("root ")
	for ok && len(rest) > 0 {
		p, n, err := parseSettlement(line("package "))
		if err != nil || n > len(rest) {
			return nil, errSettled
		}
		p.files, rest = rest[:n], rest[n:]
		st.Packages = append(st.Packages, p)
	}
	if !ok {
		return nil, errSettled
	}
	return st, nil
}

func parseSettlement(line string) (p Settlement, size int, err error) {
	name, rest, _ := strings.Cut(line, " ")
	version, rest, _ := strings.Cut(rest, " ")
	tree, n, _ := strings.Cut(rest, " ")
	var errs [4]error
	p.Name, errs[0] = ident.ParseName(name)
	p.Version, errs[1] = ident.ParseVersion(version)
	p.Tree, errs[2] = ident.ParseTreeID(tree)
	size, errs[3] = strconv.Atoi(n)
	for _, err := range errs {
		if err != nil || size < 0 {
			return p, 0, errSettled
		}
	}
	return p, size, nil
}

// Files calls f for each file, in the order of paths, until f returns an error.
func (p *Settlement) Files(f func(path string, exec bool, size int64) error) error {
	for rest := p.files; rest != ""; {
		line, after, _ := strings.Cut(rest, "\n")
		rest = after
		mode, line, _ := strings.Cut(line, " ")
		size, path, ok := strings.Cut(line, " ")
		n, err := parseSize(size)
		if !ok || err != nil || mode != "644" && mode != "755" {
			return errSettled
		}
		if err := f(path, mode == "755", n); err != nil {
			return err
		}
	}
	return nil
}

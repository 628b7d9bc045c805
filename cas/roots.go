package cas

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/zeebo/blake3"

	"github.com/openpackage/opkg/ident"
)

// Root is one workspace that synced here. What its lock names is in use; Named is what it named at the last sync, for when
// the lock itself cannot be asked.
type Root struct {
	Workspace string // absolute
	Lock      string // absolute
	Named     []Named
	Gone      time.Time // when the lock was first found missing; zero: it was not

	ID   string    // of its file in roots/; set by what reads roots
	Used time.Time // when it last synced, to UseStep; likewise
}

// Named is one package of a lock that the store may hold.
type Named struct {
	Name    ident.Name
	Version ident.Version
	SHA256  ident.SHA256
	Tree    ident.TreeID
}

// RootError is a file in roots/ that this opkg cannot read: damaged, another user's, or written by a newer opkg. What it
// names is not known.
type RootError struct {
	ID   string
	Path string
	Err  error
}

func (e *RootError) Error() string { return fmt.Sprintf("%s cannot be read: %v", e.Path, e.Err) }

func (e *RootError) Unwrap() error { return e.Err }

// Hint says what to do.
func (e *RootError) Hint() string {
	return "a newer opkg may have written it: use that one; or forget the workspace with opkg cache roots remove " + e.ID + ", and sync there again"
}

// UseStep is how exactly uses are noted: of two syncs within it, the second writes nothing.
const UseStep = 24 * time.Hour

// maxRoot bounds a file in roots/, in bytes: 100,000 packages take some 25 MB.
const maxRoot = 64 << 20

const rootHeader = "opkg root v1"

var errRoot = errors.New("it is no root of this version")

// RootID names the file in roots/ of the workspace at an absolute path.
func RootID(workspace string) string {
	return fmt.Sprintf("%x", blake3.Sum256([]byte(workspace)))
}

// format is the root's text. Its last line is the BLAKE3 of what stands before it.
func (r *Root) format() string {
	var b strings.Builder
	b.Grow(256 + len(r.Named)*200)
	fmt.Fprintf(&b, "%s\nworkspace %s\nlock %s\n", rootHeader, strconv.Quote(r.Workspace), strconv.Quote(r.Lock))
	if !r.Gone.IsZero() {
		fmt.Fprintf(&b, "gone %s\n", r.Gone.UTC().Format(time.RFC3339))
	}
	for i := range r.Named {
		n := &r.Named[i]
		b.WriteString("package " + string(n.Name) + " " + n.Version.String() + " " + n.SHA256.String() + " " + n.Tree.String() + "\n")
	}
	fmt.Fprintf(&b, "blake3 %x\n", blake3.Sum256([]byte(b.String())))
	return b.String()
}

// canonical is what RegisterRoot writes.
func (r Root) canonical() string {
	r.Gone = time.Time{}
	r.Named = slices.Clone(r.Named)
	slices.SortFunc(r.Named, func(a, b Named) int {
		return cmp.Or(strings.Compare(string(a.Name), string(b.Name)), strings.Compare(a.Version.String(), b.Version.String()))
	})
	return r.format()
}

// parseRoot reads what format writes, and nothing else.
func parseRoot(text string) (*Root, error) {
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	if len(lines) < 4 || lines[0] != rootHeader {
		return nil, errRoot
	}
	r := &Root{}
	for _, line := range lines[1 : len(lines)-1] {
		key, value, _ := strings.Cut(line, " ")
		var err error
		switch key {
		case "workspace":
			r.Workspace, err = strconv.Unquote(value)
		case "lock":
			r.Lock, err = strconv.Unquote(value)
		case "gone":
			r.Gone, err = time.Parse(time.RFC3339, value)
		case "package":
			var n Named
			n, err = parseNamed(value)
			r.Named = append(r.Named, n)
		default:
			err = errRoot
		}
		if err != nil {
			return nil, errRoot
		}
	}
	if r.format() != text {
		return nil, errRoot
	}
	return r, nil
}

func parseNamed(text string) (n Named, err error) {
	fields := strings.Split(text, " ")
	if len(fields) != 4 {
		return n, errRoot
	}
	var errs [4]error
	n.Name, errs[0] = ident.ParseName(fields[0])
	n.Version, errs[1] = ident.ParseVersion(fields[1])
	n.SHA256, errs[2] = ident.ParseSHA256(fields[2])
	n.Tree, errs[3] = ident.ParseTreeID(fields[3])
	return n, errors.Join(errs[:]...)
}

// RegisterRoot notes that the workspace of r uses what its lock names now; ID, Used and Gone are not looked at. To note it again
// costs one read; once in UseStep, or when r says something new, the trees that it names are marked as used, too.
func (s *Store) RegisterRoot(r Root, now time.Time) error {
	id, text := RootID(r.Workspace), r.canonical()
	old, used, err := s.readRoot(id)
	same := err == nil && old == text
	if same && now.Sub(used).Abs() < UseStep {
		return nil
	}
	if !same {
		if err := s.writeRoot(id, text); err != nil {
			return err
		}
	}
	s.markUsed(id, r.Named, now)
	return nil
}

// markUsed sets the times by which uses are told. Where that may not be done, they stay as they are.
func (s *Store) markUsed(id string, named []Named, now time.Time) {
	d, err := s.open()
	if err != nil {
		return
	}
	for i := range named {
		if d.do("chtimes", treeName(named[i].Tree)) != nil {
			return
		}
		_ = d.at.SetTime(treeName(named[i].Tree), now.UnixNano())
	}
	if d.do("chtimes", rootsDir+"/"+id) == nil { // last: until then all of it is due
		_ = d.root.Chtimes(rootsDir+"/"+id, now, now)
	}
}

// MarkGone notes since when the lock of a root is missing; the zero time takes that back. Used stays.
func (s *Store) MarkGone(r Root, since time.Time) error {
	r.Gone = since
	if err := s.writeRoot(r.ID, r.format()); err != nil {
		return err
	}
	d, err := s.open()
	if err != nil {
		return s.within(err)
	}
	return s.within(d.root.Chtimes(rootsDir+"/"+r.ID, r.Used, r.Used))
}

// RemoveRoot forgets a root; fs.ErrNotExist when there is none of that ID.
func (s *Store) RemoveRoot(id string) error {
	if filepath.Base(id) != id || strings.HasPrefix(id, ".") {
		return s.within(&fs.PathError{Op: "remove", Path: rootsDir + "/" + id, Err: fs.ErrNotExist})
	}
	d, err := s.open()
	if err == nil {
		err = ignoreMissing(d.remove(settledDir + "/" + id))
	}
	if err == nil {
		err = d.remove(rootsDir + "/" + id)
	}
	return s.within(err)
}

// writeRoot replaces the file of a root whole.
func (s *Store) writeRoot(id, text string) error {
	d, err := s.create()
	if err == nil {
		err = d.mkdir(rootsDir)
	}
	if err != nil {
		return s.within(err)
	}
	return s.replaceFile(rootsDir+"/"+id, text)
}

// replaceFile makes a file of the store hold text, whole or not at all.
func (s *Store) replaceFile(name, text string) error {
	folder, err := s.session()
	if err != nil {
		return s.within(err)
	}
	defer func() {
		folder.close()
		_ = folder.disk.root.RemoveAll(folder.name)
	}()
	const temp = "new"
	err = folder.fill(temp, false, func(w io.Writer) error {
		_, err := io.WriteString(w, text)
		return err
	})
	if err == nil {
		err = folder.syncOneByOne([]string{temp})
	}
	if err == nil {
		err = folder.replace(temp, folder.disk.at, name)
	}
	return s.within(err)
}

func (s *Store) readRoot(id string) (text string, used time.Time, err error) {
	name := rootsDir + "/" + id
	data, err := s.read(name, maxRoot)
	if err != nil {
		return "", used, err
	}
	d, err := s.open()
	if err != nil {
		return "", used, err
	}
	fi, err := d.root.Lstat(name)
	if err != nil {
		return "", used, err
	}
	return string(data), fi.ModTime(), nil
}

// ReadRoots are the workspaces that synced here, and the files that do not say which; both sorted by ID.
func (s *Store) ReadRoots() (roots []Root, damaged []*RootError, err error) {
	d, err := s.open()
	if err != nil {
		return nil, nil, ignoreMissing(err)
	}
	entries, err := fs.ReadDir(d.root.FS(), rootsDir)
	if err != nil {
		return nil, nil, s.within(ignoreMissing(err))
	}
	for _, e := range entries {
		text, used, err := s.readRoot(e.Name())
		var r *Root
		if err == nil {
			r, err = parseRoot(text)
		}
		if err == nil && RootID(r.Workspace) != e.Name() {
			err = errRoot
		}
		if err != nil {
			damaged = append(damaged, &RootError{ID: e.Name(), Path: filepath.Join(s.dir, rootsDir, e.Name()), Err: err})
			continue
		}
		r.ID, r.Used = e.Name(), used
		roots = append(roots, *r)
	}
	return roots, damaged, nil
}

// Roots is ReadRoots without the files that cannot be read.
func (s *Store) Roots() ([]Root, error) {
	roots, _, err := s.ReadRoots()
	return roots, err
}

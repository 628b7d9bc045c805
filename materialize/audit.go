package materialize

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/openpackage/opkg/cas"
	"github.com/openpackage/opkg/ident"
)

// Audited is what was found in one version directory by reading all of it.
type Audited struct {
	Want   Want
	Dir    string // absolute
	There  bool
	Faults []Fault // sorted by path; none: it is what the lock says
	Files  int
	Bytes  int64
	Linked []ident.BlobID // blobs that files here are hard links to: read, with what they are
	Tree   *cas.Tree      // the store's listing; nil where it has none that is whole

	Foreign bool // opkg did not make what stands there: only force replaces it
	made    bool // opkg made it for this tree: modes and empty directories are judged beside content
}

// Fault is one thing that is not as locked.
type Fault struct {
	Path            string // slash-separated, within the package; "." for all of it
	Expected, Found string
}

// Audit reads version directories whole and compares them with the trees that a lock names, in the order of wants. The digest of
// what stands on the disk decides; the store's listing only helps to name what differs, and is itself checked against the lock's digest
// before. Modes and empty directories are judged where opkg made the directory. It writes nothing and takes no lock.
func (t *Target) Audit(ctx context.Context, wants []Want) ([]Audited, error) {
	out := make([]Audited, len(wants))
	root, err := openDir(t.dir, t.step)
	if errors.Is(err, fs.ErrNotExist) {
		for i, w := range wants {
			out[i] = Audited{Want: w, Dir: t.versionDir(w), Faults: []Fault{{".", "a directory", "nothing"}}}
		}
		return out, nil
	}
	if err != nil {
		return nil, err
	}
	defer root.close()
	judgeModes := t.judgesModes(root)
	large := make([]bool, len(wants))
	err = cas.EachScanner(ctx, len(wants), func(ctx context.Context, scan *cas.Scanner, i int) error {
		return t.audit(ctx, root, wants[i], &out[i], func(found *cas.Scan) error {
			if large[i] = len(found.Files) > largePackage; large[i] {
				return nil
			}
			for n := range found.Files {
				if err := ctx.Err(); err != nil {
					return err
				}
				scan.Hash(found, n)
			}
			t.compare(&out[i], found, judgeModes)
			return nil
		})
	})
	for i := range wants {
		if err == nil && large[i] {
			err = t.audit(ctx, root, wants[i], &out[i], func(found *cas.Scan) error {
				err := cas.EachScanner(ctx, len(found.Files), func(_ context.Context, scan *cas.Scanner, n int) error {
					scan.Hash(found, n)
					return nil
				})
				t.compare(&out[i], found, judgeModes)
				return err
			})
		}
	}
	if err != nil {
		return nil, err
	}
	return out, nil
}

// largePackage is how many files a package has whose files are hashed by all processors, rather than packages beside each other.
const largePackage = 1000

// audit has judge look at what stands where w should, if that is a directory; else it says in a what is there.
func (t *Target) audit(ctx context.Context, root *dir, w Want, a *Audited, judge func(*cas.Scan) error) error {
	noted, known := t.noted(root, w)
	*a = Audited{Want: w, Dir: t.versionDir(w), Foreign: !known || noted.Adopted}
	a.made = !a.Foreign && noted.Tree == w.Tree
	d, seen, err := t.versionAt(root, w)
	switch {
	case err != nil:
		return err
	case d == nil && !seen.there:
		a.Foreign, a.Faults = false, []Fault{{".", "a directory", "nothing"}}
		return nil
	case d == nil:
		a.There, a.Foreign, a.Faults = true, a.Foreign || !seen.isDir, []Fault{{".", "a directory", inThePlaceOf(a.Dir, seen)}}
		return nil
	}
	defer d.close()
	a.There = true
	found, err := cas.List(ctx, d.at)
	if err != nil {
		return err
	}
	return judge(found)
}

// compare judges what was read.
func (t *Target) compare(a *Audited, found *cas.Scan, judgeModes bool) {
	found.Settle()
	tree, err := t.store.Tree(a.Want.Tree)
	if err != nil {
		tree = nil // the digest decides all the same
	}
	a.Tree = tree
	c := comparison{found: found, tree: tree, judgeModes: judgeModes, made: a.made}
	a.Faults = c.faults(a.Want.Tree)
	for i := range found.Files {
		f := &found.Files[i]
		a.Files++
		a.Bytes += f.Size
		unjudged := !a.made && f.Info.Mode&0o222 != 0 // of which the store's own audit is to say that it may be written
		if f.Info.Links != 1 && !unjudged && t.store.HasBlob(f.Blob, f.Info) {
			a.Linked = append(a.Linked, f.Blob)
		}
	}
}

// inThePlaceOf says what stands where a version directory should.
func inThePlaceOf(path string, seen sight) string {
	fi, err := os.Lstat(path)
	switch {
	case err != nil:
		return seen.reason
	case fi.Mode().IsRegular():
		return "a file"
	case fi.Mode()&fs.ModeSymlink != 0:
		return "a symbolic link"
	}
	return seen.reason
}

// comparison holds what was found against a tree, whose listing may be unknown (nil).
type comparison struct {
	found      *cas.Scan
	tree       *cas.Tree
	judgeModes bool
	made       bool
	out        []Fault
}

func (c *comparison) fault(path, expected, found string) {
	c.out = append(c.out, Fault{path, expected, found})
}

func (c *comparison) faults(want ident.TreeID) []Fault {
	for _, odd := range c.found.Odd {
		c.fault(quoteOdd(odd.Path), c.expectedAt(odd.Path), odd.What)
	}
	got := c.found.Tree()
	if c.tree != nil && !c.judgeModes {
		borrowModes(got, c.tree)
	}
	switch {
	case c.tree == nil && got.ID() != want:
		c.fault(".", want.String(), got.ID().String())
	case c.tree != nil:
		c.files(got)
	}
	if c.made && c.judgeModes {
		c.modes()
	}
	if c.made {
		c.folders()
	}
	if len(c.out) == 0 && got.ID() != want { // cannot be: but the digest decides
		c.fault(".", want.String(), got.ID().String())
	}
	return c.out
}

// expectedAt is what a tree holds at path, in words.
func (c *comparison) expectedAt(path string) string {
	if c.tree == nil {
		return "a file or directory"
	}
	for i := range c.tree.Entries {
		switch p := c.tree.Entries[i].Path; {
		case p == path:
			return "a file"
		case strings.HasPrefix(p, path+"/") || path == ".":
			return "a directory"
		}
	}
	return "nothing"
}

// files compares paths and content.
func (c *comparison) files(got *cas.Tree) {
	odd := map[string]bool{} // said already, with all below it
	for _, o := range c.found.Odd {
		odd[o.Path] = true
	}
	for i, j := 0, 0; i < len(got.Entries) || j < len(c.tree.Entries); {
		switch {
		case j == len(c.tree.Entries) || i < len(got.Entries) && got.Entries[i].Path < c.tree.Entries[j].Path:
			c.fault(quoteOdd(got.Entries[i].Path), "nothing", "a file")
			i++
		case i == len(got.Entries) || got.Entries[i].Path > c.tree.Entries[j].Path:
			if path := c.tree.Entries[j].Path; !isBelow(odd, path) {
				c.fault(path, "a file", "nothing")
			}
			j++
		default:
			a, b := &got.Entries[i], &c.tree.Entries[j]
			switch {
			case a.Size != b.Size:
				c.fault(a.Path, fmt.Sprintf("%d bytes", b.Size), fmt.Sprintf("%d bytes", a.Size))
			case a.Blob != b.Blob:
				c.fault(a.Path, "blake3 "+b.Blob.String(), "blake3 "+a.Blob.String())
			case a.Exec != b.Exec && !c.made: // else its mode is a fault
				c.fault(a.Path, describeExec(b.Exec), describeExec(a.Exec))
			}
			i, j = i+1, j+1
		}
	}
}

// isBelow reports whether path, or a directory that it stands in, is one of the set.
func isBelow(set map[string]bool, path string) bool {
	for {
		if set[path] {
			return true
		}
		i := strings.LastIndexByte(path, '/')
		if i < 0 {
			return set["."]
		}
		path = path[:i]
	}
}

// modes compares the modes of what belongs here. Without a listing, the owner's x bit says what a file is meant to be.
func (c *comparison) modes() {
	exec := map[string]bool{}
	if c.tree != nil {
		for i := range c.tree.Entries {
			exec[c.tree.Entries[i].Path] = c.tree.Entries[i].Exec
		}
	}
	for i := range c.found.Files {
		f := &c.found.Files[i]
		isExec, belongs := exec[f.Path]
		if c.tree == nil {
			isExec, belongs = f.Exec, true
		}
		want := fileMode
		if isExec {
			want = execMode
		}
		switch {
		case !belongs:
		case f.Info.Mode != want:
			c.fault(f.Path, fmt.Sprintf("mode %04o", want), describeMode(f.Info.Mode))
		case isExec && f.Info.Links > 1:
			c.fault(f.Path, "a file of its own", "a hard link: what is written here shows elsewhere")
		}
	}
	for _, d := range c.found.Dirs {
		if d.Mode != fs.ModeDir|dirMode {
			c.fault(quoteOdd(d.Path), fmt.Sprintf("mode %04o", dirMode), describeMode(d.Mode))
		}
	}
}

func describeExec(exec bool) string {
	if exec {
		return "an executable"
	}
	return "a file that is no executable"
}

func describeMode(mode fs.FileMode) string {
	text := fmt.Sprintf("mode %04o", mode.Perm())
	if extra := mode &^ (fs.ModePerm | fs.ModeDir); extra != 0 {
		text += " with special bits"
	}
	return text
}

// folders finds directories that no file stands in: a package has none.
func (c *comparison) folders() {
	used := map[string]bool{".": true}
	mark := func(path string) {
		for i := strings.LastIndexByte(path, '/'); i >= 0; i = strings.LastIndexByte(path, '/') {
			path = path[:i]
			used[path] = true
		}
	}
	for i := range c.found.Files {
		mark(c.found.Files[i].Path)
	}
	for _, o := range c.found.Odd {
		used[o.Path] = true
		mark(o.Path)
	}
	if c.tree != nil {
		for i := range c.tree.Entries {
			mark(c.tree.Entries[i].Path)
		}
	}
	for _, d := range c.found.Dirs {
		if !used[d.Path] {
			c.fault(quoteOdd(d.Path), "nothing", "an empty directory")
		}
	}
}

package materialize

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/openpackage/opkg/cas"
	"github.com/openpackage/opkg/internal/dirfd"
)

// A sight is what is found where a version should stand.
type sight struct {
	there       bool
	isDir       bool
	replaceable bool   // it stands where the version should: no directory above is in the way
	equal       bool   // its content is the tree that is wanted
	worn        bool   // equal, but verify would call something wrong: a mode, or what others share with it may be written now
	added       bool   // equal, but somebody made a directory in it
	reason      string // the first difference; of an equal one, from what opkg makes
}

// look compares the version directory with the tree of w. trusted says that opkg made it: then stats decide where they
// betray nothing; otherwise its content does.
func (t *Target) look(ctx context.Context, root *dir, w Want, trusted bool) (sight, error) {
	d, s, err := t.versionAt(root, w)
	if d == nil {
		return s, err
	}
	defer d.close()
	tree, err := t.store.Tree(w.Tree)
	if err != nil {
		tree = nil // not in the store, or damaged there: hashing decides
	}
	g := glance{dir: d, judgeModes: t.judgesModes(root)}
	if tree != nil {
		if err := g.all(tree); err != nil {
			return s, err
		}
		if trusted && g.reason == "" {
			s.equal = true
			return s, nil
		}
	}
	got, reason, err := t.hash(ctx, d, w, tree, g.judgeModes)
	if err != nil || reason != "" {
		s.reason = reason
		return s, err
	}
	if tree == nil {
		if err := g.all(got); err != nil {
			return s, err
		}
	}
	folder, err := emptyFolder(ctx, d, got)
	if err != nil {
		return s, err
	}
	s.equal, s.worn, s.added, s.reason = true, g.worn || folder != "", folder != "", g.reason
	if folder != "" {
		s.reason = folder + " is a directory that the package does not have"
	}
	return s, nil
}

// emptyFolder finds a directory that no file of the tree stands in; "" where there is none.
func emptyFolder(ctx context.Context, d *dir, tree *cas.Tree) (string, error) {
	found, err := cas.List(ctx, d.at)
	if err != nil {
		return "", err
	}
	c := comparison{found: found, tree: tree}
	if c.folders(); len(c.out) == 0 {
		return "", nil
	}
	return c.out[0].Path, nil
}

// versionAt opens the version directory of w; nil where none stands, and then the sight says what does.
func (t *Target) versionAt(root *dir, w Want) (*dir, sight, error) {
	d, version := root, w.Version.String()
	if d, err := root.below(string(w.Name) + "/" + version); err == nil {
		return d, sight{there: true, isDir: true, replaceable: true}, nil
	}
	for part := range strings.SplitSeq(string(w.Name)+"/"+version, "/") {
		sub, err := d.sub(part)
		if d != root {
			d.close()
		}
		switch {
		case err == nil:
			d = sub
		case errors.Is(err, fs.ErrNotExist):
			return nil, sight{}, nil
		case part == version && errors.Is(err, fs.ErrPermission):
			return nil, sight{there: true, isDir: true, replaceable: true, reason: "it cannot be read"}, nil
		case isNoDir(err):
			return nil, sight{there: true, replaceable: part == version, reason: part + " is a symbolic link or a file, not a directory"}, nil
		default:
			return nil, sight{}, err
		}
	}
	return d, sight{there: true, isDir: true, replaceable: true}, nil
}

// judgesModes is false where the file system keeps no modes. Our lock file tells: its mode is one that no mount gives
// to all files alike.
func (t *Target) judgesModes(root *dir) bool {
	if !dirfd.KeepsModes {
		return false
	}
	if seen := t.modes.Load(); seen != nil {
		return *seen
	}
	fi, err := root.stat(lockName)
	if err != nil {
		return true
	}
	judges := fi.Mode.Perm() == lockMode
	t.modes.Store(&judges)
	return judges
}

// glance compares a directory with a tree by stats alone.
type glance struct {
	dir        *dir
	judgeModes bool
	folder     string // of the last file, with its slash
	reason     string // the first thing that a stat betrays
	worn       bool
}

func (g *glance) betray(format string, a ...any) {
	if g.reason == "" {
		g.reason = fmt.Sprintf(format, a...)
	}
}

func (g *glance) all(tree *cas.Tree) error {
	if err := g.directory(""); err != nil {
		return err
	}
	for i := range tree.Entries {
		e := &tree.Entries[i]
		if err := g.entry(e.Path, e.Exec, e.Size); err != nil {
			return err
		}
	}
	return nil
}

// entry looks at one locked file, and before it at the directories that the last one did not stand in. Files come sorted, after the top.
func (g *glance) entry(path string, exec bool, size int64) error {
	folder := path[:strings.LastIndexByte(path, '/')+1]
	if folder != g.folder {
		for at := sharedFolders(folder, g.folder); at < len(folder); {
			at += strings.IndexByte(folder[at:], '/') + 1
			if err := g.directory(folder[:at]); err != nil {
				return err
			}
		}
		g.folder = folder
	}
	return g.file(path, exec, size)
}

// sharedFolders is the length of what two paths of directories, each with its slash, begin with alike.
func sharedFolders(a, b string) int {
	n := 0
	for i := 0; i < min(len(a), len(b)) && a[i] == b[i]; i++ {
		if a[i] == '/' {
			n = i + 1
		}
	}
	return n
}

// directory looks at the directory called folder, which ends in a slash or is "" for the top.
func (g *glance) directory(folder string) error {
	name := strings.TrimSuffix(folder, "/")
	if name == "" {
		name = "."
	}
	fi, err := g.dir.stat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist) || isNoDir(err):
		g.betray("%s is missing", name)
		return nil
	case errors.Is(err, fs.ErrPermission):
		g.betray("%s cannot be read", name)
		return nil
	case err != nil:
		return err
	case !fi.Mode.IsDir():
		g.betray("%s is not a directory", name)
		return nil
	}
	if g.judgeModes && fi.Mode != fs.ModeDir|dirMode {
		g.betray("%s: %s, expected %04o", name, describeMode(fi.Mode), dirMode)
		g.worn = true
	}
	if fi.Mtime != fixedTime {
		g.betray("%s: changed since it was placed", name)
	}
	return nil
}

// file looks at one locked file.
func (g *glance) file(path string, exec bool, size int64) error {
	fi, err := g.dir.stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist) || isNoDir(err):
		g.betray("%s is missing", path)
		return nil
	case errors.Is(err, fs.ErrPermission):
		g.betray("%s cannot be read", path)
		return nil
	case err != nil:
		return err
	case !fi.Mode.IsRegular():
		g.betray("%s is not a regular file", path)
		return nil
	}
	want := fileMode
	if exec {
		want = execMode
	}
	switch {
	case fi.Size != size:
		g.betray("%s: size %d, expected %d", path, fi.Size, size)
	case g.judgeModes && fi.Mode != want:
		g.betray("%s: %s, expected %04o", path, describeMode(fi.Mode), want)
		g.worn = true
	case fi.Mtime != fixedTime:
		g.betray("%s: changed since it was placed", path)
		g.worn = g.worn || fi.Links > 1
	case exec && fi.Links > 1:
		g.betray("%s: an executable is shared with another file", path)
		g.worn = true
	}
	return nil
}

// hash compares the content of a directory with a tree, whose listing may be unknown (nil). The reason is the first difference, "" where
// there is none.
func (t *Target) hash(ctx context.Context, d *dir, w Want, tree *cas.Tree, judgeModes bool) (got *cas.Tree, reason string, err error) {
	got, err = cas.TreeOfDir(ctx, d.path)
	var irregular *cas.IrregularError
	switch {
	case errors.As(err, &irregular):
		return nil, quoteOdd(irregular.Path) + " is a link or a special file", nil
	case errors.Is(err, fs.ErrPermission):
		return nil, "a file in it cannot be read", nil
	case err != nil:
		return nil, "", err
	}
	if !judgeModes && tree != nil {
		borrowModes(got, tree)
	}
	if got.ID() == w.Tree {
		return got, "", nil
	}
	return nil, difference(got, tree), nil
}

// borrowModes takes x bits from the tree that is wanted.
func borrowModes(got, tree *cas.Tree) {
	exec := make(map[string]bool)
	for i := range tree.Entries {
		exec[tree.Entries[i].Path] = tree.Entries[i].Exec
	}
	for i := range got.Entries {
		got.Entries[i].Exec = exec[got.Entries[i].Path]
	}
}

// difference is the first in which a directory differs from its tree, in words.
func difference(got, tree *cas.Tree) string {
	if tree == nil {
		return "its content is not the locked one"
	}
	for i, j := 0, 0; ; i, j = i+1, j+1 {
		switch {
		case i == len(got.Entries) && j == len(tree.Entries):
			return "its content is not the locked one"
		case j == len(tree.Entries) || i < len(got.Entries) && got.Entries[i].Path < tree.Entries[j].Path:
			return quoteOdd(got.Entries[i].Path) + " is not in the package"
		case i == len(got.Entries) || got.Entries[i].Path > tree.Entries[j].Path:
			return tree.Entries[j].Path + " is missing"
		}
		a, b := got.Entries[i], tree.Entries[j]
		switch {
		case a.Size != b.Size:
			return fmt.Sprintf("%s: size %d, expected %d", a.Path, a.Size, b.Size)
		case a.Blob != b.Blob:
			return a.Path + ": other content"
		case a.Exec != b.Exec:
			return a.Path + ": other x bit"
		}
	}
}

// quoteOdd quotes a name that no package checked, if it could upset a terminal.
func quoteOdd(s string) string {
	if q := fmt.Sprintf("%+q", s); q != `"`+s+`"` {
		return q
	}
	return s
}

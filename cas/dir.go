package cas

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"strings"

	"github.com/openpackage/opkg/internal/parallel"
)

// IrregularError says that a directory holds what no tree can: a link, a special file, a name with a line break.
type IrregularError struct {
	Dir  string
	Path string // slash-separated, relative to Dir
	Mode fs.FileMode
}

func (e *IrregularError) Error() string {
	switch {
	case e.Mode&fs.ModeSymlink != 0:
		return fmt.Sprintf("%s: %+q is a symbolic link", e.Dir, e.Path)
	case e.Mode.IsRegular():
		return fmt.Sprintf("%s: %+q has a name that no package can have", e.Dir, e.Path)
	}
	return fmt.Sprintf("%s: %+q is a special file", e.Dir, e.Path)
}

// TreeOfDir hashes a directory as it stands, in parallel. Exec is the owner's x bit. Directories count by the
// files in them. Links are not followed: *IrregularError.
func TreeOfDir(ctx context.Context, dir string) (*Tree, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	t := &Tree{}
	err = fs.WalkDir(root.FS(), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		if !d.Type().IsRegular() || strings.Contains(path, "\n") {
			return &IrregularError{Dir: dir, Path: path, Mode: d.Type()}
		}
		fi, err := d.Info()
		if err != nil {
			return err
		}
		t.Entries = append(t.Entries, Entry{Path: path, Exec: fi.Mode()&0o100 != 0})
		return ctx.Err()
	})
	if err != nil {
		return nil, err
	}
	t.sort()
	return t, hashAll(ctx, root, t.Entries)
}

// hashAll fills in sizes and digests, with as many workers as there are processors.
func hashAll(ctx context.Context, root *os.Root, entries []Entry) error {
	return parallel.EachWith(ctx, runtime.GOMAXPROCS(0), len(entries), newHashBuffer, func(_ context.Context, buf []byte, i int) error {
		e := &entries[i]
		f, err := root.Open(e.Path)
		if err != nil {
			return err
		}
		defer f.Close()
		e.Blob, e.Size, err = hashReader(f, buf)
		return err
	})
}

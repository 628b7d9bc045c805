package materialize

import (
	"context"
	"errors"
	"io/fs"
	"strings"

	"github.com/openpackage/opkg/cas"
	"github.com/openpackage/opkg/ident"
)

// errChanged ends a look at the first thing that a stat betrays.
var errChanged = errors.New("it is not as opkg left it")

// Stands is Plan for version directories that the store remembers as opkg's: one stat a file and directory shows that all of them still
// stand as opkg left them. The plan then keeps them all; it is nil where anything differs, or cannot be looked at, and Plan tells more.
func (t *Target) Stands(ctx context.Context, versions []cas.Settlement) (*Plan, error) {
	root, err := openDir(t.dir, t.step)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer root.close()
	p := &Plan{Steps: make([]Step, len(versions))}
	judgeModes := t.judgesModes(root)
	err = each(ctx, len(versions), func(_ context.Context, i int) error {
		v := &versions[i]
		w := Want{Name: v.Name, Version: v.Version, Tree: v.Tree}
		p.Steps[i] = Step{Want: w, Dir: t.versionDir(w), Action: Keep}
		d, _, err := t.versionAt(root, w)
		if err != nil || d == nil {
			return errChanged
		}
		defer d.close()
		g := glance{dir: d, judgeModes: judgeModes}
		err = g.directory("")
		if err == nil {
			err = v.Files(func(path string, exec bool, size int64) error {
				if err := g.entry(path, exec, size); err != nil || g.reason != "" {
					return errChanged
				}
				return nil
			})
		}
		if err != nil || g.reason != "" {
			return errChanged
		}
		return nil
	})
	if errors.Is(err, errChanged) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return p, nil
}

// Versions counts the directories that stand where versions do, whoever made them.
func (t *Target) Versions() (n int, err error) {
	root, err := openDir(t.dir, t.step)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	defer root.close()
	return root.versions(1)
}

// versions counts the directories named by a version that stand depth levels below d. A scope is one level more.
func (d *dir) versions(depth int) (n int, err error) {
	entries, err := d.at.Entries()
	if err != nil {
		return 0, err
	}
	for _, e := range entries {
		if !e.Type.IsDir() {
			continue
		}
		if depth == 0 {
			if _, err := ident.ParseVersion(e.Name); err == nil {
				n++
			}
			continue
		}
		sub, err := d.sub(e.Name)
		if err != nil {
			continue // gone, or closed to us
		}
		below := depth - 1
		if strings.HasPrefix(e.Name, "@") {
			below = depth
		}
		m, err := sub.versions(below)
		sub.close()
		if err != nil {
			return n, err
		}
		n += m
	}
	return n, nil
}

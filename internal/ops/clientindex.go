package ops

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/openpackage/opkg/internal/atomicfile"
	"github.com/openpackage/opkg/lock"
	"github.com/openpackage/opkg/manifest"
)

// clientIndex is .openpackage/openpackage.index.yml, which tells the OpenPackage client where the locked versions stand.
type clientIndex struct {
	ws       *Workspace
	packages []lock.Package

	old     []byte // as it was when pending was made
	pending *atomicfile.Pending
	madeDir bool
}

func (c *clientIndex) path() string { return filepath.Join(c.ws.Root, dotDir, indexName) }

// prepare writes beside the file what it shall hold, so that write need not wait for the disk, which has much to write by then. What goes wrong here
// goes wrong there again.
func (c *clientIndex) prepare() {
	if c.pending != nil {
		return
	}
	old, err := c.read()
	if err != nil {
		return
	}
	fresh, err := c.update(old)
	if err != nil || string(fresh) == string(old) {
		return
	}
	c.madeDir = os.Mkdir(filepath.Dir(c.path()), 0o755) == nil
	if c.pending, err = atomicfile.Prepare(c.path(), fresh, 0o644); err != nil {
		c.removeDir()
	}
	c.old = old
}

// write makes the file hold what it shall.
func (c *clientIndex) write() error {
	old, err := c.read()
	if err != nil {
		return err
	}
	if c.pending != nil && string(old) == string(c.old) && c.pending.Commit() == nil {
		c.pending = nil
		return nil
	}
	fresh, err := c.update(old)
	if err != nil || string(fresh) == string(old) {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(c.path()), 0o755); err != nil {
		return err
	}
	if err := atomicfile.Write(c.path(), fresh, 0o644); err != nil {
		return fmt.Errorf("write %s: %w", c.ws.world.show(c.path()), err)
	}
	return nil
}

// discard leaves nothing of what was prepared and not written.
func (c *clientIndex) discard() {
	if c.pending != nil {
		c.pending.Discard()
		c.removeDir()
	}
}

// removeDir removes the directory around the file if it was made for it, and nobody put anything there since.
func (c *clientIndex) removeDir() {
	if c.madeDir {
		_ = os.Remove(filepath.Dir(c.path()))
	}
}

// read is the file; nil where there is none.
func (c *clientIndex) read() ([]byte, error) {
	old, err := readCommitted(c.ws.Root, c.path())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return old, err
}

// update is what the file shall hold instead of old; nil where it need not be there.
func (c *clientIndex) update(old []byte) ([]byte, error) {
	if old == nil && len(c.packages) == 0 {
		return nil, nil
	}
	entries := make([]manifest.IndexEntry, len(c.packages))
	for i, p := range c.packages {
		entries[i] = manifest.IndexEntry{
			Name:    p.Name,
			Path:    "~/.openpackage/registry/" + string(p.Name) + "/" + p.Version.String() + "/",
			Version: p.Version.String(),
		}
	}
	return manifest.UpdateIndex(c.ws.world.show(c.path()), old, entries)
}

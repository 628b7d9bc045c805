package materialize

import (
	"os"
	"path/filepath"

	"github.com/openpackage/opkg/internal/dirfd"
)

// Ability is what a file system can do for version directories.
type Ability struct {
	Links  bool // hard links: a file of the store and one of a version directory are one
	Clones bool // copies that share their bytes until one is written to
	Modes  bool // files keep the modes that they are given
}

// Probe tries what can be done in dir, by files that it removes again. The error is that nothing can be written there.
func Probe(dir string) (a Ability, err error) {
	tmp, err := os.MkdirTemp(dir, ".opkg-probe-*")
	if err != nil {
		return a, err
	}
	defer func() { _ = os.RemoveAll(tmp) }()
	from := filepath.Join(tmp, "from")
	if err := os.WriteFile(from, []byte("probe"), fileMode); err != nil {
		return a, err
	}
	a.Links = os.Link(from, filepath.Join(tmp, "link")) == nil
	fi, err := os.Stat(from)
	if err != nil {
		return a, err
	}
	a.Modes = fi.Mode().Perm() == fileMode
	src, err := os.Open(from)
	if err != nil {
		return a, err
	}
	defer src.Close()
	dst, err := os.Create(filepath.Join(tmp, "clone"))
	if err != nil {
		return a, err
	}
	a.Clones = dirfd.Clone(dst, src) == nil
	return a, dst.Close()
}

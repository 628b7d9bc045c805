package ops

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// InitRegistry makes an empty static registry in a directory, which may exist. made is false where it is one already. Errors:
// *PackageError for a directory that is something else.
func (w *World) InitRegistry(dir string) (made bool, err error) {
	switch fi, err := os.Stat(filepath.Join(dir, "packages")); {
	case err == nil && fi.IsDir():
		return false, nil
	case err == nil, errors.Is(err, errNotDir):
		return false, &PackageError{Path: w.show(dir), Reason: "it cannot be a registry: a file stands in the way"}
	case !errors.Is(err, fs.ErrNotExist):
		return false, err
	}
	if isBareRepository(dir) {
		return false, &PackageError{Path: w.show(dir), Reason: "it is a git repository", HintText: "--git makes it a git registry"}
	}
	return true, os.MkdirAll(filepath.Join(dir, "packages"), 0o777)
}

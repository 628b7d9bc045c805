package ops

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/openpackage/opkg/ident"
	"github.com/openpackage/opkg/internal/atomicfile"
	"github.com/openpackage/opkg/manifest"
)

// ExistsError says that a file which was to be made is there already.
type ExistsError struct{ Path string }

func (e *ExistsError) Error() string { return e.Path + " exists already" }

// Hint says what to do.
func (e *ExistsError) Hint() string { return "edit it, or add a package with opkg add NAME" }

// Init makes .openpackage/openpackage.yml in w.Dir and returns its path. Name "" takes the directory's, made into
// a legal one.
func (w *World) Init(name string) (string, error) {
	if w.Dir == w.Home {
		return "", &NoWorkspaceError{Dir: w.Dir, Stop: w.Home}
	}
	for _, p := range []string{filepath.Join(w.Dir, dotDir, ManifestName), filepath.Join(w.Dir, ManifestName)} {
		if _, err := os.Lstat(p); err == nil {
			return "", &ExistsError{Path: w.show(p)}
		} else if !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
	}
	if name == "" {
		name = suggestName(filepath.Base(w.Dir))
	}
	n, err := ParseName(name)
	if err != nil {
		return "", err
	}
	path := filepath.Join(w.Dir, dotDir, ManifestName)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return "", err
	}
	if err := atomicfile.Write(path, manifest.Init(n), 0o644); err != nil {
		return "", fmt.Errorf("write %s: %w", w.show(path), err)
	}
	return path, nil
}

// suggestName turns the name of a directory into a legal package name.
func suggestName(dir string) string {
	s := regexp.MustCompile(`[^a-z0-9]+`).ReplaceAllString(strings.ToLower(dir), "-")
	s = strings.Trim(strings.TrimLeft(s, "-0123456789"), "-")
	if _, err := ident.ParseName(s); err != nil {
		return "workspace"
	}
	return s
}

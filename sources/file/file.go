package file

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/openpackage/opkg/config"
	"github.com/openpackage/opkg/ident"
	"github.com/openpackage/opkg/internal/origin"
	"github.com/openpackage/opkg/registry"
	"github.com/openpackage/opkg/sources"
)

// Source is one directory. It implements sources.Source.
type Source struct {
	id  ident.SourceID
	dir string
}

// New describes the registry in reg.Dir, which need not exist yet.
func New(reg config.Registry) *Source { return &Source{id: reg.Source, dir: reg.Dir} }

// ID implements sources.Source.
func (s *Source) ID() ident.SourceID { return s.id }

// base stands for the directory where references are resolved as URLs are.
var base = &url.URL{Scheme: "https", Host: "registry.invalid", Path: "/"}

// List implements sources.Source.
func (s *Source) List(ctx context.Context, name ident.Name) (*registry.Index, error) {
	f, size, err := s.open(ctx, registry.IndexPath(name), sources.Ref{Name: name})
	if err != nil {
		return nil, err
	}
	defer f.Close()
	file := filepath.Join(s.dir, filepath.FromSlash(registry.IndexPath(name)))
	data, err := io.ReadAll(io.LimitReader(f, registry.MaxIndexSize+1))
	switch {
	case err != nil:
		return nil, s.unavailable(err)
	case max(size, int64(len(data))) > registry.MaxIndexSize:
		return nil, &registry.Error{File: file, Msg: fmt.Sprintf("it has more than %d bytes", registry.MaxIndexSize)}
	}
	ix, err := registry.ParseIndex(file, name, data)
	if err != nil {
		return nil, err
	}
	for i := range ix.Releases {
		r := &ix.Releases[i]
		path, err := sources.Resolve(base, name, r.Artifact)
		if err != nil {
			return nil, &registry.Error{File: file, Msg: fmt.Sprintf("the tarball of version %s: %v", r.Version, err)}
		}
		if strings.Contains(path, "://") {
			path = registry.ArtifactPath(name, r.Version)
		}
		r.Artifact = path
	}
	return ix, nil
}

// Open implements sources.Source.
func (s *Source) Open(ctx context.Context, ref sources.Ref) (*sources.Artifact, error) {
	err := sources.CheckPath(ref.Artifact)
	path, escErr := url.PathUnescape(ref.Artifact)
	if err == nil {
		err = escErr
	}
	if err != nil {
		return nil, &sources.NotAllowedError{Name: ref.Name, Target: origin.Quote(ref.Artifact), Reason: err.Error()}
	}
	f, size, err := s.open(ctx, path, ref)
	if err != nil {
		return nil, err
	}
	if ref.Size > 0 && size != ref.Size {
		f.Close()
		return nil, &ident.MismatchError{Name: ref.Name, Version: ref.Version, Source: filepath.Join(s.dir, filepath.FromSlash(path)), What: "size",
			Want: strconv.FormatInt(ref.Size, 10), Got: strconv.FormatInt(size, 10)}
	}
	return &sources.Artifact{Archive: f}, nil
}

// open opens a regular file below the directory; path is slash-separated.
func (s *Source) open(ctx context.Context, path string, ref sources.Ref) (f *os.File, size int64, err error) {
	if err := ctx.Err(); err != nil {
		return nil, 0, context.Cause(ctx)
	}
	root, err := os.OpenRoot(s.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, 0, s.unavailable(sources.WithHint(fmt.Errorf("there is no directory %s", s.dir), noDirectoryHint))
	}
	if err != nil {
		return nil, 0, s.unavailable(err)
	}
	defer root.Close()
	fi, err := root.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if fi, err := root.Stat("packages"); err != nil || !fi.IsDir() {
			return nil, 0, s.unavailable(noRegistry(root, s.dir))
		}
		return nil, 0, &sources.NotFoundError{Name: ref.Name, Version: ref.Version, Asked: []string{string(s.id)}}
	case err != nil:
		return nil, 0, s.unavailable(err)
	case !fi.Mode().IsRegular():
		return nil, 0, s.unavailable(fmt.Errorf("%s is not a regular file", filepath.Join(s.dir, path)))
	}
	if f, err = root.Open(path); err != nil {
		return nil, 0, s.unavailable(err)
	}
	return f, fi.Size(), nil
}

// noRegistry says of a directory without packages what it is instead.
func noRegistry(root *os.Root, dir string) error {
	hint := noDirectoryHint
	for _, file := range []string{".git", "HEAD"} { // a checkout, or a bare repository
		if _, err := root.Stat(file); err == nil {
			hint = "it is a git repository: a registry in one has git: in place of file: in config.yml"
		}
	}
	return sources.WithHint(fmt.Errorf("%s holds no packages directory", dir), hint)
}

const noDirectoryHint = "check the path in config.yml; opkg registry init DIR makes a registry"

func (s *Source) unavailable(err error) error {
	return &sources.UnavailableError{Source: s.id, Err: err}
}

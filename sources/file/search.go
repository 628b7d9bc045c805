package file

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/openpackage/opkg/ident"
	"github.com/openpackage/opkg/registry"
	"github.com/openpackage/opkg/sources"
)

// Search implements sources.Searcher: from search.json where it is there, and else from all indexes.
func (s *Source) Search(ctx context.Context) (*registry.Search, error) {
	f, size, err := s.open(ctx, registry.SearchPath, sources.Ref{})
	if missing := (*sources.NotFoundError)(nil); errors.As(err, &missing) {
		return s.searchIndexes(ctx)
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	file := filepath.Join(s.dir, registry.SearchPath)
	data, err := io.ReadAll(io.LimitReader(f, registry.MaxSearchSize+1))
	switch {
	case err != nil:
		return nil, s.unavailable(err)
	case max(size, int64(len(data))) > registry.MaxSearchSize:
		return nil, &registry.Error{File: file, Msg: fmt.Sprintf("it has more than %d bytes", registry.MaxSearchSize)}
	}
	return registry.ParseSearch(file, data)
}

// searchIndexes reads every index. A directory whose name is no package's is none.
func (s *Source) searchIndexes(ctx context.Context) (*registry.Search, error) {
	root, err := os.OpenRoot(s.dir)
	if err != nil {
		return nil, s.unavailable(err)
	}
	defer root.Close()
	var names []ident.Name
	err = fs.WalkDir(root.FS(), "packages", func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.IsDir() || path == "packages" {
			return err
		}
		below := strings.TrimPrefix(path, "packages/")
		if strings.HasPrefix(below, "@") && !strings.Contains(below, "/") {
			return nil
		}
		if name, err := ident.ParseName(below); err == nil {
			names = append(names, name)
		}
		return fs.SkipDir
	})
	if err != nil {
		return nil, s.unavailable(err)
	}
	slices.Sort(names)
	out := &registry.Search{}
	for _, name := range names {
		ix, err := s.List(ctx, name)
		if missing := (*sources.NotFoundError)(nil); errors.As(err, &missing) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if e, ok := registry.EntryOf(ix); ok {
			out.Entries = append(out.Entries, e)
		}
	}
	return out, nil
}

package file

import (
	"context"
	"errors"
	"io"
	"path/filepath"

	"github.com/openpackage/opkg/registry"
	"github.com/openpackage/opkg/sources"
)

// MirrorNote implements sources.Noter.
func (s *Source) MirrorNote(ctx context.Context) (*registry.MirrorNote, error) {
	f, _, err := s.open(ctx, registry.MirrorPath, sources.Ref{})
	if missing := (*sources.NotFoundError)(nil); errors.As(err, &missing) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, registry.MaxMirrorSize+1))
	if err != nil {
		return nil, s.unavailable(err)
	}
	return registry.ParseMirrorNote(filepath.Join(s.dir, registry.MirrorPath), data)
}

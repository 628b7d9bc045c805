package http

import (
	"context"
	"errors"

	"github.com/openpackage/opkg/internal/transport"
	"github.com/openpackage/opkg/registry"
	"github.com/openpackage/opkg/sources"
)

// MirrorNote implements sources.Noter.
func (s *Source) MirrorNote(ctx context.Context) (*registry.MirrorNote, error) {
	u := s.base.JoinPath(registry.MirrorPath)
	got, err := s.site.Get(ctx, u, transport.GetOptions{Accept: "application/json", MaxSize: registry.MaxMirrorSize})
	if err != nil {
		err = s.explain(err, sources.Ref{})
		if missing := (*sources.NotFoundError)(nil); errors.As(err, &missing) {
			return nil, nil
		}
		return nil, err
	}
	return registry.ParseMirrorNote(u.String(), got.Body)
}

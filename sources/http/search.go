package http

import (
	"context"
	"errors"
	"net/url"

	"github.com/openpackage/opkg/internal/transport"
	"github.com/openpackage/opkg/registry"
	"github.com/openpackage/opkg/sources"
)

func (s *Source) searchURL() *url.URL { return s.base.JoinPath(registry.SearchPath) }

// FetchSearch implements sources.SearchRevalidator.
func (s *Source) FetchSearch(ctx context.Context, opt sources.FetchOptions) (*sources.Document, error) {
	got, err := s.site.Get(ctx, s.searchURL(), transport.GetOptions{
		Accept: "application/json", IfNoneMatch: opt.ETag, NoCache: opt.NoCache, MaxSize: registry.MaxSearchSize})
	if err != nil {
		err = s.explain(err, sources.Ref{})
		if missing := (*sources.NotFoundError)(nil); errors.As(err, &missing) {
			return nil, &sources.NoSearchError{Source: s.id}
		}
		return nil, err
	}
	return document(got), nil
}

// ParseSearch implements sources.SearchRevalidator.
func (s *Source) ParseSearch(data []byte) (*registry.Search, error) {
	return registry.ParseSearch(s.searchURL().String(), data)
}

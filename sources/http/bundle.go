package http

import (
	"context"
	"errors"

	"github.com/openpackage/opkg/internal/archive"
	"github.com/openpackage/opkg/internal/transport"
	"github.com/openpackage/opkg/registry"
	"github.com/openpackage/opkg/sources"
)

// FetchBundle implements sources.BundleRevalidator.
func (s *Source) FetchBundle(ctx context.Context, opt sources.FetchOptions, most int64) (*sources.Document, error) {
	u := s.base.JoinPath(registry.BundlePath)
	got, err := s.site.Get(ctx, u, transport.GetOptions{Accept: "application/gzip", IfNoneMatch: opt.ETag, NoCache: opt.NoCache,
		MaxSize: min(most, registry.MaxBundleSize), Optional: true})
	if large := (*transport.TooLargeError)(nil); errors.As(err, &large) { // a registry may be large
		return nil, large
	}
	if err != nil {
		return nil, s.explain(err, sources.Ref{})
	}
	doc := document(got)
	if !doc.NotModified && archive.IsGzip(doc.Data) { // else the server said that gzip is its encoding, and the transport took it off
		text, err := archive.Gunzip("", doc.Data, registry.MaxBundleText)
		if err != nil {
			return nil, &registry.Error{File: u.String(), Msg: err.Error()}
		}
		doc.Data = text
	}
	return doc, nil
}

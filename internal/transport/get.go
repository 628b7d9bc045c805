package transport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/openpackage/opkg/internal/origin"
)

// GetOptions of Get.
type GetOptions struct {
	Accept      string // media type; "": any
	IfNoneMatch string // an ETag: 304 is an answer then
	NoCache     bool   // caches on the way must ask the origin
	MaxSize     int64  // bytes of the body, decompressed
	Optional    bool   // there is another way: one attempt, whose answer has to begin within Limits.Optional
}

// Document is one small answer, whole.
type Document struct {
	NotModified bool // 304: Body is nil
	Body        []byte
	Header      http.Header
}

// Get fetches a small document. Errors: *StatusError for an answer other than 200 (or 304 where that was asked for),
// *NetworkError, *RefusedError, *TooLargeError.
func (s *Site) Get(ctx context.Context, u *url.URL, opt GetOptions) (*Document, error) {
	header := http.Header{}
	set := func(k, v string) {
		if v != "" {
			header.Set(k, v)
		}
	}
	set("Accept", opt.Accept)
	set("If-None-Match", opt.IfNoneMatch)
	if opt.NoCache {
		set("Cache-Control", "no-cache")
	}
	t := tries{site: s, url: u, once: opt.Optional}
	for {
		doc, err := s.get(ctx, u, header, opt)
		if err == nil {
			return doc, nil
		}
		if err := t.failed(ctx, err); err != nil {
			return nil, err
		}
		t.pastCaches(header)
	}
}

// get is one attempt.
func (s *Site) get(ctx context.Context, u *url.URL, header http.Header, opt GetOptions) (*Document, error) {
	want := []int{http.StatusOK}
	if opt.IfNoneMatch != "" {
		want = append(want, http.StatusNotModified)
	}
	begun := func() bool { return true }
	if limit := s.c.opt.Limits.Optional; opt.Optional {
		var cancel context.CancelCauseFunc
		ctx, cancel = context.WithCancelCause(ctx)
		defer cancel(nil)
		begun = time.AfterFunc(limit, func() { cancel(&stalledError{fmt.Sprintf("no answer began within %s", limit)}) }).Stop
	}
	ans, err := s.exchange(ctx, u, header, want...)
	begun()
	if err != nil {
		if stalled := (*stalledError)(nil); errors.As(context.Cause(ctx), &stalled) {
			return nil, stalled
		}
		return nil, err
	}
	defer ans.close()
	doc := &Document{Header: ans.Header, NotModified: ans.StatusCode == http.StatusNotModified}
	switch {
	case doc.NotModified:
		return doc, nil
	case ans.ContentLength > opt.MaxSize:
		return nil, &TooLargeError{URL: origin.Show(u), Limit: opt.MaxSize}
	}
	doc.Body, err = io.ReadAll(io.LimitReader(ans.Body, opt.MaxSize+1))
	if err != nil {
		return nil, err
	}
	if int64(len(doc.Body)) > opt.MaxSize {
		return nil, &TooLargeError{URL: origin.Show(u), Limit: opt.MaxSize}
	}
	return doc, nil
}

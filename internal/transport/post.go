package transport

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/openpackage/opkg/internal/event"
	"github.com/openpackage/opkg/internal/origin"
)

// Post sends a small document to the site's own origin and returns the answer, of at most maxSize bytes. It is sent once, and no
// redirect is followed. Errors as of Get, and a *RefusedError for another origin.
func (s *Site) Post(ctx context.Context, u *url.URL, contentType string, body []byte, maxSize int64) ([]byte, error) {
	if origin.Of(u) != s.origin {
		return nil, &RefusedError{From: origin.Show(s.opt.Base), Target: origin.Show(u), Reason: "a document is sent to the registry itself alone"}
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", contentType)
	req.Header.Set("Accept", contentType)
	req.Header.Set("User-Agent", s.c.opt.UserAgent)
	if s.opt.Authorize != nil {
		s.opt.Authorize(req)
	}
	t := tries{site: s, url: u}
	resp, err := s.transport.RoundTrip(req)
	result := "failed"
	if err == nil {
		result = fmt.Sprint(resp.StatusCode)
	}
	s.c.opt.Observer.Emit(event.Event{Kind: event.Request, Source: string(s.origin), Text: fmt.Sprintf("POST %s %s", origin.Show(u), result)})
	if err != nil {
		return nil, t.final(err)
	}
	resp.Body = s.watch(ctx, cancel, resp.Body)
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, &StatusError{URL: origin.Show(u), Origin: s.origin, Status: resp.StatusCode}
	}
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxSize+1))
	switch {
	case err != nil:
		return nil, t.final(err)
	case int64(len(data)) > maxSize:
		return nil, &TooLargeError{URL: origin.Show(u), Limit: maxSize}
	}
	return data, nil
}

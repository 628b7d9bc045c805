package transport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"

	"github.com/openpackage/opkg/internal/event"
	"github.com/openpackage/opkg/internal/origin"
)

// answer is one answer whose body has not been read.
type answer struct {
	*http.Response
	url    *url.URL // of the last redirect
	cancel context.CancelCauseFunc
	leave  func() // gives the place at the gate to another request; can be called again
}

// close ends the exchange.
func (a *answer) close() {
	a.discard()
	a.cancel(nil)
}

// discard ends one answer. A short body is read to its end, so that the connection can be used again.
func (a *answer) discard() {
	const short = 4 << 10
	if a.ContentLength >= 0 && a.ContentLength <= short {
		_, _ = io.CopyN(io.Discard, a.Body, short)
	}
	a.Body.Close()
	a.leave()
}

// exchange sends one GET, follows redirects, and returns an answer with one of the wanted statuses. Any other
// is a *StatusError. Nothing is retried here.
func (s *Site) exchange(ctx context.Context, u *url.URL, header http.Header, want ...int) (*answer, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	ans, err := s.follow(ctx, cancel, u, header)
	if err != nil {
		cancel(nil)
		return nil, err
	}
	for _, status := range want {
		if ans.StatusCode == status {
			return ans, nil
		}
	}
	if ans.StatusCode == http.StatusNotModified {
		ans.close()
		return nil, errUnasked304
	}
	e := &StatusError{URL: origin.Show(ans.url), Origin: origin.Of(ans.url), Status: ans.StatusCode}
	e.Date, _ = http.ParseTime(ans.Header.Get("Date"))
	if e.temporary() {
		e.Wait = retryAfter(ans.Header, s.c.opt.Now())
	}
	ans.close()
	return nil, e
}

// follow sends requests until an answer is no redirect.
func (s *Site) follow(ctx context.Context, cancel context.CancelCauseFunc, u *url.URL, header http.Header) (*answer, error) {
	from, strayed := s.opt.Base, false
	for range MaxRedirects + 1 {
		if err := s.checkTarget(ctx, from, u); err != nil {
			return nil, err
		}
		strayed = strayed || origin.Of(u) != s.origin
		ans, err := s.send(ctx, cancel, u, header, !strayed)
		if err != nil {
			return nil, err
		}
		to, err := redirect(ans)
		if err == nil && to == nil {
			return ans, nil
		}
		ans.discard()
		if err != nil {
			return nil, err
		}
		from, u = u, to
	}
	return nil, errRedirects
}

// send sends one request, when its turn has come, and reports it.
func (s *Site) send(ctx context.Context, cancel context.CancelCauseFunc, u *url.URL, header http.Header, authorize bool) (*answer, error) {
	g := s.gateOf(u)
	if err := g.enter(ctx); err != nil {
		return nil, err
	}
	watched, late := g.watch(ctx, s.c.opt.Limits.Near, s.c.opt.Busy)
	req := (&http.Request{Method: http.MethodGet, URL: u, Host: u.Host, Header: header.Clone(), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1}).WithContext(watched)
	req.Header.Set("User-Agent", s.c.opt.UserAgent)
	if authorize && s.opt.Authorize != nil {
		s.opt.Authorize(req)
	}
	depth := s.c.deepest.Load() + 1
	resp, err := s.transport.RoundTrip(req)
	inTime := late.Stop()
	result := "failed"
	if err == nil {
		result = strconv.Itoa(resp.StatusCode)
		s.c.answered(depth)
		if inTime {
			g.inTime()
		}
	}
	s.c.opt.Observer.Emit(event.Event{Kind: event.Request, Source: string(s.origin), Text: "GET " + origin.Show(u) + " " + result, Count: int(depth)})
	if err != nil {
		g.failed()
		g.leave()
		return nil, err
	}
	resp.Body = s.watch(ctx, cancel, resp.Body)
	return &answer{Response: resp, url: u, cancel: cancel, leave: sync.OnceFunc(g.leave)}, nil
}

// answered notes that there is an answer that took so many round trips.
func (c *Client) answered(depth int64) {
	for {
		deepest := c.deepest.Load()
		if depth <= deepest || c.deepest.CompareAndSwap(deepest, depth) {
			return
		}
	}
}

// redirect is where the answer sends the client; nil when it does not.
func redirect(ans *answer) (*url.URL, error) {
	switch ans.StatusCode {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
	default:
		return nil, nil
	}
	location := ans.Header.Get("Location")
	refuse := func(why string) error {
		return &RefusedError{From: origin.Show(ans.url), Target: origin.Quote(location), Reason: why}
	}
	ref, err := url.Parse(location)
	if err != nil || location == "" {
		return nil, refuse("it is not a URL")
	}
	to := ans.url.ResolveReference(ref)
	to.Fragment, to.RawFragment = "", ""
	strict, err := origin.ParseURL(to.String())
	var bad *origin.URLError
	if errors.As(err, &bad) {
		return nil, refuse(bad.Reason)
	}
	return strict, err
}

// watched is a body whose pauses and rate are limited.
type watched struct {
	body   io.ReadCloser
	ctx    context.Context
	limits *Limits
	now    func() time.Time
	idle   *time.Timer // ends the exchange; runs only while a Read waits

	bytes int64 // since the window began
	spent time.Duration
}

func (s *Site) watch(ctx context.Context, cancel context.CancelCauseFunc, body io.ReadCloser) io.ReadCloser {
	lim := &s.c.opt.Limits
	idle := time.AfterFunc(lim.Idle, func() {
		cancel(&stalledError{fmt.Sprintf("no byte came for %s", lim.Idle)})
	})
	idle.Stop()
	return &watched{body: body, ctx: ctx, limits: lim, now: s.c.opt.Now, idle: idle}
}

func (w *watched) Read(p []byte) (int, error) {
	start := w.now()
	w.idle.Reset(w.limits.Idle)
	n, err := w.body.Read(p)
	w.idle.Stop()
	if err != nil {
		var stalled *stalledError
		if !errors.Is(err, io.EOF) && errors.As(context.Cause(w.ctx), &stalled) {
			err = stalled
		}
		return n, err
	}
	w.bytes += int64(n)
	w.spent += w.now().Sub(start)
	if w.spent >= w.limits.RateWindow {
		if float64(w.bytes) < float64(w.limits.MinRate)*w.spent.Seconds() {
			return n, &stalledError{fmt.Sprintf("only %d bytes came in %s", w.bytes, w.spent.Round(time.Millisecond))}
		}
		w.bytes, w.spent = 0, 0
	}
	return n, nil
}

func (w *watched) Close() error {
	w.idle.Stop()
	return w.body.Close()
}

package transport

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/openpackage/opkg/internal/event"
	"github.com/openpackage/opkg/internal/origin"
)

// tries counts the attempts of one request.
type tries struct {
	site    *Site
	url     *url.URL
	n       int  // attempts made
	stalled int  // of them, those that ended by being slow
	stale   bool // one was a 304 that was not asked for
	once    bool // the first is the last
}

// pastCaches makes a request pass by the cache that answered 304 to no condition.
func (t *tries) pastCaches(header http.Header) {
	if t.stale {
		header.Set("Cache-Control", "no-cache")
	}
}

// maxStalls is how often one request may be too slow before it is given up: each costs the whole of a limit.
const maxStalls = 2

// failed notes that an attempt ended in err. It returns nil after waiting when there shall be another one, and else the
// error to report.
func (t *tries) failed(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	t.n++
	opt := &t.site.c.opt
	if isSlow(err) {
		t.stalled++
	}
	wait, retry := t.backoff(err)
	if errors.Is(err, errUnasked304) {
		retry = !t.stale
		t.stale = true
	}
	if !retry || t.once || t.n > opt.Limits.Retries || t.stalled >= maxStalls || wait > opt.Limits.MaxWait {
		return t.final(err)
	}
	opt.Observer.Emit(event.Event{Kind: event.Retry, Source: string(t.site.origin),
		Text: fmt.Sprintf("%s: trying again in %s", t.final(err), wait.Round(10*time.Millisecond))})
	if err := opt.Sleep(ctx, wait); err != nil {
		return err
	}
	return nil
}

// backoff says whether err may pass, and how long to wait for that.
func (t *tries) backoff(err error) (wait time.Duration, retry bool) {
	opt := &t.site.c.opt
	step := opt.Limits.Backoff << min(t.n-1, 10)
	wait = time.Duration(float64(step) * (0.5 + opt.Jitter()/2))
	var status *StatusError
	if errors.As(err, &status) {
		return status.Wait + wait, status.temporary()
	}
	return wait, isTemporary(err)
}

// isTemporary reports whether a request that failed in err is worth repeating.
func isTemporary(err error) bool {
	var (
		refused *RefusedError
		large   *TooLargeError
		size    *SizeError
		changed *ChangedError
		dns     *net.DNSError
		network = &NetworkError{Err: err}
	)
	switch {
	case errors.As(err, &refused), errors.As(err, &large), errors.As(err, &size), errors.As(err, &changed):
		return false
	case errors.As(err, &dns) && dns.IsNotFound, network.TLS(), errors.Is(err, errRedirects):
		return false
	}
	return true
}

// isSlow reports whether an attempt ended by one of the limits on time.
func isSlow(err error) bool {
	var stalled *stalledError
	var timeout net.Error
	return errors.As(err, &stalled) || errors.As(err, &timeout) && timeout.Timeout()
}

// final is err as the caller sees it.
func (t *tries) final(err error) error {
	var (
		status  *StatusError
		refused *RefusedError
		large   *TooLargeError
		size    *SizeError
		changed *ChangedError
	)
	switch {
	case errors.As(err, &status):
		status.Attempts = t.n
		return status
	case errors.As(err, &refused):
		return refused
	case errors.As(err, &large), errors.As(err, &size), errors.As(err, &changed):
		return err
	}
	return &NetworkError{URL: origin.Show(t.url), Attempts: t.n, Err: err}
}

// retryAfter reads Retry-After: seconds, or a date. What cannot be read is 0.
func retryAfter(h http.Header, now time.Time) time.Duration {
	const most = 365 * 24 * time.Hour
	v := strings.TrimSpace(h.Get("Retry-After"))
	if secs, err := strconv.ParseUint(v, 10, 64); err == nil {
		return time.Duration(min(secs, uint64(most/time.Second))) * time.Second
	}
	if v != "" && strings.Trim(v, "0123456789") == "" { // more than fits
		return most
	}
	if at, err := http.ParseTime(v); err == nil {
		return min(max(at.Sub(now), 0), most)
	}
	return 0
}

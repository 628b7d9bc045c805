package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/openpackage/opkg/internal/event"
)

// progress is the one line that tells how far a sync is, redrawn in place on a terminal. All its
// methods may be called on nil: then there is no line.
type progress struct {
	mu      sync.Mutex
	w       io.Writer
	width   int // columns
	started time.Time
	drawn   time.Time // when the line was last drawn
	shown   bool

	total, done   int   // packages
	bytes, expect int64 // of artifacts
}

// redrawEvery keeps the line from flickering.
const redrawEvery = 100 * time.Millisecond

// observe is the app's event.Observer: it turns what libraries say into what a person sees.
func (a *app) observe(e event.Event) {
	switch e.Kind {
	case event.Warning:
		a.progress.clear()
		fmt.Fprintf(a.stderr, "%s %s\n", a.paint(a.stderr, yellow, "opkg: warning:"), message(e.Text))
		if e.Hint != "" {
			fmt.Fprintf(a.stderr, "%s %s\n", a.paint(a.stderr, cyan, "opkg: hint:"), message(e.Hint))
		}
	case event.Retry, event.Waiting:
		if !a.quiet {
			a.note("opkg: %s", message(aboutSource(e.Source, e.Text)))
		}
	case event.Request:
		if a.verbose {
			a.note("opkg: %s", message(e.Text))
		}
	case event.Plan:
		a.progress.clear()
		if width, ok := terminal(a.stderr); ok && !a.quiet && !a.noProgress && os.Getenv("TERM") != "dumb" && !isCI(os.Getenv("CI")) {
			a.progress = &progress{w: a.stderr, width: width, started: time.Now(), total: e.Count, expect: e.Total}
		}
	case event.FetchBytes:
		a.progress.add(0, e.Bytes)
	case event.FetchDone:
		if a.progress == nil {
			a.note("fetched %s %s (%s)", e.Name, e.Version, size(e.Bytes))
		}
		a.progress.add(1, 0)
	}
}

// aboutSource begins a text with its source, unless it does so itself.
func aboutSource(source, text string) string {
	if source == "" || strings.HasPrefix(text, source) {
		return text
	}
	return source + ": " + text
}

// add counts and redraws.
func (p *progress) add(packages int, bytes int64) {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done += packages
	p.bytes += bytes
	now := time.Now()
	if now.Sub(p.drawn) < redrawEvery && p.done < p.total {
		return
	}
	p.drawn = now
	p.draw(now)
}

// draw writes the longest form that fits the terminal without wrapping.
func (p *progress) draw(now time.Time) {
	rate := ""
	if d := now.Sub(p.started); d > redrawEvery {
		rate = ", " + size(int64(float64(p.bytes)/d.Seconds())) + "/s"
	}
	for _, line := range []string{
		fmt.Sprintf("fetching: %d of %d packages, %s of %s%s", p.done, p.total, size(p.bytes), size(p.expect), rate),
		fmt.Sprintf("%d/%d packages, %s%s", p.done, p.total, size(p.bytes), rate),
		fmt.Sprintf("%d/%d", p.done, p.total),
	} {
		if len(line) < p.width {
			fmt.Fprintf(p.w, "\r%s\x1b[K", line)
			p.shown = true
			return
		}
	}
}

// clear takes the line away, so that something else can be printed.
func (p *progress) clear() {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.shown {
		fmt.Fprint(p.w, "\r\x1b[K")
		p.shown = false
	}
}

// size is a number of bytes for people: powers of 1,000, three digits.
func size(n int64) string {
	switch {
	case n < 1000:
		return fmt.Sprintf("%d B", n)
	case n < 1_000_000:
		return fmt.Sprintf("%.3g kB", float64(n)/1e3)
	case n < 1_000_000_000:
		return fmt.Sprintf("%.3g MB", float64(n)/1e6)
	}
	return fmt.Sprintf("%.3g GB", float64(n)/1e9)
}

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

// progress is the line at the bottom of a terminal that tells how far the work is. It is a writer too: what is written through it
// appears above the line. It needs of the terminal no more than CR, erasing from the cursor to the end of the screen (ED), and that a
// terminal which folds lines anew when its width changes takes the cursor along: between two drawings the cursor stands at the
// beginning of the line, so that one erasure takes all of it, however it was folded.
type progress struct {
	w     io.Writer
	width func() (columns int, ok bool) // now; not ok: there is no line
	now   func() time.Time

	mu      sync.Mutex
	shown   bool
	drawn   time.Time // when the line was last drawn
	started time.Time
	answers int // of registries, before a plan

	planned       bool
	total, done   int   // packages
	bytes, expect int64 // of artifacts
}

// Times of the line.
const (
	redrawEvery = 100 * time.Millisecond // keeps it from flickering
	patience    = 500 * time.Millisecond // what takes less needs no line
)

// eraseBelow is ED: what stands behind the cursor goes, with all lines below.
const eraseBelow = "\x1b[J"

// observe is the app's event.Observer: it turns what libraries say into what a person sees.
func (a *app) observe(e event.Event) {
	switch e.Kind {
	case event.Warning:
		text := fmt.Sprintf("%s %s\n", a.paint(a.stderr, yellow, "opkg: warning:"), message(e.Text))
		if e.Hint != "" {
			text += fmt.Sprintf("%s %s\n", a.paint(a.stderr, cyan, "opkg: hint:"), message(e.Hint))
		}
		fmt.Fprint(a.stderr, text)
	case event.Retry, event.Waiting:
		a.note("opkg: %s", message(aboutSource(e.Source, e.Text)))
	case event.Request:
		if a.verbose {
			a.note("opkg: %s", message(e.Text))
		}
		a.traffic.add(e.Count)
		if e.Source != "" {
			a.progress.answered()
		}
	case event.Plan:
		a.progress.plan(e.Count, e.Total)
	case event.FetchBytes:
		a.progress.add(0, e.Bytes)
	case event.FetchDone:
		if _, ok := a.progressWidth(); !ok {
			a.note("fetched %s %s (%s)", e.Name, e.Version, size(e.Bytes))
		}
		a.progress.add(1, 0)
	}
}

// traffic counts requests, for -v.
type traffic struct {
	mu                   sync.Mutex
	requests, roundTrips int // requests in all, and in the longest row of which each followed an answer
}

func (t *traffic) add(roundTrips int) {
	t.mu.Lock()
	t.requests++
	t.roundTrips = max(t.roundTrips, roundTrips)
	t.mu.Unlock()
}

// summary is empty where nothing was asked.
func (t *traffic) summary() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.requests == 0 {
		return ""
	}
	return fmt.Sprintf("%s in %s", count(t.requests, "request"), count(t.roundTrips, "round trip"))
}

// progressWidth is the width of the terminal; ok is false where there is to be no progress line.
func (a *app) progressWidth() (columns int, ok bool) {
	if a.quiet || a.noProgress || os.Getenv("TERM") == "dumb" || isCI(os.Getenv("CI")) {
		return 0, false
	}
	return terminal(a.stderr)
}

// aboutSource begins a text with its source, unless it does so itself.
func aboutSource(source, text string) string {
	if source == "" || strings.HasPrefix(text, source) {
		return text
	}
	return source + ": " + text
}

// Write prints text that ends with a line end above the line.
func (p *progress) Write(text []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.shown {
		return p.w.Write(text)
	}
	p.shown = false
	out := append([]byte("\r"+eraseBelow), text...)
	if p.planned && p.done < p.total {
		out = append(out, p.render(p.now())...)
	}
	_, err := p.w.Write(out)
	return len(text), err
}

// plan begins to count packages, of which there are total with so many bytes; 0 bytes: that is not known.
func (p *progress) plan(total int, bytes int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.planned, p.started = true, p.now()
	p.total, p.done, p.bytes, p.expect = total, 0, 0, bytes
}

// answered counts what registries answered before there is a plan.
func (p *progress) answered() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.answers++; p.planned {
		return
	}
	if now := p.now(); now.Sub(p.started) >= patience {
		p.draw(now)
	}
}

// add counts. What is complete needs no line any more.
func (p *progress) add(packages int, bytes int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done += packages
	p.bytes += bytes
	if p.done < p.total {
		p.draw(p.now())
	} else {
		p.erase()
	}
}

// draw shows the line as it is now, unless it was drawn a moment ago.
func (p *progress) draw(now time.Time) {
	if now.Sub(p.drawn) < redrawEvery {
		return
	}
	p.drawn = now
	if line := p.render(now); line != "" {
		fmt.Fprint(p.w, line)
	}
}

// render is what draws the line, in the longest form that the terminal holds without folding it, and leaves the cursor at its beginning.
func (p *progress) render(now time.Time) string {
	columns, ok := p.width()
	if !ok {
		return ""
	}
	for _, line := range p.forms(now) {
		if len(line) < columns {
			p.shown = true
			return "\r" + line + eraseBelow + "\r"
		}
	}
	if !p.shown {
		return ""
	}
	p.shown = false
	return "\r" + eraseBelow
}

// forms are the texts of the line, the longest first. They are ASCII.
func (p *progress) forms(now time.Time) []string {
	if !p.planned {
		return []string{fmt.Sprintf("asking registries: %d answered", p.answers), fmt.Sprintf("%d answered", p.answers)}
	}
	rate, of := "", ""
	if d := now.Sub(p.started); d > redrawEvery {
		rate = ", " + size(int64(float64(p.bytes)/d.Seconds())) + "/s"
	}
	if p.expect > 0 {
		of = " of " + size(p.expect)
	}
	return []string{
		fmt.Sprintf("fetching: %d of %d packages, %s%s%s", p.done, p.total, size(p.bytes), of, rate),
		fmt.Sprintf("%d/%d packages, %s%s", p.done, p.total, size(p.bytes), rate),
		fmt.Sprintf("%d/%d, %s", p.done, p.total, size(p.bytes)),
		fmt.Sprintf("%d/%d", p.done, p.total),
	}
}

// clear takes the line away, for something that is not written through it.
func (p *progress) clear() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.erase()
}

// finish is clear for good: what comes is not counted any more.
func (p *progress) finish() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.erase()
	p.width = func() (int, bool) { return 0, false }
}

func (p *progress) erase() {
	if p.shown {
		fmt.Fprint(p.w, "\r"+eraseBelow)
		p.shown = false
	}
}

// size is a number of bytes for people: powers of 1,000, three digits.
func size(n int64) string {
	if n < 1000 {
		return fmt.Sprintf("%d B", n)
	}
	f := float64(n) / 1e3
	for _, unit := range []string{"kB", "MB", "GB"} {
		if f < 999.5 { // what is more would be printed as 1e+03
			return fmt.Sprintf("%.3g %s", f, unit)
		}
		f /= 1e3
	}
	return fmt.Sprintf("%.3g TB", f)
}

package main

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// screen is a model of a terminal: it knows CR, LF, erasing from the cursor to the end of line (EL) and of the screen (ED), and folds
// what is longer than its width. Nothing scrolls out of it.
type screen struct {
	t       *testing.T
	width   int
	rows    []row
	x, y    int
	refolds bool // a new width folds the lines anew, as tmux and most do; else they are cut, as xterm does
}

// row is one line of the screen. Folded: its text goes on in the next one.
type row struct {
	text   string
	folded bool
}

func (s *screen) Write(p []byte) (int, error) {
	for text := string(p); text != ""; {
		switch {
		case strings.HasPrefix(text, "\x1b[J"):
			s.erase()
			s.rows, text = s.rows[:s.y+1], text[3:]
		case strings.HasPrefix(text, "\x1b[K"):
			s.erase()
			text = text[3:]
		case text[0] == '\r':
			s.x, text = 0, text[1:]
		case text[0] == '\n':
			s.down()
			s.x, text = 0, text[1:]
		case text[0] < ' ' || text[0] > '~':
			s.t.Fatalf("the terminal gets %q", text)
		default:
			s.put(text[0])
			text = text[1:]
		}
	}
	return len(p), nil
}

func (s *screen) erase() {
	r := &s.rows[s.y]
	r.text, r.folded = r.text[:min(s.x, len(r.text))], false
}

func (s *screen) down() {
	if s.y++; s.y == len(s.rows) {
		s.rows = append(s.rows, row{})
	}
}

func (s *screen) put(c byte) {
	if s.x == s.width {
		s.rows[s.y].folded = true
		s.down()
		s.x = 0
	}
	r := &s.rows[s.y]
	for len(r.text) <= s.x {
		r.text += " "
	}
	r.text = r.text[:s.x] + string(c) + r.text[s.x+1:]
	s.x++
}

func (s *screen) resize(width int) {
	defer func() { s.width = width }()
	if !s.refolds {
		for i := range s.rows {
			s.rows[i].text = s.rows[i].text[:min(width, len(s.rows[i].text))]
		}
		s.x = min(s.x, width)
		return
	}
	var out []row
	x, y := 0, 0
	for i := 0; i < len(s.rows); i++ {
		whole, at := "", -1
		for {
			if i == s.y {
				at = len(whole) + s.x
			}
			whole += s.rows[i].text
			if !s.rows[i].folded {
				break
			}
			i++
		}
		first := len(out)
		for len(whole) > width {
			out = append(out, row{whole[:width], true})
			whole = whole[width:]
		}
		out = append(out, row{whole, false})
		if at >= 0 {
			y = min(first+at/width, len(out)-1)
			x = at - (y-first)*width
		}
	}
	s.rows, s.x, s.y = out, x, y
}

// lines are what stands on the screen, folded lines as one.
func (s *screen) lines() (out []string) {
	whole := ""
	for _, r := range s.rows {
		if whole += r.text; !r.folded {
			out = append(out, strings.TrimRight(whole, " "))
			whole = ""
		}
	}
	return out
}

// Whatever happens while the line shows (new widths, messages, what somebody types), it is one row, the messages stand whole above it, and
// in the end nothing is left of it.
func TestProgressLine(t *testing.T) {
	for seed := range uint64(400) {
		r := rand.New(rand.NewPCG(seed, 1))
		s := &screen{t: t, width: 1 + r.IntN(130), rows: []row{{}}, refolds: seed%2 == 0}
		clock := time.Unix(0, 0)
		p := &progress{w: s, width: func() (int, bool) { return s.width, true }, now: func() time.Time { return clock }, started: clock}
		var want []string
		for step := range 60 {
			clock = clock.Add(time.Duration(r.IntN(400)) * time.Millisecond)
			switch r.IntN(10) {
			case 0:
				s.resize(1 + r.IntN(130))
			case 1:
				s.resize([]int{40, 60, 80, 120}[r.IntN(4)])
			case 2:
				line := strings.Repeat("w", r.IntN(s.width)) + strconv.Itoa(step)
				fmt.Fprintln(p, line)
				want = append(want, line)
			case 3:
				if p.shown && s.width > 2 {
					fmt.Fprint(s, "^C") // the terminal shows what is typed
				}
			case 4:
				p.plan(1+r.IntN(1000), int64(r.IntN(1e9)))
			case 5:
				p.answered()
			case 6:
				p.clear()
			default:
				drawn := p.drawn
				if p.add(r.IntN(3), int64(r.IntN(1e7))); p.shown && p.drawn != drawn {
					if got := s.rows[len(s.rows)-1]; s.y != len(s.rows)-1 || s.x != 0 || len(got.text) >= s.width || s.y > 0 && s.rows[s.y-1].folded && !written(want, s) {
						t.Fatalf("seed %d, width %d: %v, the cursor at %d, %d", seed, s.width, s.rows, s.x, s.y)
					}
				}
			}
		}
		p.finish()
		p.add(1, 1)
		if got := s.lines(); s.refolds && !slices.Equal(got, append(want, "")) {
			t.Fatalf("seed %d: %q, want %q", seed, got, want)
		} else if len(got) < len(want)+1 || got[len(got)-1] != "" || strings.Contains(strings.Join(got, "\n"), "packages") {
			t.Fatalf("seed %d: %q is left", seed, got)
		}
	}
}

// written reports whether the row above the cursor is the end of the last message, folded.
func written(want []string, s *screen) bool {
	lines := s.lines()
	return len(want) > 0 && len(lines) > 1 && lines[len(lines)-2] == want[len(want)-1]
}

// No terminal, no line; and none longer than the terminal is wide.
func TestProgressForms(t *testing.T) {
	var b strings.Builder
	p := &progress{w: &b, width: func() (int, bool) { return 0, false }, now: time.Now}
	p.plan(3, 100)
	p.add(1, 50)
	fmt.Fprintln(p, "plain")
	p.finish()
	if b.String() != "plain\n" {
		t.Errorf("without a terminal: %q", b.String())
	}
	clock := time.Unix(0, 0)
	p = &progress{width: func() (int, bool) { return 40, true }, now: func() time.Time { return clock }}
	p.plan(1000, 999_600_000)
	p.done, p.bytes = 12, 3_000_000
	clock = clock.Add(time.Second)
	want := []string{"fetching: 12 of 1000 packages, 3 MB of 1 GB, 3 MB/s", "12/1000 packages, 3 MB, 3 MB/s", "12/1000, 3 MB", "12/1000"}
	if got := p.forms(clock); !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
	if got := p.render(clock); got != "\r"+want[1]+"\x1b[J\r" {
		t.Errorf("at 40 columns: %q", got)
	}
	p.expect = 0
	if got := p.forms(clock)[0]; got != "fetching: 12 of 1000 packages, 3 MB, 3 MB/s" {
		t.Errorf("of unknown size: %q", got)
	}
}

func TestSize(t *testing.T) {
	for n, want := range map[int64]string{
		0: "0 B", 999: "999 B", 1000: "1 kB", 1234: "1.23 kB", 999_499: "999 kB", 999_500: "1 MB", 999_999: "1 MB", 1_500_000: "1.5 MB",
		999_999_999: "1 GB", 12_345_678_901: "12.3 GB", 999_999_999_999: "1 TB",
	} {
		if got := size(n); got != want {
			t.Errorf("size(%d) = %s, want %s", n, got, want)
		}
	}
}

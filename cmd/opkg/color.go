package main

import (
	"io"
	"os"
)

// The colours that opkg uses: SGR parameters.
const (
	red    = "1;31"
	green  = "32"
	yellow = "33"
	cyan   = "36"
	dim    = "2"
)

// paint colours s where colours are wanted: --color first, then NO_COLOR (https://no-color.org), then whether w is a
// terminal that knows them.
func (a *app) paint(w io.Writer, sgr, s string) string {
	on := false
	switch a.color {
	case "always":
		on = true
	case "never":
	default:
		_, tty := terminal(w)
		on = tty && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
	}
	if !on {
		return s
	}
	return "\x1b[" + sgr + "m" + s + "\x1b[0m"
}

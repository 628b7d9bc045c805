package main

import (
	"bytes"
	"io"
	"strings"
	"text/tabwriter"
)

// columns lines up cells, each of which a tab or the end of a line ends, and prints them by Flush.
type columns struct {
	*tabwriter.Writer
	text bytes.Buffer
	out  io.Writer
}

func (a *app) columns() *columns {
	c := &columns{out: a.stdout}
	c.Writer = tabwriter.NewWriter(&c.text, 0, 0, 2, ' ', 0)
	return c
}

// Flush prints all lines, without blanks at their ends.
func (c *columns) Flush() error {
	if err := c.Writer.Flush(); err != nil {
		return err
	}
	for line := range strings.Lines(c.text.String()) {
		if _, err := io.WriteString(c.out, message(strings.TrimRight(line, " \n"))+"\n"); err != nil {
			return err
		}
	}
	c.text.Reset()
	return nil
}

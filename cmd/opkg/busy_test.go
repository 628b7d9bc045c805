package main

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/openpackage/opkg/cas"
)

// TestBusy reads aloud the one error of the exit table that no script waits for: a store that another opkg holds for two minutes.
func TestBusy(t *testing.T) {
	var stdout, stderr bytes.Buffer
	a := newApp(strings.NewReader(""), &stdout, &stderr)
	a.color = "never"
	status := a.report(fmt.Errorf("collect garbage: %w", &cas.BusyError{Path: "/home/you/.openpackage/store/v1/lock"}))
	want := "opkg: error: collect garbage: another opkg holds /home/you/.openpackage/store/v1/lock\nopkg: hint: wait for it to finish, and try again\n"
	if status != 9 || stderr.String() != want || stdout.Len() != 0 {
		t.Errorf("status %d, it says %q, want %q", status, &stderr, want)
	}
}

//go:build !(linux && amd64)

package main

import "errors"

// traceReport and traced are those of Linux.
const traceReport = "OPKG_TEST_TRACE_REPORT"

type traced struct {
	Status, Count int
	Op, Path      string
	Names         []string
}

func canTrace() error { return errors.New("system calls are traced on linux/amd64 alone") }

func traceMain() { panic(canTrace()) }

package main

import (
	"os"
	"runtime/debug"
)

// paceCollector lets garbage pile up a little longer than the runtime would: most runs are so short that a collection costs more
// than it gives back, but fresh memory costs too. Who sets GOGC is obeyed.
func paceCollector() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(200)
	}
}

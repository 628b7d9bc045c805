package main

import (
	"os"
	"runtime"
	"runtime/debug"
)

// A pace of the collector of garbage: GOGC until the first collection, and after it.
type pace struct{ first, later int }

func paceOf(command string) pace {
	switch command {
	case "lock", "outdated": // read indexes alone: nearly all of it stays in use, and looking through it gives back little
		return pace{600, 200}
	}
	// The first collection at 12 MiB rather than 4: most runs end before that. Later ones come at the runtime's own pace, since fresh memory costs
	// more than a collection of archives and files gives back.
	return pace{300, 100}
}

// paceCollector sets the pace. Who sets GOGC is obeyed.
func paceCollector(p pace) {
	if os.Getenv("GOGC") != "" {
		return
	}
	debug.SetGCPercent(p.first)
	runtime.AddCleanup(new([16]byte), func(later int) { debug.SetGCPercent(later) }, p.later) // called behind the first collection
}

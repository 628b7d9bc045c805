package main

import (
	"math"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
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

// While no more than maxLive bytes are in use after a collection, the next one comes before memory has grown to memoryLimit bytes. A higher
// share in use would mean collections without end.
const (
	memoryLimit = 40 << 20
	maxLive     = 24 << 20
)

// paceCollector sets the pace and the limit. Who sets GOGC or GOMEMLIMIT is obeyed.
func paceCollector(p pace) {
	if os.Getenv("GOGC") != "" || os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	debug.SetGCPercent(p.first)
	debug.SetMemoryLimit(memoryLimit)
	runtime.AddCleanup(new([16]byte), collected, p.later)
}

// collected is called behind each collection, until the limit is lifted.
func collected(percent int) {
	debug.SetGCPercent(percent)
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	if metrics.Read(live); live[0].Value.Uint64() > maxLive {
		debug.SetMemoryLimit(math.MaxInt64)
		return
	}
	runtime.AddCleanup(new([16]byte), collected, percent)
}

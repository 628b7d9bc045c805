package main

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

// The first collection of garbage comes when memory has grown to firstLimit bytes: most runs end before that. Behind it, what is in use may
// grow by growth bytes before the next one comes, or by the command's pace: in percent of what is in use.
const (
	firstLimit = 40 << 20
	growth     = 20 << 20
)

func paceOf(command string) (percent uint64) {
	switch command {
	case "lock", "outdated": // read indexes alone: nearly all of it stays in use, and looking through it gives back little
		return 200
	}
	return 100
}

// paceCollector sets when garbage is collected. Who sets GOGC or GOMEMLIMIT is obeyed.
func paceCollector(percent uint64) {
	if os.Getenv("GOGC") != "" || os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	debug.SetGCPercent(-1)
	debug.SetMemoryLimit(firstLimit)
	runtime.AddCleanup(new([16]byte), collected, percent)
}

// collected is called behind each collection.
func collected(percent uint64) {
	m := []metrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/memory/classes/heap/unused:bytes"}, {Name: "/memory/classes/heap/stacks:bytes"}}
	metrics.Read(m)
	live := m[0].Value.Uint64()
	inUse := live + m[1].Value.Uint64() + m[2].Value.Uint64() // the limit counts all three, and some MiB of the runtime's own
	debug.SetMemoryLimit(int64(max(firstLimit, inUse+max(growth, live/100*percent))))
	runtime.AddCleanup(new([16]byte), collected, percent)
}

package main

import (
	"math"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

// frugal is how much memory, in bytes, a run may take before its garbage is collected. Most runs end before that: each
// collection would cost them more than the memory is worth.
const frugal = 40 << 20

// paceCollector puts collections off until frugal is reached. Once what is in use is a good part of that, which is so for very
// large locks alone, the runtime goes back to its own pace. Who sets GOGC or GOMEMLIMIT is obeyed.
func paceCollector() {
	if os.Getenv("GOGC") != "" || os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	debug.SetGCPercent(-1)
	debug.SetMemoryLimit(frugal)
	watchCollector()
}

// watchCollector looks after each collection whether the limit still leaves room. The cleanup of an object that nobody
// holds is called behind a collection.
func watchCollector() {
	runtime.AddCleanup(new([16]byte), func(int) {
		live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
		metrics.Read(live)
		if live[0].Value.Kind() == metrics.KindUint64 && live[0].Value.Uint64() < frugal/2 {
			watchCollector()
			return
		}
		debug.SetGCPercent(100)
		debug.SetMemoryLimit(math.MaxInt64)
	}, 0)
}

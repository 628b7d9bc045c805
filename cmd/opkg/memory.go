package main

import (
	"os"
	"runtime"
	"runtime/debug"
)

// paceCollector puts the first collection of garbage off, from 4 MiB to 12: most runs end before that. Later ones come at the runtime's
// own pace, since fresh memory costs more than a collection gives back. Who sets GOGC is obeyed.
func paceCollector() {
	if os.Getenv("GOGC") != "" {
		return
	}
	debug.SetGCPercent(300)
	runtime.AddCleanup(new([16]byte), func(int) { debug.SetGCPercent(100) }, 0) // called behind the first collection
}

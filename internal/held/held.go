// Package held waits for files that somebody else holds for a moment.
//
// On Windows a file cannot be replaced, nor a directory renamed, while any program has it or something in it open; and virus scanners and
// search engines open what was just written. They let go within milliseconds. Elsewhere nobody is ever waited for.
package held

import "time"

// patience is how long, at most, a file is waited for.
const patience = 2 * time.Second

// The pauses between two tries.
const (
	firstPause = time.Millisecond
	mostPause  = 128 * time.Millisecond
)

// Retry calls f until it succeeds, or fails for another reason than that somebody holds a file, or two seconds have passed. The error is
// f's last.
func Retry(f func() error) error { return retry(f, isHeld, time.Sleep) }

func retry(f func() error, held func(error) bool, sleep func(time.Duration)) error {
	waited := time.Duration(0)
	for pause := firstPause; ; pause = min(2*pause, mostPause) {
		err := f()
		if err == nil || !held(err) || waited >= patience {
			return err
		}
		sleep(pause)
		waited += pause
	}
}

package held

import (
	"errors"
	"io/fs"
	"testing"
	"time"
)

func TestRetry(t *testing.T) {
	busy, broken := errors.New("it is open elsewhere"), errors.New("the disk is broken")
	held := func(err error) bool { return errors.Is(err, busy) }
	for _, c := range []struct {
		name  string
		fails []error // one a call; then nil
		want  error
		calls int
	}{
		{"at once", nil, nil, 1},
		{"held for a moment", []error{busy, busy, busy}, nil, 4},
		{"another error", []error{broken}, broken, 1},
		{"held, then another error", []error{busy, broken}, broken, 2},
	} {
		calls := 0
		err := retry(func() error {
			if calls++; calls <= len(c.fails) {
				return c.fails[calls-1]
			}
			return nil
		}, held, func(time.Duration) {})
		if !errors.Is(err, c.want) || calls != c.calls {
			t.Errorf("%s: %v after %d calls, want %v after %d", c.name, err, calls, c.want, c.calls)
		}
	}
	var slept time.Duration
	err := retry(func() error { return busy }, held, func(d time.Duration) { slept += d })
	if !errors.Is(err, busy) || slept < patience || slept > patience+mostPause {
		t.Errorf("held for ever: %v after %v", err, slept)
	}
}

// TestNobodyIsWaitedForHere holds that an error for good is one at once, on systems without such locks.
func TestNobodyIsWaitedForHere(t *testing.T) {
	if isHeld(fs.ErrPermission) {
		t.Skip("files are held here")
	}
	calls := 0
	if err := Retry(func() error { calls++; return fs.ErrPermission }); !errors.Is(err, fs.ErrPermission) || calls != 1 {
		t.Errorf("%v after %d calls", err, calls)
	}
}

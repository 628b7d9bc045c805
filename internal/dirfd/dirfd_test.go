package dirfd

import (
	"io/fs"
	"testing"
)

// TestWhatIsNoFailure holds, on each system, that success and the two errors that callers handle are never taken for a file system without links.
func TestWhatIsNoFailure(t *testing.T) {
	for _, err := range []error{nil, fs.ErrNotExist, fs.ErrExist} {
		if cannot, all := CannotLink(err); cannot || all {
			t.Errorf("CannotLink(%v): %v, %v", err, cannot, all)
		}
		if IsCrossDevice(err) {
			t.Errorf("IsCrossDevice(%v)", err)
		}
	}
}

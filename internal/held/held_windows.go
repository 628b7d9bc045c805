package held

import (
	"errors"

	"golang.org/x/sys/windows"
)

// isHeld reports whether err may say that a file is open elsewhere. Access that is denied for good looks the same: that costs the wait.
func isHeld(err error) bool {
	return errors.Is(err, windows.ERROR_SHARING_VIOLATION) || errors.Is(err, windows.ERROR_ACCESS_DENIED) || errors.Is(err, windows.ERROR_LOCK_VIOLATION)
}

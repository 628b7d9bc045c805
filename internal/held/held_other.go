//go:build !windows

package held

// isHeld is false: here a file can be replaced whoever has it open.
func isHeld(error) bool { return false }

//go:build !linux

package ops

// fileSystem names the kind of file system that dir is on, "" where it is not known.
func fileSystem(string) string { return "" }

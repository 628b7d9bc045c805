//go:build unix

package main

import (
	"io/fs"
	"syscall"
)

// linksOf is how many names a file has.
func linksOf(fi fs.FileInfo) uint64 { return uint64(fi.Sys().(*syscall.Stat_t).Nlink) }

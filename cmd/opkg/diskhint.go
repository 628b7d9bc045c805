package main

import (
	"errors"
	"syscall"
)

// diskHints say what to do about errors of the system, where the error itself does not.
var diskHints = []struct {
	errno syscall.Errno
	hint  string
}{
	{syscall.ENOSPC, "the disk is full, or has no more room for files: free some; opkg gc removes what no workspace needs"},
	{syscall.EDQUOT, "your quota of the disk is used up: free some; opkg gc removes what no workspace needs"},
	{syscall.EROFS, "the file system is read-only: mount it for writing, or set OPKG_HOME to a directory elsewhere"},
	{syscall.EACCES, "check who owns the file and its directory, and their modes; OPKG_HOME can move opkg's files to a directory of your own"},
	{syscall.EPERM, "check who owns the file and its directory, and their modes; OPKG_HOME can move opkg's files to a directory of your own"},
	{syscall.EMFILE, "too many files are open: raise the limit (ulimit -n)"},
	{syscall.ENFILE, "too many files are open on this machine: wait, or raise the system's limit"},
	{syscall.EIO, "the disk or its file system reports a failure: look at the system's log before trying again"},
}

// diskHint is "" for an error that is none of the system's.
func diskHint(err error) string {
	for _, h := range diskHints {
		if errors.Is(err, h.errno) {
			return h.hint
		}
	}
	return ""
}

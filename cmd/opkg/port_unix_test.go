//go:build unix

package main

import (
	"errors"
	"syscall"
	"time"
)

// keepPort keeps a port of 127.0.0.1 on which nothing listens, so that whoever connects is refused.
func keepPort(port int) (free func(), err error) {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		return nil, err
	}
	free = func() { _ = syscall.Close(fd) }
	if err = syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1); err == nil { // of connections that are closed
		at := &syscall.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, 1}}
		err = syscall.Bind(fd, at)
		for range 100 { // a child of another test may hold the listener until it runs its program
			if !errors.Is(err, syscall.EADDRINUSE) {
				break
			}
			time.Sleep(20 * time.Millisecond)
			err = syscall.Bind(fd, at)
		}
	}
	if err != nil {
		free()
	}
	return free, err
}

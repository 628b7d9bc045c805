//go:build !unix

package main

func keepPort(int) (free func(), err error) { return func() {}, nil }

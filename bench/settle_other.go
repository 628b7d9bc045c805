//go:build !linux

package main

func settle() {}

// Package lock is the format of opkg.lock.
package lock

// Package ops is what opkg can do, one function an operation: Lock, Sync, Add, Index …
//
// An operation takes a World, which holds all that it may know of the machine, and returns values and
// typed errors. It prints nothing and never exits; cmd/opkg renders what it returns.
package ops

// Package ident holds the words that every other package speaks: names,
// versions, npm ranges, digests, source identities, and the errors that compare
// two of them.
//
// It is pure: nothing here reads a file, a clock, the network or the environment.
package ident

//go:build !unix

package cas

// openPlain keeps an open from following a link, where the system has a word for that.
const openPlain = 0

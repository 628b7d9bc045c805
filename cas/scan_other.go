//go:build !unix

package cas

// openPlain keeps an open from following a link, where the system has a word for that.
const openPlain = 0

// keepsModes says that a file has a mode of its own.
const keepsModes = false

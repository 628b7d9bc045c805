//go:build !unix

package ops

import "io/fs"

// errNotDir is what a path through a file gives.
var errNotDir error = fs.ErrNotExist

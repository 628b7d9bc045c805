//go:build !unix

package materialize

import "io/fs"

// linksOf is how many names a file has; 0: this system does not say.
func linksOf(fs.FileInfo) uint64 { return 0 }

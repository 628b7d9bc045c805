//go:build !unix

package materialize

import "io/fs"

// linksOf is how many names a file has, as far as this system says.
func linksOf(fs.FileInfo) uint64 { return 1 }

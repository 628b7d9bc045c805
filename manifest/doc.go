// Package manifest reads and edits openpackage.yml and openpackage.index.yml.
//
// Reading accepts the current spelling and the older ones, and refuses with a place and a reason what has no
// meaning. Editing splices bytes at the places that the reader found: comments, order, quoting and blank
// lines of everything that the edit does not concern stay as they are. Each edited text is read
// again and compared with what was asked before it is returned. The format is specified in docs/manifest.md.
package manifest

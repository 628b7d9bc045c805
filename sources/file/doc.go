// Package file is a registry in a local directory, laid out like a static HTTP registry.
//
// Every file is opened inside the directory: a symbolic link that leads out of it is refused. Nothing is ever asked of a
// network: where an index names its archives by URL, as the one of a mirrored registry does, the archive is the one
// that stands at packages/<name>/<version>.tgz.
//
// A directory that is not there, or that holds no packages directory, is not an empty registry but an unavailable one: it may be
// a disk that is not mounted, and must not let another registry answer in its place.
package file

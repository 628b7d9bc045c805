// Package http is the static HTTP registry: packages/<name>/index.json and the archives that it names, below one URL.
//
//	List(name)   = GET <base>/packages/<name>/index.json
//	Open(ref)    = GET <base>/<artifact>, or an absolute https URL on another origin, which is sent no credentials
//
// A tarball reference is resolved against the index's URL. Below the base it becomes an artifact relative to
// the registry; on the registry's own origin and not below the base it is refused; on another origin it must be https, and
// must not lead into a network that the registry is not in.
package http

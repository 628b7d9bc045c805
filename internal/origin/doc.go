// Package origin says what "the same place" means on the web: scheme, host and port together, and whether a host
// is public, private or this very machine.
//
// Credentials are bound to an origin, and a registry may send a client only to origins that reach no further into its
// network than the registry itself does. Both rules need one definition; it stands here.
package origin

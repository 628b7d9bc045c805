// Package sources is where packages come from: the Source interface, the errors all sources share, and the Router,
// which alone decides which source owns a name.
package sources

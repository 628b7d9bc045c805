// Package badserver is a registry that misbehaves on purpose, for tests: each mode breaks one promise of HTTP or of
// a registry, and a log keeps what clients sent.
//
// It serves three origins on loopback: A (http), B (http, "the other host") and C (https, self-signed). The package "demo" of
// mode M stands at /M/packages/demo/index.json and /M/packages/demo/1.0.0.tgz on each. A mode misbehaves on A and C;
// B is well-behaved.
package badserver

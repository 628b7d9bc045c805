// Package lock is the format of opkg.lock: reading it strictly, writing it canonically, and judging
// whether it is whole and still answers the manifest.
//
// The text is TOML. The canonical form, which Format writes, is one byte sequence for one meaning; what each key
// means stands in docs/lockfile.md. Parse reads more than the canonical form, because people resolve
// merge conflicts by hand and checkouts rewrite line ends: any order of tables and keys, other white space, comments,
// CRLF and a byte order mark. Values are always canonical: a digest in upper case is an error.
//
// Three judgements are apart on purpose. Parse looks at one table at a time. CheckClosed looks at
// the lock as a whole, which finds what a line-wise merge of two good locks can break. CheckFresh and CheckPaths compare it
// with what the workspace asks for now.
package lock

// Package materialize makes a directory equal a lock: Plan looks, Apply changes.
//
// # On disk
//
// The target is OPKG_HOME/registry, which opkg shares with the OpenPackage client:
//
//	<name>/<version>/…        one version: directories 0755; files 0444, hard links to blobs of the store;
//	                          executables 0755, never links, since the other client writes to them
//	<name>/.opkg-<pid>-<n>    work in progress, or an old version on its way out
//	.opkg.lock                held by every Apply that changes something; not empty while one is under way
//
// All files and directories of a version have the time cas.BlobTime, whatever the umask was and however they were made.
//
// # Commit order
//
//  1. If a step is blocked: an error, and nothing is changed.
//  2. Hold .opkg.lock, shared. Whoever is alone removes what killed runs left behind.
//  3. For each version, in a staging directory beside its target: make each directory once, link, clone or copy each file,
//     and look at what was linked: a blob that a stat betrays is never handed on. What the store has just unpacked is moved there
//     instead, and where step 4 has nothing to do and nothing stands in the way, to its place at once.
//  4. Sync what was staged, unless the store's mark tells the next boot to look: one syncfs where it is much, an fsync a
//     directory where it is little.
//  5. Rename each staging directory to its version, in one step; what stood there moves out in the same step
//     (RENAME_EXCHANGE, RENAME_SWAP) or just before it.
//  6. Note in the store that opkg made the version. After a kill before this, Plan finds the same by content.
//  7. Remove what moved out.
//
// A kill at any point leaves the old version, the new one or, where the system cannot exchange, none; never a part of
// one. Two Applies need not wait for each other: their staging directories differ, and each rename leaves a whole version.
//
// # What a look sees
//
// Plan stats every locked file and directory. A file is as opkg left it when it is regular and has its size, its mode and
// the fixed time; a directory when it has its mode and the fixed time, which adding, removing or renaming an entry
// changes. Anything else is hashed (cas.TreeOfDir), and only content decides. A stat cannot betray content that was changed
// while size, mode and time stayed, or were set back: by somebody who does so on purpose, or by a failing disk. Nor does it
// see a second file of equal size renamed over the first when the directory's time is set back. Hashing everything finds that.
package materialize

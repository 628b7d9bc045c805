// Package cas keeps checked bytes once: the content-addressed store of one machine.
//
// # Layout
//
// Under OPKG_HOME/store/v1 (docs/store.md is the specification):
//
//	blobs/<2 hex>/<62 hex>   one file's bytes, named by their BLAKE3; mode 0444, modification time BlobTime
//	trees/<64 hex>           one payload's listing, named by its BLAKE3
//	artifacts/<64 hex>       what is known of the archives of one Flush, named by its BLAKE3
//	placed                   which version directories opkg made
//	roots/<64 hex>           which workspaces synced here
//	unsynced                 since when, and in which boot, not everything was synced
//	tmp/<session>/           work in progress; garbage when no process holds the lock
//	lock                     shared by those who use the store, exclusive for those who remove from it
//
// # Commit order
//
// Put works up to step 6, Flush from there on. An error or a kill before step 8 leaves nothing but garbage in tmp; after
// it, whole and verified blobs that nothing refers to yet.
//
// PutFiles has no archive: its steps 1 and 3 are one, and its SHA-256 is compared within step 5, before anything but large blobs
// is written to tmp.
//
//  1. Read the archive into memory, or into tmp when it is large; stop at the size that is wanted.
//  2. Compare size and SHA-256.
//  3. Check the archive whole: gzip, tar, names, limits (package archive).
//  4. Compare name, version and dependencies with the package's own openpackage.yml.
//  5. Hash each file, and compare the listing's digest with the tree that is wanted.
//  6. Write blobs that are not there yet and the listing into tmp, and by Flush the records, into one file. They are complete, with mode and
//     time, but nobody finds them there. After KeepUnpacked the blobs are written as the directory that the version will be.
//  7. Sync all of tmp, unless the mark of DeferSync is on the disk: one syncfs where there is one and the files are many, else an
//     fsync a file.
//  8. Rename or link the blobs into blobs/, never over one that stands.
//  9. Rename the listings into trees/.
//  10. Rename the file of records into artifacts/.
//
// What can be found is therefore on the disk, or is hashed before it is used in another boot: only names can be lost with
// the power, and in any order. A record whose listing or blobs are not there counts as absent, so that costs a download
// and never a wrong byte.
//
// # Trust
//
// A blob is judged by one stat: size, mode and the fixed time. What a stat betrays is hashed again, and removed if it
// differs; what restores all three is found only by hashing (TreeOfDir). Listings are checked against their names whenever they
// are read, records against their own checksum; a reader compares what it found with the lock, which is the authority.
package cas

// Package archive is the only unpacker of package archives, and their only packer.
//
// # Reading
//
// An archive is one gzip member that holds one tar. Open reads it as if by
//
//	gunzip <ARCHIVE | tar -t
//
// of a tar that refuses whatever two tars might understand differently, and checks all of it, names
// and limits included, before it gives out the first file. Its caller has compared size and SHA-256 already:
// Open protects against archives that were made badly or maliciously, not against damaged ones.
//
// gzip (RFC 1952): one member, CRC and length right, reserved flags clear, strings of the header bounded, nothing behind
// the trailer.
//
// tar: ustar, GNU and v7 headers with the right unsigned checksum; regular files (types 0, NUL and 7) and directories
// alone; PAX path and size, or a GNU long name, at most one such header per entry, each key once; a PAX global
// header that says nothing about names or sizes (git archive writes its commit into one). Two zero blocks
// end it, and only zeros follow. Anything else is an *UnsafeError: links, devices, sparse files, a directory with a
// body, a size in base 256, bytes behind the NUL of a name.
//
// Names: CheckPath says what a path must be, so that it means one file on every system. Names that differ only
// by case or Unicode normalization are refused, as is a file where a directory stands.
//
// Payload: Dropped says which files are read past. Then, if all files stand in a single top-level directory
// that holds openpackage.yml, that directory is stripped. openpackage.yml must be there. Of the modes only the
// owner's x bit counts; times, owners and extended attributes do not; directories exist by the files in
// them.
//
// # Writing
//
// PayloadOfDir lists what of a directory is packed, by the same rules, and Write makes an archive whose bytes depend
// on the files alone.
package archive

package archive

// Limits of one archive. What is beyond them is refused while it is read: nothing is
// allocated because an archive says that it is large.
const (
	MaxEntries       = 100_000 // tar members
	MaxDirectories   = 100_000 // directories, whether members of their own or implied by a file's path
	MaxFile          = 2 << 30 // bytes of one file
	MaxTotal         = 4 << 30 // bytes of the inflated tar, headers and padding included
	MaxRatio         = 200     // inflated bytes for each compressed one, beyond RatioFree
	RatioFree        = 64 << 20
	MaxPath          = 1024 // bytes of a path
	MaxDepth         = 64   // components of a path
	MaxComponent     = 255  // bytes of one component
	MaxNames         = 32 << 20
	MaxExtended      = 64 << 10 // bytes of one PAX header or GNU long name
	MaxRecords       = 256      // records of one PAX header
	MaxGzipString    = 1024     // bytes of the file name or the comment in a gzip header
	MaxArchive       = MaxTotal // bytes of the archive itself
	MaxManifestBytes = 1 << 20  // bytes of openpackage.yml
)

// InMemory is the largest inflated size, in bytes, of an archive that is unpacked in memory in one go. A
// larger one is inflated twice: to check all of it, then to give out its files.
const InMemory = 16 << 20

// maxDeflate is more than DEFLATE can gain: a match of 258 bytes takes two bits at least.
const maxDeflate = 1032

// Manifest is the file that makes a directory a package.
const Manifest = "openpackage.yml"

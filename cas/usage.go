package cas

import "os"

// Usage is what one file or directory takes on the disk.
type Usage struct {
	Bytes int64 // allocated, where the system says; else its size
	dir   bool
	file  fileID
	links uint64 // how many names it has
}

// fileID tells whether two names are one file.
type fileID struct{ device, file uint64 }

// UsageOf asks the disk.
func UsageOf(path string) (Usage, error) {
	fi, err := os.Lstat(path)
	if err != nil {
		return Usage{}, err
	}
	u := usageOf(path, fi)
	if u.dir = fi.IsDir(); u.dir {
		u.links = 1
	}
	return u, nil
}

// Tally counts what is freed when files are removed, or used by those that stay. The bytes of a file with several names are freed
// with the last of them, and used once. The zero Tally is empty.
type Tally struct {
	Files int   // names, directories apart
	Bytes int64 // freed, or used

	shared map[fileID]*names
}

type names struct{ all, seen uint64 }

// Removed counts one name that is removed, whose usage was asked for before. Of a file with several names, the first
// call says how many there are.
func (t *Tally) Removed(u Usage) {
	if t.count(u) {
		t.Bytes += u.Bytes
	}
}

// Kept counts one name that stays.
func (t *Tally) Kept(u Usage) {
	before := len(t.shared)
	t.count(u)
	if u.links <= 1 || len(t.shared) > before {
		t.Bytes += u.Bytes
	}
}

// count reports whether u is the last name of its file.
func (t *Tally) count(u Usage) (last bool) {
	if !u.dir {
		t.Files++
	}
	if u.links <= 1 && t.shared[u.file] == nil {
		return true
	}
	if t.shared == nil {
		t.shared = make(map[fileID]*names)
	}
	n := t.shared[u.file]
	if n == nil {
		n = &names{all: u.links}
		t.shared[u.file] = n
	}
	n.seen++
	return n.seen == n.all
}

package cas

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync"

	"github.com/zeebo/blake3"

	"github.com/openpackage/opkg/ident"
	"github.com/openpackage/opkg/internal/dirfd"
)

// Records stand one after the other in the files of artifacts/, one file for all of a Flush, named by its BLAKE3. A name says nothing of what is
// in the file: each record has a checksum of its own, and whoever looks for one reads them all, once.

// recordsMemory is what stands in artifacts/, as last read.
type recordsMemory struct {
	mu    sync.Mutex
	read  bool
	info  dirfd.Info // of the directory when it was read
	texts map[ident.SHA256]string
}

// recordFile is one file of artifacts/.
type recordFile struct {
	name  string   // below the store's directory
	texts []string // what may be records, in the order of the file
	torn  bool     // something in it is no record
	err   error    // it cannot be read: whether it is damaged nobody knows
}

const (
	maxRecordFile  = 256 << 20 // bytes that are read back; a Flush comes long before
	maxRecordFiles = 64        // how many files gc leaves
)

// recordFiles reads artifacts/ anew. What stands there and is no regular file is torn and holds nothing: damage is as good as absence.
func (s *Store) recordFiles(d *disk) ([]recordFile, error) {
	ids, err := d.digests(artifactsDir)
	if err != nil {
		return nil, s.within(err)
	}
	files := make([]recordFile, 0, len(ids))
	for _, id := range ids {
		f := recordFile{name: artifactsDir + "/" + id.String()}
		data, err := s.read(f.name, maxRecordFile)
		switch {
		case errors.Is(err, errRecord):
			f.torn = true
		case errors.Is(err, fs.ErrNotExist):
			continue // gone meanwhile
		case err != nil:
			f.err = err
		default:
			f.texts, f.torn = splitRecords(string(data))
		}
		files = append(files, f)
	}
	return files, nil
}

// readableRecords is recordFiles for who needs to know all of them.
func (s *Store) readableRecords(d *disk) ([]recordFile, error) {
	files, err := s.recordFiles(d)
	for i := range files {
		err = errors.Join(err, files[i].err)
	}
	return files, err
}

// splitRecords cuts what begins like a record; torn says that something else stands before the first, or nothing at all.
func splitRecords(text string) (texts []string, torn bool) {
	const first = recordHeader + "\n"
	if !strings.HasPrefix(text, first) {
		i := strings.Index(text, "\n"+first)
		if i < 0 {
			return nil, true
		}
		text, torn = text[i+1:], true
	}
	for {
		i := strings.Index(text, "\n"+first)
		if i < 0 {
			return append(texts, text), torn
		}
		texts, text = append(texts, text[:i+1]), text[i+1:]
	}
}

// idOfRecord is what a record's second line says; ok is false where that is no digest.
func idOfRecord(text string) (id ident.SHA256, ok bool) {
	const before = recordHeader + "\nsha256 "
	if len(text) < len(before)+64 {
		return id, false
	}
	return parseDigest("", text[len(before):len(before)+64])
}

// record finds the text of a record. artifacts/ is read again when its stat says that files came or went; what is known is believed until then. What
// may not be read is as good as absent.
func (s *Store) record(id ident.SHA256) (text string, ok bool, err error) {
	d, err := s.open()
	if err != nil {
		return "", false, ignoreMissing(err)
	}
	m := &s.records
	m.mu.Lock()
	defer m.mu.Unlock()
	info, err := d.at.Stat(artifactsDir)
	if err != nil {
		return "", false, s.within(ignoreMissing(err))
	}
	if !m.read || !m.info.Same(info) || m.info.Mtime != info.Mtime || m.info.Change != info.Change {
		files, err := s.recordFiles(d)
		for i := range files {
			if !errors.Is(files[i].err, fs.ErrPermission) {
				err = errors.Join(err, files[i].err)
			}
		}
		if err != nil {
			return "", false, err
		}
		m.read, m.info, m.texts = true, info, textsOf(files)
	}
	text, ok = m.texts[id]
	return text, ok, nil
}

// ReadAhead reads what stands in artifacts/ before it is asked for. Errors show then.
func (s *Store) ReadAhead() { _, _, _ = s.record(ident.SHA256{}) }

// textsOf finds records by their digests. Of two with one, a whole one counts.
func textsOf(files []recordFile) map[ident.SHA256]string {
	n := 0
	for i := range files {
		n += len(files[i].texts)
	}
	texts := make(map[ident.SHA256]string, n)
	for i := range files {
		for _, text := range files[i].texts {
			id, ok := idOfRecord(text)
			if !ok {
				continue
			}
			if old, twice := texts[id]; twice && old != text {
				if _, err := parseArtifact(old); err == nil {
					continue
				}
			}
			texts[id] = text
		}
	}
	return texts
}

// forget has artifacts/ read anew: this process changed it.
func (m *recordsMemory) forget() {
	m.mu.Lock()
	m.read, m.texts = false, nil
	m.mu.Unlock()
}

// RecordPath is the file that the record of an archive stands in; "" where there is none.
func (s *Store) RecordPath(id ident.SHA256) string {
	d, err := s.open()
	if err != nil {
		return ""
	}
	files, err := s.recordFiles(d)
	if err != nil {
		return ""
	}
	for i := range files {
		for _, text := range files[i].texts {
			if got, ok := idOfRecord(text); ok && got == id {
				return s.path(files[i].name)
			}
		}
	}
	return ""
}

// AuditRecords reads all of artifacts/, and counts the records.
func (s *Store) AuditRecords() (n int, faults []AuditFault, err error) {
	d, err := s.open()
	if err != nil {
		return 0, nil, ignoreMissing(err)
	}
	files, err := s.recordFiles(d)
	for i := range files {
		f := &files[i]
		whole := !f.torn && f.err == nil
		for _, text := range f.texts {
			_, err := parseArtifact(text)
			whole = whole && err == nil
		}
		n += len(f.texts)
		if whole {
			continue
		}
		if fault := s.faultAt(f.name, "records of archives", f.err); fault != nil {
			faults = append(faults, *fault)
		}
	}
	return n, faults, err
}

// DropRecords removes records, and whatever in their files is none. The caller holds the store alone.
func (s *Store) DropRecords(ids []ident.SHA256) error {
	return s.keepRecords(noFile, func(a *Artifact) bool { return !slices.Contains(ids, a.SHA256) })
}

func noFile(string) bool { return false }

// keepRecords removes the records that are not whole, or that keep does not want: a file that has such is written anew under another name, and then removed. Many
// files become one. Of the files that may not be read, those go that doomed names; another is an error, with nothing of it lost. A kill in between leaves some
// records twice, which say the same. The caller holds the store alone.
func (s *Store) keepRecords(doomed func(file string) bool, keep func(*Artifact) bool) error {
	d, err := s.open()
	if err != nil {
		return s.within(ignoreMissing(err))
	}
	files, err := s.recordFiles(d)
	if err != nil {
		return err
	}
	defer s.records.forget()
	join := len(files) > maxRecordFiles
	var old, kept []string
	for i := range files {
		f := &files[i]
		if f.err != nil && !(errors.Is(f.err, fs.ErrPermission) && doomed(f.name)) {
			return f.err
		}
		texts := slices.DeleteFunc(slices.Clone(f.texts), func(text string) bool {
			a, err := parseArtifact(text)
			return err != nil || !keep(a)
		})
		if join {
			old, kept = append(old, f.name), append(kept, texts...)
		} else if f.torn || f.err != nil || len(texts) < len(f.texts) {
			if err := s.replaceRecords([]string{f.name}, texts); err != nil {
				return err
			}
		}
	}
	return s.replaceRecords(old, kept)
}

// replaceRecords writes records into one file, or some of about flushBytes, and removes others.
func (s *Store) replaceRecords(old, texts []string) error {
	slices.Sort(texts)
	texts = slices.Compact(texts)
	for len(texts) > 0 {
		n, size := 0, 0
		for n < len(texts) && size < flushBytes {
			size += len(texts[n])
			n++
		}
		text := strings.Join(texts[:n], "")
		name := recordName(text)
		if err := s.replaceFile(name, text); err != nil {
			return err
		}
		old = slices.DeleteFunc(old, func(was string) bool { return was == name })
		texts = texts[n:]
	}
	d, err := s.open()
	if err != nil {
		return s.within(err)
	}
	for _, name := range old {
		if err := d.do("remove", name); err != nil {
			return s.within(err)
		}
		if err := d.root.RemoveAll(name); err != nil {
			return s.within(fmt.Errorf("remove records: %w", err))
		}
	}
	return nil
}

// recordName is where a file of records stands below the store's directory.
func recordName(text string) string {
	sum := blake3.Sum256([]byte(text))
	return artifactsDir + "/" + ident.TreeID(sum).Hex()
}

package cas

import (
	"context"
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/openpackage/opkg/ident"
	"github.com/openpackage/opkg/internal/dirfd"
)

// Unpacked is the payload of one package as a directory, complete: made to be renamed to where it is wanted. Directories have
// the mode 0755, executables 0755 and are copies, all other files are hard links to blobs; all have the time BlobTime.
type Unpacked struct {
	Around         string // a directory that holds nothing but it; below the store's directory, slash-separated
	Name           string // in Around: the version
	Linked, Copied int    // its files
	Synced         bool   // all of it is on the disk
}

// The modes of directories and executables of a payload.
const (
	dirMode  fs.FileMode = 0o755
	execMode fs.FileMode = 0o755
)

// Path is where it stands below the store's directory, slash-separated.
func (u *Unpacked) Path() string { return u.Around + "/" + u.Name }

// KeepUnpacked has Put and PutFiles leave payloads as directories for TakeUnpacked, so that no file of them is made twice. Payloads that
// do not fit in memory are not left. DropUnpacked ends it.
func (s *Store) KeepUnpacked() {
	s.staging.Lock()
	defer s.staging.Unlock()
	s.keeping = true
}

func (s *Store) keeps() bool {
	s.staging.Lock()
	defer s.staging.Unlock()
	return s.keeping
}

// TakeUnpacked gives out, once, the payload of a tree that was left and that is visible since the last Flush. None is given
// out when another process stored the same files meanwhile: then the blobs are its.
func (s *Store) TakeUnpacked(id ident.TreeID) (u Unpacked, ok bool) {
	s.staging.Lock()
	defer s.staging.Unlock()
	u, ok = s.ready[id]
	delete(s.ready, id)
	return u, ok
}

// DropUnpacked removes what was left and nobody took.
func (s *Store) DropUnpacked() {
	s.staging.Lock()
	defer s.staging.Unlock()
	s.keeping, s.ready, s.batch.unpacked = false, nil, nil
	if s.area != nil && s.area.users == 0 && len(s.batch.artifacts) == 0 {
		s.close(s.area)
	}
}

// handOut makes unpacked payloads ready to be taken.
func (s *Store) handOut(unpacked map[ident.TreeID]Unpacked, synced bool) {
	s.staging.Lock()
	defer s.staging.Unlock()
	if !s.keeping {
		return
	}
	if s.ready == nil {
		s.ready = make(map[ident.TreeID]Unpacked)
	}
	for id, u := range unpacked {
		u.Synced = synced
		s.ready[id] = u
	}
}

// unpacking is a directory in the area that is being filled. Nobody else writes there: what is below it is reached by its path.
type unpacking struct {
	*put
	staged *batch
	name   string // of the directory: a path below the area
	at     *dirfd.Dir
	made   []string // directories below it
	Unpacked
}

// stagePayload writes all files of a payload, whose paths are sorted, as a directory. Those that are new blobs are staged as such
// where they stand.
func (p *put) stagePayload(ctx context.Context, staged *batch, art *Artifact, tree *Tree, content map[string][]byte) error {
	version := p.want.Version
	if version.IsZero() {
		version = art.Version
	}
	u := &unpacking{put: p, staged: staged}
	if err := u.begin(version.String()); err != nil {
		return err
	}
	defer u.at.Close()
	last := ""
	for i := range tree.Entries {
		e := &tree.Entries[i]
		if folder := e.Path[:strings.LastIndexByte(e.Path, '/')+1]; folder != last {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := u.enter(folder, last); err != nil {
				return err
			}
			last = folder
		}
		if err := u.file(e, content[e.Path]); err != nil {
			return err
		}
	}
	for _, folder := range slices.Backward(u.made) {
		if err := u.setTime(folder); err != nil {
			return err
		}
	}
	if err := u.setTime("."); err != nil {
		return err
	}
	staged.unpacked = map[ident.TreeID]Unpacked{art.Tree: u.Unpacked}
	return nil
}

// begin makes the directory, in one that can become that of the package's name.
func (u *unpacking) begin(version string) error {
	at, around := u.area.folder.at, u.area.newName()
	u.Around, u.Name = u.area.folder.name+"/"+around, version
	u.name = around + "/" + version
	for _, name := range []string{around, u.name} {
		if err := u.step("mkdir", ""); err != nil {
			return err
		}
		if err := at.Mkdir(name, dirMode); err != nil {
			return err
		}
	}
	var err error
	if u.at, err = at.Sub(u.name); err != nil {
		return err
	}
	fi, err := u.at.Self()
	if err == nil && fi.Mode.Perm() != dirMode { // the umask
		u.at.Exact = dirfd.KeepsModes
		err = errors.Join(u.at.Chmod(dirMode), at.ChmodAt(around, dirMode))
	}
	if err != nil {
		u.at.Close()
	}
	return err
}

func (u *unpacking) step(op, path string) error { return u.area.folder.disk.do(op, u.Path()+"/"+path) }

// enter makes the directories of folder that last, the one before it, does not share. Both end in a slash or are "".
func (u *unpacking) enter(folder, last string) error {
	for at := 0; at < len(folder); {
		end := at + strings.IndexByte(folder[at:], '/')
		if !strings.HasPrefix(last, folder[:end+1]) {
			if err := u.step("mkdir", folder[:end]); err != nil {
				return err
			}
			if err := u.at.Mkdir(folder[:end], dirMode); err != nil {
				return err
			}
			u.made = append(u.made, folder[:end])
		}
		at = end + 1
	}
	return nil
}

func (u *unpacking) setTime(path string) error {
	if err := u.step("chtimes", path); err != nil {
		return err
	}
	return u.at.SetTime(path, BlobTime*1e9)
}

// file makes one file.
func (u *unpacking) file(e *Entry, data []byte) error {
	known := u.store.has(u.staged, *e)
	if e.Exec {
		if !known {
			if err := u.area.stage(u.staged, e.Blob, data); err != nil {
				return err
			}
		}
		u.Copied++
		return u.write(e.Path, execMode, data)
	}
	if known {
		if linked, err := u.link(e); linked || err != nil {
			u.Linked++
			return err
		}
		u.Copied++
		return u.write(e.Path, blobMode, data)
	}
	u.Linked++
	u.staged.addBlob(e.Blob, stagedBlob{name: u.name + "/" + e.Path, size: e.Size, stays: true})
	return u.write(e.Path, blobMode, data)
}

func (u *unpacking) write(path string, mode fs.FileMode, data []byte) error {
	if err := u.step("create", path); err != nil {
		return err
	}
	return u.at.Write(path, mode, BlobTime*1e9, data)
}

// link makes a file that is a hard link to a blob, which is staged or stored; false where that cannot be, and then nothing is made.
func (u *unpacking) link(e *Entry) (bool, error) {
	if err := u.step("link", e.Path); err != nil {
		return false, err
	}
	staged, ok := u.store.stagedBlob(u.staged, e.Blob)
	if (!ok || u.at.Link(u.area.folder.at, staged.name, e.Path) != nil) && u.at.Link(u.area.folder.disk.at, BlobName(e.Blob), e.Path) != nil {
		return false, nil
	}
	// Looked at where nobody else writes: a blob that a stat betrays is never handed on.
	if fi, err := u.at.Stat(e.Path); err == nil && u.store.Intact(fi, e.Size) {
		return true, nil
	}
	return false, u.at.Unlink(e.Path)
}

// relink makes a file of an unpacked payload a link to a blob that is called to in the area, or published by now, in one step.
func (a *area) relink(file string, id ident.BlobID, to string) error {
	temp := a.newName()
	if err := a.folder.disk.do("link", a.folder.name+"/"+temp); err != nil {
		return err
	}
	err := a.folder.at.Link(a.folder.at, to, temp)
	if err != nil {
		err = a.folder.at.Link(a.folder.disk.at, BlobName(id), temp)
	}
	if err != nil {
		return err
	}
	if err := a.folder.disk.do("rename", a.folder.name+"/"+file); err != nil {
		return err
	}
	if err := a.folder.at.Replace(temp, a.folder.at, file); err != nil {
		return err
	}
	if err := a.folder.disk.do("chtimes", a.folder.name+"/"+path.Dir(file)); err != nil {
		return err
	}
	return a.folder.at.SetTime(path.Dir(file), BlobTime*1e9)
}

package materialize

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/openpackage/opkg/cas"
	"github.com/openpackage/opkg/internal/dirfd"
)

// stage is one version, complete or on its way, under a name that nobody looks for.
type stage struct {
	step    *Step
	name    string // beside the version directory
	waiting bool   // it stands under that name
	placed  bool

	linked, copied, cloned int
}

// stageTries is how often a staging directory is made again when a neighbour removes the empty directory around it.
const stageTries = 3

// stage makes all of one version. On an error nothing of it is left.
func (r *run) stage(ctx context.Context, step *Step) (s *stage, err error) {
	if s, err := r.takeUnpacked(step); s != nil || err != nil {
		return s, err
	}
	tree, err := r.store.Tree(step.Want.Tree)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) { // the same bytes can be had from elsewhere
		return nil, &LostError{Name: step.Want.Name, Version: step.Want.Version, Err: err}
	}
	if err != nil {
		return nil, fmt.Errorf("place %s: %w", step.Dir, err)
	}
	parent, s, err := r.newStage(step)
	if err != nil {
		return nil, fmt.Errorf("place %s: %w", step.Dir, err)
	}
	defer parent.close()
	b := &builder{run: r, stage: s}
	if b.top, err = parent.sub(s.name); err == nil {
		err = b.build(ctx, tree)
		b.top.close()
	}
	if err != nil {
		r.discardIn(parent, s)
		var lost *LostError
		if errors.As(err, &lost) {
			return nil, err
		}
		return nil, fmt.Errorf("place %s: %w", step.Dir, err)
	}
	return s, nil
}

// takeUnpacked moves what the store left unpacked beside its place; nil where it left nothing, or the two are on two file
// systems.
func (r *run) takeUnpacked(step *Step) (*stage, error) {
	u, ok := r.store.TakeUnpacked(step.Want.Tree)
	if !ok {
		return nil, nil
	}
	for try := 1; ; try++ {
		s, err := r.moveIn(step, u)
		switch {
		case err == nil:
			if !u.Synced {
				r.unsynced.Store(true)
			}
			return s, nil
		case dirfd.IsCrossDevice(err):
			return nil, nil
		case !errors.Is(err, fs.ErrNotExist) || try == stageTries:
			return nil, fmt.Errorf("place %s: %w", step.Dir, err)
		}
	}
}

func (r *run) moveIn(step *Step, u cas.Unpacked) (*stage, error) {
	s := &stage{step: step, linked: u.Linked, copied: u.Copied}
	if r.deferred && step.Action == Place { // nothing stands in its place, and nothing has to be done before it may
		err := r.moveToPlace(step.Want, u)
		if err == nil {
			s.placed = true
			r.announce(step)
		}
		if !errors.Is(err, fs.ErrExist) {
			return s, err
		}
	}
	parent, err := r.nameDir(step.Want, true)
	if err != nil {
		return nil, err
	}
	defer parent.close()
	s.name, s.waiting = r.tempName(), true
	return s, parent.moveIn(r.blobs, u.Path(), s.name)
}

// moveToPlace moves a version to its place: with the directory of its name, if that is not there yet. fs.ErrExist when something stands there.
func (r *run) moveToPlace(w Want, u cas.Unpacked) error {
	r.ready()
	version := w.Version.String()
	if u.Name == version {
		around, err := r.aroundName(w.Name, true)
		if err != nil {
			return err
		}
		err = around.moveInNew(r.blobs, u.Around, path.Base(string(w.Name))) // over an empty one a neighbour's versions would be lost
		if around != r.root {
			around.close()
		}
		if !errors.Is(err, fs.ErrExist) && !errors.Is(err, errors.ErrUnsupported) {
			return err
		}
	}
	parent, err := r.nameDir(w, true)
	if err != nil {
		return err
	}
	defer parent.close()
	return parent.moveIn(r.blobs, u.Path(), version)
}

// newStage makes an empty staging directory, and opens the directory around it.
func (r *run) newStage(step *Step) (*dir, *stage, error) {
	for try := 1; ; try++ {
		parent, err := r.nameDir(step.Want, true)
		if err == nil {
			var name string
			if name, err = r.newTemp(parent); err == nil {
				return parent, &stage{step: step, name: name, waiting: true}, nil
			}
			parent.close()
		}
		if !errors.Is(err, fs.ErrNotExist) || try == stageTries {
			return nil, nil, err
		}
	}
}

// newTemp makes a directory in d that nobody else uses. Numbers tell apart the targets of one process, and processes of
// the same id on two machines that share a home.
func (t *Target) newTemp(d *dir) (string, error) {
	for {
		name := t.tempName()
		if err := d.mkdir(name); !errors.Is(err, fs.ErrExist) {
			return name, err
		}
	}
}

func (t *Target) tempName() string {
	return fmt.Sprintf("%s%d-%d", tempPrefix, os.Getpid(), t.seq.Add(1))
}

// builder fills a staging directory. Nobody else writes there: what is below it is reached by its path from the top.
type builder struct {
	*run
	stage *stage
	top   *dir
}

// build makes all directories and files of a tree, whose paths are sorted.
func (b *builder) build(ctx context.Context, tree *cas.Tree) error {
	if err := b.directory("."); err != nil {
		return err
	}
	var folders []string // made so far
	last := ""
	for i := range tree.Entries {
		e := &tree.Entries[i]
		if folder := e.Path[:strings.LastIndexByte(e.Path, '/')+1]; folder != last {
			if err := ctx.Err(); err != nil {
				return err
			}
			for at := sharedFolders(folder, last); at < len(folder); {
				end := at + strings.IndexByte(folder[at:], '/')
				if err := b.top.mkdir(folder[:end]); err != nil {
					return err
				}
				if err := b.directory(folder[:end]); err != nil {
					return err
				}
				folders = append(folders, folder[:end])
				at = end + 1
			}
			last = folder
		}
		if err := b.file(e); err != nil {
			return err
		}
	}
	for _, folder := range slices.Backward(folders) {
		if err := b.finish(folder); err != nil {
			return err
		}
	}
	return b.finish(".")
}

// directory gives a new directory its mode, if the umask took from it.
func (b *builder) directory(path string) error {
	if b.unmasked.Load() {
		return nil
	}
	d, err := b.top.sub(path)
	if err != nil {
		return err
	}
	defer d.close()
	fi, err := d.self()
	if err != nil {
		return err
	}
	if fi.Mode.Perm() == dirMode {
		b.unmasked.Store(true)
		return nil
	}
	return d.chmod(dirMode)
}

// finish gives a complete directory its time, and syncs it.
func (b *builder) finish(path string) error {
	if err := b.top.setTime(path); err != nil {
		return err
	}
	return b.sync(func() error {
		d, err := b.top.sub(path)
		if err != nil {
			return err
		}
		defer d.close()
		return d.sync()
	})
}

// sync makes one directory or file last now, or leaves it for the end of the run.
func (b *builder) sync(now func() error) error {
	if b.deferred {
		return nil
	}
	if b.budget.Add(-1) < 0 {
		b.unsynced.Store(true)
		return nil
	}
	return now()
}

// file makes one file: a link where that is possible and safe, otherwise a file of its own.
func (b *builder) file(e *cas.Entry) error {
	if e.Exec || !b.linking.Load() {
		return b.duplicate(e)
	}
	for try := 1; ; try++ {
		err := b.top.link(b.blobs, b.blobPath(e), e.Path)
		if errors.Is(err, fs.ErrNotExist) {
			return b.lost(e, err)
		}
		if cannot, all := dirfd.CannotLink(err); cannot {
			if all {
				b.linking.Store(false)
			}
			return b.duplicate(e)
		}
		if err != nil {
			return err
		}
		fi, err := b.top.stat(e.Path)
		if err != nil {
			return err
		}
		if b.store.Intact(fi, e.Size) {
			b.stage.linked++
			return nil
		}
		if err := b.top.unlink(e.Path); err != nil {
			return err
		}
		if try > 1 { // its bytes are right, and the store cannot give it its mode or time back
			return b.duplicate(e)
		}
		if err := b.check(e); err != nil {
			return err
		}
	}
}

// check has the store hash a blob that a stat betrays.
func (b *builder) check(e *cas.Entry) error {
	err := b.store.CheckBlob(e.Blob, e.Size)
	if errors.Is(err, fs.ErrNotExist) {
		return b.lost(e, err)
	}
	return err
}

func (b *builder) lost(e *cas.Entry, err error) error {
	w := b.stage.step.Want
	return &LostError{Name: w.Name, Version: w.Version, Path: e.Path, Err: err}
}

// duplicate makes a file with the bytes of a blob: a clone where the file system can, else a copy.
func (b *builder) duplicate(e *cas.Entry) (err error) {
	src, err := b.openBlob(e)
	if err != nil {
		return err
	}
	defer src.Close()
	mode := fileMode
	if e.Exec {
		mode = execMode
	}
	dst, err := b.top.create(e.Path, mode)
	if err != nil {
		return err
	}
	defer func() {
		if cerr := dst.Close(); err == nil {
			err = cerr
		}
	}()
	if err := b.pour(dst, src, e.Size); err != nil {
		return err
	}
	if err := b.step.before("chmod", b.top, e.Path); err != nil {
		return err
	}
	if err := dirfd.ChmodFile(dst, mode); err != nil {
		return err
	}
	if err := b.top.setTime(e.Path); err != nil {
		return err
	}
	return b.sync(dst.Sync)
}

// openBlob opens a blob that is as the store left it, or that the store has hashed.
func (b *builder) openBlob(e *cas.Entry) (*os.File, error) {
	for try := 1; ; try++ {
		f, err := b.blobs.open(b.blobPath(e))
		if errors.Is(err, fs.ErrNotExist) {
			return nil, b.lost(e, err)
		}
		if try == 1 && (dirfd.IsNoDir(err) || errors.Is(err, fs.ErrPermission)) { // a link stands there, which goes; or the mode is lost, which comes back
			if err := b.check(e); err != nil {
				return nil, err
			}
			continue
		}
		if err != nil {
			return nil, err
		}
		fi, err := dirfd.StatFile(f)
		if err == nil && (try > 1 || b.store.Intact(fi, e.Size)) {
			return f, nil
		}
		f.Close()
		if err == nil {
			err = b.check(e)
		}
		if err != nil {
			return nil, err
		}
	}
}

func (b *builder) pour(dst, src *os.File, size int64) error {
	if b.cloning.Load() {
		err := b.step.before("clone", b.top, "")
		if err == nil {
			err = dirfd.Clone(dst, src)
		}
		if err == nil {
			b.stage.cloned++
			return nil
		}
		b.cloning.Store(false) // whatever the reason, copying is right, and says what is wrong if it fails too
	}
	if err := b.step.before("write", b.top, ""); err != nil {
		return err
	}
	n, err := io.Copy(dst, src)
	if err == nil && n != size {
		err = fmt.Errorf("%s: copied %d bytes of %d", dst.Name(), n, size)
	}
	b.stage.copied++
	return err
}

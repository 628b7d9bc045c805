package materialize

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync/atomic"

	"github.com/openpackage/opkg/cas"
	"github.com/openpackage/opkg/ident"
	"github.com/openpackage/opkg/internal/event"
)

// syncEach is up to how many directories and copied files are synced one by one, rather than with all that others
// wrote to the file system.
const syncEach = 64

// Apply makes the target equal the plan. Every tree must be in the store: *LostError. Blocked steps are an
// *OccupiedError before anything is changed. After any other error each version directory is whole, the old or the new.
func (t *Target) Apply(ctx context.Context, p *Plan) (*Result, error) {
	res := &Result{}
	var work []*Step
	for i := range p.Steps {
		switch s := &p.Steps[i]; {
		case s.Action == Blocked:
			return nil, t.occupied(s)
		case s.Action == Keep:
			res.Kept++
		case s.needsTree():
			work = append(work, s)
		}
	}
	root, err := t.open(len(work) > 0)
	if errors.Is(err, fs.ErrNotExist) && len(work) == 0 {
		return res, nil
	}
	if err != nil {
		return nil, err
	}
	defer root.close()
	t.adopt(p, res)
	if len(work) == 0 {
		t.tidy(root)
		return res, nil
	}
	g, err := t.enter(ctx, root)
	if err != nil {
		return nil, err
	}
	clean, err := t.work(ctx, root, work, res)
	t.leave(g, clean)
	if err != nil {
		return nil, err
	}
	return res, nil
}

// adopt notes what stood there already, and what was found to have outlived a restart. Where that cannot be written, the next run finds
// it again.
func (t *Target) adopt(p *Plan, res *Result) {
	var found []cas.Placement
	for i := range p.Steps {
		s := &p.Steps[i]
		if s.Action == Adopt {
			res.Adopted++
		}
		if s.Action == Adopt || s.doubted {
			found = append(found, cas.Placement{Name: s.Want.Name, Version: s.Want.Version, Tree: s.Want.Tree, Adopted: s.foreign})
		}
	}
	if len(found) > 0 {
		t.ready()
	}
	if err := t.store.SetPlacedAll(found); res.Adopted > 0 && !cas.IsReadOnly(err) {
		t.warn("it cannot be noted which version directories were adopted", err)
	}
}

// open opens the target, and makes it if that is asked.
func (t *Target) open(create bool) (*dir, error) {
	root, err := openDir(t.dir, t.step)
	if !create || !errors.Is(err, fs.ErrNotExist) {
		return root, err
	}
	parent := filepath.Dir(t.dir)
	if t.step != nil {
		if err := t.step("mkdir", parent); err != nil {
			return nil, err
		}
	}
	if err := os.MkdirAll(parent, dirMode); err != nil {
		return nil, err
	}
	up, err := openDir(parent, t.step)
	if err != nil {
		return nil, err
	}
	defer up.close()
	root, err = up.make(filepath.Base(t.dir))
	if isNoDir(err) { // a link that appeared meanwhile
		return openDir(t.dir, t.step)
	}
	return root, err
}

// run is what the goroutines of one Apply share.
type run struct {
	*Target
	root  *dir
	blobs *dir // the store's directory

	deferred bool // nothing need be synced: the store's mark tells the next boot to look

	unmasked  atomic.Bool  // a new directory has the right mode without a chmod
	linking   atomic.Bool  // hard links from the store are possible
	cloning   atomic.Bool  // clones are
	budget    atomic.Int64 // what may still be synced one by one
	unsynced  atomic.Bool  // something was left for syncAll
	leftovers atomic.Bool  // something could not be removed
}

// work does steps 3 to 7 of the package comment. clean is false when something is left to sweep.
func (t *Target) work(ctx context.Context, root *dir, steps []*Step, res *Result) (clean bool, err error) {
	blobs, err := openDir(t.store.Dir(), nil)
	if errors.Is(err, fs.ErrNotExist) {
		return true, &LostError{Name: steps[0].Want.Name, Version: steps[0].Want.Version, Err: err}
	}
	if err != nil {
		return true, err
	}
	defer blobs.close()
	r := &run{Target: t, root: root, blobs: blobs}
	if r.deferred, err = t.store.DeferSync(); err != nil {
		return true, err
	}
	r.linking.Store(true)
	r.cloning.Store(true)
	if len(steps) <= syncEach/4 {
		r.budget.Store(syncEach)
	}
	stages := make([]*stage, len(steps))
	err = each(ctx, len(steps), func(ctx context.Context, i int) error {
		s, err := r.stage(ctx, steps[i])
		stages[i] = s
		return err
	})
	if err == nil && r.unsynced.Load() && !r.deferred {
		err = root.syncAll()
	}
	r.ready()
	if err == nil {
		err = each(ctx, len(steps), func(ctx context.Context, i int) error { return r.swap(ctx, stages[i]) })
	}
	err = errors.Join(err, r.note(stages))
	for _, s := range stages {
		if s == nil {
			continue
		}
		if s.waiting {
			r.discard(s)
		}
		s.count(res)
	}
	if err != nil {
		for _, s := range steps {
			r.prune(s.Want)
		}
	}
	return !r.leftovers.Load(), err
}

// ready returns when version directories may appear.
func (t *Target) ready() {
	if t.opt.Ready != nil {
		t.opt.Ready()
	}
}

// note writes down which versions opkg placed, all at once.
func (r *run) note(stages []*stage) error {
	var wants []Want
	for _, s := range stages {
		if s != nil && s.placed {
			wants = append(wants, s.step.Want)
		}
	}
	return r.store.SetPlacedAll(placements(wants))
}

// count adds what became of a stage to the result.
func (s *stage) count(res *Result) {
	switch {
	case !s.placed:
		res.Kept++
	case s.step.Action == Heal:
		res.Healed++
	default:
		res.Placed++
	}
	if s.placed {
		res.Files += s.linked + s.copied + s.cloned
		res.Linked += s.linked
		res.Copied += s.copied
		res.Cloned += s.cloned
	}
}

func (r *run) announce(s *Step) {
	r.opt.Observer.Emit(event.Event{Kind: event.Placed, Name: s.Want.Name, Version: s.Want.Version})
}

// nameDir opens the directory that the versions of w stand in, and makes it if that is asked.
func (r *run) nameDir(w Want, create bool) (*dir, error) {
	around, err := r.aroundName(w.Name, create)
	if err != nil {
		return nil, err
	}
	if around != r.root {
		defer around.close()
	}
	return around.enter(path.Base(string(w.Name)), create)
}

// aroundName opens the directory that the one of a name stands in: that of its scope, or the target's, which is not to be closed.
func (r *run) aroundName(name ident.Name, create bool) (*dir, error) {
	scope, _, ok := strings.Cut(string(name), "/")
	if !ok {
		return r.root, nil
	}
	return r.root.enter(scope, create)
}

// prune removes the directories around the versions of w if they are empty.
func (r *run) prune(w Want) {
	name := string(w.Name)
	if scope, base, ok := strings.Cut(name, "/"); ok {
		d, err := r.root.sub(scope)
		if err != nil {
			return
		}
		_ = d.rmdir(base)
		d.close()
		name = scope
	}
	_ = r.root.rmdir(name)
}

// blobPath is the path of a blob below the store's directory.
func (r *run) blobPath(e *cas.Entry) string {
	return cas.BlobName(e.Blob)
}

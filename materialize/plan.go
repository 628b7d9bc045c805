package materialize

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/openpackage/opkg/cas"
	"github.com/openpackage/opkg/ident"
)

// Plan looks at the target: one stat a locked file and directory, a re-hash where a stat betrays a change. It writes
// nothing. Wants are each listed once.
func (t *Target) Plan(ctx context.Context, wants []Want) (*Plan, error) {
	p := &Plan{Steps: make([]Step, len(wants))}
	for i, w := range wants {
		p.Steps[i] = Step{Want: w, Dir: t.versionDir(w), Action: Place}
	}
	slices.SortFunc(p.Steps, func(a, b Step) int {
		return cmp.Or(cmp.Compare(a.Want.Name, b.Want.Name), a.Want.Version.Compare(b.Want.Version), cmp.Compare(a.Want.Version.String(), b.Want.Version.String()))
	})
	root, err := openDir(t.dir, t.step)
	if errors.Is(err, fs.ErrNotExist) {
		return p, nil
	}
	if err != nil {
		return nil, err
	}
	defer root.close()
	err = each(ctx, len(p.Steps), func(ctx context.Context, i int) error {
		s := &p.Steps[i]
		if err := t.decide(ctx, root, s); err != nil {
			return fmt.Errorf("look at %s: %w", s.Dir, err)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return p, nil
}

// looks is how often a look is repeated that a neighbour's rename disturbed.
const looks = 3

// decide sets the action of one step.
func (t *Target) decide(ctx context.Context, root *dir, s *Step) error {
	noted, known := t.noted(root, s.Want)
	trusted := known && !noted.Adopted && !noted.Doubted && noted.Tree == s.Want.Tree && !t.opt.Thorough
	seen, err := t.look(ctx, root, s.Want, trusted)
	for n := 1; n < looks && errors.Is(err, fs.ErrNotExist); n++ {
		seen, err = t.look(ctx, root, s.Want, trusted)
	}
	if err != nil {
		return err
	}
	s.Action, s.Reason = t.judge(seen, s.Want.Tree, noted, known), seen.reason
	switch s.Action {
	case Keep:
		s.Reason, s.doubted, s.foreign = "", noted.Doubted, noted.Adopted
	case Adopt:
		s.Reason, s.doubted, s.foreign = "", noted.Doubted, seen.reason != ""
	}
	return nil
}

// noted is what the store remembers of a version directory, or would, had not a power loss taken it.
func (t *Target) noted(root *dir, w Want) (n cas.Noted, known bool) {
	n, known = t.store.Noted(w.Name, w.Version)
	if !known && t.store.Forgetful() && t.bearsOurTime(root, w) {
		return cas.Noted{Tree: w.Tree, Doubted: true}, true
	}
	return n, known
}

// bearsOurTime reports whether a version directory has the time that opkg gives to those it makes. It got it before its name, so that no
// power loss parts the two.
func (t *Target) bearsOurTime(root *dir, w Want) bool {
	d, _, err := t.versionAt(root, w)
	if d == nil || err != nil {
		return false
	}
	defer d.close()
	fi, err := d.self()
	return err == nil && fi.Mtime == fixedTime
}

// judge says what to do about what was seen. What others made stays while its content is right, whatever its modes, and otherwise goes
// only by force.
func (t *Target) judge(seen sight, want ident.TreeID, noted cas.Noted, known bool) Action {
	made := known && !noted.Adopted
	switch {
	case !seen.there:
		return Place
	case seen.equal && made && noted.Tree == want && seen.worn:
		return Heal
	case seen.equal && known && noted.Tree == want:
		return Keep
	case seen.equal:
		return Adopt
	case made && seen.isDir && noted.Tree == want:
		return Heal
	case made && seen.isDir:
		return Replace
	case t.opt.Force && seen.replaceable:
		return Replace
	default:
		return Blocked
	}
}

package materialize

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
)

// swap renames a stage to its version, and removes what stood there.
func (r *run) swap(ctx context.Context, s *stage) error {
	if s.placed { // when it was moved out of the store
		return nil
	}
	parent, err := r.nameDir(s.step.Want, false)
	if err != nil {
		return fmt.Errorf("place %s: %w", s.step.Dir, err)
	}
	defer parent.close()
	if err := r.swapIn(ctx, parent, s); err != nil {
		var occupied *OccupiedError
		if errors.As(err, &occupied) {
			return err
		}
		return fmt.Errorf("place %s: %w", s.step.Dir, err)
	}
	if s.placed {
		r.announce(s.step)
	}
	if s.waiting { // under its name stands the old version now, or this one came too late
		r.discardIn(parent, s)
	}
	return nil
}

// swapTries bounds how often neighbours may be quicker.
const swapTries = 10

func (r *run) swapIn(ctx context.Context, parent *dir, s *stage) error {
	version := s.step.Want.Version.String()
	replace := s.step.Action != Place
	for try := 1; ; try++ {
		if replace {
			err := r.exchange(parent, s, version)
			if err == nil || !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrExist) || try == swapTries {
				return err
			}
			replace = errors.Is(err, fs.ErrExist)
			continue
		}
		err := parent.rename(s.name, version)
		if err == nil {
			s.waiting, s.placed = false, true
			return nil
		}
		if !errors.Is(err, fs.ErrExist) || try == swapTries {
			return err
		}
		// A neighbour was quicker. If it placed the same, all is well; if it may be replaced, it is.
		now := *s.step
		if err := r.decide(ctx, r.root, &now); err != nil {
			return err
		}
		switch now.Action {
		case Keep, Adopt:
			return nil
		case Blocked:
			return r.occupied(&now)
		}
		replace = now.Action != Place
	}
}

// exchange puts the stage in the place of what stands there, in one step where the system can.
func (r *run) exchange(parent *dir, s *stage, version string) error {
	err := parent.exchange(s.name, version)
	if err == nil {
		s.placed = true // and what stood there waits under the stage's name to be removed
		return nil
	}
	if !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	old := r.tempName()
	if err := parent.rename(version, old); err != nil {
		return err
	}
	err = parent.rename(s.name, version)
	if err != nil && !errors.Is(err, fs.ErrExist) {
		if back := parent.rename(old, version); back == nil {
			return err
		}
	}
	if err == nil {
		s.waiting, s.placed = false, true
	}
	r.remove(parent, old)
	return err
}

// discard removes what stands under a stage's name.
func (r *run) discard(s *stage) {
	parent, err := r.nameDir(s.step.Want, false)
	if err != nil {
		r.leftovers.Store(true)
		return
	}
	defer parent.close()
	r.discardIn(parent, s)
}

func (r *run) discardIn(parent *dir, s *stage) {
	s.waiting = false
	r.remove(parent, s.name)
}

// remove removes a staging directory. That it cannot be removed spoils nothing: it is swept later.
func (r *run) remove(parent *dir, name string) (removed bool) {
	err := parent.removeAll(name)
	if err != nil {
		r.leftovers.Store(true)
		r.warn("an older version cannot be removed", err)
	}
	return err == nil
}

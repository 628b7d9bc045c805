package materialize

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"runtime"
	"sync/atomic"

	"github.com/openpackage/opkg/cas"
	"github.com/openpackage/opkg/ident"
	"github.com/openpackage/opkg/internal/event"
	"github.com/openpackage/opkg/internal/parallel"
)

// Target is one registry directory: OPKG_HOME/registry.
type Target struct {
	dir   string
	store *cas.Store
	opt   Options
	step  stepFunc             // for tests: called before everything that changes the disk
	seq   atomic.Uint64        // of staging directories
	modes atomic.Pointer[bool] // whether the file system keeps modes; nil until that is known
}

// Options of New.
type Options struct {
	Force    bool   // replace directories that opkg did not make
	Thorough bool   // trust no stat: read all content
	Ready    func() // waits until version directories may appear; nil: they may at once
	Observer event.Observer
}

// New describes the target; nothing is touched yet.
func New(dir string, store *cas.Store, opt Options) *Target {
	return &Target{dir: dir, store: store, opt: opt}
}

// Want is one version directory that a lock asks for.
type Want struct {
	Name    ident.Name
	Version ident.Version
	Tree    ident.TreeID
}

// Action is what Apply will do with one version directory.
type Action uint8

// The actions.
const (
	Keep    Action = iota + 1 // stands and matches
	Adopt                     // stands and matches by content, not made by opkg: recorded
	Place                     // not there
	Heal                      // made by opkg, and changed since: replaced whole
	Replace                   // made by opkg for another lock, or by others and Force: replaced whole
	Blocked                   // not made by opkg, and different
)

// Step is one line of a plan.
type Step struct {
	Want   Want
	Dir    string // absolute
	Action Action
	Reason string // "", or what was seen: "rules/a.md: size 12, expected 10"

	doubted bool // Keep: its content was compared, since the system was restarted
	foreign bool // Keep, Adopt: it is not as opkg makes them, and was made by others
}

// needsTree reports whether Apply takes the step's files out of the store.
func (s *Step) needsTree() bool {
	return s.Action == Place || s.Action == Heal || s.Action == Replace
}

// Plan says what Apply will do, sorted by name and version.
type Plan struct{ Steps []Step }

// Result counts what Apply did, and the files of the directories it made.
type Result struct {
	Kept, Adopted, Placed, Healed int // version directories; Placed includes Replace
	Files, Linked, Copied, Cloned int
}

// OccupiedError is a version directory that opkg did not make and that differs.
type OccupiedError struct {
	Dir     string
	Name    ident.Name
	Version ident.Version
	Reason  string

	forced bool // --force was given, and does not help
}

func (e *OccupiedError) Error() string {
	return fmt.Sprintf("%s@%s: %s is there, was not made by opkg, and differs: %s", e.Name, e.Version, e.Dir, e.Reason)
}

// Hint says what to do.
func (e *OccupiedError) Hint() string {
	if e.forced {
		return "move it out of the way by hand, or give this workspace an OPKG_HOME of its own"
	}
	return "replace it with --force, or give this workspace an OPKG_HOME of its own"
}

func (t *Target) occupied(s *Step) error {
	return &OccupiedError{Dir: s.Dir, Name: s.Want.Name, Version: s.Want.Version, Reason: s.Reason, forced: t.opt.Force}
}

// LostError is a tree or a blob that went missing from the store, or was found damaged or not to be read, after Plan.
type LostError struct {
	Name    ident.Name
	Version ident.Version
	Path    string // within the package; "" for its listing
	Err     error
}

func (e *LostError) Error() string {
	switch {
	case e.Path == "" && !errors.Is(e.Err, fs.ErrNotExist):
		return fmt.Sprintf("%s@%s: its listing cannot be read: %v", e.Name, e.Version, e.Err)
	case e.Path == "":
		return fmt.Sprintf("%s@%s: its listing is not in the store", e.Name, e.Version)
	}
	return fmt.Sprintf("%s@%s: %q is damaged or missing in the store", e.Name, e.Version, e.Path)
}

func (e *LostError) Unwrap() error { return e.Err }

// Hint says what to do.
func (e *LostError) Hint() string { return "run opkg sync again: it fetches what is missing" }

func (t *Target) versionDir(w Want) string {
	return filepath.Join(t.dir, filepath.FromSlash(string(w.Name)), w.Version.String())
}

// each calls f for 0 to n-1 from the goroutines that stat, link and rename: more than a few only wait for one another in the kernel. See parallel.Each.
func each(ctx context.Context, n int, f func(ctx context.Context, i int) error) error {
	return parallel.Each(ctx, min(runtime.GOMAXPROCS(0), 4), n, f)
}

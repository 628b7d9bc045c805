package materialize

import (
	"context"

	"github.com/openpackage/opkg/cas"
	"github.com/openpackage/opkg/ident"
	"github.com/openpackage/opkg/internal/event"
)

// Target is one registry directory: OPKG_HOME/registry.
type Target struct{}

// Options of New.
type Options struct {
	Force    bool // replace directories that opkg did not make
	Observer event.Observer
}

// New describes the target; nothing is touched yet.
func New(dir string, store *cas.Store, opt Options) *Target { panic("stub") }

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
	Replace                   // made by opkg for another lock: replaced whole
	Blocked                   // not made by opkg, and different
)

// Step is one line of a plan.
type Step struct {
	Want   Want
	Dir    string // absolute
	Action Action
	Reason string // "", or what was seen: "rules/a.md: size 12, expected 10"
}

// Plan says what Apply will do, sorted by name.
type Plan struct{ Steps []Step }

// Plan looks at the target: one stat a locked file, a re-hash where a stat betrays a change.
func (t *Target) Plan(ctx context.Context, wants []Want) (*Plan, error) { panic("stub") }

// Result counts what Apply did.
type Result struct {
	Kept, Placed, Healed          int
	Files, Linked, Copied, Cloned int
}

// Apply makes the target equal the plan. Every tree must be in the store. Blocked steps are an error before
// anything is changed.
func (t *Target) Apply(ctx context.Context, p *Plan) (*Result, error) { panic("stub") }

// OccupiedError is a version directory that opkg did not make and that differs.
type OccupiedError struct {
	Dir    string
	Name   ident.Name
	Reason string
}

func (e *OccupiedError) Error() string { panic("stub") }

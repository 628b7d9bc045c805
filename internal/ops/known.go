package ops

import (
	"errors"
	"slices"

	"github.com/openpackage/opkg/ident"
	"github.com/openpackage/opkg/internal/nearest"
	"github.com/openpackage/opkg/sources"
)

// Known are names and aliases that this machine knows of without asking anybody: for completion, and for guesses at what a
// misspelt name was meant to be. All are sorted.
type Known struct {
	Required []ident.Name // by the manifest
	Locked   []ident.Name
	Seen     []ident.Name // in registries that are directories, or were asked for before
	Aliases  []string
}

// Known gathers what can be read without an error; the rest is left out.
func (w *World) Known() Known {
	ws, err := w.open()
	if err != nil {
		return Known{}
	}
	return ws.known()
}

func (ws *Workspace) known() (k Known) {
	for _, r := range ws.Requires() {
		k.Required = append(k.Required, r.Name)
	}
	if l, _, err := ws.ReadLock(); err == nil {
		for _, p := range l.Packages {
			k.Locked = append(k.Locked, p.Name)
		}
	}
	for _, reg := range ws.Config.Registries {
		k.Aliases = append(k.Aliases, reg.Alias)
		if reg.Source.Kind() == ident.Directory {
			names, _ := packageDirs(reg.Dir)
			k.Seen = append(k.Seen, names...)
			continue
		}
		k.Seen = append(k.Seen, sources.CachedNames(ws.world.CacheDir(), reg.Source)...)
	}
	slices.Sort(k.Seen)
	k.Seen = slices.Compact(k.Seen)
	slices.Sort(k.Aliases)
	return k
}

// suggest adds to a *sources.NotFoundError the known name that was perhaps meant.
func (ws *Workspace) suggest(err error) error {
	var missing *sources.NotFoundError
	if !errors.As(err, &missing) || !missing.Version.IsZero() {
		return err
	}
	k := ws.known()
	var choices []string
	for _, n := range slices.Concat(k.Seen, k.Locked, k.Required) {
		if n != missing.Name {
			choices = append(choices, string(n))
		}
	}
	with := *missing // the Router keeps its own
	with.Near = ident.Name(nearest.Word(string(missing.Name), choices))
	return &with
}

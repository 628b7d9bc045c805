package ops

import (
	"path/filepath"
	"time"

	"github.com/openpackage/opkg/cas"
	"github.com/openpackage/opkg/internal/event"
)

// World is the machine as an operation may see it.
type World struct {
	Dir      string              // absolute: where the search for a workspace starts
	Home     string              // absolute: the user's home directory, "" when there is none
	OPKGHome string              // absolute: ~/.openpackage, or OPKG_HOME
	Env      func(string) string // the environment
	Environ  []string            // the same as NAME=value: what programs that are run inherit
	CI       bool                // nobody watches: sync acts as with --locked
	Offline  bool                // no request leaves this machine
	Observer event.Observer      // told of progress and warnings
	Now      func() time.Time    // the clock: for caches and Retry-After, never for a lock
	Agent    string              // User-Agent of requests
}

// RegistryDir is where version directories appear.
func (w *World) RegistryDir() string { return filepath.Join(w.OPKGHome, "registry") }

// StoreDir is the content-addressed store.
func (w *World) StoreDir() string { return filepath.Join(w.OPKGHome, "store", "v1") }

// CacheDir is safe to delete at any time.
func (w *World) CacheDir() string { return filepath.Join(w.OPKGHome, "cache") }

// MirrorDir holds the mirrors of git repositories. (cache/git is the OpenPackage client's.)
func (w *World) MirrorDir() string { return filepath.Join(w.CacheDir(), "mirrors") }

// ConfigFile is the user's own config.yml.
func (w *World) ConfigFile() string { return filepath.Join(w.OPKGHome, "config.yml") }

// CredentialsFile holds the secrets that opkg login was given.
func (w *World) CredentialsFile() string { return filepath.Join(w.OPKGHome, "credentials.yml") }

// warn tells the observer of something the user ought to know.
func (w *World) warn(text, hint string) {
	w.Observer.Emit(event.Event{Kind: event.Warning, Text: text, Hint: hint})
}

// openStore opens the store, which need not exist yet.
func (w *World) openStore() (*cas.Store, error) {
	return cas.Open(w.StoreDir(), cas.Options{Observer: w.Observer, Boot: cas.SystemBoot})
}

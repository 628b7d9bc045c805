package ops

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/openpackage/opkg/ident"
	"github.com/openpackage/opkg/lock"
)

// Listed is one package of the lock, as List shows it.
type Listed struct {
	Package lock.Package
	Direct  bool   // the manifest asks for it
	Dir     string // where it stands, or would stand
	Placed  bool   // the directory is there
}

// List returns the packages of the lock and whether each stands on this machine. It makes no
// request and hashes nothing: opkg sync compares, opkg verify audits.
func (w *World) List() ([]Listed, error) {
	ws, err := w.Open()
	if err != nil {
		return nil, err
	}
	l, err := ws.lockToShow()
	if err != nil {
		return nil, err
	}
	direct := map[string]bool{}
	for _, r := range l.Requires {
		direct[string(r.Name)] = true
	}
	out := make([]Listed, len(l.Packages))
	for i, p := range l.Packages {
		dir := filepath.Join(w.RegistryDir(), filepath.FromSlash(string(p.Name)), p.Version.String())
		if p.Path != "" {
			dir = filepath.Join(ws.Root, filepath.FromSlash(p.Path))
		}
		fi, err := os.Lstat(dir)
		out[i] = Listed{Package: p, Direct: direct[string(p.Name)], Dir: dir, Placed: err == nil && fi.IsDir()}
	}
	return out, nil
}

// lockToShow reads the lock for who only looks at it. Where it is not what the manifest asks for, the observer is told so.
func (ws *Workspace) lockToShow() (*lock.Lock, error) {
	l, _, err := ws.ReadLock()
	if err != nil {
		return nil, err
	}
	var stale *lock.StaleError
	if errors.As(ws.checkFresh(l), &stale) {
		ws.world.warn(stale.Error(), stale.Hint())
	}
	return l, nil
}

// Where finds the locked version of one package on this machine. The error is a *NotLockedError, or a *NotInstalledError where it does not
// stand there.
func (w *World) Where(name ident.Name) (Listed, error) {
	listed, err := w.List()
	if err != nil {
		return Listed{}, err
	}
	l := &lock.Lock{}
	for _, p := range listed {
		switch {
		case p.Package.Name != name:
			l.Packages = append(l.Packages, p.Package)
		case !p.Placed:
			return p, &NotInstalledError{Name: name, Version: p.Package.Version, Dir: p.Dir}
		default:
			return p, nil
		}
	}
	return Listed{}, notLocked(l, name)
}

// NotInstalledError is a locked package that does not stand on this machine.
type NotInstalledError struct {
	Name    ident.Name
	Version ident.Version
	Dir     string
}

func (e *NotInstalledError) Error() string {
	return fmt.Sprintf("%s@%s is not installed: there is no %s", e.Name, e.Version, e.Dir)
}

// Hint says what to do.
func (e *NotInstalledError) Hint() string { return "run opkg sync" }

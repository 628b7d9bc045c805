package ops

import (
	"bytes"
	"context"
	"fmt"
	"strings"

	"github.com/openpackage/opkg/ident"
	"github.com/openpackage/opkg/internal/atomicfile"
	"github.com/openpackage/opkg/manifest"
	"github.com/openpackage/opkg/registry"
)

// Spec is one package as a command line names it: [ALIAS/]NAME[@RANGE].
type Spec struct {
	Alias    string
	Name     ident.Name
	Range    ident.Range
	HasRange bool
}

// SpecError says why an argument names no package.
type SpecError struct {
	Input string
	Err   error
}

func (e *SpecError) Error() string { return fmt.Sprintf("%q: %v", e.Input, e.Err) }
func (e *SpecError) Unwrap() error { return e.Err }

// Hint shows the form.
func (e *SpecError) Hint() string {
	return "write NAME, NAME@RANGE or ALIAS/NAME@RANGE, such as myorg/my-pkg@^1.0.0 or @scope/rules"
}

// ParseSpec reads [ALIAS/]NAME[@RANGE]. "myorg/my-pkg" is my-pkg of the registry called myorg;
// "@scope/name" is a scoped name, and "myorg/@scope/name" one of that registry. The error is a *SpecError.
func ParseSpec(s string) (Spec, error) {
	var spec Spec
	rest := s
	if alias, after, ok := strings.Cut(rest, "/"); ok && !strings.HasPrefix(rest, "@") {
		if !ident.IsAlias(alias) {
			return spec, &SpecError{Input: s, Err: fmt.Errorf("%q cannot be the alias of a registry", alias)}
		}
		spec.Alias, rest = alias, after
	}
	name, rng := rest, ""
	if i := strings.LastIndex(rest, "@"); i > 0 {
		name, rng = rest[:i], rest[i+1:]
		spec.HasRange = true
	}
	var err error
	if spec.Name, err = ident.ParseName(name); err != nil {
		return spec, &SpecError{Input: s, Err: err}
	}
	if spec.HasRange {
		if spec.Range, err = ident.ParseRange(rng); err != nil {
			return spec, &SpecError{Input: s, Err: err}
		}
	}
	return spec, nil
}

// AddOptions say how Add goes about it.
type AddOptions struct {
	Dev    bool
	NoLock bool // edit the manifest alone
	NoSync bool // edit and lock
	Sync   SyncOptions

	removes bool // what stands in the way may be what is removed
}

// Added is one requirement as it was written.
type Added struct {
	Name  ident.Name
	Range string
	Alias string
}

// AddResult is what Add did.
type AddResult struct {
	Manifest string // path
	Written  bool   // manifest and lock say it now
	Added    []Added
	Lock     *LockResult
	Sync     *SyncResult
}

// Add puts requirements into the manifest, solves, and syncs. It is all or nothing: a manifest that does not solve is not
// written. When the sync fails, manifest and lock are written already, and the result says so beside the error.
func (w *World) Add(ctx context.Context, specs []Spec, opt AddOptions) (*AddResult, error) {
	return w.edit(ctx, opt, func(ws *Workspace, res *AddResult) ([]byte, error) {
		for _, s := range specs {
			if _, ok := ws.Config.ByAlias(s.Alias); s.Alias != "" && !ok {
				return nil, unknownAlias(ws.Config, s.Alias)
			}
		}
		var deps []manifest.Dependency
		for _, s := range specs {
			d := manifest.Dependency{Name: s.Name, Range: s.Range, HasRange: s.HasRange, Registry: s.Alias, Dev: opt.Dev}
			if !s.HasRange && (s.Alias != "" || !ws.hasNested(s.Name)) {
				r, err := ws.newest(ctx, s)
				if err != nil {
					return nil, err
				}
				d.Range, d.HasRange = r, true
			}
			deps = append(deps, d)
			res.Added = append(res.Added, Added{Name: s.Name, Range: d.Range.String(), Alias: s.Alias})
		}
		return manifest.Add(w.show(ws.ManifestPath), ws.ManifestData, deps...)
	})
}

// edit lets change rewrite the manifest, solves, writes both files, and syncs. Nobody else edits them meanwhile.
func (w *World) edit(ctx context.Context, opt AddOptions, change func(*Workspace, *AddResult) ([]byte, error)) (*AddResult, error) {
	root, _, err := w.findRoot()
	if err != nil {
		return nil, err
	}
	release, err := w.guard(ctx, root)
	if err != nil {
		return nil, err
	}
	next, res, err := w.editGuarded(ctx, opt, change)
	release()
	if err != nil || opt.NoLock || opt.NoSync {
		return res, err
	}
	if opt.Sync.DryRun {
		res.Sync = &SyncResult{Directory: w.RegistryDir()}
		return res, next.bring(ctx, res.Lock.Lock, opt.Sync, res.Sync)
	}
	res.Sync, err = next.sync(ctx, opt.Sync)
	return res, err
}

// editGuarded is edit without the sync. It solves for the edited manifest first, and writes it only if that works.
func (w *World) editGuarded(ctx context.Context, opt AddOptions, change func(*Workspace, *AddResult) ([]byte, error)) (*Workspace, *AddResult, error) {
	ws, err := w.Open()
	if err != nil {
		return nil, nil, err
	}
	res := &AddResult{Manifest: ws.ManifestPath}
	if err := ws.refuseGit(); err != nil && !opt.NoLock && !opt.removes {
		return nil, nil, err // before anything is asked
	}
	edited, err := change(ws, res)
	if err != nil {
		return nil, nil, err
	}
	next := *ws
	next.ManifestData = edited
	if next.Manifest, err = manifest.Parse(w.show(ws.ManifestPath), edited); err != nil {
		return nil, nil, err
	}
	if !opt.NoLock {
		if res.Lock, err = next.lock(ctx, LockOptions{DryRun: true}); err != nil {
			return nil, nil, err
		}
	}
	if opt.Sync.DryRun {
		return &next, res, nil
	}
	if err := ws.writeManifest(edited); err != nil {
		return nil, nil, err
	}
	res.Written = true
	if opt.NoLock {
		return &next, res, nil
	}
	if err := next.writeLock(res.Lock); err != nil {
		_ = next.writeManifest(ws.ManifestData) // one without the other is half of an edit
		return nil, nil, err
	}
	return &next, res, nil
}

// writeManifest replaces the manifest by data, unless somebody else did so since it was read.
func (ws *Workspace) writeManifest(data []byte) error {
	shown := ws.world.show(ws.ManifestPath)
	now, err := readUserFile(ws.ManifestPath)
	if err != nil {
		return err
	}
	if !bytes.Equal(now, ws.ManifestData) {
		return &EditedError{Path: shown}
	}
	if bytes.Equal(data, now) {
		return nil
	}
	if err := atomicfile.Write(ws.ManifestPath, data, 0o644); err != nil {
		return fmt.Errorf("write %s: %w", shown, err)
	}
	return nil
}

// EditedError is a manifest that was changed by somebody else while opkg was at work on it.
type EditedError struct{ Path string }

func (e *EditedError) Error() string {
	return e.Path + " was changed by somebody else meanwhile; nothing was written"
}

// Hint says what to do.
func (e *EditedError) Hint() string { return "run the command again" }

// newest is the range that add writes for a bare name: a caret before the newest stable
// version, or before the newest prerelease where there is nothing else.
func (ws *Workspace) newest(ctx context.Context, s Spec) (ident.Range, error) {
	pins := pinsOf(ws.Requires()) // a registry key that stands already holds for a bare name too
	if s.Alias != "" {
		pins[s.Name] = s.Alias
	}
	router, err := ws.routerWith(pins, true)
	if err != nil {
		return ident.Range{}, err
	}
	a, err := router.Owner(ctx, s.Name)
	if err != nil {
		return ident.Range{}, err
	}
	best := pickNewest(a.Index.Releases)
	if best == nil {
		return ident.Range{}, fmt.Errorf("%s: %s has no version that is not yanked", s.Name, a.Source.ID())
	}
	return ident.ParseRange(ident.Caret(best.Version))
}

// pickNewest is the highest stable release that is not yanked, else the highest of all such.
func pickNewest(releases []registry.Release) *registry.Release {
	var stable, any *registry.Release
	for i := range releases {
		r := &releases[i]
		if r.Yanked {
			continue
		}
		if any == nil || r.Version.Compare(any.Version) > 0 {
			any = r
		}
		if r.Version.Prerelease() == "" && (stable == nil || r.Version.Compare(stable.Version) > 0) {
			stable = r
		}
	}
	if stable != nil {
		return stable
	}
	return any
}

// Remove takes names out of the manifest, solves, and syncs. All or nothing, like Add.
func (w *World) Remove(ctx context.Context, names []ident.Name, opt AddOptions) (*AddResult, error) {
	opt.removes = true
	return w.edit(ctx, opt, func(ws *Workspace, _ *AddResult) ([]byte, error) {
		file := w.show(ws.ManifestPath)
		edited, missing, err := manifest.Remove(file, ws.ManifestData, names...)
		if err == nil && len(missing) > 0 {
			err = &NotRequiredError{File: file, Names: missing}
		}
		return edited, err
	})
}

// NotRequiredError says that the manifest does not ask for a name.
type NotRequiredError struct {
	File  string
	Names []ident.Name
}

func (e *NotRequiredError) Error() string {
	names := make([]string, len(e.Names))
	for i, n := range e.Names {
		names[i] = string(n)
	}
	return fmt.Sprintf("%s does not ask for %s", e.File, strings.Join(names, ", "))
}

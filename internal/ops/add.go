package ops

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/openpackage/opkg/ident"
	"github.com/openpackage/opkg/internal/atomicfile"
	"github.com/openpackage/opkg/internal/nearest"
	"github.com/openpackage/opkg/internal/parallel"
	"github.com/openpackage/opkg/manifest"
	"github.com/openpackage/opkg/registry"
	"github.com/openpackage/opkg/sources"
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
	Input    string
	Err      error
	HintText string // "": the form that ParseSpec reads
}

func (e *SpecError) Error() string {
	if text := e.Err.Error(); strings.HasPrefix(text, strconv.Quote(e.Input)) {
		return text
	}
	return fmt.Sprintf("%q: %v", e.Input, e.Err)
}
func (e *SpecError) Unwrap() error { return e.Err }

// Hint shows the form.
func (e *SpecError) Hint() string {
	if e.HintText != "" {
		return e.HintText
	}
	return "write NAME, NAME@RANGE or ALIAS/NAME@RANGE, such as myorg/my-pkg@^1.0.0 or @scope/rules"
}

// ParseName reads a name where it stands alone, without an alias or a range. The error is a *SpecError.
func ParseName(s string) (ident.Name, error) {
	name, err := ident.ParseName(s)
	if err != nil {
		return "", &SpecError{Input: s, Err: err, HintText: "write NAME alone, such as my-pkg or @scope/rules"}
	}
	return name, nil
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
	Path   string // a directory that holds the one package to add; relative to World.Dir, or absolute
	NoLock bool   // edit the manifest alone
	NoSync bool   // edit and lock
	Sync   SyncOptions

	relock  LockOptions // what to forget of the lock
	removes bool        // what stands in the way may be what is removed
}

// Added is one requirement as it was written.
type Added struct {
	Name  ident.Name
	Range string // "" for a ref
	Alias string
	Git   string // the repository, where it is not from a registry
	Ref   string
	Base  string
}

// AddResult is what Add did.
type AddResult struct {
	Manifest string // path
	Written  bool   // manifest and lock say it now
	Added    []Added
	Removed  []Added // as the manifest asked for them
	Edited   bool    // the manifest says something else than before
	Lock     *LockResult
	Sync     *SyncResult
}

// Add puts requirements into the manifest, solves, and syncs. It is all or nothing: a manifest that does not solve is not
// written. When the sync fails, manifest and lock are written already, and the result says so beside the error.
func (w *World) Add(ctx context.Context, specs []Spec, opt AddOptions) (*AddResult, error) {
	return w.edit(ctx, opt, func(ws *Workspace, res *AddResult) ([]byte, error) {
		for i, s := range specs {
			if _, ok := ws.Config.ByAlias(s.Alias); s.Alias != "" && !ok {
				otherwise := ""
				if _, err := ident.ParseName("@" + s.Alias + "/x"); err == nil {
					otherwise = fmt.Sprintf("a scoped name begins with @, such as @%s/…", s.Alias)
				}
				return nil, unknownAlias(ws.Config, s.Alias, otherwise)
			}
			if slices.ContainsFunc(specs[:i], func(o Spec) bool { return o.Name == s.Name }) {
				return nil, &SpecError{Input: string(s.Name), Err: errors.New("it is named twice")}
			}
		}
		var deps []manifest.Dependency
		if opt.Path != "" {
			d, err := ws.localDependency(opt.Path, specs)
			if err != nil {
				return nil, err
			}
			d.Dev = opt.Dev
			deps, specs = append(deps, d), nil
			res.Added = append(res.Added, Added{Name: d.Name, Range: cmp.Or(d.Path, nestedPath(d.Name))})
		}
		elsewhere := func(s Spec) bool { return s.Alias == "" && ws.hasNested(s.Name) || opt.NoLock && s.HasRange }
		owners, err := ws.owners(ctx, slices.DeleteFunc(slices.Clone(specs), elsewhere)) // also what has a range: for the lock
		if err != nil {
			return nil, err
		}
		for _, s := range specs {
			d := manifest.Dependency{Name: s.Name, Range: s.Range, HasRange: s.HasRange, Registry: s.Alias, Dev: opt.Dev}
			if owner := owners[s.Name]; owner != nil && !s.HasRange { // a caret before the newest
				v, err := newest(s.Name, owner)
				if err != nil {
					return nil, err
				}
				if d.Range, err = ident.ParseRange(ident.Caret(v)); err != nil {
					return nil, err
				}
				d.HasRange = true
			}
			deps = append(deps, d)
			res.Added = append(res.Added, Added{Name: s.Name, Range: d.Range.String(), Alias: s.Alias})
		}
		return manifest.Add(w.show(ws.ManifestPath), ws.ManifestData, deps...)
	})
}

// localDependency is the requirement for the package in dir, which bears the name of the one spec, if there is one.
func (ws *Workspace) localDependency(dir string, specs []Spec) (manifest.Dependency, error) {
	if !filepath.IsAbs(dir) {
		dir = filepath.Join(ws.world.Dir, dir)
	}
	file := filepath.Join(dir, ManifestName)
	data, err := readCommitted(dir, file)
	if err != nil {
		return manifest.Dependency{}, &PackageError{Path: ws.world.show(dir), Reason: "it holds no package: " + reason(err), HintText: "name a directory that has an " + ManifestName + ", or make a package with opkg new DIR"}
	}
	m, err := manifest.ParsePackage(ws.world.show(file), data)
	if err != nil {
		return manifest.Dependency{}, err
	}
	if len(specs) == 1 && specs[0].Name != m.Name {
		return manifest.Dependency{}, &FileError{Path: ws.world.show(file), Reason: fmt.Sprintf("it names itself %s, not %s", m.Name, specs[0].Name)}
	}
	rel, err := filepath.Rel(ws.Root, dir)
	if err != nil {
		return manifest.Dependency{}, &FileError{Path: dir, Reason: "it is on another volume than the workspace"}
	}
	rel = filepath.ToSlash(rel)
	d := manifest.Dependency{Name: m.Name, Path: rel}
	switch {
	case rel == ".":
		return d, &FileError{Path: ws.world.show(dir), Reason: "it is the workspace itself"}
	case rel == nestedPath(m.Name):
		d.Path = "" // found by its name
	case !strings.HasPrefix(rel, "../"):
		d.Path = "./" + rel
	}
	return d, nil
}

// reason is an error of a file without the path, which the message names already.
func reason(err error) string {
	var at *fs.PathError
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "there is no " + ManifestName
	case errors.As(err, &at):
		return at.Err.Error()
	}
	return err.Error()
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
	edited, err := change(ws, res)
	if err != nil {
		return nil, nil, err
	}
	res.Edited = !bytes.Equal(edited, ws.ManifestData)
	next := *ws
	next.ManifestData = edited
	if next.Manifest, err = manifest.Parse(w.show(ws.ManifestPath), edited); err != nil {
		return nil, nil, err
	}
	keepPlaces(next.Manifest, ws.Manifest)
	if !opt.NoLock {
		opt.relock.DryRun = true
		if res.Lock, err = next.lock(ctx, opt.relock); err != nil {
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

// keepPlaces gives what an edited manifest asks for the places in the file as it still stands, for messages: what the file does not ask
// for yet has none.
func keepPlaces(edited, file *manifest.Manifest) {
	standing := map[string]manifest.Position{}
	key := func(d manifest.Dependency) string {
		return fmt.Sprintf("%s\n%s\n%s\n%s\n%s\n%s\n%s\n%t", d.Name, d.Range, d.Registry, d.Git, d.Ref, d.Base, d.Path, d.Dev)
	}
	for _, d := range slices.Concat(file.Dependencies, file.DevDependencies) {
		standing[key(d)] = d.Pos
	}
	for _, list := range [][]manifest.Dependency{edited.Dependencies, edited.DevDependencies} {
		for i := range list {
			list[i].Pos = standing[key(list[i])]
		}
	}
	for i := range edited.Overrides { // no edit changes these
		edited.Overrides[i].Pos = file.Overrides[i].Pos
	}
}

// writeManifest replaces the manifest by data, unless somebody else did so since it was read.
func (ws *Workspace) writeManifest(data []byte) error {
	shown := ws.world.show(ws.ManifestPath)
	now, err := readCommitted(ws.Root, ws.ManifestPath)
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

// owners asks the registries of all specs at once, as they stand now. A lock that follows does not ask for them again. The error is the first in the
// order of specs.
func (ws *Workspace) owners(ctx context.Context, specs []Spec) (map[ident.Name]*sources.Answer, error) {
	pins := pinsOf(ws.Requires()) // a registry key that stands already holds for a bare name too
	for _, s := range specs {
		if s.Alias != "" {
			pins[s.Name] = s.Alias
		}
	}
	router, err := ws.routerWith(pins, true)
	if err != nil {
		return nil, err
	}
	answers, errs := make([]*sources.Answer, len(specs)), make([]error, len(specs))
	err = parallel.Each(ctx, askParallel, len(specs), func(ctx context.Context, i int) error {
		answers[i], errs[i] = router.Owner(ctx, specs[i].Name)
		return nil
	})
	owners := make(map[ident.Name]*sources.Answer, len(specs))
	for i, s := range specs {
		if errs[i] != nil {
			return nil, ws.suggest(errs[i])
		}
		owners[s.Name] = answers[i]
	}
	return owners, err
}

// newest is the newest version that is not yanked, and stable where there is one. The error is an *AllYankedError.
func newest(name ident.Name, of *sources.Answer) (ident.Version, error) {
	if r := pickNewest(of.Index.Releases); r != nil {
		return r.Version, nil
	}
	return ident.Version{}, &AllYankedError{Name: name, Source: of.Source.ID()}
}

// AllYankedError says that a registry has no version of a package that is not yanked.
type AllYankedError struct {
	Name   ident.Name
	Source ident.SourceID
}

func (e *AllYankedError) Error() string {
	return fmt.Sprintf("%s: all its versions in %s are yanked", e.Name, e.Source)
}

// Hint says where the reasons stand.
func (e *AllYankedError) Hint() string {
	return fmt.Sprintf("opkg info %s says why; opkg add %s@VERSION takes one all the same", e.Name, e.Name)
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
	return w.edit(ctx, opt, func(ws *Workspace, res *AddResult) ([]byte, error) {
		file := w.show(ws.ManifestPath)
		edited, missing, err := manifest.Remove(file, ws.ManifestData, names...)
		if err == nil && len(missing) > 0 {
			err = ws.notRequired(missing...)
		}
		for _, r := range ws.Requires() {
			if slices.Contains(names, r.Name) {
				res.Removed = append(res.Removed, Added{Name: r.Name, Range: cmp.Or(r.Path, r.Range), Alias: r.Registry, Git: r.Git, Ref: r.Ref, Base: r.Base})
			}
		}
		return edited, err
	})
}

// NotRequiredError says that the manifest does not ask for a name.
type NotRequiredError struct {
	File   string
	Names  []ident.Name
	Asked  []ident.Name // what it does ask for
	Locked []ident.Name
}

// notRequired is the *NotRequiredError of names.
func (ws *Workspace) notRequired(names ...ident.Name) error {
	k := ws.known()
	return &NotRequiredError{File: ws.world.show(ws.ManifestPath), Names: names, Asked: k.Required, Locked: k.Locked}
}

func (e *NotRequiredError) Error() string {
	names := make([]string, len(e.Names))
	for i, n := range e.Names {
		names[i] = string(n)
	}
	return fmt.Sprintf("%s does not ask for %s", e.File, strings.Join(names, ", "))
}

// Hint says what was perhaps meant, or why the package is there nevertheless.
func (e *NotRequiredError) Hint() string {
	name := e.Names[0]
	var asked []string
	for _, n := range e.Asked {
		asked = append(asked, string(n))
	}
	near := nearest.Word(string(name), asked)
	switch {
	case near != "":
		return fmt.Sprintf("did you mean %s?", near)
	case slices.Contains(e.Locked, name):
		return fmt.Sprintf("other packages need it: opkg why %s says which", name)
	}
	return "opkg list shows what is locked"
}

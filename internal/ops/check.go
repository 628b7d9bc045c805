package ops

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/openpackage/opkg/cas"
	"github.com/openpackage/opkg/ident"
	"github.com/openpackage/opkg/internal/archive"
	"github.com/openpackage/opkg/internal/auth"
	"github.com/openpackage/opkg/manifest"
	"github.com/openpackage/opkg/registry"
	"github.com/openpackage/opkg/sources"
)

// checkParallel is how many packages are looked at at once.
const checkParallel = 8

// CheckOptions of CheckRegistry.
type CheckOptions struct {
	Target string       // an alias, a URL or a directory
	Names  []ident.Name // look at these alone; nil: at all that the registry has
	Closed bool         // what a package needs and the registry does not have is an error: it stands alone
}

// FaultSeverity says how bad a RegistryFault is.
type FaultSeverity uint8

// A Warning is something that somebody ought to look at; an Error something that breaks an installation.
const (
	CheckWarning FaultSeverity = iota + 1
	CheckError
)

func (s FaultSeverity) String() string {
	if s == CheckError {
		return "error"
	}
	return "warning"
}

// RegistryFault is one thing that CheckRegistry found wrong, or odd.
type RegistryFault struct {
	Severity FaultSeverity
	Kind     string // index, bundle, archive, orphan, stray, dangling, unsolvable, collision
	Name     ident.Name
	Version  ident.Version // zero: the package as a whole
	Text     string        // one line
}

// CheckResult is what CheckRegistry found.
type CheckResult struct {
	Registry string // for messages
	Packages int
	Versions int
	Findings []RegistryFault // sorted
}

// Errors counts the problems that are no warnings.
func (r *CheckResult) Errors() int {
	n := 0
	for _, p := range r.Findings {
		if p.Severity == CheckError {
			n++
		}
	}
	return n
}

// FaultyRegistryError says that a registry has faults, which were listed.
type FaultyRegistryError struct {
	Registry string
	Faults   int
}

func (e *FaultyRegistryError) Error() string {
	if e.Faults == 1 {
		return e.Registry + " has 1 fault"
	}
	return fmt.Sprintf("%s has %d faults", e.Registry, e.Faults)
}

// CheckRegistry audits a registry: each index, each archive that one names, and whether packages can be solved from it. It reads every
// archive, whatever it looks like from outside. A registry that cannot be reached or listed is an error; what is wrong with it is not.
func (w *World) CheckRegistry(ctx context.Context, opt CheckOptions) (*CheckResult, error) {
	reg, cfg, err := w.readTarget(opt.Target)
	if err != nil {
		return nil, err
	}
	src, err := w.openRegistry(cfg, reg)
	if err != nil {
		return nil, err
	}
	c := &checker{src: src, opt: opt, result: CheckResult{Registry: shown(reg)}, releases: map[ident.Name][]registry.Release{}}
	names := opt.Names
	if reg.Source.Kind() == ident.Directory {
		if c.dir, err = openRegDir(reg.Dir); err != nil {
			return nil, err
		}
		defer c.dir.close()
		err = c.listDirectory(&names)
	} else if names == nil {
		names, err = listNames(ctx, src)
	}
	if err != nil {
		return nil, err
	}
	if err := c.checkAll(ctx, names); err != nil {
		return nil, err
	}
	c.result.Packages = len(c.releases)
	c.checkNames()
	if c.dir != nil {
		if fault := c.dir.checkBundle(); fault != nil {
			c.add(*fault)
		}
	}
	if err := c.checkGraph(ctx); err != nil {
		return nil, err
	}
	slices.SortFunc(c.result.Findings, func(a, b RegistryFault) int {
		return cmp.Or(cmp.Compare(b.Severity, a.Severity), cmp.Compare(a.Name, b.Name), a.Version.Compare(b.Version), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Text, b.Text))
	})
	return &c.result, nil
}

// listNames are the names of all packages that a registry says it has.
func listNames(ctx context.Context, src sources.Source) ([]ident.Name, error) {
	searcher, ok := src.(sources.Searcher)
	if !ok {
		return nil, &sources.NoSearchError{Source: src.ID()}
	}
	found, err := searcher.Search(ctx)
	if err != nil {
		return nil, err
	}
	names := make([]ident.Name, len(found.Entries))
	for i, e := range found.Entries {
		names[i] = e.Name
	}
	return names, nil
}

// checker is one run of CheckRegistry.
type checker struct {
	src      sources.Source
	dir      *regDir // nil: it is not a directory
	opt      CheckOptions
	result   CheckResult
	releases map[ident.Name][]registry.Release // of the indexes that could be read
}

func (c *checker) add(p ...RegistryFault) { c.result.Findings = append(c.result.Findings, p...) }

// listDirectory finds the packages of a directory, and what is none.
func (c *checker) listDirectory(names *[]ident.Name) error {
	all, strays, err := c.dir.names()
	if err != nil {
		return err
	}
	if *names == nil {
		*names = all
		for _, s := range strays {
			c.add(strayIn(s, c.dir.hasArchives(s), all))
		}
	}
	return nil
}

func strayIn(rel string, archives bool, names []ident.Name) RegistryFault {
	p := RegistryFault{Severity: CheckWarning, Kind: "stray", Text: rel + ": it belongs to no package"}
	if archives {
		p.Severity = CheckError
		_, err := ident.ParseName(strings.TrimPrefix(rel, "packages/"))
		p.Text = fmt.Sprintf("%s: it holds archives, and no package can have its name: %s", rel, oneLine(err))
	}
	lower := ident.Name(strings.ToLower(strings.TrimPrefix(rel, "packages/")))
	if slices.Contains(names, lower) {
		p.Severity, p.Kind, p.Text = CheckError, "collision", fmt.Sprintf("%s and packages/%s are one directory on some systems", rel, lower)
	}
	return p
}

// oneLine is an error in one line.
func oneLine(err error) string {
	if err == nil {
		return ""
	}
	lines := strings.Split(strings.TrimSpace(err.Error()), "\n")
	for i := range lines {
		lines[i] = strings.TrimSpace(lines[i])
	}
	return strings.ReplaceAll(strings.Join(lines, "; "), ":;", ":")
}

// stops reports whether an error is about the way to the registry, not about the registry.
func stops(ctx context.Context, err error) bool {
	var unavailable *sources.UnavailableError
	var refused *auth.Error
	return ctx.Err() != nil || errors.As(err, &unavailable) || errors.As(err, &refused)
}

// checkAll looks at each package, some at once.
func (c *checker) checkAll(ctx context.Context, names []ident.Name) error {
	type found struct {
		releases []registry.Release
		known    bool
		findings []RegistryFault
	}
	all := make([]found, len(names))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(checkParallel)
	for i, name := range names {
		g.Go(func() (err error) {
			f := &all[i]
			f.releases, f.known, f.findings, err = c.checkPackage(gctx, name)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	for i, f := range all {
		c.add(f.findings...)
		if f.known {
			c.releases[names[i]] = f.releases
			c.result.Versions += len(f.releases)
		}
	}
	return nil
}

// checkPackage reads one index and the archives that it names. known is false where no index could be read.
func (c *checker) checkPackage(ctx context.Context, name ident.Name) (releases []registry.Release, known bool, out []RegistryFault, err error) {
	ix, err := c.src.List(ctx, name)
	var missing *sources.NotFoundError
	switch {
	case errors.As(err, &missing) && c.dir != nil:
		return nil, false, c.orphans(name, nil), nil
	case errors.As(err, &missing):
		return nil, false, []RegistryFault{{CheckError, "index", name, ident.Version{}, fmt.Sprintf("%s: it is listed, and has no index", name)}}, nil
	case err != nil && stops(ctx, err):
		return nil, false, nil, err
	case err != nil:
		return nil, false, []RegistryFault{{CheckError, "index", name, ident.Version{}, oneLine(err)}}, nil
	}
	for _, r := range ix.Releases {
		err := c.checkRelease(ctx, name, r)
		if err != nil && stops(ctx, err) {
			return nil, false, nil, err
		}
		if err != nil {
			out = append(out, RegistryFault{CheckError, "archive", name, r.Version, oneLine(err)})
		}
	}
	if c.dir != nil {
		out = append(out, c.orphans(name, ix)...)
	}
	return ix.Releases, true, out, nil
}

// checkRelease fetches what an index names and holds it against the index.
func (c *checker) checkRelease(ctx context.Context, name ident.Name, r registry.Release) error {
	got, err := c.src.Open(ctx, sources.Ref{Name: name, Version: r.Version, Artifact: r.Artifact, Size: r.Size, SHA256: r.SHA256, Commit: r.Commit})
	if err != nil {
		return err
	}
	defer got.Close()
	label := fmt.Sprintf("%s@%s", name, r.Version)
	if got.Archive == nil {
		return checkTree(ctx, label, name, r, *got.Files)
	}
	a, err := cas.Inspect(ctx, label, got.Archive)
	if err != nil {
		return err
	}
	return sameRelease(name, r, a)
}

// sameRelease holds an archive against what an index says of it.
func sameRelease(name ident.Name, r registry.Release, a *cas.Artifact) error {
	differ := func(what, want, got string) error {
		return &ident.MismatchError{Name: name, Version: r.Version, What: what, Want: want + " (the index)", Got: got + " (the archive)"}
	}
	switch {
	case r.SHA256 != a.SHA256:
		return differ("sha256", r.SHA256.String(), a.SHA256.String())
	case r.Size != 0 && r.Size != a.Size:
		return differ("size", fmt.Sprint(r.Size), fmt.Sprint(a.Size))
	case a.Name != name:
		return differ("name in openpackage.yml", string(name), string(a.Name))
	case a.Version != r.Version:
		return differ("version in openpackage.yml", r.Version.String(), a.Version.String())
	case !r.Tree.IsZero() && r.Tree != a.Tree:
		return differ("tree", r.Tree.String(), a.Tree.String())
	case cas.DescribeDependencies(r.Dependencies) != cas.DescribeDependencies(a.Dependencies):
		return differ("list of dependencies", cas.DescribeDependencies(r.Dependencies), cas.DescribeDependencies(a.Dependencies))
	}
	return nil
}

// checkTree reads a version of a git registry, whose dependencies come from its own manifest.
func checkTree(ctx context.Context, label string, name ident.Name, r registry.Release, files archive.Files) error {
	p, err := archive.Collect(ctx, label, files)
	if err != nil {
		return err
	}
	defer p.Close()
	m, err := manifest.ParsePackage(label+"/"+ManifestName, p.Manifest())
	if err != nil {
		return err
	}
	switch {
	case m.Name != name:
		return &ident.MismatchError{Name: name, Version: r.Version, What: "name in openpackage.yml", Want: string(name), Got: string(m.Name)}
	case m.Version != r.Version:
		return &ident.MismatchError{Name: name, Version: r.Version, What: "version in openpackage.yml", Want: r.Version.String(), Got: versionOrZero(m.Version).String()}
	}
	return nil
}

// orphans are the files of a package's directory that its index does not name.
func (c *checker) orphans(name ident.Name, ix *registry.Index) (out []RegistryFault) {
	dir := path.Dir(registry.IndexPath(name))
	entries, err := fs.ReadDir(c.dir.root.FS(), dir)
	if err != nil {
		return []RegistryFault{{CheckError, "index", name, ident.Version{}, oneLine(err)}}
	}
	named := map[string]bool{registry.IndexPath(name): true}
	if ix != nil {
		for _, r := range ix.Releases {
			named[r.Artifact] = true
		}
	}
	for _, e := range entries {
		rel := dir + "/" + e.Name()
		switch {
		case named[rel], strings.HasPrefix(e.Name(), "."):
		case strings.HasSuffix(e.Name(), ".tgz"):
			out = append(out, RegistryFault{CheckWarning, "orphan", name, ident.Version{}, rel + ": no index names it; opkg registry index lists it, if it belongs there"})
		default:
			out = append(out, RegistryFault{CheckWarning, "stray", name, ident.Version{}, rel + ": it belongs to no package"})
		}
	}
	return out
}

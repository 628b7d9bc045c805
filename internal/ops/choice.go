package ops

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/openpackage/opkg/ident"
	"github.com/openpackage/opkg/lock"
	"github.com/openpackage/opkg/registry"
)

// Choice is why one version of a package is in the lock.
type Choice struct {
	Name    ident.Name
	Version ident.Version
	Owner   string   // the registry that answers, as "alias (source)"; "" for a directory, and where it is not known
	Path    string   // of a directory
	Rule    string   // why no other registry may answer; "" where the order decided
	Passed  []string // registries that come before Owner and do not have the name
	Hidden  []string // registries that come after it and have the name too: they are not asked

	Asks     []Ask  // what is asked of it, the manifest's own first
	Override string // the range that the manifest puts in place of all of these; or ""

	Unknown    error // why the candidates are not known; the rest is then empty
	Candidates int   // versions that the owner has
	Admitted   int   // of these, those that everything asked for admits and that are not yanked
	Decided    Decided
	Yanked     bool       // the owner warns of Version
	YankReason string     // or ""
	Higher     []Excluded // versions above Version, highest first
}

// Ask is one requirement of a package, and who has it.
type Ask struct{ By, Range string }

// Decided says what settled a version.
type Decided string

// What can settle a version.
const (
	ByDirectory Decided = "directory" // there is just the one
	ByOverride  Decided = "override"  // the manifest's
	ByNewest    Decided = "newest"    // there is no newer one
	ByLock      Decided = "locked"    // it was in the lock, and fits
	ByExclusion Decided = "excluded"  // every newer one is excluded
)

// Excluded is a version that was not chosen.
type Excluded struct {
	Version ident.Version
	Why     Exclusion
	Text    string // in a few words
}

// Exclusion is the kind of reason.
type Exclusion string

// The exclusions.
const (
	NotAsked   Exclusion = "requirement" // something that is asked for does not admit it
	WasYanked  Exclusion = "yanked"
	Overridden Exclusion = "override"   // the override does not admit it
	KeptLocked Exclusion = "locked"     // it fits, and the locked one is kept
	NeedsOther Exclusion = "dependency" // it depends on what was not chosen
	Conflict   Exclusion = "conflict"   // it fits, and leads to no solution, or to one in which more locked versions give way
)

// choices explains each package of a lock that was solved a moment ago. old is the lock before, or nil.
func (c *catalog) choices(ctx context.Context, l, old *lock.Lock, opt LockOptions) []Choice {
	g := newGraph(l)
	out := make([]Choice, len(l.Packages))
	var tasks errgroup.Group
	tasks.SetLimit(fetchParallel)
	for i := range l.Packages {
		tasks.Go(func() error {
			p := &l.Packages[i]
			out[i] = c.choice(ctx, g, p, true)
			was := find(old, p.Name)
			kept := was != nil && was.Version.Compare(p.Version) == 0 && !opt.Upgrade && !slices.Contains(opt.Names, p.Name)
			out[i].settle(kept)
			return nil
		})
	}
	_ = tasks.Wait() // what could not be asked stands in the choice
	return out
}

// choice gathers what is known of one package. With below, registries that are not asked otherwise are asked whether they have
// the name.
func (c *catalog) choice(ctx context.Context, g *Graph, p *lock.Package, below bool) Choice {
	ch := Choice{Name: p.Name, Version: p.Version, Path: p.Path, Override: g.Override(p.Name)}
	for _, e := range g.RequiredBy(p.Name) {
		ch.Asks = append(ch.Asks, Ask{By: g.requirer(e), Range: e.Range})
	}
	if p.Source == "" {
		return ch
	}
	a, err := c.answer(ctx, p.Name)
	if err != nil {
		ch.Unknown = err
		return ch
	}
	ch.Owner, ch.Rule, ch.Candidates = a.String(), c.router.Rule(p.Name), len(a.Index.Releases)
	for _, reg := range a.Tried {
		ch.Passed = append(ch.Passed, cmp.Or(reg.Alias, string(reg.Source)))
	}
	if below {
		hidden, _ := c.router.Shadowed(ctx, p.Name)
		for _, h := range hidden {
			ch.Hidden = append(ch.Hidden, h.String())
		}
	}
	for i := range a.Index.Releases {
		r := &a.Index.Releases[i]
		x := g.excludes(p.Name, r)
		if x.Why == "" || x.Why == NeedsOther || r.Version.Compare(p.Version) == 0 {
			ch.Admitted++
		}
		if r.Yanked && r.Version.Compare(p.Version) == 0 {
			ch.Yanked, ch.YankReason = true, r.YankReason
		}
		if r.Version.Compare(p.Version) > 0 {
			ch.Higher = append(ch.Higher, x)
		}
	}
	slices.SortFunc(ch.Higher, func(a, b Excluded) int { return b.Version.Compare(a.Version) })
	return ch
}

// settle says what decided. kept: the version was locked before.
func (ch *Choice) settle(kept bool) {
	free := false // some higher version would be admitted
	for i := range ch.Higher {
		x := &ch.Higher[i]
		if x.Why != "" {
			free = free || x.Why == NeedsOther
			continue
		}
		free = true
		if x.Why, x.Text = Conflict, "it fits by itself, but with it the rest has no solution, or a worse one"; kept {
			x.Why, x.Text = KeptLocked, fmt.Sprintf("%s is locked and kept; opkg upgrade %s looks for newer ones", ch.Version, ch.Name)
		}
	}
	switch {
	case ch.Path != "":
		ch.Decided = ByDirectory
	case ch.Override != "":
		ch.Decided = ByOverride
	case free && kept:
		ch.Decided = ByLock
	case len(ch.Higher) == 0:
		ch.Decided = ByNewest
	default:
		ch.Decided = ByExclusion
	}
}

// YankedText is "yanked", with the reason where there is one.
func YankedText(reason string) string {
	if reason == "" {
		return "yanked"
	}
	return "yanked: " + ident.CleanText(reason)
}

// excludes says why a release is not what the lock has; no Why where nothing that can be seen speaks against it.
func (g *Graph) excludes(name ident.Name, r *registry.Release) Excluded {
	x := Excluded{Version: r.Version}
	if o := g.Override(name); o != "" {
		if !admits(o, r.Version) {
			x.Why, x.Text = Overridden, "overridden to "+o
		}
	} else {
		for _, e := range g.RequiredBy(name) {
			if !admits(e.Range, r.Version) {
				x.Why, x.Text = NotAsked, g.requirer(e)+" asks for "+e.Range
				return x
			}
		}
	}
	if x.Why == "" && r.Yanked {
		x.Why, x.Text = WasYanked, YankedText(r.YankReason)
	}
	if x.Why != "" {
		return x
	}
	for _, d := range r.Dependencies {
		p := g.Lock.Find(d.Name)
		if p == nil || g.Override(d.Name) != "" || d.Range.Contains(p.Version) {
			continue
		}
		x.Why, x.Text = NeedsOther, fmt.Sprintf("it depends on %s %s, and %s is chosen", d.Name, ident.CleanText(d.Range.String()), p.Version)
		return x
	}
	return x
}

// admits reports whether the range of an edge holds v; what is no range, such as a path, admits everything.
func admits(text string, v ident.Version) bool {
	r, err := ident.ParseRange(text)
	return err != nil || r.Contains(v)
}

// requirer names who asks: a package with its version, or the manifest.
func (g *Graph) requirer(e Edge) string {
	if e.From == "" {
		if e.Dev {
			return ManifestName + " (dev)"
		}
		return ManifestName
	}
	return fmt.Sprintf("%s %s", e.From, g.Lock.Find(e.From).Version)
}

// Why explains the locked version of a package: from the lock, and from what this machine knows of registries without asking
// them. The error is a *NotLockedError, or one of reading.
func (w *World) Why(ctx context.Context, name ident.Name) (*Graph, *Choice, error) {
	g, err := w.Graph()
	if err != nil {
		return nil, nil, err
	}
	p := g.Lock.Find(name)
	if p == nil {
		return nil, nil, notLocked(g.Lock, name)
	}
	still := *w
	still.Offline, still.Observer = true, nil
	ws, err := still.open()
	if err != nil {
		return nil, nil, err
	}
	router, err := ws.router()
	if err != nil {
		return nil, nil, err
	}
	c := catalog{ws: ws, router: router, local: map[ident.Name]*localPackage{}, answers: map[ident.Name]*answer{}}
	ch := c.choice(ctx, g, p, false)
	if ch.Unknown == nil && ch.Owner != "" && c.answers[name].Source.ID() != p.Source {
		ch.Unknown = fmt.Errorf("%s answers for it now", ch.Owner)
		ch.Owner, ch.Candidates, ch.Admitted, ch.Higher = "", 0, 0, nil
	}
	ch.settle(true)
	return g, &ch, nil
}

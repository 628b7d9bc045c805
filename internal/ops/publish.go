package ops

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/openpackage/opkg/cas"
	"github.com/openpackage/opkg/config"
	"github.com/openpackage/opkg/ident"
	"github.com/openpackage/opkg/internal/archive"
	"github.com/openpackage/opkg/registry"
)

// PublishOptions of Publish.
type PublishOptions struct {
	Source string // absolute: the directory of a package, or an archive that opkg pack made
	To     string // an alias, a URL or a directory: see target
	DryRun bool   // do all but change the registry
}

// Published is what Publish did, or would do.
type Published struct {
	cas.Artifact
	Files    []archive.File
	Unpacked int64
	Registry config.Registry
	Already  bool         // the registry had this version, with the same content; nothing changed
	Commit   ident.Commit // of a git registry
	Site     *SiteResult
}

// Publish adds a version to a registry: it packs and judges it, and adds it in one step that shows it whole or not at all. A version
// that is there already is left alone if its content is the same, and is otherwise an *ident.MismatchError: what is published never
// changes. Errors: as Pack; *PackageError for a registry that cannot be published to; *cas.BusyError.
func (w *World) Publish(ctx context.Context, opt PublishOptions) (*Published, error) {
	reg, cfg, err := w.target(opt.To)
	if err != nil {
		return nil, err
	}
	if err := w.writable(reg, opt.To); err != nil {
		return nil, err
	}
	if reg.Source.Kind() == ident.GitRegistry {
		return w.publishToGit(ctx, opt, cfg, reg)
	}
	d, err := openRegDir(reg.Dir)
	if err != nil {
		return nil, err
	}
	defer d.close()
	tmp := ""
	if opt.DryRun {
		tmp, err = w.scratch()
	} else {
		tmp, err = d.tmp(w.Now)
	}
	if err != nil {
		return nil, err
	}
	c, err := w.newCandidate(ctx, opt.Source, tmp)
	if err != nil {
		return nil, err
	}
	defer c.close()
	w.adviseFor(c, cfg, reg)
	res := c.published(reg)
	if opt.DryRun {
		res.Already, err = d.has(c)
		return res, err
	}
	release, err := d.lock(ctx, w)
	if err != nil {
		return nil, err
	}
	defer release()
	if res.Already, err = d.has(c); err != nil || res.Already {
		return res, err
	}
	if err := d.publish(ctx, c, w.Now()); err != nil {
		return nil, err
	}
	if HasSite(reg.Dir) {
		res.Site, err = w.WriteSite(ctx, reg.Dir, "")
	}
	return res, err
}

func (c *candidate) published(reg config.Registry) *Published {
	return &Published{Artifact: *c.Artifact, Files: c.files, Unpacked: c.unpacked, Registry: reg}
}

// adviseFor tells the observer of what may be meant otherwise.
func (w *World) adviseFor(c *candidate, cfg *config.Config, reg config.Registry) {
	c.advise(w)
	for _, s := range cfg.Scopes {
		if s.Scope == c.Name.Scope() && s.Registry.Source != reg.Source {
			w.warn(fmt.Sprintf("the scope %s belongs to %s here: nobody with this configuration will find %s in %s", s.Scope, shown(s.Registry), c.Name, shown(reg)),
				fmt.Sprintf("%s:%d says so", s.File, s.Line))
		}
	}
}

// writable refuses a registry that opkg can only read, or that the user may not mean: git runs the hooks of a repository on this machine, and a
// workspace's config.yml must not choose programs. to is what the user called it.
func (w *World) writable(reg config.Registry, to string) error {
	switch reg.Source.Kind() {
	case ident.StaticHTTP:
		return &PackageError{Path: shown(reg), Reason: "a registry over HTTP is written where its files are",
			HintText: "publish to the directory that its server serves, or to a git registry"}
	case ident.Directory:
		if isCheckout(reg.Dir) {
			return &PackageError{Path: w.show(reg.Dir), Reason: "it is a checkout of a git registry",
				HintText: "publish to where it was cloned from: --to git:URL pushes a commit, and needs no checkout"}
		}
	case ident.GitRegistry:
		local := reg.Dir != "" || strings.HasPrefix(reg.Source.URL(), "file:")
		if !local || reg.Origin != config.Workspace || reg.Alias != to {
			return nil
		}
		own, err := w.LoadConfig("")
		if err != nil {
			return err
		}
		mine := func(r config.Registry) bool {
			return r.Source.Kind() == ident.GitRegistry && config.SamePlace(r, reg)
		}
		if !slices.ContainsFunc(own.Registries, mine) {
			return &PackageError{Path: shown(reg), Reason: "it is a repository on this machine that the workspace's config.yml alone names, and its hooks would run",
				HintText: fmt.Sprintf("write --to git:%s, or name it in your own config.yml", cmp.Or(reg.Dir, reg.Source.URL()))}
		}
	}
	return nil
}

// has reports whether the registry has the candidate already. Another content for the same version is an *ident.MismatchError.
func (d *regDir) has(c *candidate) (bool, error) {
	ix, _, err := d.index(c.Name)
	if err != nil || ix == nil {
		return false, err
	}
	for _, r := range ix.Releases {
		if r.Version.Compare(c.Version) == 0 {
			return true, c.sameAs(r, d.dir)
		}
	}
	return false, nil
}

// sameAs holds the candidate against a version that is published.
func (c *candidate) sameAs(r registry.Release, where string) error {
	e := &RepublishError{Name: c.Name, Version: c.Version, Registry: where}
	switch {
	case r.Version != c.Version:
		e.Reason = fmt.Sprintf("it has %s, which differs in build metadata alone", r.Version)
	case r.SHA256 == c.SHA256, !r.Tree.IsZero() && r.Tree == c.Tree:
		return nil
	case r.Tree.IsZero():
		e.Reason = fmt.Sprintf("sha256 is %s there, and %s here", r.SHA256, c.SHA256)
	default:
		e.Reason = fmt.Sprintf("its content is %s there, and %s here", r.Tree, c.Tree)
	}
	return e
}

// RepublishError says that a version is published with other content.
type RepublishError struct {
	Name     ident.Name
	Version  ident.Version
	Registry string
	Reason   string
}

func (e *RepublishError) Error() string {
	return fmt.Sprintf("%s@%s is in %s already, and is something else: %s", e.Name, e.Version, e.Registry, e.Reason)
}

// Hint says what to do.
func (e *RepublishError) Hint() string {
	return "what is published never changes: give the package a new version; opkg yank warns of the old one"
}

// publish adds the candidate. The caller holds the lock. The order is what makes a kill harmless: the archive appears whole under its
// name, which nobody asks for yet, and then the index that names it.
func (d *regDir) publish(ctx context.Context, c *candidate, now time.Time) error {
	ix, _, err := d.index(c.Name)
	if err != nil {
		return err
	}
	if ix == nil {
		ix = &registry.Index{Name: c.Name}
	}
	ix.Releases = append(ix.Releases, describedRelease(c.Artifact, now))
	slices.SortFunc(ix.Releases, func(a, b registry.Release) int { return a.Version.Compare(b.Version) })
	if i := registry.Newest(ix.Releases); ix.Releases[i].Version == c.Version && c.manifest.Description != "" {
		ix.Description = registry.CleanDescription(c.manifest.Description)
	}
	data := ix.Format()
	if len(data) > registry.MaxIndexSize {
		return fmt.Errorf("the index of %s would have %d bytes, more than clients read (%d)", c.Name, len(data), registry.MaxIndexSize)
	}
	if err := d.setAside(); err != nil { // before anything is there that no index names
		return err
	}
	if err := d.place(ctx, c); err != nil {
		return err
	}
	return d.replaceIndex(c.Name, data)
}

// place moves the candidate's archive to its name, where there may be one that a killed publisher left.
func (d *regDir) place(ctx context.Context, c *candidate) error {
	rel := registry.ArtifactPath(c.Name, c.Version)
	dir := filepath.ToSlash(filepath.Dir(filepath.FromSlash(rel)))
	if err := d.root.MkdirAll(dir, 0o777); err != nil {
		return d.within(err)
	}
	switch there, err := d.open(rel); {
	case err == nil:
		defer there.Close()
		a, err := cas.Inspect(ctx, d.file(rel), there)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil || a.SHA256 != c.SHA256 {
			return &OrphanError{Path: d.file(rel), Dir: d.dir}
		}
		return nil
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	tmp, err := filepath.Rel(d.dir, c.file.Name())
	if err != nil {
		return err
	}
	if err := errors.Join(c.file.Sync(), c.file.Close()); err != nil {
		return d.within(err)
	}
	if err := d.root.Rename(filepath.ToSlash(tmp), rel); err != nil {
		return d.within(err)
	}
	d.syncDir(dir)
	return nil
}

// OrphanError is an archive that stands where another one is to be published, although no index names it.
type OrphanError struct{ Path, Dir string }

func (e *OrphanError) Error() string {
	return e.Path + " is there already, with other content, and no index names it"
}

// Hint says what to do.
func (e *OrphanError) Hint() string {
	return "a publisher was interrupted, or an index was lost: remove the file, or list it with opkg registry index " + e.Dir
}

// YankOptions of Yank.
type YankOptions struct {
	Name    ident.Name
	Version ident.Version
	To      string // as PublishOptions has it
	Reason  string // why the version should not be used; "" gives no reason
	Undo    bool
	DryRun  bool
}

// Yanked is what Yank did.
type Yanked struct {
	Registry config.Registry
	Already  bool // nothing changed: it was so
	Commit   ident.Commit
	Site     *SiteResult
}

// Yank warns of a published version, or takes that back. Locks that name it go on to work; nobody else chooses it. The
// error is a *sources.NotFoundError where the registry does not have the version.
func (w *World) Yank(ctx context.Context, opt YankOptions) (*Yanked, error) {
	reg, cfg, err := w.target(opt.To)
	if err != nil {
		return nil, err
	}
	if err := w.writable(reg, opt.To); err != nil {
		return nil, err
	}
	if reason := registry.CleanDescription(opt.Reason); reason != opt.Reason {
		opt.Reason = reason // one line, as it will be read
	}
	if reg.Source.Kind() == ident.GitRegistry {
		return w.yankInGit(ctx, opt, cfg, reg)
	}
	d, err := openRegDir(reg.Dir)
	if err != nil {
		return nil, err
	}
	defer d.close()
	release, err := d.lock(ctx, w)
	if err != nil {
		return nil, err
	}
	defer release()
	ix, _, err := d.index(opt.Name)
	if err != nil {
		return nil, err
	}
	if ix == nil {
		ix = &registry.Index{}
	}
	i := slices.IndexFunc(ix.Releases, func(r registry.Release) bool { return r.Version == opt.Version })
	if i < 0 {
		return nil, &UnpublishedError{opt.Name, opt.Version, shown(reg)}
	}
	res := &Yanked{Registry: reg}
	r := &ix.Releases[i]
	if res.Already = r.Yanked == !opt.Undo && (opt.Undo || r.YankReason == opt.Reason); res.Already || opt.DryRun {
		return res, nil
	}
	if r.Yanked, r.YankReason = !opt.Undo, opt.Reason; opt.Undo {
		r.YankReason = ""
	}
	if err := d.replaceIndex(opt.Name, ix.Format()); err != nil {
		return nil, err
	}
	if HasSite(reg.Dir) {
		res.Site, err = w.WriteSite(ctx, reg.Dir, "")
	}
	return res, err
}

// UnpublishedError says that a registry does not have a version.
type UnpublishedError struct {
	Name     ident.Name
	Version  ident.Version
	Registry string
}

func (e *UnpublishedError) Error() string {
	return fmt.Sprintf("%s has no %s@%s", e.Registry, e.Name, e.Version)
}

// Hint says where to look.
func (e *UnpublishedError) Hint() string {
	return fmt.Sprintf("opkg info %s shows the versions that configured registries have", e.Name)
}

package ops

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/openpackage/opkg/ident"
	"github.com/openpackage/opkg/internal/archive"
	"github.com/openpackage/opkg/internal/site"
	"github.com/openpackage/opkg/manifest"
	"github.com/openpackage/opkg/registry"
)

// SiteResult counts what WriteSite did.
type SiteResult struct {
	Pages   int // pages of packages
	Written int // files whose bytes changed
	Removed int // files of packages that are gone
}

// stateFile remembers what each page was made from, so that a page whose sources did not change is not made again and its archive
// not read again. Without it all is made anew.
const stateFile = site.Dir + "/state.json"

// siteState is the content of stateFile.
type siteState struct {
	Format   int                       `json:"format"`
	Title    string                    `json:"title"`
	Site     string                    `json:"site"` // what made it: site.Site.Digest
	Packages map[ident.Name]*pageState `json:"packages"`
}

const siteFormat = 1

// pageState is what is known of one page.
type pageState struct {
	Archive     string   `json:"archive"` // sha256 of the shown version's archive, which the two below come from
	Description string   `json:"description,omitempty"`
	Keywords    []string `json:"keywords,omitempty"`
	Input       string   `json:"input"` // of all that the page shows
	Page        string   `json:"page"`  // sha256 of its bytes
}

// siteWriter is one run of WriteSite.
type siteWriter struct {
	dir    string
	root   *os.Root
	site   *site.Site
	old    siteState
	kept   map[string]bool // files that belong to the site, relative to dir
	result SiteResult
}

// sitePackage is one package on its way to its page.
type sitePackage struct {
	index *registry.Index
	text  []byte // of the index
	shown int
	uses  []site.Dependent
	state pageState
	wrote bool
}

// WriteSite writes the site of the registry in dir, from its indexes and the archive of the version of each package that is shown, and
// search.json. The same registry gives the same bytes; what did not change is not written; what belongs to no package any more is
// removed. title "" is that of the last time. The error is a *NotOursError where something else stands in the site's place.
func (w *World) WriteSite(ctx context.Context, dir, title string) (*SiteResult, error) {
	names, err := packageDirs(dir)
	if err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	sw := &siteWriter{dir: dir, root: root, kept: map[string]bool{stateFile: true}}
	if err := sw.begin(title); err != nil {
		return nil, err
	}
	packages, err := sw.readIndexes(ctx, names)
	if err != nil {
		return nil, err
	}
	if err := sw.writePages(ctx, packages); err != nil {
		return nil, err
	}
	if err := sw.writeLists(packages); err != nil {
		return nil, err
	}
	if err := sw.writeState(packages); err != nil {
		return nil, err
	}
	return &sw.result, sw.sweep()
}

// HasSite reports whether the registry in dir has a site that WriteSite made.
func HasSite(dir string) bool {
	fi, err := os.Lstat(filepath.Join(dir, filepath.FromSlash(stateFile)))
	return err == nil && fi.Mode().IsRegular()
}

// begin looks at what stands there, and refuses to replace what somebody else made.
func (sw *siteWriter) begin(title string) (err error) {
	entries, err := fs.ReadDir(sw.root.FS(), site.Dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return err
	case len(entries) > 0 && !HasSite(sw.dir):
		return &NotOursError{Path: filepath.Join(sw.dir, site.Dir)}
	}
	home, err := sw.root.ReadFile(site.Home)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return err
	case !bytes.Contains(home, []byte(site.Mark)):
		return &NotOursError{Path: filepath.Join(sw.dir, site.Home)}
	}
	if data, err := sw.root.ReadFile(stateFile); err == nil {
		if json.Unmarshal(data, &sw.old) != nil || sw.old.Format != siteFormat {
			sw.old = siteState{}
		}
	}
	sw.site, err = site.New(cmp.Or(title, sw.old.Title, "Packages"))
	if err == nil && sw.old.Site != sw.site.Digest() {
		sw.old.Site = ""
	}
	sw.old.Title = cmp.Or(title, sw.old.Title, "Packages")
	return err
}

// NotOursError says that something stands where the site would stand.
type NotOursError struct{ Path string }

func (e *NotOursError) Error() string {
	return e.Path + " is there already, and opkg did not make it"
}

// Hint says what to do.
func (e *NotOursError) Hint() string {
	return "move it away; the site needs index.html and site/ to itself"
}

// readIndexes reads the index of every package, and finds who uses whom.
func (sw *siteWriter) readIndexes(ctx context.Context, names []ident.Name) ([]*sitePackage, error) {
	all := make([]*sitePackage, len(names))
	err := inParallel(ctx, len(names), func(i int) error {
		file := registry.IndexPath(names[i])
		data, err := sw.root.ReadFile(file)
		if errors.Is(err, fs.ErrNotExist) {
			return nil // an empty directory
		}
		if err != nil {
			return err
		}
		ix, err := registry.ParseIndex(filepath.Join(sw.dir, filepath.FromSlash(file)), names[i], data)
		if err != nil {
			return err
		}
		if shown := registry.Newest(ix.Releases); shown >= 0 {
			all[i] = &sitePackage{index: ix, text: data, shown: shown}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(p *sitePackage) bool { return p == nil })
	byName := make(map[ident.Name]*sitePackage, len(all))
	for _, p := range all {
		byName[p.index.Name] = p
	}
	for _, p := range all { // which are sorted, so that the lists are
		for _, d := range p.index.Releases[p.shown].Dependencies {
			if used := byName[d.Name]; used != nil {
				used.uses = append(used.uses, site.Dependent{Name: p.index.Name, Range: d.Range.String()})
			}
		}
	}
	return all, nil
}

// writePages writes the page of each package that is not what it should be.
func (sw *siteWriter) writePages(ctx context.Context, all []*sitePackage) error {
	if err := sw.root.MkdirAll(site.Dir+"/p", 0o755); err != nil {
		return err
	}
	known := make(map[ident.Name]bool, len(all))
	for _, p := range all {
		known[p.index.Name] = true
		sw.kept[site.Dir+"/"+site.PagePath(p.index.Name)] = true
	}
	err := inParallel(ctx, len(all), func(i int) error {
		return sw.writePage(ctx, all[i], func(n ident.Name) bool { return known[n] })
	})
	for _, p := range all {
		if p.wrote {
			sw.result.Written++
		}
	}
	sw.result.Pages = len(all)
	return err
}

func (sw *siteWriter) writePage(ctx context.Context, p *sitePackage, known func(ident.Name) bool) error {
	release := &p.index.Releases[p.shown]
	file := site.Dir + "/" + site.PagePath(p.index.Name)
	input := p.input(sw.site.Digest(), known)
	if was := sw.old.Packages[p.index.Name]; was != nil && sw.old.Site != "" && was.Input == input && was.Archive == release.SHA256.String() {
		if page, err := sw.root.ReadFile(file); err == nil && hexSHA256(page) == was.Page {
			p.state = *was
			return nil
		}
	}
	shown, err := sw.describe(ctx, p)
	if err != nil {
		return err
	}
	shown.Known = known
	page, err := sw.site.Page(shown)
	if err != nil {
		return err
	}
	p.state = pageState{Archive: release.SHA256.String(), Description: shown.Description, Keywords: shown.Keywords, Input: input, Page: hexSHA256(page)}
	p.wrote, err = sw.replace(file, page)
	return err
}

// input names all that a page is made from; the archive is named by its digest in the index.
func (p *sitePackage) input(siteDigest string, known func(ident.Name) bool) string {
	h := sha256.New()
	fmt.Fprintf(h, "%s\n%d\n", siteDigest, len(p.text))
	h.Write(p.text)
	for _, d := range p.index.Releases[p.shown].Dependencies {
		fmt.Fprintf(h, "%t\n", known(d.Name))
	}
	for _, d := range p.uses {
		fmt.Fprintf(h, "%s %s\n", d.Name, d.Range)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// describe is all that a page shows. An archive that is not in the directory (an index may name one elsewhere) leaves the page
// without README and files.
func (sw *siteWriter) describe(ctx context.Context, p *sitePackage) (*site.Package, error) {
	ix, release := p.index, &p.index.Releases[p.shown]
	out := &site.Package{Name: ix.Name, Description: cmp.Or(release.Description, ix.Description), Releases: ix.Releases, Shown: p.shown, Dependents: p.uses}
	file := registry.ArtifactPath(ix.Name, release.Version)
	f, err := sw.root.Open(file)
	if errors.Is(err, fs.ErrNotExist) {
		return out, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil {
		return nil, err
	}
	a, err := new(archive.Unpacker).OpenFile(ctx, filepath.Join(sw.dir, filepath.FromSlash(file)), f, fi.Size())
	if err != nil {
		return nil, err
	}
	defer a.Close()
	if m, err := manifest.ParsePackage(file, a.Manifest()); err == nil { // it was held against the index before
		out.Description = registry.CleanDescription(cmp.Or(out.Description, m.Description))
		out.Keywords = registry.CleanKeywords(m.Keywords)
		out.License, out.Homepage, out.Repository = registry.CleanDescription(m.License), m.Homepage, m.Repository
	}
	readme := readmeOf(a.Files())
	err = a.Each(ctx, func(f archive.File, r io.Reader) error {
		out.Files = append(out.Files, site.File{Path: f.Path, Size: f.Size, Exec: f.Exec})
		if f.Path != readme {
			return nil
		}
		out.Readme, err = io.ReadAll(io.LimitReader(r, site.MaxReadme+1))
		return err
	})
	slices.SortFunc(out.Files, func(a, b site.File) int { return strings.Compare(a.Path, b.Path) })
	return out, err
}

// readmeOf is the path of the README at the root of a package, or "".
func readmeOf(files []archive.File) string {
	for _, name := range []string{"readme.md", "readme.markdown", "readme", "readme.txt"} {
		for _, f := range files {
			if strings.EqualFold(f.Path, name) {
				return f.Path
			}
		}
	}
	return ""
}

// writeLists writes what is about all packages: the search data of opkg and of browsers, the home page, the lists, and what pages
// are dressed with.
func (sw *siteWriter) writeLists(all []*sitePackage) error {
	search := registry.Search{Entries: make([]registry.SearchEntry, len(all))}
	listed := make([]site.Listed, len(all))
	for i, p := range all {
		e, _ := registry.EntryOf(p.index)
		e.Description, e.Keywords = p.state.Description, p.state.Keywords
		search.Entries[i] = e
		listed[i] = site.Listed{SearchEntry: e, Dependents: len(p.uses), Versions: len(p.index.Releases)}
	}
	files, shards, err := site.Shards(search.Entries)
	if err != nil {
		return err
	}
	files[registry.SearchPath] = search.Format()
	if n := len(files[registry.SearchPath]); n > registry.MaxSearchSize || len(all) > registry.MaxSearchPackages {
		return fmt.Errorf("the search data of %d packages has %d bytes, more than clients read (%d packages, %d bytes)", len(all), n, registry.MaxSearchPackages, registry.MaxSearchSize)
	}
	if files[site.Home], err = sw.site.Home(listed, shards); err != nil {
		return err
	}
	for _, more := range []func() (map[string][]byte, error){sw.site.Assets, func() (map[string][]byte, error) { return sw.site.Browse(listed) }} {
		got, err := more()
		if err != nil {
			return err
		}
		for name, data := range got {
			files[name] = data
		}
	}
	names := make([]string, 0, len(files))
	for name := range files {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		sw.kept[name] = true
		wrote, err := sw.replace(name, files[name])
		if err != nil {
			return err
		}
		if wrote {
			sw.result.Written++
		}
	}
	return nil
}

// writeState comes last: what it says is true of what stands there.
func (sw *siteWriter) writeState(all []*sitePackage) error {
	state := siteState{Format: siteFormat, Title: sw.old.Title, Site: sw.site.Digest(), Packages: make(map[ident.Name]*pageState, len(all))}
	for _, p := range all {
		state.Packages[p.index.Name] = &p.state
	}
	data, err := json.MarshalIndent(state, "", " ")
	if err != nil {
		return err
	}
	_, err = sw.replace(stateFile, append(data, '\n'))
	return err
}

// replace makes a file hold data, by one rename, and reports whether it was another. It is not synced: the state betrays a torn file.
func (sw *siteWriter) replace(name string, data []byte) (bool, error) {
	if old, err := sw.root.ReadFile(name); err == nil && bytes.Equal(old, data) {
		return false, nil
	}
	if err := sw.root.MkdirAll(path.Dir(name), 0o755); err != nil {
		return false, err
	}
	tmp := path.Join(path.Dir(name), ".opkg-tmp-"+path.Base(name))
	if err := sw.root.Remove(tmp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	if err := sw.root.WriteFile(tmp, data, 0o644); err != nil {
		return false, err
	}
	if err := sw.root.Rename(tmp, name); err != nil {
		return false, err
	}
	return true, nil
}

// sweep removes what the site does not consist of any more.
func (sw *siteWriter) sweep() error {
	var gone []string
	err := fs.WalkDir(sw.root.FS(), site.Dir, func(name string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() && !sw.kept[name] {
			gone = append(gone, name)
		}
		return err
	})
	if err != nil {
		return err
	}
	for _, name := range gone {
		if err := sw.root.Remove(name); err != nil {
			return err
		}
	}
	sw.result.Removed = len(gone)
	if len(gone) > 0 {
		_ = sw.root.Remove(site.Dir + "/all") // if it is empty now
	}
	return nil
}

func hexSHA256(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// inParallel calls f for 0 to n-1, on all processors.
func inParallel(ctx context.Context, n int, f func(i int) error) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	for i := range n {
		g.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			return f(i)
		})
	}
	return g.Wait()
}

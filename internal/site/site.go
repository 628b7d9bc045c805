package site

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"html/template"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/openpackage/opkg/ident"
	"github.com/openpackage/opkg/registry"
)

// Where the files of a site stand, relative to the registry. All but Home are in Dir, which is the site's own.
const (
	Home = "index.html"
	Dir  = "site"
)

// Mark is in every page's head: what has it was written by Home or Page, and may be replaced.
const Mark = `<meta name="generator" content="opkg registry index">`

// listAll is the number of packages up to which the home page lists all; beyond, there is a page for each first letter.
const listAll = 200

//go:embed assets/* templates/*
var embedded embed.FS

// Package is what a page shows of one package.
type Package struct {
	Name        ident.Name
	Description string
	Keywords    []string
	License     string
	Homepage    string // as the manifest says: shown as a link only where safeLink allows it
	Repository  string
	Readme      []byte                // Markdown of the shown version, or nil
	Files       []File                // of the shown version, sorted by path
	Releases    []registry.Release    // lowest first, at least one
	Shown       int                   // the place in Releases that registry.Newest chose
	Dependents  []Dependent           // sorted by name
	Known       func(ident.Name) bool // whether the registry has a page for a name
}

// File is one file of a package.
type File struct {
	Path string
	Size int64
	Exec bool
}

// Dependent is a package whose newest version requires the one that it is listed at.
type Dependent struct {
	Name  ident.Name
	Range string
}

// Listed is what lists show of a package.
type Listed struct {
	registry.SearchEntry
	Dependents int
	Versions   int
}

// listedRow is a Listed and where its page is, seen from the page that lists it.
type listedRow struct {
	Listed
	Href string
}

// Row is what the template of a row gets; site leads to Dir.
func (l Listed) Row(site string) listedRow { return listedRow{l, site + PagePath(l.Name)} }

// Site renders pages. It is safe for concurrent use.
type Site struct {
	title  string
	pages  *template.Template
	digest string
}

// New makes a site with the title that its pages show.
func New(title string) (*Site, error) {
	s := &Site{title: title}
	pages := template.New("").Funcs(template.FuncMap{
		"size": humanSize, "date": humanDate, "day": shortDate, "count": count, "page": PagePath, "scope": scopeOf, "base": baseOf,
	})
	var err error
	if s.pages, err = pages.ParseFS(embedded, "templates/*.html"); err != nil {
		return nil, fmt.Errorf("read the templates: %w", err)
	}
	h := sha256.New()
	fmt.Fprintf(h, "opkg site 1\n%q\n", title)
	for _, name := range embeddedFiles() {
		data, err := embedded.ReadFile(name)
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(h, "%s %d\n%s", name, len(data), data)
	}
	s.digest = hex.EncodeToString(h.Sum(nil))
	return s, nil
}

// Digest names the templates, the assets and the title: pages of another digest look different.
func (s *Site) Digest() string { return s.digest }

func embeddedFiles() []string {
	var names []string
	for _, dir := range []string{"assets", "templates"} {
		found, err := fs.Glob(embedded, dir+"/*")
		if err != nil {
			panic("the pattern is constant")
		}
		names = append(names, found...)
	}
	return names
}

// Assets are the files that do not depend on the packages, by path relative to the registry.
func (s *Site) Assets() (map[string][]byte, error) {
	out := map[string][]byte{}
	entries, err := fs.ReadDir(embedded, "assets")
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		data, err := embedded.ReadFile("assets/" + e.Name())
		if err != nil {
			return nil, err
		}
		out[Dir+"/"+e.Name()] = data
	}
	return out, nil
}

// PagePath is where the page of a name stands, relative to Dir. No two names share one, on a file system without regard for case either: a
// name is in lower case and never holds "--".
func PagePath(name ident.Name) string {
	return "p/" + strings.ReplaceAll(strings.TrimPrefix(string(name), "@"), "/", "--") + ".html"
}

// frame is what every template gets.
type frame struct {
	Title string // of the site
	Root  string // from the page to the registry: "" or "../../"
	Site  string // from the page to Dir
	Data  any
}

func (s *Site) render(name, root string, data any) ([]byte, error) {
	var b bytes.Buffer
	site := root + Dir + "/"
	if root != "" {
		site = strings.TrimSuffix(root, "../")
	}
	if err := s.pages.ExecuteTemplate(&b, name, frame{Title: s.title, Root: root, Site: site, Data: data}); err != nil {
		return nil, fmt.Errorf("render %s: %w", name, err)
	}
	return b.Bytes(), nil
}

// pageData is what the page of one package shows.
type pageData struct {
	*Package
	Release    *registry.Release
	Newest     []*registry.Release // newest first
	Install    string
	ReadmeHTML template.HTML
	Homepage   link
	Repository link
	Total      int64
}

// fewDependents is how many are shown before one asks for more.
const fewDependents = 12

// FirstDependents are those that a page shows at once.
func (d pageData) FirstDependents() []Dependent {
	return d.Dependents[:min(fewDependents, len(d.Dependents))]
}

// OtherDependents are all others.
func (d pageData) OtherDependents() []Dependent {
	return d.Dependents[min(fewDependents, len(d.Dependents)):]
}

// link is a URL that may be followed, or else text.
type link struct{ URL, Text string }

// Page renders the page of one package.
func (s *Site) Page(p *Package) ([]byte, error) {
	d := pageData{Package: p, Release: &p.Releases[p.Shown], ReadmeHTML: Markdown(p.Readme, baseOf(p.Name)), Homepage: linkTo(p.Homepage), Repository: linkTo(p.Repository)}
	d.Install = installLine(p)
	for i := len(p.Releases) - 1; i >= 0; i-- {
		d.Newest = append(d.Newest, &p.Releases[i])
	}
	for _, f := range p.Files {
		d.Total += f.Size
	}
	return s.render("package.html", "../../", d)
}

// installLine adds the shown version: by name alone where that is what opkg add chooses. A scope is quoted for the
// shells (PowerShell) that read @ otherwise.
func installLine(p *Package) string {
	spec := string(p.Name)
	if r := &p.Releases[p.Shown]; r.Version.Prerelease() != "" || r.Yanked {
		spec += "@" + r.Version.String()
	}
	if p.Name.Scope() != "" {
		spec = `"` + spec + `"`
	}
	return "opkg add " + spec
}

// homeData is what the home page shows.
type homeData struct {
	Packages, Versions int
	All                []Listed // where there are few
	Used, Recent       []Listed // where there are many
	Letters            []letter
	Shards             string
}

// letter is one page of the list of all packages.
type letter struct {
	Letter string
	File   string
	Count  int
	Here   bool
}

// Home renders the home page. shards is what Shards says of the search data.
func (s *Site) Home(all []Listed, shards string) ([]byte, error) {
	d := homeData{Packages: len(all), Shards: shards}
	for _, l := range all {
		d.Versions += l.Versions
	}
	if len(all) <= listAll {
		d.All = all
	} else {
		d.Letters, _ = letters(all)
		d.Used = top(all, func(l *Listed) bool { return l.Dependents > 0 }, func(a, b *Listed) int { return cmp.Compare(b.Dependents, a.Dependents) })
		d.Recent = top(all, func(l *Listed) bool { return instant(l.Published) != time.Time{} }, func(a, b *Listed) int {
			return instant(b.Published).Compare(instant(a.Published))
		})
	}
	return s.render("home.html", "", d)
}

// top is the first few of those that count.
func top(all []Listed, counts func(*Listed) bool, order func(a, b *Listed) int) []Listed {
	const few = 8
	var list []Listed
	for _, l := range all {
		if !l.Yanked && counts(&l) {
			list = append(list, l)
		}
	}
	slices.SortStableFunc(list, func(a, b Listed) int { return order(&a, &b) })
	return list[:min(few, len(list))]
}

// Browse renders the pages that list all packages by letter, by path relative to the registry; none where the home page lists all.
func (s *Site) Browse(all []Listed) (map[string][]byte, error) {
	if len(all) <= listAll {
		return nil, nil
	}
	out := map[string][]byte{}
	list, by := letters(all)
	for i := range list {
		mine := slices.Clone(list)
		mine[i].Here = true
		page, err := s.render("browse.html", "../../", struct {
			Letter  string
			Letters []letter
			All     []Listed
		}{list[i].Letter, mine, by[list[i].Letter]})
		if err != nil {
			return nil, err
		}
		out[Dir+"/"+list[i].File] = page
	}
	return out, nil
}

// letters sorts packages under the first letter of the name behind the scope.
func letters(all []Listed) (list []letter, by map[string][]Listed) {
	by = map[string][]Listed{}
	for _, l := range all {
		first := strings.ToUpper(baseOf(l.Name)[:1])
		by[first] = append(by[first], l)
	}
	for first, packages := range by {
		file := strings.ToLower(first)
		if first == "_" {
			file = "other"
		}
		list = append(list, letter{Letter: first, File: "all/" + file + ".html", Count: len(packages)})
		slices.SortFunc(packages, func(a, b Listed) int {
			return cmp.Or(cmp.Compare(baseOf(a.Name), baseOf(b.Name)), cmp.Compare(a.Name, b.Name))
		})
	}
	slices.SortFunc(list, func(a, b letter) int { return cmp.Compare(a.Letter, b.Letter) })
	return list, by
}

// scopeOf is "@scope/" or "".
func scopeOf(name ident.Name) string { return strings.TrimSuffix(string(name), baseOf(name)) }

// baseOf is the name behind the scope.
func baseOf(name ident.Name) string { return path.Base(string(name)) }

func instant(published string) time.Time {
	t, err := time.Parse(time.RFC3339, published)
	if err != nil {
		return time.Time{}
	}
	return t.UTC()
}

// humanDate is "6 September 2024", in UTC.
func humanDate(published string) string {
	t := instant(published)
	if t.IsZero() {
		return ""
	}
	return t.Format("2 January 2006")
}

// shortDate is "6 Sep 2024", for columns.
func shortDate(published string) string {
	t := instant(published)
	if t.IsZero() {
		return ""
	}
	return t.Format("2 Jan 2006")
}

// humanSize writes bytes with three digits, in decimal units.
func humanSize(n int64) string {
	if n < 1000 {
		return fmt.Sprintf("%d B", n)
	}
	v, unit := float64(n), 0
	for ; v >= 999.5 && unit < 3; unit++ {
		v /= 1000
	}
	digits := 0
	if v < 9.95 {
		digits = 1
	}
	return fmt.Sprintf("%.*f %s", digits, v, [...]string{"B", "kB", "MB", "GB"}[unit])
}

func count(n int, what string) string {
	digits := fmt.Sprint(n)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "\u202f" + digits[i:]
	}
	if n != 1 {
		what += "s"
	}
	return digits + " " + what
}

package registry

import (
	"cmp"
	"errors"
	"slices"

	"github.com/openpackage/opkg/ident"
	"github.com/openpackage/opkg/internal/strictyaml"
)

// GitIndex is the index.yml of a git registry: which packages it has, in which versions. The packages
// themselves are directories beside it.
type GitIndex struct {
	Packages []GitPackage // sorted by name
}

// GitPackage is one package of a git registry.
type GitPackage struct {
	Name     ident.Name
	Releases []GitRelease // sorted by version, lowest first
}

// GitRelease is one version in a git registry.
type GitRelease struct {
	Version    ident.Version
	Yanked     bool
	YankReason string // "" = not said
}

// GitPath is where a git registry keeps one version: packages/<name>/<version>, a directory, relative to index.yml.
func GitPath(name ident.Name, v ident.Version) string {
	return "packages/" + string(name) + "/" + v.String()
}

// Find returns the package called name, or nil.
func (ix *GitIndex) Find(name ident.Name) *GitPackage {
	i, ok := slices.BinarySearchFunc(ix.Packages, name, func(p GitPackage, n ident.Name) int { return cmp.Compare(p.Name, n) })
	if !ok {
		return nil
	}
	return &ix.Packages[i]
}

// ParseGitIndex reads an index.yml strictly. The error is an *Error.
func ParseGitIndex(file string, data []byte) (*GitIndex, error) {
	ix, err := parseGitIndex(file, data)
	if err == nil {
		return ix, nil
	}
	e := &Error{File: file, Msg: err.Error()}
	if y := (*strictyaml.Error)(nil); errors.As(err, &y) {
		e.Line, e.Column, e.Msg = y.Line, y.Column, y.Msg
	}
	return nil, e
}

func parseGitIndex(file string, data []byte) (*GitIndex, error) {
	root, err := strictyaml.Parse(file, data, MaxIndexSize)
	if err != nil {
		return nil, err
	}
	if root == nil {
		return nil, errors.New("it is empty")
	}
	if _, err := root.AsMapping("a registry's index"); err != nil {
		return nil, err
	}
	list := root.Get("packages")
	if list == nil {
		return nil, root.Errorf("", "it has no packages")
	}
	fields, err := list.AsMapping("packages")
	if err != nil {
		return nil, err
	}
	ix := &GitIndex{Packages: make([]GitPackage, len(fields))}
	for i, f := range fields {
		name, err := ident.ParseName(f.Key.Text)
		if err != nil {
			return nil, f.Key.Errorf("", "%v", err)
		}
		if ix.Packages[i], err = parseGitPackage(name, f.Value); err != nil {
			return nil, err
		}
	}
	slices.SortFunc(ix.Packages, func(a, b GitPackage) int { return cmp.Compare(a.Name, b.Name) })
	return ix, nil
}

func parseGitPackage(name ident.Name, n *strictyaml.Node) (GitPackage, error) {
	p := GitPackage{Name: name}
	if _, err := n.AsMapping(string(name)); err != nil {
		return p, err
	}
	versions := n.Get("versions")
	if versions == nil {
		return p, n.Errorf("", "%s has no versions", name)
	}
	items, err := versions.AsList("versions of " + string(name))
	if err != nil {
		return p, err
	}
	places := make(map[ident.Version]*strictyaml.Node, len(items))
	for _, item := range items {
		text, err := item.AsText("a version of " + string(name))
		if err != nil {
			return p, err
		}
		v, err := ident.ParseVersion(text)
		if err != nil {
			return p, item.Errorf("", "%s: %v", name, err)
		}
		places[v] = item
		p.Releases = append(p.Releases, GitRelease{Version: v})
	}
	slices.SortFunc(p.Releases, func(a, b GitRelease) int { return a.Version.Compare(b.Version) })
	for i := 1; i < len(p.Releases); i++ {
		if a, b := p.Releases[i-1].Version, p.Releases[i].Version; a.Compare(b) == 0 {
			return p, places[b].Errorf("", "%s: %v", name, sameVersions(a, b))
		}
	}
	return p, p.parseYanked(n.Get("yanked"))
}

// parseYanked reads a mapping of versions to reasons; true stands for no reason.
func (p *GitPackage) parseYanked(n *strictyaml.Node) error {
	if n == nil {
		return nil
	}
	fields, err := n.AsMapping("yanked versions of " + string(p.Name))
	if err != nil {
		return err
	}
	for _, f := range fields {
		v, err := ident.ParseVersion(f.Key.Text)
		if err != nil {
			return f.Key.Errorf("", "%s: %v", p.Name, err)
		}
		i, ok := slices.BinarySearchFunc(p.Releases, v, func(r GitRelease, v ident.Version) int { return r.Version.Compare(v) })
		if !ok || p.Releases[i].Version != v {
			return f.Key.Errorf("", "%s: yanked version %s is not one of its versions", p.Name, v)
		}
		r := &p.Releases[i]
		if r.Yanked, err = f.Value.AsBool("yanked"); err == nil {
			continue
		}
		text, err := f.Value.AsText("the reason why " + v.String() + " is yanked")
		if err == nil {
			if text, err = cleanText(text); err != nil {
				err = f.Value.Errorf("", "%s: yanked: %v", p.Name, err)
			}
		}
		if err != nil {
			return err
		}
		r.Yanked, r.YankReason = true, text
	}
	return nil
}

// Format writes an index.yml in its canonical form: sorted, and one version a line, so that two branches that publish merge.
func (ix *GitIndex) Format() []byte {
	if len(ix.Packages) == 0 {
		return []byte("packages: {}\n")
	}
	buf := []byte("packages:\n")
	packages := slices.Clone(ix.Packages)
	slices.SortFunc(packages, func(a, b GitPackage) int { return cmp.Compare(a.Name, b.Name) })
	for _, p := range packages {
		buf = append(appendYAMLKey(append(buf, "  "...), p.Name), ":\n"...)
		releases := slices.Clone(p.Releases)
		slices.SortFunc(releases, func(a, b GitRelease) int { return a.Version.Compare(b.Version) })
		if len(releases) == 0 {
			buf = append(buf, "    versions: []\n"...)
			continue
		}
		buf = append(buf, "    versions:\n"...)
		yanked := false
		for _, r := range releases {
			yanked = yanked || r.Yanked
			buf = append(append(append(buf, "      - "...), r.Version.String()...), '\n')
		}
		if yanked {
			buf = append(buf, "    yanked:\n"...)
		}
		for _, r := range releases {
			if !r.Yanked {
				continue
			}
			buf = append(append(append(buf, "      "...), r.Version.String()...), ": "...)
			if r.YankReason == "" {
				buf = append(buf, "true"...)
			} else {
				buf = appendQuoted(buf, r.YankReason)
			}
			buf = append(buf, '\n')
		}
	}
	return buf
}

// appendYAMLKey quotes the names that some YAML reader takes for something else: scoped ones, and the words of YAML 1.1.
func appendYAMLKey(buf []byte, name ident.Name) []byte {
	switch name {
	case "y", "n", "yes", "no", "on", "off", "true", "false", "null":
		return appendQuoted(buf, string(name))
	}
	if name[0] == '@' {
		return appendQuoted(buf, string(name))
	}
	return append(buf, name...)
}

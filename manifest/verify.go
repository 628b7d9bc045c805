package manifest

import (
	"slices"

	"github.com/openpackage/opkg/ident"
	"github.com/openpackage/opkg/internal/strictyaml"
)

// verify reads an edited text again. It must hold the entries deps and none of removed, and all else must be as it was:
// what opkg reads, and every node of the file outside of the edited entries.
func verify(file string, before, after []byte, deps []Dependency, removed []ident.Name) error {
	old, err := read(file, before, false)
	if err != nil {
		return err
	}
	fresh, err := read(file, after, false)
	if err != nil {
		return uneditable(file)
	}
	names := make([]ident.Name, len(deps))
	for i, d := range deps {
		names[i] = d.Name
	}
	if !sameRest(old, fresh, deps, removed) || !hasAll(old, fresh, deps) ||
		!slices.EqualFunc(foreignKeys(old, fresh, names), foreignKeys(fresh, old, names), strictyaml.Equal) {
		return uneditable(file)
	}
	return nil
}

// foreignKeys are the keys that opkg does not read, and their values, of those entries names that stand in both documents and in no list
// in brackets: an entry that moves between such a list and another is written anew.
func foreignKeys(doc, other *document, names []ident.Name) (out []*strictyaml.Node) {
	for _, name := range names {
		i, j := doc.find(name), other.find(name)
		if i < 0 || j < 0 || doc.entries[i].list.Value.Style == strictyaml.Flow || other.entries[j].list.Value.Style == strictyaml.Flow {
			continue
		}
		for _, f := range doc.entries[i].list.Value.Items[doc.entries[i].index].Fields {
			if !slices.Contains(ownKeys, f.Key.Text) && f.Key.Text != "path" {
				out = append(out, f.Key, f.Value)
			}
		}
	}
	return out
}

// hasAll reports whether fresh has each of deps as asked; the last of one name counts.
func hasAll(old, fresh *document, deps []Dependency) bool {
	last := map[ident.Name]Dependency{}
	for _, d := range deps {
		if d.Registry == "" && d.Git == "" && d.Path == "" {
			if i := old.find(d.Name); i >= 0 {
				d.Registry = old.entries[i].Registry
			}
			if earlier, ok := last[d.Name]; ok && earlier.Registry != "" {
				d.Registry = earlier.Registry
			}
		}
		last[d.Name] = d
	}
	for name, d := range last {
		i := fresh.find(name)
		if i < 0 || meaningOf(fresh.entries[i].Dependency) != meaningOf(d) {
			return false
		}
	}
	return true
}

// meaning is what two spellings of one dependency share.
type meaning struct {
	name                                 ident.Name
	rng, registry, git, ref, base, where string
	dev                                  bool
}

func meaningOf(d Dependency) meaning {
	m := meaning{name: d.Name, registry: d.Registry, git: d.Git, ref: d.Ref, base: d.Base, where: d.Path, dev: d.Dev}
	if d.HasRange && d.Path == "" {
		m.rng = d.Range.String()
	}
	if url, err := ident.ParseGitURL(d.Git); d.Git != "" && err == nil {
		m.git = url
	}
	return m
}

// sameRest compares two manifests but for the entries named.
func sameRest(old, fresh *document, deps []Dependency, removed []ident.Name) bool {
	edited := func(name ident.Name) bool {
		return slices.Contains(removed, name) || slices.ContainsFunc(deps, func(d Dependency) bool { return d.Name == name })
	}
	others := func(doc *document) (out []*strictyaml.Node) {
		for _, e := range doc.entries {
			if !edited(e.Name) {
				out = append(out, e.list.Value.Items[e.index])
			}
		}
		return out
	}
	if !slices.EqualFunc(others(old), others(fresh), strictyaml.Equal) {
		return false
	}
	rest := func(doc *document) (out []strictyaml.Field) {
		if doc.root == nil {
			return nil
		}
		for _, f := range doc.root.Fields {
			if !slices.Contains(prodKeys, f.Key.Text) && !slices.Contains(devKeys, f.Key.Text) {
				out = append(out, f)
			}
		}
		return out
	}
	return slices.EqualFunc(rest(old), rest(fresh), func(a, b strictyaml.Field) bool {
		return a.Key.Text == b.Key.Text && strictyaml.Equal(a.Value, b.Value)
	})
}

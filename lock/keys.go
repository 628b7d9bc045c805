package lock

import (
	"fmt"
	"slices"
	"strings"

	"github.com/openpackage/opkg/ident"
)

func (p *parser) setVersion(v value) (err error) {
	if p.version, err = v.number(1, 1<<62); err != nil {
		return err
	}
	if p.version > FormatVersion {
		return newer(p.version, p.reader.line)
	}
	return nil
}

func (p *parser) setRequire(r *Require, key string, v value) (known bool, err error) {
	switch key {
	case "name":
		r.Name, err = v.name()
	case "range":
		r.Range, err = p.rangeText(v)
	case "git":
		r.Git, err = p.gitURL(v)
	case "ref":
		r.Ref, err = v.ref()
	case "base":
		r.Base, err = v.checked(nil)
	case "registry":
		r.Registry, err = v.checked(nil)
	case "path":
		r.Path, err = v.checked(nil)
	case "dev":
		r.Dev, err = v.truth()
	default:
		return false, nil
	}
	return true, err
}

func (p *parser) setOverride(o *Override, key string, v value) (known bool, err error) {
	switch key {
	case "name":
		o.Name, err = v.name()
	case "range":
		o.Range, err = p.rangeText(v)
	default:
		return false, nil
	}
	return true, err
}

func (p *parser) setPackage(k *Package, key string, v value) (known bool, err error) {
	var s string
	switch key {
	case "name":
		k.Name, err = v.name()
	case "version":
		if s, err = v.checked(nil); err == nil {
			k.Version, err = ident.ParseVersion(s)
		}
	case "source":
		k.Source, err = p.source(v)
	case "artifact":
		k.Artifact, err = v.checked(artifactFault)
	case "git":
		k.Git, err = p.gitURL(v)
	case "ref":
		k.Ref, err = v.ref()
	case "base":
		k.Base, err = v.checked(insideFault)
	case "commit":
		if s, err = v.checked(nil); err == nil {
			k.Commit, err = ident.ParseCommit(s)
		}
	case "path":
		k.Path, err = v.checked(pathFault)
	case "size":
		k.Size, err = v.number(1, MaxArtifactSize)
	case "sha256":
		if s, err = v.checked(upperFault); err == nil {
			k.SHA256, err = ident.ParseSHA256(s)
		}
	case "tree":
		if s, err = v.checked(upperFault); err == nil {
			k.Tree, err = ident.ParseTreeID(s)
		}
	case "dependencies":
		k.Dependencies, err = p.dependencies(v)
	case "dev":
		k.Dev, err = v.truth()
	default:
		return false, nil
	}
	return true, err
}

// dependencies reads a list of "name range".
func (p *parser) dependencies(v value) ([]Dependency, error) {
	if v.kind != listValue {
		return nil, v.mistyped(listValue)
	}
	if len(v.list) == 0 {
		return nil, nil
	}
	out := make([]Dependency, len(v.list))
	for i, e := range v.list {
		name, rng, _ := strings.Cut(e.text, " ")
		var err error
		if out[i].Name, err = ident.ParseName(name); err == nil {
			out[i].Range, err = p.rangeText(value{kind: textValue, text: rng})
		}
		if err != nil {
			return nil, at(e.line, fmt.Errorf("dependencies: %s: want \"name range\": %w", quote(e.text), err))
		}
	}
	slices.SortFunc(out, func(a, b Dependency) int { return strings.Compare(string(a.Name), string(b.Name)) })
	for i := 1; i < len(out); i++ {
		if out[i].Name == out[i-1].Name {
			return nil, fmt.Errorf("%s stands twice", out[i].Name)
		}
	}
	return out, nil
}

// rangeText is a range as its author wrote it, tabs and all.
func (p *parser) rangeText(v value) (string, error) {
	text := v.text
	v.text = strings.ReplaceAll(text, "\t", " ")
	_, err := p.once(v, p.ranges, func(s string) error {
		if s != strings.TrimSpace(s) {
			return fmt.Errorf("%s has blanks around it", quote(s))
		}
		_, err := ident.ParseRange(s)
		return err
	})
	return text, err
}

func (p *parser) source(v value) (ident.SourceID, error) {
	s, err := p.once(v, p.sources, func(s string) error {
		id, err := ident.ParseSource(s)
		if err == nil && string(id) != s {
			err = fmt.Errorf("%s is not in its canonical form, %s", quote(s), quote(string(id)))
		}
		return err
	})
	return ident.SourceID(s), err
}

func (p *parser) gitURL(v value) (string, error) {
	return p.once(v, p.gits, func(s string) error {
		u, err := ident.ParseGitURL(s)
		if err == nil && u != s {
			err = fmt.Errorf("%s is not in its canonical form, %s", quote(s), quote(u))
		}
		return err
	})
}

// once checks the text of v, or remembers what the check said.
func (p *parser) once(v value, known map[string]error, check func(string) error) (string, error) {
	s, err := v.checked(nil)
	if err != nil {
		return "", err
	}
	err, found := known[s]
	if !found {
		err = check(s)
		known[s] = err
	}
	return s, err
}

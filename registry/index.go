package registry

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/openpackage/opkg/ident"
)

// The keys that count; others are ignored, so that registries can grow.
var (
	indexKeys   = []string{"name", "description", "versions"}
	releaseKeys = []string{"tarball", "sha256", "size", "tree", "dependencies", "published", "yanked", "description", "canonical"}
)

// ParseIndex reads an index.json strictly; want is the name that was asked for. The error is an *Error.
func ParseIndex(file string, want ident.Name, data []byte) (*Index, error) {
	p := indexParser{scanner: scanner{data: data}, ranges: map[string]ident.Range{}, names: map[string]ident.Name{}}
	ix, err := p.parse(want)
	if err != nil {
		return nil, errorIn(file, data, err)
	}
	return ix, nil
}

type indexParser struct {
	scanner
	// The versions of one package mostly need the same: each range and name is parsed once.
	ranges map[string]ident.Range
	names  map[string]ident.Name
}

func (p *indexParser) parse(want ident.Name) (*Index, error) {
	ix := &Index{}
	err := p.document("an index", MaxIndexSize, indexKeys, []string{"name", "versions"}, func(key string, _ int) (err error) {
		switch at := p.pos; key {
		case "name":
			name, err := p.str()
			if err == nil && name != string(want) {
				err = &fault{at, fmt.Sprintf("the index is for %s, not for %q", quote(name), want)}
			}
			ix.Name = want
			return err
		case "description":
			ix.Description, err = p.text()
			return err
		default:
			ix.Releases, err = p.versions()
			return err
		}
	})
	if err != nil {
		return nil, err
	}
	return ix, nil
}

func (p *indexParser) versions() ([]Release, error) {
	var out []Release
	err := p.object(func(key string, pos int) error {
		v, err := ident.ParseVersion(key)
		if err != nil {
			return within("", pos, err)
		}
		r, err := p.release()
		if err != nil {
			return within("version "+v.String(), pos, err)
		}
		r.Version = v
		out = append(out, r)
		return nil
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(out, func(a, b Release) int { return a.Version.Compare(b.Version) })
	for i := 1; i < len(out); i++ {
		if a, b := out[i-1].Version, out[i].Version; a.Compare(b) == 0 {
			return nil, sameVersions(a, b)
		}
	}
	return out, nil
}

// sameVersions is the error for two versions of the same precedence: a range could not tell them apart.
func sameVersions(a, b ident.Version) error {
	if a == b {
		return fmt.Errorf("version %s stands twice", a)
	}
	x, y := a.String(), b.String()
	return fmt.Errorf("versions %s and %s differ in build metadata alone", min(x, y), max(x, y))
}

func (p *indexParser) release() (Release, error) {
	var r Release
	keys := members{known: releaseKeys}
	err := p.fields(&keys, func(key string, _ int) error {
		at := p.pos
		if err := p.releaseKey(&r, key); err != nil {
			return within(key, at, err)
		}
		return nil
	})
	switch {
	case err != nil:
	case !keys.has("tarball"):
		err = errors.New("it has no tarball")
	case !keys.has("sha256"):
		err = errors.New("it has no sha256")
	}
	return r, err
}

func (p *indexParser) releaseKey(r *Release, key string) (err error) {
	var s string
	switch key {
	case "size":
		r.Size, err = p.whole(1, MaxArtifactSize)
		return err
	case "dependencies":
		r.Dependencies, err = p.dependencies()
		return err
	case "description":
		r.Description, err = p.text()
		return err
	case "yanked":
		if p.word("true") {
			r.Yanked = true
		} else if !p.word("false") {
			r.Yanked = true
			r.YankReason, err = p.text()
		}
		return err
	}
	if s, err = p.str(); err != nil {
		return err
	}
	switch key {
	case "tarball":
		r.Artifact, err = s, checkReference(s)
	case "canonical":
		if r.Canonical, err = s, checkReference(s); err == nil && !strings.HasPrefix(s, "https://") && !strings.HasPrefix(s, "http://") {
			err = fmt.Errorf("%s is not an absolute URL", quote(s))
		}
	case "sha256":
		r.SHA256, err = ident.ParseSHA256(s)
	case "tree":
		r.Tree, err = ident.ParseTreeID(s)
	case "published":
		if !isRFC3339(s) {
			err = fmt.Errorf("%s is not a time in the form of RFC 3339", quote(s))
		}
		r.Published = s
	}
	return err
}

func (p *indexParser) dependencies() ([]ident.Requirement, error) {
	var out []ident.Requirement
	err := p.object(func(key string, pos int) error {
		if len(out) == MaxDependencies {
			return &fault{pos, fmt.Sprintf("there are more than %d", MaxDependencies)}
		}
		name, ok := p.names[key]
		if !ok {
			var err error
			if name, err = ident.ParseName(key); err != nil {
				return within("", pos, err)
			}
			p.names[key] = name
		}
		at := p.pos
		text, err := p.str()
		if err != nil {
			return err
		}
		rng, ok := p.ranges[text]
		if !ok {
			if len(text) > MaxRange {
				return &fault{at, fmt.Sprintf("the range of %s has more than %d bytes", name, MaxRange)}
			}
			if rng, err = ident.ParseRange(text); err != nil {
				return within("", at, err)
			}
			p.ranges[text] = rng
		}
		out = append(out, ident.Requirement{Name: name, Range: rng})
		return nil
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(out, func(a, b ident.Requirement) int { return cmp.Compare(a.Name, b.Name) })
	for i := 1; i < len(out); i++ {
		if out[i].Name == out[i-1].Name {
			return nil, fmt.Errorf("%s stands twice", out[i].Name)
		}
	}
	return out, nil
}

// text is a line for people. Line ends and other control characters become blanks: it is shown on terminals.
func (p *indexParser) text() (string, error) {
	s, err := p.str()
	if err != nil {
		return "", err
	}
	return cleanText(s)
}

func cleanText(s string) (string, error) {
	if len(s) > MaxText {
		return "", fmt.Errorf("it has more than %d bytes", MaxText)
	}
	words := strings.FieldsFunc(s, func(r rune) bool { return r == ' ' || isControl(r) })
	if len(words) == 0 {
		return "", errors.New("it is empty")
	}
	return strings.Join(words, " "), nil
}

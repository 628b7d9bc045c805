package cas

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"

	"github.com/zeebo/blake3"

	"github.com/openpackage/opkg/ident"
)

// Artifact is the record of one artifact that was verified and stored.
type Artifact struct {
	Name         ident.Name
	Version      ident.Version
	Size         int64
	SHA256       ident.SHA256
	Tree         ident.TreeID
	Dependencies []ident.Requirement // as the package's own manifest says, sorted by name
}

// DescribeDependencies is a list of requirements in words: "none", or "base ^1.0.0, other *".
func DescribeDependencies(deps []ident.Requirement) string {
	if len(deps) == 0 {
		return "none"
	}
	parts := make([]string, len(deps))
	for i, d := range deps {
		parts[i] = string(d.Name) + " " + d.Range.String()
	}
	return strings.Join(parts, ", ")
}

// sameDependencies compares names and ranges as they are written, in any order.
func sameDependencies(a, b []ident.Requirement) bool {
	return slices.EqualFunc(sortedDependencies(a), sortedDependencies(b), func(x, y ident.Requirement) bool {
		return x.Name == y.Name && x.Range.String() == y.Range.String()
	})
}

func sortedDependencies(deps []ident.Requirement) []ident.Requirement {
	deps = slices.Clone(deps)
	slices.SortFunc(deps, func(a, b ident.Requirement) int { return strings.Compare(string(a.Name), string(b.Name)) })
	return deps
}

const recordHeader = "opkg artifact v1"

// format is the record's text. Its last line is the BLAKE3 of what stands before it.
func (a *Artifact) format() string {
	var b strings.Builder
	b.Grow(512)
	b.WriteString(recordHeader + "\nsha256 " + a.SHA256.String() + "\nsize " + strconv.FormatInt(a.Size, 10) + "\nname " + string(a.Name) +
		"\nversion " + a.Version.String() + "\ntree " + a.Tree.String() + "\n")
	for _, d := range a.Dependencies {
		b.WriteString("dependency " + string(d.Name) + " " + strconv.Quote(d.Range.String()) + "\n")
	}
	fmt.Fprintf(&b, "blake3 %x\n", blake3.Sum256([]byte(b.String())))
	return b.String()
}

var errRecord = errors.New("the record is damaged")

// parseArtifact reads what format writes, and nothing else.
func parseArtifact(text string) (*Artifact, error) {
	lines := strings.Split(text, "\n")
	if len(lines) < 8 || lines[0] != recordHeader {
		return nil, errRecord
	}
	value := func(line, key string) string {
		v, _ := strings.CutPrefix(line, key+" ")
		return v
	}
	var a Artifact
	var errs [5]error
	a.SHA256, errs[0] = ident.ParseSHA256(value(lines[1], "sha256"))
	a.Size, errs[1] = parseSize(value(lines[2], "size"))
	a.Name, errs[2] = ident.ParseName(value(lines[3], "name"))
	a.Version, errs[3] = ident.ParseVersion(value(lines[4], "version"))
	a.Tree, errs[4] = ident.ParseTreeID(value(lines[5], "tree"))
	for _, line := range lines[6 : len(lines)-2] {
		name, quoted, _ := strings.Cut(value(line, "dependency"), " ")
		text, err := strconv.Unquote(quoted)
		if err != nil {
			return nil, errRecord
		}
		var d ident.Requirement
		if d.Name, err = ident.ParseName(name); err != nil {
			return nil, errRecord
		}
		if d.Range, err = ident.ParseRange(text); err != nil {
			return nil, errRecord
		}
		a.Dependencies = append(a.Dependencies, d)
	}
	if errors.Join(errs[:]...) != nil || a.format() != text {
		return nil, errRecord
	}
	return &a, nil
}

// Limits of what is read back from the store, in bytes.
const (
	maxRecord  = 16 << 20
	maxListing = 128 << 20
)

// Artifact finds the record of a stored artifact by the digest of its bytes; ok is false when it, its tree or any
// of its blobs is not there, damaged or not to be read (blobs are judged by one stat each: size, mode, mtime).
func (s *Store) Artifact(d ident.SHA256) (a *Artifact, ok bool, err error) {
	if a, ok, err = s.Record(d); !ok || err != nil {
		return nil, false, err
	}
	t, err := s.Tree(a.Tree)
	if errors.Is(err, fs.ErrPermission) {
		return nil, false, nil // the next Put writes another
	}
	if err != nil {
		return nil, false, ignoreMissing(err)
	}
	for _, e := range t.Entries {
		if err := s.CheckBlob(e.Blob, e.Size); err != nil {
			return nil, false, ignoreMissing(err)
		}
	}
	return a, true, nil
}

// Record is Artifact for one who looks at the tree and the blobs when using them, and can bear that they are not there. It reads the records of
// all artifacts at the first call.
func (s *Store) Record(d ident.SHA256) (a *Artifact, ok bool, err error) {
	text, ok, err := s.record(d)
	if !ok || err != nil {
		return nil, false, err
	}
	if a, err = parseArtifact(text); err != nil {
		return nil, false, nil // the next Put writes another
	}
	return a, true, nil
}

// Tree reads a stored listing and checks it against its own name. fs.ErrNotExist when it is not there or
// damaged: then Put writes it again.
func (s *Store) Tree(id ident.TreeID) (*Tree, error) {
	data, err := s.read(treeName(id), maxListing)
	if err != nil {
		return nil, err
	}
	if ident.TreeID(blake3.Sum256(data)) == id {
		if t, err := parseKept(data); err == nil {
			return t, nil
		}
	}
	return nil, s.within(&fs.PathError{Op: "read", Path: treeName(id), Err: fs.ErrNotExist})
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

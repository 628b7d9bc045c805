package ops

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/openpackage/opkg/cas"
	"github.com/openpackage/opkg/ident"
	"github.com/openpackage/opkg/internal/atomicfile"
	"github.com/openpackage/opkg/registry"
)

// IndexResult counts what IndexRegistry found.
type IndexResult struct {
	Dir      string
	Packages int
	Versions int
	Written  []string // index files whose bytes changed, relative to Dir
}

// IndexRegistry (re)generates packages/<name>/index.json for every archive under dir: name, version and dependencies are
// read out of each archive; size, sha256 and tree are computed. What an existing index says of a version and an
// archive cannot tell (yanked, published, description) is kept. The digest of a version that is indexed
// already never changes: that is an *ident.MismatchError, and nothing is written.
func (w *World) IndexRegistry(ctx context.Context, dir string) (*IndexResult, error) {
	names, err := packageDirs(dir)
	if err != nil {
		return nil, err
	}
	res := &IndexResult{Dir: dir, Packages: len(names)}
	type job struct{ old, fresh []byte }
	jobs := make([]job, len(names))
	counts := make([]int, len(names))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	for i, name := range names {
		g.Go(func() error {
			ix, old, err := indexOne(gctx, dir, name)
			if err != nil || old == nil && len(ix.Releases) == 0 {
				return err // an empty directory is no package: an index would claim its name
			}
			jobs[i], counts[i] = job{old: old, fresh: ix.Format()}, len(ix.Releases)
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	for i, name := range names {
		res.Versions += counts[i]
		if bytes.Equal(jobs[i].old, jobs[i].fresh) {
			continue
		}
		rel := registry.IndexPath(name)
		if err := atomicfile.Write(filepath.Join(dir, filepath.FromSlash(rel)), jobs[i].fresh, 0o644); err != nil {
			return nil, fmt.Errorf("write %s: %w", rel, err)
		}
		res.Written = append(res.Written, rel)
	}
	return res, nil
}

// packageDirs are the names of all packages under dir/packages, sorted.
func packageDirs(dir string) ([]ident.Name, error) {
	top := filepath.Join(dir, "packages")
	entries, err := os.ReadDir(top)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &NotRegistryError{Dir: dir}
	}
	if err != nil {
		return nil, err
	}
	var names []ident.Name
	add := func(s string) error {
		name, err := ident.ParseName(s)
		if err != nil {
			return fmt.Errorf("%s: %w", filepath.Join(top, filepath.FromSlash(s)), err)
		}
		names = append(names, name)
		return nil
	}
	for _, e := range entries {
		switch {
		case !e.IsDir() || strings.HasPrefix(e.Name(), "."):
			continue
		case strings.HasPrefix(e.Name(), "@"):
			inner, err := os.ReadDir(filepath.Join(top, e.Name()))
			if err != nil {
				return nil, err
			}
			for _, in := range inner {
				if in.IsDir() && !strings.HasPrefix(in.Name(), ".") {
					if err := add(e.Name() + "/" + in.Name()); err != nil {
						return nil, err
					}
				}
			}
		default:
			if err := add(e.Name()); err != nil {
				return nil, err
			}
		}
	}
	slices.Sort(names)
	return names, nil
}

// indexOne reads all archives of one package and returns its index and the bytes of the one that stood there.
func indexOne(ctx context.Context, dir string, name ident.Name) (*registry.Index, []byte, error) {
	file := filepath.Join(dir, filepath.FromSlash(registry.IndexPath(name)))
	ix := &registry.Index{Name: name}
	known := map[ident.Version]registry.Release{}
	old, err := readUserFile(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, nil, err
	default:
		was, err := registry.ParseIndex(file, name, old)
		if err != nil {
			return nil, nil, err
		}
		ix.Description = was.Description
		for _, r := range was.Releases {
			known[r.Version] = r
		}
	}
	entries, err := os.ReadDir(filepath.Dir(file))
	if err != nil {
		return nil, nil, err
	}
	for _, e := range entries {
		stem, ok := strings.CutSuffix(e.Name(), ".tgz")
		if !ok || strings.HasPrefix(stem, ".") {
			continue
		}
		if err := ctx.Err(); err != nil {
			return nil, nil, err
		}
		path := filepath.Join(filepath.Dir(file), e.Name())
		v, err := ident.ParseVersion(stem)
		if err != nil {
			return nil, nil, fmt.Errorf("%s: the file name must be VERSION.tgz: %w", path, err)
		}
		for _, r := range ix.Releases {
			if r.Version.Compare(v) == 0 {
				return nil, nil, fmt.Errorf("%s: versions %s and %s differ in build metadata alone, which does not distinguish two versions of a registry", path, r.Version, v)
			}
		}
		r, err := describeArchive(ctx, path, name, v)
		if err != nil {
			return nil, nil, err
		}
		if was, ok := known[v]; ok {
			if was.SHA256 != r.SHA256 {
				return nil, nil, &ident.MismatchError{Name: name, Version: v, Source: path, What: "sha256",
					Want: was.SHA256.String() + " (index.json: a published version never changes)", Got: r.SHA256.String()}
			}
			r.Published, r.Yanked, r.YankReason = was.Published, was.Yanked, was.YankReason
			if r.Description == "" {
				r.Description = was.Description
			}
			delete(known, v)
		}
		ix.Releases = append(ix.Releases, r)
	}
	if len(known) > 0 {
		gone := make([]string, 0, len(known))
		for v := range known {
			gone = append(gone, v.String())
		}
		slices.Sort(gone)
		return nil, nil, &LostArchivesError{Name: name, Index: file, Versions: gone}
	}
	slices.SortFunc(ix.Releases, func(a, b registry.Release) int { return a.Version.Compare(b.Version) })
	return ix, old, nil
}

// describeArchive reads one archive whole.
func describeArchive(ctx context.Context, path string, name ident.Name, v ident.Version) (registry.Release, error) {
	f, err := os.Open(path)
	if err != nil {
		return registry.Release{}, err
	}
	defer f.Close()
	a, err := cas.Inspect(ctx, path, f)
	if err != nil {
		return registry.Release{}, err
	}
	if a.Name != name {
		return registry.Release{}, &ident.MismatchError{Name: name, Version: v, Source: path, What: "name in openpackage.yml", Want: string(name), Got: string(a.Name)}
	}
	if a.Version != v {
		return registry.Release{}, &ident.MismatchError{Name: name, Version: v, Source: path, What: "version in openpackage.yml", Want: v.String(), Got: a.Version.String()}
	}
	return registry.Release{Version: v, Artifact: v.String() + ".tgz", Size: a.Size, SHA256: a.SHA256, Tree: a.Tree, Dependencies: a.Dependencies}, nil
}

// NotRegistryError says that a directory is not laid out like a registry.
type NotRegistryError struct{ Dir string }

func (e *NotRegistryError) Error() string {
	return e.Dir + " is no registry: it has no packages directory"
}

// Hint shows the layout.
func (e *NotRegistryError) Hint() string {
	return "put archives at packages/NAME/VERSION.tgz below it"
}

// LostArchivesError says that an index lists versions whose archives are gone.
type LostArchivesError struct {
	Name     ident.Name
	Index    string
	Versions []string
}

func (e *LostArchivesError) Error() string {
	return fmt.Sprintf("%s lists %s %s, but the archives are gone", e.Index, e.Name, strings.Join(e.Versions, ", "))
}

// Hint says what to do.
func (e *LostArchivesError) Hint() string {
	return "bring the archives back: locks may name them; to forget a version for good, take it out of the index by hand"
}

package git

import (
	"context"

	"github.com/openpackage/opkg/internal/archive"
	"github.com/openpackage/opkg/manifest"
	"github.com/openpackage/opkg/registry"
)

// Search implements sources.Searcher: the packages of index.yml, described by the openpackage.yml of the version that search shows. One
// that cannot be read leaves its package without a description: whoever asks for the package itself is told.
func (r *Registry) Search(ctx context.Context) (*registry.Search, error) {
	at, err := r.newest(ctx)
	if err != nil {
		return nil, err
	}
	ix, err := r.index(ctx, at)
	if err != nil {
		return nil, err
	}
	out := &registry.Search{}
	files := map[string]entry{}
	paths := map[int]string{} // by place in out
	for _, p := range ix.Packages {
		listed := registry.Index{Name: p.Name}
		for _, rel := range p.Releases {
			listed.Releases = append(listed.Releases, registry.Release{Version: rel.Version, Yanked: rel.Yanked, YankReason: rel.YankReason})
		}
		e, ok := registry.EntryOf(&listed)
		if !ok {
			continue
		}
		path := registry.GitPath(p.Name, e.Version) + "/" + archive.Manifest
		f, ok, err := r.mirror.find(ctx, at.tree, path)
		if err != nil {
			return nil, err
		}
		if ok && f.isFile() {
			files[path] = f
			paths[len(out.Entries)] = path
		}
		out.Entries = append(out.Entries, e)
	}
	data, err := r.mirror.blobs(ctx, at.commit, at.tree, files, archive.MaxManifestBytes)
	if err != nil {
		return nil, malformed(r.place(at.commit, "packages"), err)
	}
	for i, path := range paths {
		if m, err := manifest.ParsePackage(path, data[files[path].id]); err == nil {
			out.Entries[i].Description = registry.CleanDescription(m.Description)
			out.Entries[i].Keywords = registry.CleanKeywords(m.Keywords)
		}
	}
	return out, nil
}

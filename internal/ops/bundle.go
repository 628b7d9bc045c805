package ops

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"

	"github.com/openpackage/opkg/ident"
	"github.com/openpackage/opkg/internal/archive"
	"github.com/openpackage/opkg/registry"
)

// A registry that has a bundle (registry.BundlePath) has one that says what the indexes say. While an index is being replaced none is served: who
// writes puts it aside first, and makes it anew from all indexes when the lock is released. So a kill in between leaves none, and a sign that
// there is to be one.

// asideName is where a bundle stands that is not served.
const asideName = maintenanceDir + "/" + registry.BundlePath

// setAside takes the bundle away from those who read the registry, if there is one. The caller holds the lock.
func (d *regDir) setAside() error {
	err := d.root.Rename(registry.BundlePath, asideName)
	switch {
	case err == nil:
		d.syncDir(maintenanceDir)
		d.syncDir(".")
		return nil
	case errors.Is(err, fs.ErrNotExist):
		return nil
	}
	return fmt.Errorf("put %s aside: %w", d.file(registry.BundlePath), err)
}

// replaceIndex makes an index hold data.
func (d *regDir) replaceIndex(name ident.Name, data []byte) error {
	if err := d.setAside(); err != nil {
		return err
	}
	return d.replace(registry.IndexPath(name), data)
}

// finishBundle makes the bundle that was put aside, by whomever. That it cannot be made costs time, not the registry.
func (d *regDir) finishBundle(w *World) {
	if _, err := d.root.Lstat(asideName); err != nil {
		return
	}
	if _, err := d.writeBundle(w); err != nil {
		w.warn(fmt.Sprintf("%s could not be written, and is left out: %v", d.file(registry.BundlePath), err), "opkg registry index "+d.dir+" writes it")
	}
}

// writeBundle makes the bundle of all indexes, and reports whether that made another file. A registry that has more of them than a bundle may hold,
// or one that nobody could read, has none.
func (d *regDir) writeBundle(w *World) (written bool, err error) {
	data, err := d.makeBundle()
	if err != nil {
		return false, err
	}
	old, oldErr := d.read(registry.BundlePath, registry.MaxBundleSize)
	switch {
	case data != nil && (oldErr != nil || !bytes.Equal(old, data)):
		written, err = true, d.replace(registry.BundlePath, data)
	case data == nil:
		if _, err := d.root.Lstat(asideName); err == nil || oldErr == nil {
			w.warn(d.file(registry.BundlePath)+" is left out: the indexes are more than it may hold", "clients ask for each index that they need")
		}
		err = d.remove(registry.BundlePath)
	}
	if err != nil {
		return written, err
	}
	return written, d.remove(asideName)
}

// remove removes a file, which need not be there.
func (d *regDir) remove(rel string) error {
	err := d.root.Remove(rel)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return d.within(err)
}

// makeBundle is the bundle as the indexes want it; nil where there is to be none.
func (d *regDir) makeBundle() ([]byte, error) {
	indexes, fit, err := d.indexes()
	if err != nil || !fit || len(indexes) == 0 {
		return nil, err
	}
	data, err := archive.Gzip(registry.FormatBundle(indexes))
	if len(data) > registry.MaxBundleSize {
		return nil, nil
	}
	return data, err
}

// indexes are all index files that can be read, as they stand, unless they are too many for a bundle. What is missing in a bundle is asked for itself.
func (d *regDir) indexes() (all []registry.Bundled, fit bool, err error) {
	names, _, err := d.names()
	if err != nil {
		return nil, false, err
	}
	size := 0
	for _, name := range names {
		data, err := d.read(registry.IndexPath(name), registry.MaxIndexSize)
		if err != nil {
			continue
		}
		size += len(data) + ident.MaxName + 20
		if size > registry.MaxBundleText || len(all) == registry.MaxBundlePackages {
			return nil, false, nil
		}
		all = append(all, registry.Bundled{Name: name, Data: data})
	}
	return all, true, nil
}

// checkBundle holds the bundle against the indexes. One of a form that this opkg does not know is not judged, nor one that is being replaced.
func (d *regDir) checkBundle() *RegistryFault {
	for range 3 {
		before := d.stampOf(registry.BundlePath)
		fault := d.judgeBundle()
		if fault == "" {
			return nil
		}
		if d.stampOf(registry.BundlePath) == before {
			return &RegistryFault{Severity: CheckError, Kind: "bundle", Text: registry.BundlePath + ": " + fault + ": opkg registry index writes it anew"}
		}
	}
	return nil
}

// judgeBundle says what is wrong with the bundle; "" if nothing is, or there is none.
func (d *regDir) judgeBundle() string {
	data, err := d.read(registry.BundlePath, registry.MaxBundleSize)
	if errors.Is(err, fs.ErrNotExist) {
		return ""
	}
	var text []byte
	if err == nil {
		text, err = archive.Gunzip("", data, registry.MaxBundleText)
	}
	var has map[ident.Name][]byte
	if err == nil {
		has, err = registry.ParseBundle(path.Base(registry.BundlePath), text)
	}
	if newer := (*registry.BundleFormError)(nil); errors.As(err, &newer) {
		return ""
	}
	if err != nil {
		return oneLine(err)
	}
	indexes, fit, err := d.indexes()
	if err != nil || !fit {
		return "the indexes are too many for it, or cannot be read"
	}
	for _, ix := range indexes {
		if !bytes.Equal(has[ix.Name], ix.Data) {
			return fmt.Sprintf("it says something else of %s than %s", ix.Name, registry.IndexPath(ix.Name))
		}
		delete(has, ix.Name)
	}
	if len(has) > 0 {
		return fmt.Sprintf("it has %s, whose index is not there or cannot be read", slices.Min(slices.Collect(maps.Keys(has))))
	}
	return ""
}

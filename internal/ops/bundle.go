package ops

import (
	"bytes"
	"errors"
	"io/fs"
	"maps"
	"slices"

	"github.com/openpackage/opkg/ident"
	"github.com/openpackage/opkg/internal/archive"
	"github.com/openpackage/opkg/registry"
)

// A registry that has a bundle (registry.BundlePath) has one that says what the indexes say. While an index is being replaced none is served: who
// writes puts it aside first, and makes it anew from all indexes behind that. So a kill in between leaves none, and a sign that there is to be one.

// asideName is where a bundle stands that is not served.
const asideName = maintenanceDir + "/" + registry.BundlePath

// changing has f replace indexes. A registry without a bundle gets one only if that is asked. The caller holds the lock.
func (d *regDir) changing(create bool, f func() error) error {
	there, err := d.setAside()
	if err != nil {
		return err
	}
	err = f()
	if there || create {
		err = errors.Join(err, d.writeBundle())
	}
	return err
}

// setAside takes the bundle away from those who read the registry, if there is one.
func (d *regDir) setAside() (there bool, err error) {
	err = d.root.Rename(registry.BundlePath, asideName)
	switch {
	case err == nil:
		d.syncDir(".")
		return true, nil
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	}
	return false, d.within(err)
}

// finishBundle makes the bundle that a killed writer put aside, and did not come to make anew.
func (d *regDir) finishBundle() error {
	if _, err := d.root.Lstat(asideName); err != nil {
		return nil
	}
	return d.writeBundle()
}

// writeBundle makes the bundle of all indexes. A registry that has more of them than a bundle may hold, or one that nobody could read, has none.
func (d *regDir) writeBundle() error {
	data, err := d.makeBundle()
	if err != nil {
		return err
	}
	if data == nil {
		err = d.root.Remove(registry.BundlePath)
	} else if old, oldErr := d.read(registry.BundlePath, registry.MaxBundleSize); oldErr != nil || !bytes.Equal(old, data) {
		err = d.replace(registry.BundlePath, data)
	}
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		err = d.root.Remove(asideName)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return d.within(err)
}

// makeBundle is the bundle as the indexes want it; nil where there is to be none.
func (d *regDir) makeBundle() ([]byte, error) {
	indexes, err := d.indexes()
	if len(indexes) == 0 || err != nil {
		return nil, err
	}
	data, err := archive.Gzip(registry.FormatBundle(indexes))
	if len(data) > registry.MaxBundleSize {
		return nil, nil
	}
	return data, err
}

// indexes are all index files that can be read, as they stand; none where they are too many for a bundle. What is missing in a bundle is asked for itself.
func (d *regDir) indexes() ([]registry.Bundled, error) {
	names, _, err := d.names()
	if err != nil {
		return nil, err
	}
	var out []registry.Bundled
	size := 0
	for _, name := range names {
		data, err := d.read(registry.IndexPath(name), registry.MaxIndexSize)
		if err != nil {
			continue
		}
		if size += len(data) + ident.MaxName + 20; size > registry.MaxBundleText {
			return nil, nil
		}
		out = append(out, registry.Bundled{Name: name, Data: data})
	}
	return out, nil
}

// checkBundle holds the bundle against the indexes.
func (d *regDir) checkBundle() *RegistryFault {
	fault := func(text string) *RegistryFault {
		return &RegistryFault{Severity: CheckError, Kind: "bundle", Text: registry.BundlePath + ": " + text + ": opkg registry index writes it anew"}
	}
	data, err := d.read(registry.BundlePath, registry.MaxBundleSize)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fault(err.Error())
	}
	text, err := archive.Gunzip(d.file(registry.BundlePath), data, registry.MaxBundleText)
	if err != nil {
		return fault(err.Error())
	}
	has, err := registry.ParseBundle(d.file(registry.BundlePath), text)
	if err != nil {
		return fault(err.Error())
	}
	indexes, err := d.indexes()
	if err != nil {
		return nil // that is a fault of its own
	}
	for _, ix := range indexes {
		if !bytes.Equal(has[ix.Name], ix.Data) {
			return fault("it says something else of " + string(ix.Name) + " than " + registry.IndexPath(ix.Name))
		}
		delete(has, ix.Name)
	}
	if len(has) > 0 {
		return fault("it has " + string(slices.Min(slices.Collect(maps.Keys(has)))) + ", which has no index")
	}
	return nil
}

//go:build !linux

package dirfd

// Entries lists what stands in d, in no order.
func (d *Dir) Entries() ([]Entry, error) {
	f, err := d.list()
	if err != nil {
		return nil, err
	}
	defer f.Close()
	found, err := f.ReadDir(-1)
	list := make([]Entry, len(found))
	for i, e := range found {
		list[i] = Entry{e.Name(), e.Type()}
	}
	return list, err
}

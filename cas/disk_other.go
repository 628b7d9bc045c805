//go:build !linux

package cas

// syncAll makes the named files of f last.
func (f *folder) syncAll(names []string) error { return f.syncOneByOne(names) }

// publish moves a file of f into another directory; existed means that its name is taken there, and that nothing was done.
func (f *folder) publish(name string, to *folder, as string) (existed bool, err error) {
	if err := f.disk.do("publish", to.name+"/"+as); err != nil {
		return false, err
	}
	return f.publishByLink(name, to, as)
}

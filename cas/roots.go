package cas

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strconv"
	"strings"

	"github.com/zeebo/blake3"
)

// Root is one workspace that synced here. Its lock says what of the store is in use.
type Root struct {
	Workspace string // absolute
	Lock      string // absolute
}

const rootHeader = "opkg root v1"

func (r Root) format() string {
	return fmt.Sprintf("%s\nworkspace %s\nlock %s\n", rootHeader, strconv.Quote(r.Workspace), strconv.Quote(r.Lock))
}

func parseRoot(text string) (r Root, ok bool) {
	lines := strings.Split(text, "\n")
	if len(lines) != 4 {
		return r, false
	}
	var errs [2]error
	for i, field := range []struct {
		key string
		to  *string
	}{{"workspace ", &r.Workspace}, {"lock ", &r.Lock}} {
		*field.to, errs[i] = strconv.Unquote(strings.TrimPrefix(lines[i+1], field.key))
	}
	return r, errors.Join(errs[:]...) == nil && r.format() == text
}

// RegisterRoot notes that the workspace at the absolute path workspace syncs here, by the lock at lockPath. One
// that is noted already costs one read.
func (s *Store) RegisterRoot(workspace, lockPath string) error {
	r := Root{Workspace: workspace, Lock: lockPath}
	name := fmt.Sprintf("%s/%x", rootsDir, blake3.Sum256([]byte(workspace)))
	if data, err := s.read(name, maxRecord); err == nil && string(data) == r.format() {
		return nil
	}
	folder, err := s.session()
	if err != nil {
		return s.within(err)
	}
	defer func() {
		folder.close()
		_ = folder.disk.root.RemoveAll(folder.name)
	}()
	err = folder.fill("root", false, func(w io.Writer) error {
		_, err := io.WriteString(w, r.format())
		return err
	})
	if err == nil {
		err = folder.disk.mkdir(rootsDir)
	}
	if err == nil {
		err = folder.syncAll([]string{"root"})
	}
	if err == nil {
		err = folder.replace("root", folder.disk.at, name)
	}
	return s.within(err)
}

// Roots are the workspaces that synced here, in no order that means anything, but always the same one. A damaged file is
// read past.
func (s *Store) Roots() ([]Root, error) {
	d, err := s.open()
	if err != nil {
		return nil, ignoreMissing(err)
	}
	entries, err := fs.ReadDir(d.root.FS(), rootsDir)
	if err != nil {
		return nil, ignoreMissing(err)
	}
	var roots []Root
	for _, e := range entries {
		data, err := s.read(rootsDir+"/"+e.Name(), maxRecord)
		if err != nil {
			continue
		}
		if r, ok := parseRoot(string(data)); ok {
			roots = append(roots, r)
		}
	}
	return roots, nil
}

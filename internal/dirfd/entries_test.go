package dirfd

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// TestEntries lists more than one call of the system gives, and again, with the types of all that there may be.
func TestEntries(t *testing.T) {
	top := t.TempDir()
	want := map[string]fs.FileMode{"directory": fs.ModeDir, strings.Repeat("n", 200): 0, "ü": 0}
	for i := range 2000 {
		want[fmt.Sprintf("%0100d", i)] = 0
	}
	for name, mode := range want {
		var err error
		if mode == 0 {
			err = os.WriteFile(filepath.Join(top, name), nil, 0o644)
		} else {
			err = os.Mkdir(filepath.Join(top, name), 0o755)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if runtime.GOOS != "windows" {
		want["link"] = fs.ModeSymlink
		if err := os.Symlink("nowhere", filepath.Join(top, "link")); err != nil {
			t.Fatal(err)
		}
	}
	d, err := Open(top)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	for range 2 {
		list, err := d.Entries()
		if err != nil || len(list) != len(want) {
			t.Fatalf("%d of %d entries, %v", len(list), len(want), err)
		}
		for _, e := range list {
			if mode, ok := want[e.Name]; !ok || mode != e.Type {
				t.Errorf("%q: %v, want %v", e.Name, e.Type, mode)
			}
		}
	}
}

func TestReadInto(t *testing.T) {
	top := t.TempDir()
	if err := os.WriteFile(filepath.Join(top, "a"), []byte("hello"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(top, "b"), 0o755); err != nil {
		t.Fatal(err)
	}
	d, err := Open(top)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if data, info, err := d.ReadInto(make([]byte, 5), "a"); err != nil || !bytes.Equal(data, []byte("hello")) || info.Size != 5 || !info.Mode.IsRegular() {
		t.Errorf("%q, %+v, %v", data, info, err)
	}
	if _, info, err := d.ReadInto(make([]byte, 4), "a"); !IsUnfit(err) || info.Size != 5 {
		t.Errorf("a file that is too large: %+v, %v", info, err)
	}
	if _, _, err := d.ReadInto(make([]byte, 4), "b"); err == nil {
		t.Error("a directory was read")
	}
	if _, _, err := d.ReadInto(nil, "c"); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}

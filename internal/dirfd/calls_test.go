//go:build linux || darwin || freebsd

package dirfd

import (
	"errors"
	"io/fs"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestCalls holds that the calls do what they should by both of their ways, with short paths and with long ones.
func TestCalls(t *testing.T) {
	const when = 1_500_000_000_000_000_000
	for name, sys := range map[string]func(d *Dir){"as the file system has it": func(*Dir) {}, "slow": func(d *Dir) { d.sys = calls{} }} {
		t.Run(name, func(t *testing.T) {
			d, err := Open(t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			defer d.Close()
			sys(d)
			must := func(err error) {
				t.Helper()
				if err != nil {
					t.Fatal(err)
				}
			}
			long := strings.Repeat("d", 200)
			for _, at := range []string{"a", long, long + "/" + strings.Repeat("e", 55), long + "/" + strings.Repeat("e", 54), long + "/" + strings.Repeat("f", 200)} {
				must(d.Mkdir(at, 0o755))
				file := at + "/file"
				must(d.Write(file, 0o444, when, []byte("some text")))
				must(d.Link(d, file, at+"/link"))
				must(d.SetTime(at, when))
				for path, wants := range map[string]Info{file: {Mode: 0o444, Size: 9, Links: 2}, at + "/link": {Mode: 0o444, Size: 9, Links: 2}} {
					fi, err := d.Stat(path)
					must(err)
					if fi.Mode != wants.Mode || fi.Size != wants.Size || fi.Links != wants.Links || fi.Mtime != when {
						t.Errorf("%s: %+v", path, fi)
					}
				}
				if fi, err := d.Stat(at); err != nil || fi.Mode != 0o755|fs.ModeDir || fi.Mtime != when {
					t.Errorf("%s: %+v, %v", at, fi, err)
				}
				if data, err := d.Read(file, 9); err != nil || string(data) != "some text" {
					t.Errorf("%s holds %q, %v", file, data, err)
				}
				if err := d.Mkdir(at, 0o755); !errors.Is(err, fs.ErrExist) {
					t.Errorf("mkdir again: %v", err)
				}
				if err := d.Link(d, file, at+"/link"); !errors.Is(err, fs.ErrExist) {
					t.Errorf("link again: %v", err)
				}
				if err := d.Write(file, 0o444, 0, nil); !errors.Is(err, fs.ErrExist) {
					t.Errorf("write again: %v", err)
				}
				if _, err := d.Stat(at + "/none"); !errors.Is(err, fs.ErrNotExist) {
					t.Errorf("stat of nothing: %v", err)
				}
			}
			big := strings.Repeat("0123456789abcdef", 40<<10)
			must(d.Write("big", 0o644, when, []byte(big)))
			if data, err := d.Read("big", int64(len(big))); err != nil || string(data) != big {
				t.Errorf("big: %d bytes, %v", len(data), err)
			}
			must(os.Symlink("a", d.Path()+"/symlink"))
			if fi, err := d.Stat("symlink"); err != nil || fi.Mode&fs.ModeSymlink == 0 {
				t.Errorf("a link was followed: %+v, %v", fi, err)
			}
			must(d.SetTime("symlink", when))
			if _, err := d.Sub("symlink"); !IsNoDir(err) {
				t.Errorf("a link was entered: %v", err)
			}
			for path, err := range map[string]error{"mkdir": d.Mkdir("x\x00y", 0o755), "link": d.Link(d, "big", "x\x00y"), "of": d.Link(d, "big\x00", "y"), "write": d.Write("x\x00y", 0o644, 0, nil), "time": d.SetTime("big\x00", when)} {
				if !errors.Is(err, unix.EINVAL) {
					t.Errorf("%s of a path with a NUL: %v", path, err)
				}
			}
			if _, err := d.Stat("big\x00"); !errors.Is(err, unix.EINVAL) {
				t.Errorf("stat of a path with a NUL: %v", err)
			}
		})
	}
}

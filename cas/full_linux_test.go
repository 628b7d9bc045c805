package cas

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// require skips a test that the machine cannot run, or fails it where OPKG_REQUIRE says that it must run.
func require(t *testing.T, why string) {
	t.Helper()
	if os.Getenv("OPKG_REQUIRE") != "" {
		t.Fatal(why)
	}
	t.Skip(why)
}

func tmpfs(t *testing.T, options string) string {
	t.Helper()
	if os.Getuid() != 0 {
		require(t, "only root mounts a file system")
	}
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, options); err != nil {
		require(t, "no tmpfs here: "+err.Error())
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	return dir
}

func TestFullDisk(t *testing.T) {
	for _, options := range []string{"size=1m", "nr_inodes=14"} {
		t.Run(options, func(t *testing.T) {
			dir := filepath.Join(tmpfs(t, options), "v1")
			s, err := Open(dir, Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer func() { s.disk.close() }()
			small := pkg{"openpackage.yml": "name: demo\nversion: 0.0.1\n"}.tgz(t)
			want := wantOf(t, "0.0.1", small)
			want.Dependencies = nil
			a := mustPut(t, s, want, small)
			tgz := demo("1.0.0", pkg{"big": noise(1 << 20), "a": "a", "b": "b", "c": "c", "d": "d", "e": "e"}).tgz(t)
			_, err = s.Put(t.Context(), wantOf(t, "1.0.0", tgz), bytes.NewReader(tgz))
			if !errors.Is(err, syscall.ENOSPC) {
				t.Errorf("error %v, want that the disk is full", err)
			}
			if left, _ := os.ReadDir(filepath.Join(dir, tmpDir)); len(left) != 0 {
				t.Errorf("tmp holds %v", left)
			}
			if _, ok, err := s.Artifact(a.SHA256); !ok || err != nil {
				t.Errorf("what was there is not: %v", err)
			}
			checkWhole(t, s)
		})
	}
}

func TestReadOnlyStore(t *testing.T) {
	top := tmpfs(t, "")
	dir := filepath.Join(top, "v1")
	s, err := Open(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	tgz := demo("1.0.0", nil).tgz(t)
	a := mustPut(t, s, wantOf(t, "1.0.0", tgz), tgz)
	if err := syscall.Mount("", top, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
		require(t, "it cannot be remounted: "+err.Error())
	}
	release, err := s.Shared(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer s.disk.close()
	defer release()
	if _, ok, err := s.Artifact(a.SHA256); !ok || err != nil {
		t.Errorf("%v, %v", ok, err)
	}
	if _, err := s.Put(t.Context(), wantOf(t, "1.0.0", tgz), bytes.NewReader(tgz)); !errors.Is(err, syscall.EROFS) {
		t.Errorf("Put: %v", err)
	}
}

func TestUmask(t *testing.T) {
	old := syscall.Umask(0o077)
	defer syscall.Umask(old)
	s := newStore(t)
	tgz := demo("1.0.0", nil).tgz(t)
	mustPut(t, s, wantOf(t, "1.0.0", tgz), tgz)
	checkWhole(t, s)
}

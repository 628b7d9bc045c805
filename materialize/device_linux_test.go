package materialize

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// tmpfs mounts a small file system of its own, or skips.
func tmpfs(t *testing.T, options string) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("opkg-test", dir, "tmpfs", 0, options); err != nil {
		if os.Getenv("OPKG_REQUIRE") != "" && os.Getuid() == 0 {
			t.Fatalf("mount a tmpfs: %v", err)
		}
		t.Skipf("mount a tmpfs: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

func TestStoreOnAnotherFileSystem(t *testing.T) {
	dir := tmpfs(t, "size=8m")
	sh := shelfIn(t, filepath.Join(t.TempDir(), "store"), filepath.Join(dir, "registry"))
	if res := sh.sync(t); res.Linked != 0 || res.Files != 14 {
		t.Errorf("result %+v", *res)
	}
	sh.checkContent(t, false)
	if res := sh.sync(t); res.Kept != 3 {
		t.Errorf("second result %+v", *res)
	}
}

// TestFullDisk runs out of space at every size: what fails leaves nothing behind.
func TestFullDisk(t *testing.T) {
	store := filepath.Join(t.TempDir(), "store")
	dir := tmpfs(t, "size=64k,nr_inodes=200")
	sh := shelfIn(t, store, filepath.Join(dir, "registry"))
	sh.wants = append(sh.wants, put(t, sh.store, "big", "1.0.0", files{"big.bin": string(make([]byte, 100<<10))}))
	if _, err := sh.target.Apply(t.Context(), sh.plan(t)); err == nil {
		t.Fatal("100 KiB fit into 64")
	}
	entries, err := os.ReadDir(sh.dir)
	mustDo(t, err)
	for _, e := range entries {
		if e.Name() != lockName {
			t.Errorf("%s is left", e.Name())
		}
	}
	sh.wants = sh.wants[:3]
	sh.sync(t)
	sh.checkContent(t, false)
}

func TestReadOnlyFileSystem(t *testing.T) {
	dir := tmpfs(t, "size=8m")
	sh := shelfIn(t, filepath.Join(t.TempDir(), "store"), filepath.Join(dir, "registry"))
	sh.sync(t)
	mustDo(t, syscall.Mount("", dir, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""))
	if res := sh.sync(t); res.Kept != 3 {
		t.Errorf("result %+v", *res)
	}
}

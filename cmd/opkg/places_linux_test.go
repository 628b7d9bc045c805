package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/openpackage/opkg/cas"
)

// day is what a user does in a day: lock, sync, damage, move on, gc. Everything has to end well.
func (s *stage) day(t *testing.T, run func(args ...string) string) {
	t.Helper()
	run("lock")
	run("sync")
	if out := run("sync", "--locked"); !strings.Contains(out, "3 already there") {
		t.Errorf("the second sync: %s", out)
	}
	s.checkInstalled(t)
	rule := filepath.Join(s.home, ".openpackage", "registry", "tool", "1.0.0", "rules", "a.md")
	if err := errors.Join(os.Chmod(rule, 0o644), os.WriteFile(rule, []byte("evil"), 0o644)); err != nil {
		t.Fatal(err)
	}
	run("sync")
	s.checkInstalled(t)
	run("remove", "tool")
	run("gc")
	s.checkInstalled(t)
	if left, _ := filepath.Glob(filepath.Join(s.home, ".openpackage", "registry", "tool")); len(left) > 0 {
		t.Errorf("gc leaves %v", left)
	}
	if left := s.leftovers(t); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

// moved is a stage whose home and workspace stand in another directory.
func moved(t *testing.T, dir string) *stage {
	t.Helper()
	s := newStage(t)
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("cp", "-a", s.live, dir).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	s.live, s.home, s.workspace = dir, filepath.Join(dir, "home"), filepath.Join(dir, "ws")
	return s
}

func TestUnusualPlaces(t *testing.T) {
	for _, name := range []string{"with space", "naïve-日本", "-dash", "quote'\"$x", "new\nline", strings.Repeat("x", 255), strings.Repeat("é", 127)} {
		t.Run(fmt.Sprintf("%.20q", name), func(t *testing.T) {
			s := moved(t, filepath.Join(t.TempDir(), name))
			s.day(t, func(args ...string) string { return s.must(t, args...) })
		})
	}
	t.Run("behind a link", func(t *testing.T) {
		top := t.TempDir()
		s := moved(t, filepath.Join(top, "real"))
		if err := os.Symlink("real", filepath.Join(top, "link")); err != nil {
			t.Fatal(err)
		}
		s.home = filepath.Join(top, "link", "home")
		s.day(t, func(args ...string) string { return s.must(t, args...) })
	})
	t.Run("store on another file system", func(t *testing.T) {
		s := moved(t, filepath.Join(t.TempDir(), "live"))
		store := fastDir(t)
		if device(t, store) == device(t, s.home) {
			t.Skip("the temporary directory is in memory, too")
		}
		if err := os.Symlink(store, filepath.Join(s.home, ".openpackage", "store")); err != nil {
			t.Fatal(err)
		}
		s.day(t, func(args ...string) string { return s.must(t, args...) })
	})
	for _, mask := range []string{"000", "077", "027", "0277"} {
		t.Run("umask "+mask, func(t *testing.T) {
			s := newStage(t)
			bin := filepath.Join(s.top, "opkg")
			exe, err := os.Executable()
			if err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink(exe, bin); err != nil {
				t.Fatal(err)
			}
			if mask == "0277" && os.Getuid() != 0 {
				t.Skip("nobody but root works with such a umask")
			}
			s.day(t, func(args ...string) string {
				cmd := s.opkg(t, args...)
				cmd.Path, cmd.Args = "/bin/sh", append([]string{"sh", "-c", "umask " + mask + `; exec "$0" "$@"`, bin}, args...)
				out, err := cmd.CombinedOutput()
				if err != nil {
					t.Fatalf("%v: %v\n%s", args, err, out)
				}
				return string(out)
			})
		})
	}
	t.Run("no hard links", func(t *testing.T) {
		if err := canTrace(); err != nil {
			t.Skip(err)
		}
		for _, errno := range []syscall.Errno{syscall.EPERM, syscall.EOPNOTSUPP, syscall.EXDEV} {
			s := newStage(t)
			s.day(t, func(args ...string) string {
				rep, out := s.trace(t, fmt.Sprintf("every:link:%d", int(errno)), args)
				if rep.Status != 0 {
					t.Fatalf("%v: status %d\n%s", args, rep.Status, out)
				}
				return out
			})
		}
	})
}

// foreignDisks are file systems with the rules of other systems, by the programs that make one in the file IMAGE and mount it at DIR. Few kernels
// have them all; those of user space will do.
var foreignDisks = []struct{ name, make, mount string }{
	{"vfat", "mkfs.vfat IMAGE", "mount -o loop -t vfat IMAGE DIR"},                // names without case, no links, no modes, times in twos
	{"exfat", "mkfs.exfat IMAGE", "mount -o loop -t exfat IMAGE DIR"},             // names without case, no links, no modes
	{"exfat-fuse", "mkfs.exfat IMAGE", "mount -o loop -t exfat-fuse IMAGE DIR"},   // the same
	{"ntfs-3g", "mkfs.ntfs -q -F -f IMAGE", "ntfs-3g -o windows_names IMAGE DIR"}, // links, no modes, no names of devices
	{"casefold", "mkfs.ext4 -q -O casefold IMAGE", "mount -o loop IMAGE DIR"},     // names without case
}

// foreignDisk mounts one, or skips.
func foreignDisk(t *testing.T, make, mount string) string {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("only root mounts")
	}
	image, dir := filepath.Join(t.TempDir(), "image"), t.TempDir()
	if err := os.WriteFile(image, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(image, 64<<20); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{make, mount} {
		args := strings.Fields(strings.NewReplacer("IMAGE", image, "DIR", dir).Replace(line))
		if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
			t.Skipf("%s: %v: %.200s", args[0], err, out)
		}
	}
	t.Cleanup(func() { _ = syscall.Unmount(dir, 0) })
	return dir
}

// TestForeignDisks passes a day on file systems that keep less than Linux's own.
func TestForeignDisks(t *testing.T) {
	for _, disk := range foreignDisks {
		t.Run(disk.name, func(t *testing.T) {
			dir := foreignDisk(t, disk.make, disk.mount)
			if disk.name == "casefold" {
				if out, err := exec.Command("chattr", "+F", dir).CombinedOutput(); err != nil {
					t.Skipf("chattr: %s", out)
				}
			}
			s := newStage(t)
			s.live = filepath.Join(dir, "live")
			for _, name := range []string{"ws/openpackage.yml", "home/.openpackage/config.yml"} {
				data, err := os.ReadFile(filepath.Join(s.top, "live", name))
				if err == nil {
					path := filepath.Join(s.live, name)
					err = errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, data, 0o644))
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			s.home, s.workspace = filepath.Join(s.live, "home"), filepath.Join(s.live, "ws")
			s.modeless = disk.name != "casefold"
			s.day(t, func(args ...string) string { return s.must(t, args...) })
			s.must(t, "verify", "--all")
			s.must(t, "sync", "-q")
			s.must(t, "verify")
			// The store there, and what is placed here.
			if err := os.Rename(filepath.Join(s.top, "live"), filepath.Join(s.top, "apart")); err != nil {
				t.Fatal(err)
			}
			apart := &stage{top: s.top, live: filepath.Join(s.top, "apart")}
			apart.home, apart.workspace = filepath.Join(apart.live, "home"), filepath.Join(apart.live, "ws")
			store := filepath.Join(dir, "store")
			if err := errors.Join(os.Mkdir(store, 0o755), os.Symlink(store, filepath.Join(apart.home, ".openpackage", "store"))); err != nil {
				t.Fatal(err)
			}
			apart.day(t, func(args ...string) string { return apart.must(t, args...) })
			apart.must(t, "verify", "--all")
		})
	}
}

// TestRefusedModes holds that a file system that refuses to set a mode serves all the same.
func TestRefusedModes(t *testing.T) {
	if err := canTrace(); err != nil {
		t.Skip(err)
	}
	for _, errno := range []syscall.Errno{syscall.EPERM, syscall.ENOSYS, syscall.EOPNOTSUPP} {
		s := newStage(t)
		refused := 0
		s.day(t, func(args ...string) string {
			rep, out := s.trace(t, fmt.Sprintf("every:chmod:%d", int(errno)), args)
			if rep.Status != 0 {
				t.Fatalf("%v: %v: status %d\n%s", errno, args, rep.Status, out)
			}
			if rep.Op == "chmod" {
				refused++
			}
			return out
		})
		if refused == 0 {
			t.Errorf("%v: no mode was ever set", errno)
		}
	}
}

func device(t *testing.T, path string) uint64 {
	t.Helper()
	fi, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return fi.Sys().(*syscall.Stat_t).Dev
}

// smallDisk is a file system in memory, or a skip.
func smallDisk(t *testing.T, options string) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("opkg-test", dir, "tmpfs", 0, options); err != nil {
		t.Skipf("no tmpfs can be mounted: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
	return dir
}

// TestFullDisk runs a sync on disks that are too small by more and more, in bytes and in files. It fails and says so, leaves
// nothing, and completes when there is room.
func TestFullDisk(t *testing.T) {
	var options []string
	step := 4
	if nightly() {
		step = 1
	}
	for n := 3; n < 60; n += step {
		options = append(options, fmt.Sprintf("size=%dk", 4*n), fmt.Sprintf("nr_inodes=%d", n+4))
	}
	template := newStage(t)
	template.must(t, "lock", "-q")
	full := 0
	for _, o := range options {
		dir := smallDisk(t, o)
		s := *template
		s.live = filepath.Join(dir, "live")
		s.home, s.workspace = filepath.Join(s.live, "home"), filepath.Join(s.live, "ws")
		for _, name := range []string{"ws/openpackage.yml", "ws/opkg.lock", "home/.openpackage/config.yml"} {
			data, err := os.ReadFile(filepath.Join(template.live, name))
			if err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(s.live, name)
			if errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, data, 0o644)) != nil {
				path = ""
			}
			if path == "" {
				s.live = ""
				break
			}
		}
		if s.live == "" {
			continue // not even the workspace fits
		}
		before := s.condition(t)
		out, err := s.opkg(t, "sync").CombinedOutput()
		if err != nil {
			full++
			if text := string(out); !strings.Contains(text, "no space left on device") || !strings.Contains(text, "opkg gc removes") || !strings.Contains(text, "/") {
				t.Errorf("%s: %v\n%s", o, err, text)
			}
			if left := s.leftovers(t); len(left) > 0 {
				t.Errorf("%s: left %v", o, left)
			}
			after := s.condition(t)
			if wrong := s.whole(t, before, after); len(wrong) > 0 {
				t.Errorf("%s: %s", o, strings.Join(wrong, "\n"))
			}
			if err := syscall.Mount("opkg-test", dir, "tmpfs", syscall.MS_REMOUNT, "size=1m,nr_inodes=1000"); err != nil {
				t.Fatal(err)
			}
			s.must(t, "sync")
		}
		s.checkInstalled(t)
		if t.Failed() {
			return
		}
	}
	t.Logf("%d of %d disks were too small", full, len(options))
	if full == 0 {
		t.Error("all disks were large enough")
	}
}

// TestReadOnlyHome holds that who has everything needs to write nothing, and who has not is told why it cannot be had.
func TestReadOnlyHome(t *testing.T) {
	dir := smallDisk(t, "size=4m")
	s := moved(t, filepath.Join(dir, "live"))
	s.must(t, "sync", "-q")
	manifest := filepath.Join(t.TempDir(), "ws")
	if out, err := exec.Command("cp", "-a", s.workspace, manifest).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	s.workspace = manifest // at another path: its root is not known
	s.must(t, "sync", "-q")
	if err := syscall.Mount("", dir, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
		t.Skip(err)
	}
	for _, args := range [][]string{{"sync", "--locked"}, {"sync"}, {"list"}, {"cache", "roots"}, {"cache", "size"}, {"gc", "--dry-run"}, {"lock", "--check"}} {
		if out := s.must(t, args...); strings.Contains(out, "warning") {
			t.Errorf("opkg %v: %s", args, out)
		}
	}
	write(t, filepath.Join(s.workspace, "openpackage.yml"), "name: ws\ndependencies:\n  - name: extra\n")
	out, err := s.opkg(t, "sync").CombinedOutput()
	if err == nil || !strings.Contains(string(out), "read-only file system") || !strings.Contains(string(out), "OPKG_HOME") {
		t.Errorf("%v\n%s", err, out)
	}
	if err := syscall.Mount("", dir, "", syscall.MS_REMOUNT, ""); err != nil {
		t.Fatal(err)
	}
	s.must(t, "sync")
	s.checkInstalled(t)
}

// TestReadOnlyHomeElsewhere syncs a complete home that was filled under another mount and is mounted for reading alone, as a container's image may be: all
// of it is checked, and nothing need be noted. What is wrong there is an error, since it cannot be put right.
func TestReadOnlyHomeElsewhere(t *testing.T) {
	if cas.SystemBoot(t.TempDir()) == "" {
		t.Skip("the system does not tell its mounts apart")
	}
	s := newStage(t)
	s.must(t, "sync", "-q")
	mounted := func(during func()) {
		t.Helper()
		if err := syscall.Mount(s.home, s.home, "", syscall.MS_BIND, ""); err != nil {
			t.Skipf("nothing can be mounted: %v", err)
		}
		defer func() {
			if err := syscall.Unmount(s.home, syscall.MNT_DETACH); err != nil {
				t.Fatal(err)
			}
		}()
		if err := syscall.Mount("", s.home, "", syscall.MS_REMOUNT|syscall.MS_BIND|syscall.MS_RDONLY, ""); err != nil {
			t.Skipf("it cannot be remounted: %v", err)
		}
		during()
	}
	refused := func(why string) {
		t.Helper()
		if out, err := s.opkg(t, "sync").CombinedOutput(); err == nil || !strings.Contains(string(out), "read-only file system") {
			t.Errorf("%s: %v\n%s", why, err, out)
		}
	}
	mounted(func() {
		for _, args := range [][]string{{"sync", "--locked"}, {"sync"}, {"sync"}, {"verify"}, {"verify", "--all"}} {
			out := s.must(t, args...)
			if strings.Contains(out, "warning") || args[0] == "sync" && (strings.Count(out, "or the store is mounted anew") != 1 || !strings.Contains(out, "3 already there")) {
				t.Errorf("opkg %v: %s", args, out)
			}
		}
	})
	script := filepath.Join(s.home, ".openpackage", "registry", "tool", "1.0.0", "run.sh")
	garble := func(path string) { // behind a stat that stays
		fi, err := os.Stat(path)
		if err == nil {
			err = errors.Join(os.Chmod(path, 0o644), os.WriteFile(path, make([]byte, fi.Size()), 0), os.Chmod(path, fi.Mode()), os.Chtimes(path, fi.ModTime(), fi.ModTime()))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	garble(script)
	mounted(func() { refused("a damaged executable") })
	s.must(t, "verify", "--repair")
	s.checkInstalled(t)
	blobs, err := filepath.Glob(filepath.Join(s.home, ".openpackage", "store", "v1", "blobs", "*", "*"))
	if err != nil || len(blobs) == 0 {
		t.Fatal(err)
	}
	garble(blobs[0])
	mounted(func() { refused("a damaged blob") })
}

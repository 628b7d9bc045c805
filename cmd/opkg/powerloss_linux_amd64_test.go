package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// disk is an ext4 file system in a file, mounted by a loop device.
type disk struct {
	image, dir, options string
}

// The ways to mount it. The second writes data as late as it may, and sizes before data: what was not synced keeps its name, size, mode
// and time, and loses its bytes.
const (
	mountOrdered = "loop"
	mountHarsh   = "loop,data=writeback,nodelalloc,noauto_da_alloc,commit=300"
)

// newDisk makes and mounts one, or skips.
func newDisk(t *testing.T, options string) *disk {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("only root mounts a file system")
	}
	for _, dir := range []string{"/usr/sbin", "/sbin"} {
		t.Setenv("PATH", os.Getenv("PATH")+":"+dir)
	}
	mkfs, err := exec.LookPath("mkfs.ext4")
	if err != nil {
		t.Skip("no mkfs.ext4 here")
	}
	top := t.TempDir()
	d := &disk{image: filepath.Join(top, "image"), dir: filepath.Join(top, "disk"), options: options}
	if err := os.Mkdir(d.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(d.image, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(d.image, 48<<20); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(mkfs, "-q", "-F", d.image).CombinedOutput(); err != nil {
		t.Skipf("mkfs.ext4: %v: %s", err, out)
	}
	if err := d.tryMount(); err != nil {
		t.Skipf("no loop device can be mounted here: %v", err)
	}
	t.Cleanup(func() { _ = exec.Command("umount", "-l", d.dir).Run() })
	return d
}

func (d *disk) tryMount() error {
	out, err := exec.Command("mount", "-o", d.options, d.image, d.dir).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}

func (d *disk) mount(t *testing.T) {
	t.Helper()
	if err := d.tryMount(); err != nil {
		t.Fatal(err)
	}
}

func (d *disk) unmount(t *testing.T) {
	t.Helper()
	var out []byte
	var err error
	for range 50 {
		runtime.GC() // closes what stores of this test hold
		if out, err = exec.Command("umount", d.dir).CombinedOutput(); err == nil {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatalf("umount: %v: %s", err, out)
}

// losePower commits what the journal has, as any sync of a neighbour would, and then loses all that was not written. Afterwards the disk is
// mounted anew.
func (d *disk) losePower(t *testing.T) {
	t.Helper()
	f, err := os.Create(filepath.Join(d.dir, "neighbour"))
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Sync(); err != nil {
		t.Fatal(err)
	}
	const shutdown, noLogFlush = 0x8004587d, 2 // EXT4_IOC_SHUTDOWN, EXT4_GOING_FLAGS_NOLOGFLUSH
	if err := unix.IoctlSetPointerInt(int(f.Fd()), shutdown, noLogFlush); err != nil {
		t.Skipf("this ext4 cannot be shut down: %v", err)
	}
	f.Close()
	d.unmount(t)
	d.mount(t)
}

// reset puts the image back.
func (d *disk) reset(t *testing.T) {
	t.Helper()
	d.unmount(t)
	if out, err := exec.Command("cp", "--sparse=always", d.image+".kept", d.image).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	d.mount(t)
}

func (d *disk) keep(t *testing.T) {
	t.Helper()
	d.unmount(t)
	if out, err := exec.Command("cp", "--sparse=always", d.image, d.image+".kept").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	d.mount(t)
}

// playPowerLoss cuts the power at every stride-th operation of a scene, and reports how often, and at which a check failed.
func playPowerLoss(t *testing.T, options, mode string, scene crashScene, stride int) (cuts int, failed []string) {
	t.Helper()
	d := newDisk(t, options)
	s := newStage(t)
	live := s.live
	s.live = filepath.Join(d.dir, "live")
	if out, err := exec.Command("cp", "-a", live, s.live).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	s.home, s.workspace = filepath.Join(s.live, "home"), filepath.Join(s.live, "ws")
	s.prepare(t, scene)
	before := s.condition(t)
	d.keep(t)
	s.must(t, scene.args...)
	after := s.condition(t)
	for n := 1; ; n += stride {
		d.reset(t)
		rep, out := s.trace(t, fmt.Sprintf("%s:%d", mode, n), scene.args)
		if rep.Op == "" && rep.Status != 0 {
			t.Fatalf("status %d: %s", rep.Status, out)
		}
		d.losePower(t)
		cuts++
		wrong := s.done(t, scene, after, s.rebooted(t))
		if _, err := os.Lstat(filepath.Join(s.home, ".openpackage", "store", "v1", "unsynced")); err == nil {
			s.must(t, "gc", "--older-than", "1h") // the next run had no use for the store, and left the mark to who has
		}
		if wrong = append(wrong, s.whole(t, before, after)...); len(wrong) > 0 {
			failed = append(failed, fmt.Sprintf("cut at operation %d, %s %s: %s", n, rep.Op, strings.TrimPrefix(rep.Path, d.dir), strings.Join(wrong, "; ")))
		}
		if rep.Op == "" {
			return cuts, failed
		}
	}
}

// TestPowerLoss cuts the power at operations of commands, all of them in the nightly run: the next run completes without help, and then
// everything is whole. The journal is committed first, which is the worst case: names last, and what was not
// synced is lost.
func TestPowerLoss(t *testing.T) {
	if testing.Short() {
		t.Skip("mounts file systems")
	}
	stride := 31
	if nightly() {
		stride = 1
	}
	for _, scene := range crashScenes() {
		for name, options := range map[string]string{"ordered": mountOrdered, "harsh": mountHarsh} {
			if !nightly() && (name == "ordered" || scene.name != "sync" && scene.name != "add") {
				continue
			}
			t.Run(scene.name+" "+name, func(t *testing.T) {
				cuts, failed := playPowerLoss(t, options, "kill", scene, stride)
				if len(failed) > 0 {
					t.Errorf("%d of %d:\n%s", len(failed), cuts, strings.Join(failed, "\n"))
				}
				t.Logf("opkg %s: the power was cut %d times", strings.Join(scene.args, " "), cuts)
			})
		}
	}
}

// TestPowerLossIsSeen holds that the test above sees what it is for: without syncs, it fails.
func TestPowerLossIsSeen(t *testing.T) {
	if testing.Short() {
		t.Skip("mounts file systems")
	}
	for _, scene := range crashScenes() {
		if scene.name != "sync" {
			continue
		}
		cuts, failed := playPowerLoss(t, mountHarsh, "unsynced", scene, 25)
		if len(failed) == 0 {
			t.Errorf("of %d power losses without syncs none is seen", cuts)
		}
		t.Logf("%d of %d power losses without syncs are seen, such as: %s", len(failed), cuts, strings.Join(failed[:min(1, len(failed))], ""))
	}
}

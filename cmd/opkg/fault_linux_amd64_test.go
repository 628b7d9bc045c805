package main

import (
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// faultsOf are the errors that an operation is made to fail with.
func faultsOf(op string) []syscall.Errno {
	switch op {
	case "openat":
		return []syscall.Errno{syscall.ENOSPC, syscall.EMFILE, syscall.EIO, syscall.EACCES, syscall.EROFS, syscall.ENFILE}
	case "write", "copy":
		return []syscall.Errno{syscall.ENOSPC, syscall.EIO, syscall.EDQUOT}
	case "sync":
		return []syscall.Errno{syscall.EIO, syscall.ENOSPC}
	case "rename":
		return []syscall.Errno{syscall.ENOSPC, syscall.EIO, syscall.EACCES, syscall.EROFS, syscall.EXDEV, syscall.EPERM}
	case "link":
		return []syscall.Errno{syscall.EMLINK, syscall.EXDEV, syscall.EPERM, syscall.ENOSPC, syscall.EIO}
	case "mkdir":
		return []syscall.Errno{syscall.ENOSPC, syscall.EMLINK, syscall.EACCES, syscall.EROFS, syscall.EIO}
	case "unlink":
		return []syscall.Errno{syscall.EIO, syscall.EACCES, syscall.EPERM, syscall.EROFS}
	case "chmod", "utimens", "truncate":
		return []syscall.Errno{syscall.EPERM, syscall.EROFS, syscall.EIO}
	case "flock":
		return []syscall.Errno{syscall.ENOLCK, syscall.EIO}
	}
	return []syscall.Errno{syscall.EIO} // reads and stats
}

// TestFaultsAnywhere makes the n-th operation on the disk of each command fail, for all n and with every error that fits in the nightly
// run. What stood there stands, nothing temporary is left, the message names a path, and the next run completes.
func TestFaultsAnywhere(t *testing.T) {
	if testing.Short() {
		t.Skip("runs opkg hundreds of times")
	}
	for _, scene := range crashScenes() {
		t.Run(scene.name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t)
			s.prepare(t, scene)
			before := s.condition(t)
			lay := s.leftovers(t)
			s.keep(t)
			s.reset(t)
			s.must(t, scene.args...)
			after := s.condition(t)
			s.reset(t)
			plan, _ := s.trace(t, "count", scene.args)
			stride := 29
			if nightly() {
				stride = 1
			}
			faults, tolerated := 0, 0
			for n := 1; n <= plan.Count; n += stride {
				op, _, _ := strings.Cut(plan.Names[n-1], " ")
				errnos := faultsOf(op)
				if !nightly() {
					errnos = errnos[n%len(errnos):][:1]
				}
				for _, errno := range errnos {
					s.reset(t)
					rep, out := s.trace(t, fmt.Sprintf("fault:%d:%d", n, int(errno)), scene.args)
					if !slices.Contains(faultsOf(rep.Op), errno) { // in another order, there were fewer, or the n-th is one that never fails so
						continue
					}
					faults++
					if rep.Status == 0 {
						tolerated++
					}
					wrong := slices.Concat(s.failedWell(t, rep, errno, out, lay), s.whole(t, before, after), s.done(t, scene, after, s.plainly(t)))
					if len(wrong) > 0 {
						t.Fatalf("operation %d: %s %s: %v\n%s\n%s", n, rep.Op, rep.Path, errno, out, strings.Join(wrong, "\n"))
					}
				}
			}
			t.Logf("opkg %s: %d operations, %d faults, %d of them tolerated", strings.Join(scene.args, " "), plan.Count, faults, tolerated)
		})
	}
}

// failedWell lists what is wrong with how a run ended in which one operation failed.
func (s *stage) failedWell(t *testing.T, rep traced, errno syscall.Errno, out string, lay []string) (wrong []string) {
	t.Helper()
	if rep.Status == 0 {
		return nil
	}
	if !strings.Contains(out, "opkg: error: ") || !strings.Contains(out, "/") {
		wrong = append(wrong, fmt.Sprintf("status %d, and no error that names a path", rep.Status))
	}
	if strings.Contains(out, "panic") {
		wrong = append(wrong, "a panic")
	}
	hinted := []syscall.Errno{syscall.ENOSPC, syscall.EDQUOT, syscall.EROFS, syscall.EACCES, syscall.EPERM, syscall.EMFILE, syscall.ENFILE, syscall.EIO}
	if strings.Contains(out, errno.Error()) && slices.Contains(hinted, errno) && !strings.Contains(out, "opkg: hint: ") {
		wrong = append(wrong, "nothing says what to do")
	}
	if rep.Op == "unlink" || rep.Op == "rename" && strings.Contains(rep.Path, "/.opkg-") {
		return wrong // what cannot be removed now is removed by the next run
	}
	for _, left := range s.leftovers(t) {
		if !slices.Contains(lay, left) {
			wrong = append(wrong, left+" is left")
		}
	}
	return wrong
}

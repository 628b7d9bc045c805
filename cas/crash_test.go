//go:build unix

package cas

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/openpackage/opkg/ident"
)

// work is a run that uses all of the store: a large archive through a spool file, a small one, an update that shares
// blobs, unpacked and not, a failing one, and the notes.
func work(t testing.TB, s *Store) error {
	ctx := t.Context()
	put := func(version string, p pkg) error {
		tgz := p.tgz(t)
		if s.DropUnpacked(); version != "1.0.1" {
			s.KeepUnpacked()
		}
		_, err := s.Put(ctx, wantOf(t, version, tgz), bytes.NewReader(tgz))
		return err
	}
	defer s.DropUnpacked()
	s.spool, s.large = 1000, 0
	release, err := s.Shared(ctx)
	if err != nil {
		return err
	}
	defer release()
	for i, p := range workPackages() {
		if err := put(fmt.Sprintf("1.0.%d", i), p); err != nil {
			s.Discard()
			return err
		}
		if i == 1 {
			if err := s.Flush(ctx); err != nil {
				return err
			}
		}
	}
	var mismatch *ident.MismatchError
	if err := put("9.9.9", workPackages()[0]); !errors.As(err, &mismatch) {
		return fmt.Errorf("a wrong version is accepted: %w", err)
	}
	if err := s.Flush(ctx); err != nil {
		return err
	}
	if err := s.SetPlaced("demo", mustVersion(t, "1.0.0"), ident.TreeID{1}); err != nil {
		return err
	}
	return s.RegisterRoot(Root{Workspace: "/work space", Lock: "/work space/opkg.lock"}, time.Unix(BlobTime, 0))
}

func workPackages() []pkg {
	return []pkg{demo("1.0.0", nil), demo("1.0.1", pkg{"new.md": "new"}), demo("1.0.2", pkg{"big.bin": noise(3000)})}
}

// checkWork fails unless work finds and leaves everything well after a run that was stopped.
func checkWork(t *testing.T, dir string) {
	t.Helper()
	s, err := Open(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	checkWhole(t, s)
	for _, id := range recordsOf(t, s) { // a record is visible only with all that it names
		if _, ok, err := s.Artifact(id); !ok || err != nil {
			t.Errorf("%s is visible before its blobs: %v", id, err)
		}
	}
	if err := work(t, s); err != nil {
		t.Fatalf("the next run: %v", err)
	}
	checkWhole(t, s)
	if left, _ := os.ReadDir(filepath.Join(dir, tmpDir)); len(left) != 0 {
		t.Errorf("the next run leaves %v in tmp", left)
	}
	for i, p := range workPackages() {
		if _, ok, err := s.Artifact(wantOf(t, "1.0.0", p.tgz(t)).SHA256); !ok || err != nil {
			t.Errorf("package %d is not there after the next run: %v", i, err)
		}
	}
}

// memoryDir is a directory in memory where there is one: these tests sync often, and care for order, not for the disk.
func memoryDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "opkg-cas-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

const killEnv = "OPKG_CAS_TEST_KILL"

// TestKilled runs work in a process of its own and kills it before its n-th operation on the disk, for all n.
func TestKilled(t *testing.T) {
	if at := os.Getenv(killEnv); at != "" {
		n, dir := 0, os.Getenv(killEnv+"_DIR")
		if _, err := fmt.Sscan(at, &n); err != nil {
			t.Fatal(err)
		}
		s, err := Open(dir, Options{})
		if err != nil {
			t.Fatal(err)
		}
		var count atomic.Int64
		s.step = func(string, string) error {
			if count.Add(1) == int64(n) {
				_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
				select {}
			}
			return nil
		}
		if err := work(t, s); err != nil {
			t.Fatal(err)
		}
		return
	}
	if testing.Short() {
		t.Skip("runs the test binary once for each operation")
	}
	for n := 1; ; n++ {
		dir := filepath.Join(memoryDir(t), "v1")
		cmd := exec.Command(os.Args[0], "-test.run=^TestKilled$")
		cmd.Env = append(os.Environ(), killEnv+"="+strconv.Itoa(n), killEnv+"_DIR="+dir)
		out, err := cmd.CombinedOutput()
		if err == nil {
			if n < 50 {
				t.Errorf("only %d operations", n)
			}
			t.Logf("killed at each of %d operations", n-1)
			checkWork(t, dir)
			return
		}
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.ExitCode() != -1 {
			t.Fatalf("%v\n%s", err, out)
		}
		checkWork(t, dir)
		if t.Failed() {
			t.Fatalf("killed before operation %d", n)
		}
	}
}

// TestEveryOperationMayFail lets the n-th operation on the disk fail, for all n.
func TestEveryOperationMayFail(t *testing.T) {
	for n := 1; ; n++ {
		dir := filepath.Join(memoryDir(t), "v1")
		s, err := Open(dir, Options{})
		if err != nil {
			t.Fatal(err)
		}
		count, failed := 0, ""
		s.step = func(op, path string) error {
			if count++; count == n {
				failed = op + " " + path
				return &os.PathError{Op: op, Path: path, Err: syscall.ENOSPC}
			}
			return nil
		}
		err = work(t, s)
		if failed == "" {
			t.Logf("each of %d operations failed once", n-1)
			return
		}
		noted := strings.HasPrefix(failed, "chtimes roots/") || strings.HasPrefix(failed, "chtimes trees/") // when it was used: no error
		if !errors.Is(err, syscall.ENOSPC) && !noted {
			t.Errorf("%s fails: error %v", failed, err)
		}
		if left, _ := os.ReadDir(filepath.Join(dir, tmpDir)); len(left) != 0 {
			t.Errorf("%s fails: tmp holds %v", failed, left)
		}
		checkWork(t, dir)
		if t.Failed() {
			t.FailNow()
		}
	}
}

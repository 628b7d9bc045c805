package atomicfile

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestWriteReplacesWholeAndKeepsPermissions(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "opkg.lock")
	if err := Write(path, []byte("one"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Write(path, []byte("two"), 0o644); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(path)
	if err != nil || string(got) != "two" {
		t.Fatalf("read %q, %v", got, err)
	}
	fi, _ := os.Stat(path)
	if fi.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, want 0600 as before", fi.Mode())
	}
	if left, _ := os.ReadDir(dir); len(left) != 1 {
		t.Errorf("%d files in the directory, want 1", len(left))
	}
}

func TestWriteRefusesWhatIsNoFile(t *testing.T) {
	dir := t.TempDir()
	victim := filepath.Join(dir, "victim")
	if err := os.WriteFile(victim, []byte("precious"), 0o644); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(dir, "opkg.lock")
	if err := os.Symlink("victim", link); err != nil {
		t.Skip("no symbolic links here:", err)
	}
	err := Write(link, []byte("x"), 0o644)
	if err == nil || !strings.Contains(err.Error(), "symbolic link") {
		t.Errorf("error %v, want one that names the link", err)
	}
	if got, _ := os.ReadFile(victim); string(got) != "precious" {
		t.Errorf("wrote through the link: %q", got)
	}
	if err := Write(dir, []byte("x"), 0o644); err == nil || !strings.Contains(err.Error(), "directory") {
		t.Errorf("error %v, want one that names the directory", err)
	}
}

func TestWriteLeavesNothingBehindWhenItFails(t *testing.T) {
	dir := t.TempDir()
	if err := Write(filepath.Join(dir, "missing", "f"), []byte("x"), 0o644); err == nil {
		t.Error("want an error for a missing directory")
	}
	if left, _ := os.ReadDir(dir); len(left) != 0 {
		t.Errorf("left %v behind", left)
	}
}

func TestWriteRemovesWhatKilledRunsLeft(t *testing.T) {
	dir := t.TempDir()
	for name, age := range map[string]time.Duration{".opkg.lock.tmp-old": 2 * abandoned, ".opkg.lock.tmp-new": 0, ".other.tmp-old": 2 * abandoned, "opkg.lock.tmp-old": 2 * abandoned} {
		path, at := filepath.Join(dir, name), time.Now().Add(-age)
		if err := errors.Join(os.WriteFile(path, []byte("half"), 0o644), os.Chtimes(path, at, at)); err != nil {
			t.Fatal(err)
		}
	}
	if err := Write(filepath.Join(dir, "opkg.lock"), []byte("whole"), 0o644); err != nil {
		t.Fatal(err)
	}
	var left []string
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		left = append(left, e.Name())
	}
	if want := []string{".opkg.lock.tmp-new", ".other.tmp-old", "opkg.lock", "opkg.lock.tmp-old"}; err != nil || !slices.Equal(left, want) {
		t.Errorf("there are %q, want %q", left, want)
	}
}

package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/openpackage/opkg/internal/ops"
)

// TestDemoLock holds the lock of testdata/workspace against what its manifest and the demo registry give today.
// OPKG_UPDATE=1 makes it anew.
func TestDemoLock(t *testing.T) {
	testdata, err := filepath.Abs(filepath.Join("..", "..", "testdata"))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.CopyFS(filepath.Join(dir, "workspace"), os.DirFS(filepath.Join(testdata, "workspace"))); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(filepath.Join(dir, "registry"), os.DirFS(filepath.Join(testdata, "registry"))); err != nil {
		t.Fatal(err)
	}
	made, kept := filepath.Join(dir, "workspace", ops.LockName), filepath.Join(testdata, "workspace", ops.LockName)
	if err := os.Remove(made); err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	w := &ops.World{Dir: filepath.Dir(made), OPKGHome: t.TempDir(), Env: func(string) string { return "" }}
	if _, err := w.Lock(context.Background(), ops.LockOptions{}); err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile(made)
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := os.ReadFile(kept); bytes.Equal(got, want) {
		return
	}
	if !update {
		t.Fatalf("%s is not what opkg lock gives: run OPKG_UPDATE=1 go test ./cmd/opkg -run TestDemoLock", kept)
	}
	if err := os.WriteFile(kept, want, 0o644); err != nil {
		t.Fatal(err)
	}
}

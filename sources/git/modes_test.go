//go:build unix

package git

import (
	"context"
	"os"
	"path/filepath"
	"testing"
)

// Mirrors are the user's own, whoever else may look into the directory around them.
func TestMirrorsArePrivate(t *testing.T) {
	everywhere(t, func(h *harness) {
		demoRegistry(h).commit("one")
		home := filepath.Join(h.TempDir(), "home", "cache")
		host := h.host(func(o *Options) { o.Dir = filepath.Join(home, "mirrors") })
		if _, err := h.registry(host, "reg", "").List(context.Background(), "tool"); err != nil {
			h.Fatal(err)
		}
		for dir, want := range map[string]os.FileMode{home: 0o755, filepath.Dir(home): 0o755, host.opt.Dir: 0o700} {
			fi, err := os.Stat(dir)
			if err != nil || fi.Mode().Perm()&^0o022 != want&^0o022 {
				h.Errorf("%s: %v %v", dir, fi.Mode(), err)
			}
		}
	}, "path")
}

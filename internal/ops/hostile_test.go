//go:build unix

package ops

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/openpackage/opkg/cas"
	"github.com/openpackage/opkg/ident"
	"github.com/openpackage/opkg/internal/archive"
	"github.com/openpackage/opkg/internal/auth"
	"github.com/openpackage/opkg/internal/badserver"
	"github.com/openpackage/opkg/registry"
	"github.com/openpackage/opkg/sources"
)

// healed are the modes of a badserver in which a sync must succeed; in all others it must fail: rollback and split for a version that
// the archive does not have.
var healed = []string{"ok", "noetag", "slow-index", "e500", "e503", "e429", "e429-date", "reset", "range", "range-ignored", "crlf", "cegzip-bare", "redir-other",
	"redir-index", "redir-scheme", "mutate", "stale-etag", "e304-empty", "drip"}

// TestHostileRegistry syncs from each misbehaving registry. Whatever it does, the store holds nothing but whole, verified files, the registry
// directory either the good package or nothing, and no temporary file is left.
func TestHostileRegistry(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for retries")
	}
	log.SetOutput(io.Discard) // net/http reports bytes behind the end of an answer there
	t.Cleanup(func() { log.SetOutput(os.Stderr) })
	pack := func(text string) []byte {
		var b bytes.Buffer
		manifest := "name: demo\nversion: 1.0.0\n"
		must(t, archive.Write(&b, []archive.File{
			{Path: "openpackage.yml", Data: []byte(manifest), Size: int64(len(manifest))}, {Path: "rules/a.md", Data: []byte(text), Size: int64(len(text))}}, nil))
		return b.Bytes()
	}
	goodText := strings.Repeat("good\n", 100)
	srv := badserver.Start(badserver.Options{Good: pack(goodText), Evil: pack(strings.Repeat("evil\n", 100)), Pause: time.Millisecond})
	t.Cleanup(srv.Close)
	for _, mode := range badserver.Modes() {
		if mode == "stall" || mode == "stall-head" { // until the idle limit: the HTTP source's tests, which shorten it
			continue
		}
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			top := t.TempDir()
			w := &World{Dir: top, Home: filepath.Dir(top), OPKGHome: filepath.Join(top, "home"), Env: func(string) string { return "" }, Now: time.Now}
			must(t, os.MkdirAll(filepath.Join(top, ".openpackage"), 0o755))
			must(t, os.WriteFile(filepath.Join(top, "openpackage.yml"), []byte("name: ws\ndependencies:\n  - name: demo\n"), 0o644))
			must(t, os.WriteFile(filepath.Join(top, ".openpackage", "config.yml"), fmt.Appendf(nil, "registries:\n  bad: %s/%s/\n", srv.A, mode), 0o644))
			_, err := w.Sync(context.Background(), SyncOptions{})
			switch {
			case slices.Contains(healed, mode) && err != nil:
				t.Errorf("sync: %v", err)
			case !slices.Contains(healed, mode) && err == nil:
				t.Error("sync succeeds")
			case err != nil && !hasStatus(err):
				t.Errorf("an error of no class: %v", err)
			}
			checkNothingTorn(t, w, err == nil, goodText)
		})
	}
}

// hasStatus reports whether an error is of a type that decides the exit status.
func hasStatus(err error) bool {
	var unavailable *sources.UnavailableError
	var missing *sources.NotFoundError
	var refused *auth.Error
	var changed *ident.MismatchError
	var malformed *registry.Error
	var forbidden *sources.NotAllowedError
	return errors.As(err, &unavailable) || errors.As(err, &missing) || errors.As(err, &refused) || errors.As(err, &changed) || errors.As(err, &malformed) ||
		errors.As(err, &forbidden)
}

// checkNothingTorn holds the home against what a sync may leave.
func checkNothingTorn(t *testing.T, w *World, succeeded bool, want string) {
	t.Helper()
	ctx := context.Background()
	store, err := cas.Open(w.StoreDir(), cas.Options{})
	must(t, err)
	audit, err := store.Audit(ctx)
	if err != nil || len(audit.Faults) > 0 {
		t.Errorf("the store: %v, %+v", err, audit)
	}
	left, _ := os.ReadDir(filepath.Join(w.StoreDir(), "tmp"))
	for _, e := range left {
		t.Errorf("left in tmp: %s", e.Name())
	}
	if succeeded {
		if res, err := w.Verify(ctx, VerifyOptions{}); err != nil {
			t.Errorf("verify: %v %v", err, res)
		}
		if got := readFile(t, filepath.Join(w.RegistryDir(), "demo", "1.0.0", "rules", "a.md")); got != want {
			t.Error("other bytes are installed")
		}
		return
	}
	err = filepath.WalkDir(w.RegistryDir(), func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && !strings.HasPrefix(d.Name(), ".opkg") {
			t.Errorf("installed: %s", path)
		}
		return nil
	})
	must(t, err)
	if _, err := os.Lstat(filepath.Join(w.Dir, LockName)); err == nil {
		t.Error("a lock was written")
	}
}

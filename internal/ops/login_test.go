package ops

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/openpackage/opkg/internal/auth"
	"github.com/openpackage/opkg/internal/origin"
)

// Each login reads the whole file and writes it again: of many at once, none takes another's with it.
func TestLoginsAtOnce(t *testing.T) {
	top := t.TempDir()
	var all sync.WaitGroup
	const logins = 16
	for i := range logins {
		all.Go(func() {
			w := &World{Dir: top, Home: filepath.Dir(top), OPKGHome: filepath.Join(top, "home")} // as another process has it
			o := origin.Origin(fmt.Sprintf("https://r%d.test", i))
			if err := w.Login(context.Background(), o, auth.Entry{Token: auth.NewSecret("secret")}); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	saved, err := auth.Saved(filepath.Join(top, "home", "credentials.yml"))
	if err != nil || len(saved) != logins {
		t.Errorf("%d of %d are saved: %v", len(saved), logins, err)
	}
}

// Credentials go to git registries too, where they are reached by http.
func TestLoginTarget(t *testing.T) {
	top := t.TempDir()
	w := &World{Dir: top, Home: filepath.Dir(top), OPKGHome: filepath.Join(top, "home")}
	if err := os.MkdirAll(w.OPKGHome, 0o755); err != nil {
		t.Fatal(err)
	}
	config := "registries:\n  web: https://registry.test/opkg/\n  git: git:https://git.test:8443/team/reg.git#beta\n  ssh: git:ssh://git@git.test/reg.git\n  dir: file:reg\n"
	if err := os.WriteFile(w.ConfigFile(), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	for registry, want := range map[string]origin.Origin{
		"web": "https://registry.test", "git": "https://git.test:8443", "https://Other.test/x/": "https://other.test",
		"ssh": "", "dir": "", "none": "", "ssh://git.test/x": "",
	} {
		if got, err := w.LoginTarget(registry); got != want || (err == nil) != (want != "") {
			t.Errorf("%s: %q %v", registry, got, err)
		}
	}
}

package git

import (
	"context"
	"strings"
	"testing"

	"github.com/openpackage/opkg/internal/event"
	"github.com/openpackage/opkg/sources"
)

// A locked commit that nothing leads to any more is taken, with a warning; one that a branch has left behind without.
func TestReach(t *testing.T) {
	everywhere(t, func(h *harness) {
		repo := demoRegistry(h)
		first := repo.commit("one")
		repo.write(map[string]string{"README.md": "two\n"})
		second := repo.commit("two")
		repo.git("", "config", "uploadpack.allowAnySHA1InWant", "true")
		open := func(commit string) (warnings string) {
			h.cache += "x"
			host := h.host(func(o *Options) {
				o.Observer = func(e event.Event) {
					if e.Kind == event.Warning {
						warnings += e.Text + "\n"
					}
				}
			})
			ref := sources.Ref{Name: "tool", Version: version("1.0.0"), Commit: first}
			if commit == string(second) {
				ref.Commit = second
			}
			if _, err := h.registry(host, "reg", "").Open(context.Background(), ref); err != nil {
				h.Error(err)
			}
			return warnings
		}
		if got := open(string(first)) + open(string(second)); got != "" {
			h.Errorf("%q", got)
		}
		repo.git("", "reset", "-q", "--hard", "HEAD~")
		repo.git("", "commit", "-q", "--amend", "--allow-empty", "-m", "rewritten")
		got := open(string(second))
		if h.engine == "system" != strings.Contains(got, "no branch or tag of ") {
			h.Errorf("%q", got)
		}
	}, "http", "url")
}

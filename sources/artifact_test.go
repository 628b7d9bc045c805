package sources

import (
	"strings"
	"testing"

	"github.com/openpackage/opkg/internal/origin"
)

// Whatever an index says: what Resolve returns lies below the registry, or on another origin.
func FuzzResolve(f *testing.F) {
	for _, ref := range []string{"1.0.0.tgz", "./a", "../../x", "%2e%2e/x", "/opkg/a", "https://a.test/opkg/a%20b", "https://b.test/x", "//b.test/x",
		`\x`, "a:b", "?x", "#x", "%5c", "a//b", "https://a.test/opkg/../x", "https://a.test/opkg/%2e%2e/x"} {
		f.Add(ref)
	}
	base, err := origin.ParseURL("https://a.test/opkg/")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, ref string) {
		got, err := Resolve(base, "demo", ref)
		if err != nil {
			return
		}
		if strings.Contains(got, "://") {
			u, err := origin.ParseURL(got)
			if err != nil || origin.Of(u) == origin.Of(base) || u.String() != got {
				t.Fatalf("%q → %q, %v", ref, got, err)
			}
			return
		}
		u := base.JoinPath(got)
		if CheckPath(got) != nil || origin.Of(u) != origin.Of(base) || !strings.HasPrefix(u.EscapedPath(), "/opkg/") || u.RawQuery != "" {
			t.Fatalf("%q → %q → %s", ref, got, u)
		}
		if again, err := Resolve(base, "demo", u.String()); err != nil || again != got {
			t.Fatalf("%q → %q → %q, %v", ref, got, again, err)
		}
	})
}

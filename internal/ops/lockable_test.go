package ops

import (
	"fmt"
	"testing"

	"github.com/openpackage/opkg/ident"
	"github.com/openpackage/opkg/internal/origin"
	"github.com/openpackage/opkg/lock"
	"github.com/openpackage/opkg/registry"
	"github.com/openpackage/opkg/sources"
)

// What an index may say of a version, a lock can hold: a registry must not have opkg write what it cannot read again.
func TestWhatIsListedCanBeLocked(t *testing.T) {
	base, err := origin.ParseURL("https://registry.test/opkg/")
	if err != nil {
		t.Fatal(err)
	}
	accepted := 0
	for _, tarball := range []string{
		"1.0.0.tgz", "../x/1.0.0.tgz", "/opkg/x.tgz", "https://registry.test/opkg/a/b.tgz", "a%20b.tgz", "ü.tgz", "%c3%bc.tgz", "a+b.tgz", "./-x.tgz", "-x.tgz", "%2dx.tgz",
		"/opkg/-x.tgz", "/opkg/-/x.tgz", "/opkg/%2d/x.tgz", "%01.tgz", "/opkg/a%7f.tgz", "/opkg/a%0ab.tgz", "a:b.tgz", "/opkg/a:b.tgz", "%3f.tgz", "%25.tgz", "a%E2%80%AEb.tgz",
		"https://cdn.test/x.tgz", "https://CDN.test:443/x.tgz", "https://cdn.test/-/x.tgz", "https://cdn.test/-x.tgz", "https://cdn.test/a/-x.tgz", "https://cdn.test/a:b.tgz",
		"https://cdn.test/%01.tgz", "https://cdn.test/a%0ab.tgz", "https://cdn.test/a%7fb", "https://cdn.test/ü.tgz", "https://cdn.test/%C3%BC.tgz", "https://cdn.test/%c3%bc.tgz", "https://cdn.test/a%20b",
		"https://cdn.test/%ff", "https://cdn.test/a;b", "https://cdn.test/a@b", "https://cdn.test/a'b", `https://cdn.test/a"b`, "https://cdn.test/a%22b", "https://cdn.test/%2e%2e/x", "https://cdn.test/a!b$c&d(e)*",
		"https://cdn.test/%7Ea", "https://cdn.test/a^b", "https://cdn.test/a|b", "https://cdn.test/a%7cb", "https://cdn.test/a%41b",
		"https://cdn.test", "https://cdn.test/", "https://ümlaut.test/x", "https://xn--mlaut-jva.test/x", "https://[2001:DB8::1]/x", "https://8.8.8.8:443/x",
	} {
		text := fmt.Sprintf(`{"name":"x","versions":{"1.0.0":{"tarball":%q,"sha256":"%064d","dependencies":{"y":" \t>=1 \t<2 "}}}}`, tarball, 1)
		ix, err := registry.ParseIndex("index.json", "x", []byte(text))
		if err != nil {
			continue
		}
		artifact, err := sources.Resolve(base, "x", ix.Releases[0].Artifact)
		if err != nil {
			continue
		}
		accepted++
		p := lock.Package{Name: "x", Version: ix.Releases[0].Version, Source: "https://registry.test/opkg/", Artifact: artifact, Size: 1,
			SHA256: ix.Releases[0].SHA256, Tree: ident.TreeID{1}, Dependencies: lockDependencies(ix.Releases[0].Dependencies)}
		l := &lock.Lock{Packages: []lock.Package{p}}
		if _, err := lock.Parse("opkg.lock", l.Format()); err != nil {
			t.Errorf("%s is taken, and then: %v", tarball, err)
		}
	}
	if accepted < 20 {
		t.Errorf("only %d are taken", accepted)
	}
}

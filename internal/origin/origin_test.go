package origin

import (
	"net/netip"
	"net/url"
	"strings"
	"testing"
)

func TestParseURL(t *testing.T) {
	tests := []struct{ in, want string }{
		{"https://registry.example.test/x.tgz", "https://registry.example.test/x.tgz"},
		{"https://REGISTRY.example.test:443/X", "https://registry.example.test/X"},
		{"http://LOCALHOST:80/", "http://localhost/"},
		{"https://[0:0::1]:8443/", "https://[::1]:8443/"},
		{"https://r\u0435gistry.example.test/x.tgz", "https://xn--rgistry-7gg.example.test/x.tgz"},
		{"https://my_host.corp/", "https://my_host.corp/"},
		{"https://a.test/x?y=1", "https://a.test/x?y=1"},

		{"", ""},
		{"x.tgz", ""},
		{"file:///etc/passwd", ""},
		{"ftp://a.test/", ""},
		{"https:a.test", ""},
		{"https:///x", ""},
		{"https://:443/x", ""},
		{`https:\\evil.example.test\x.tgz`, ""},
		{"https://a.test/x\r\nHost: evil", ""},
		{"https://a.test/ x", ""},
		{"https://a.test/\u0085", ""},
		{"https://registry.example.test@evil.example.test/x.tgz", ""},
		{"https://:@a.test/", ""},
		{"https://a.test/x#sha256=0", ""},
		{"https://a.test/x#", ""},
		{"https://a.test:/", ""},
		{"https://a.test:0/", ""},
		{"https://a.test:0443/", ""},
		{"https://a.test:65536/", ""},
		{"https://2130706433/", ""},
		{"https://0x7f.1/", ""},
		{"https://127.1/", ""},
		{"https://127.0.0.1./", ""},
		{"https://0177.0.0.1/", ""},
		{"https://[fe80::1%25eth0]/", ""},
		{"https://a..test/", ""},
		{"https://-oProxyCommand/", ""},
		{"https://a.test%00/", ""},
		{"--upload-pack=touch x", ""},
	}
	for _, tt := range tests {
		u, err := ParseURL(tt.in)
		switch {
		case tt.want == "" && err == nil:
			t.Errorf("ParseURL(%q) = %s, want an error", tt.in, u)
		case tt.want != "" && err != nil:
			t.Errorf("ParseURL(%q): %v", tt.in, err)
		case tt.want != "" && u.String() != tt.want:
			t.Errorf("ParseURL(%q) = %s, want %s", tt.in, u, tt.want)
		}
	}
}

func TestParseErrorsHoldNoSecret(t *testing.T) {
	for _, s := range []string{"https://user:s3cret@host/", "https://s3cret@a@b/", "ftp://h/?token=s3cret", "https://h/?a=s3cret#x"} {
		_, err := ParseURL(s)
		if err == nil || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("ParseURL(%q): %v", s, err)
		}
	}
}

func TestOrigin(t *testing.T) {
	tests := []struct{ in, want, host, port, dial string }{
		{"https://a.test/b/c?d", "https://a.test", "a.test", "", "a.test:443"},
		{"https://a.test:8443/b", "https://a.test:8443", "a.test", "8443", "a.test:8443"},
		{"http://[::1]:8080", "http://[::1]:8080", "::1", "8080", "[::1]:8080"},
		{"http://127.0.0.1", "http://127.0.0.1", "127.0.0.1", "", "127.0.0.1:80"},
	}
	for _, tt := range tests {
		o, err := Parse(tt.in)
		if err != nil {
			t.Fatal(err)
		}
		if string(o) != tt.want || o.Hostname() != tt.host || o.Port() != tt.port || o.HostPort() != tt.dial {
			t.Errorf("%s: %s %q %q %q", tt.in, o, o.Hostname(), o.Port(), o.HostPort())
		}
	}
}

func TestReach(t *testing.T) {
	tests := []struct {
		addr string
		want Reach
	}{
		{"8.8.8.8", Public}, {"2606:4700::1111", Public}, {"172.32.0.1", Public},
		{"10.0.0.1", Private}, {"172.16.0.1", Private}, {"192.168.1.1", Private}, {"100.64.0.1", Private}, {"fd00:ec2::254", Private},
		{"127.0.0.1", Loopback}, {"127.9.9.9", Loopback}, {"::1", Loopback}, {"0.0.0.0", Loopback}, {"::", Loopback}, {"0.1.2.3", Loopback},
		{"::ffff:127.0.0.1", Loopback}, {"64:ff9b::7f00:1", Loopback}, {"2002:7f00:1::", Loopback}, {"::127.0.0.1", Loopback},
		{"169.254.169.254", LinkLocal}, {"fe80::1", LinkLocal}, {"::ffff:169.254.169.254", LinkLocal}, {"64:ff9b::a9fe:a9fe", LinkLocal},
		{"224.0.0.1", LinkLocal}, {"255.255.255.255", LinkLocal}, {"ff02::1", LinkLocal},
	}
	for _, tt := range tests {
		if got := ReachOf(netip.MustParseAddr(tt.addr)); got != tt.want {
			t.Errorf("ReachOf(%s) = %s, want %s", tt.addr, got, tt.want)
		}
		if got := HostReach(tt.addr); got != tt.want {
			t.Errorf("HostReach(%s) = %s, want %s", tt.addr, got, tt.want)
		}
	}
	for host, want := range map[string]Reach{"localhost": Loopback, "LocalHost.": Loopback, "a.localhost": Loopback, "notlocalhost": Public, "a.test": Public} {
		if got := HostReach(host); got != want {
			t.Errorf("HostReach(%s) = %s, want %s", host, got, want)
		}
	}
}

func TestPermits(t *testing.T) {
	for _, tt := range []struct {
		from, to Reach
		want     bool
	}{
		{Public, Public, true}, {Public, Private, false}, {Public, Loopback, false}, {Public, LinkLocal, false},
		{Private, Public, true}, {Private, Private, true}, {Private, Loopback, false}, {Private, LinkLocal, false},
		{Loopback, Public, true}, {Loopback, Private, true}, {Loopback, Loopback, true}, {Loopback, LinkLocal, false},
	} {
		if got := tt.from.Permits(tt.to); got != tt.want {
			t.Errorf("%s to %s: %v", tt.from, tt.to, got)
		}
	}
}

func TestShow(t *testing.T) {
	u := &url.URL{Scheme: "https", User: url.UserPassword("me", "s3cret"), Host: "a.test", Path: "/p\x1b[31m", RawQuery: "X-Signature=s3cret", Fragment: "s3cret"}
	if got, want := Show(u), "https://a.test/p%1B%5B31m?…"; got != want {
		t.Errorf("Show = %q, want %q", got, want)
	}
}

func FuzzParseURL(f *testing.F) {
	for _, s := range []string{"https://a.test/x", "http://[::1]:80/", "https://r\u0435.test:8443/?q", "https://0x7f.1/"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		u, err := ParseURL(s)
		if err != nil {
			return
		}
		again, err := ParseURL(u.String())
		if err != nil || again.String() != u.String() || Of(again) != Of(u) {
			t.Fatalf("%q → %q → %v, %v", s, u, again, err)
		}
	})
}

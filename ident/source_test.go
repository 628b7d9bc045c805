package ident

import (
	"strings"
	"testing"
)

func TestParseSource(t *testing.T) {
	for _, c := range []struct {
		in, want    string
		kind        SourceKind
		url, branch string
	}{
		{"https://registry.myorg.com/", "https://registry.myorg.com/", StaticHTTP, "https://registry.myorg.com/", ""},
		{"https://registry.myorg.com", "https://registry.myorg.com/", StaticHTTP, "https://registry.myorg.com/", ""},
		{"HTTPS://Registry.MyOrg.COM:443//opkg/./a/../", "https://registry.myorg.com/opkg/", StaticHTTP, "https://registry.myorg.com/opkg/", ""},
		{"https://registry.myorg.com./opkg", "https://registry.myorg.com/opkg/", StaticHTTP, "https://registry.myorg.com/opkg/", ""},
		{"https://registry.myorg.com.:8443/", "https://registry.myorg.com:8443/", StaticHTTP, "https://registry.myorg.com:8443/", ""},
		{"http://127.0.0.1:80/", "http://127.0.0.1/", StaticHTTP, "http://127.0.0.1/", ""},
		{"http://[::1]:8080/x", "http://[::1]:8080/x/", StaticHTTP, "http://[::1]:8080/x/", ""},
		{"https://r\u0435gistry.example.test/", "https://xn--rgistry-7gg.example.test/", StaticHTTP, "", ""},
		{"https://h/a%2Db/%7Ec/%2e%2e/d%20e", "https://h/a-b/d%20e/", StaticHTTP, "", ""},
		{"git:https://github.com/myorg/opkg-registry.git", "git:https://github.com/myorg/opkg-registry.git", GitRegistry, "https://github.com/myorg/opkg-registry.git", ""},
		{"git:https://GitHub.com/myorg/opkg-registry.git/#beta", "git:https://github.com/myorg/opkg-registry.git#beta", GitRegistry, "https://github.com/myorg/opkg-registry.git", "beta"},
		{"git:git@GitHub.com:myorg/r.git#release/1.x", "git:git@github.com:myorg/r.git#release/1.x", GitRegistry, "git@github.com:myorg/r.git", "release/1.x"},
		{"git:ssh://git@host:22/r", "git:ssh://git@host/r", GitRegistry, "ssh://git@host/r", ""},
		{"git:../r", "git:../r", GitRegistry, "../r", ""},
		{"file:../team-registry", "file:../team-registry", Directory, "../team-registry", ""},
		{"file:./a//b/../c/", "file:a/c", Directory, "a/c", ""},
		{"file:.", "file:.", Directory, ".", ""},
		{"file:/srv/registry/", "file:/srv/registry", Directory, "/srv/registry", ""},
		{"file:///srv/my%20registry", "file:/srv/my registry", Directory, "/srv/my registry", ""},
		{"file:~/registry/", "file:~/registry", Directory, "~/registry", ""},
		{"file:~/../x", "file:~/../x", Directory, "~/../x", ""},
		{"file:~/", "file:~", Directory, "~", ""},
		{"file:./~/x", "file:./~/x", Directory, "./~/x", ""},
		{"file:./-x", "file:./-x", Directory, "./-x", ""},
		{"file:C:/registry", "file:C:/registry", Directory, "C:/registry", ""},
	} {
		s, err := ParseSource(c.in)
		if err != nil {
			t.Error(err)
			continue
		}
		if c.url == "" {
			c.url = c.want
		}
		if string(s) != c.want || s.Kind() != c.kind || s.URL() != c.url || s.Branch() != c.branch {
			t.Errorf("%q is %q of kind %d, %q, %q", c.in, s, s.Kind(), s.URL(), s.Branch())
		}
		if again, err := ParseSource(string(s)); err != nil || again != s {
			t.Errorf("%q is not canonical: %q, %v", s, again, err)
		}
	}
}

func TestParseSourceRefuses(t *testing.T) {
	for _, s := range []string{
		"", " ", "registry", "../registry", "/srv/registry", "registry.myorg.com", "C:/registry", "ftp://host/", "ext::sh -c id", "myorg:", "javascript:x",
		"https:", "https:/host", "https://", "https:///path", "https://:443/", "https://host:", "https://host:0/", "https://host:99999/", "https://host:x/",
		"https://user@host/", "https://user:password@host/", "https://a.test@b.test/", "https://host/?token=x", "https://host/?", "https://host/#x", "https://host/#",
		"https://host\\@evil/", "https:\\\\host\\x", "https://ho st/", "https://host/a b", "https://host/\r\nX: y", "https://host/%0d%0a", "https://host/%00", "https://host/a%2Fb", "https://host/a%5cb",
		"https://host/%zz", "https://-host/", "https://host../", "https://.host/", "https://0x7f.1/", "https://127.1/", "https://[fe80::1%25eth0]/", "https://host/\u202e", "https://host/\xff", "https://host/%ff",
		" https://host/", "https://host/ ", "-https://host/", "--upload-pack=x",
		"git:", "git:#beta", "git:ext::sh -c id", "git:-u./pwn", "git:--upload-pack=x", "git:https://user:secret@host/r", "git:https://host/r#", "git:https://host/r#-x", "git:https://host/r#a..b",
		"git:https://host/r#0123456789abcdef0123456789abcdef01234567", "git:https://host/r#0123456789ABCDEF0123456789abcdef01234567", "git:https://host/r#a:b", "git:https://host/r#+main",
		"git:git:https://host/r", "git:git://host/r", "git://host/r", "git:repo",
		"file:", "file:-x", "file://host/x", "file://user@/x", "file:///a%0ab", "file:a?b", "file:a#b", "file:a\\b", "file:~root/x", "file: x", "file:x ", "file:x\n", "file:\u202ex", "file:x /",
		"https://" + strings.Repeat("a", MaxURL), "https://host/" + strings.Repeat("é", 400), "git:é:" + strings.Repeat("a", 2000),
	} {
		if id, err := ParseSource(s); err == nil {
			t.Errorf("%q is accepted: %q", s, id)
		} else if text := err.Error(); !isSafe(text) || strings.Contains(text, "secret") || strings.Contains(text, "password@") || strings.Contains(text, "token=x") {
			t.Errorf("unsafe: %q", text)
		}
	}
}

func TestParseGitURL(t *testing.T) {
	for in, want := range map[string]string{
		"https://github.com/author/tool.git":          "https://github.com/author/tool.git",
		"https://GITHUB.com:443/author//tool/":        "https://github.com/author/tool",
		"https://dev.azure.com/o/My%20Project/_git/r": "https://dev.azure.com/o/My%20Project/_git/r",
		"http://localhost:3000/r.git":                 "http://localhost:3000/r.git",
		"ssh://git@Host.Example:2222/a/b.git/":        "ssh://git@host.example:2222/a/b.git",
		"ssh://host/~user/r":                          "ssh://host/~user/r",
		"ssh://git@[::1]:22/r":                        "ssh://git@[::1]/r",
		"git@GitHub.com:author/tool.git":              "git@github.com:author/tool.git",
		"host.example:/srv/r.git/":                    "host.example:/srv/r.git",
		"host.:r":                                     "host:r",
		"me_2@host:~/r":                               "me_2@host:~/r",
		"git@[::1]:r":                                 "git@[::1]:r",
		"[fe80::1]:r":                                 "[fe80::1]:r",
		"file:///srv/r.git/":                          "file:///srv/r.git",
		"file:///srv/a%20b":                           "file:///srv/a%20b",
		"C:/srv/a b":                                  "file:///C:/srv/a%20b",
		"/srv/r.git/":                                 "/srv/r.git",
		"./r":                                         "./r",
		"./a/../b/":                                   "./b",
		"./~/b":                                       "./~/b",
		"./-b":                                        "./-b",
		"../r":                                        "../r",
		"./../r":                                      "../r",
		"~/r":                                         "~/r",
		".":                                           ".",
		"../my repository":                            "../my repository",
	} {
		got, err := ParseGitURL(in)
		if err != nil || got != want {
			t.Errorf("%q is %q, want %q, %v", in, got, want, err)
			continue
		}
		if again, err := ParseGitURL(got); err != nil || again != got {
			t.Errorf("%q is not canonical: %q, %v", got, again, err)
		}
	}
	for _, s := range []string{
		"", "-u./pwn", "--upload-pack=touch opkg-pwn", "ext::sh -c touch% opkg-pwn", "fd::17", "a.b::c", "http::https://host/r", "repo", "author/tool", "github.com/author/tool",
		"git://host/r", "git+ssh://git@host/r", "ftp://host/r", "rsync://host/r", "https:/host/r", "https:host/r", "ssh:host/r", "file:../r", "file://host/r", "file:///", "file:x",
		"https://host", "https://host/", "https://user@host/r", "https://token:secret@host/r", "https://host/r?x=1", "https://host/r#main", "https://-oProxyCommand=x/r", "https://host/a b", "https://host/a%2fb",
		"ssh://-oProxyCommand=id/r", "ssh://git:secret@host/r", "ssh://-l@host/r", "ssh://git@-host/r", "ssh://git@host", "ssh://git@host/", "ssh://git@host:/r", "ssh://git@host:022/r", "ssh://git@host:70000/r",
		"ssh://git@host/a b", "ssh://git @host/r", "ssh://%2doProxy@host/r", "ssh://git@host/%0a", "ssh://git@host/r?x", "ssh:///r", "ssh://git@ho%20st/r",
		"-host:r", "git@-host:r", "-oProxyCommand=x:r", "git@host:-x", "host:./:x", "git@host::x", "git@host:./-x", "git@host:", "git@host:/", "git@host:..", "git@host:a/..", "git:secret@host:r", "git@host:a b", "@host:r", "a@b@host:r",
		"git@host:22:r\n", "[::1:r", "[host:22]:r", "ho st:r", "host\\x:r", "//host/r", "git@host:r#main", "git@host:r?x",
		"./a\x00b", "./a\nb", "./a\\b", "../a#b", " ./a", "./a ", "/a\u202e", "./\xff",
	} {
		if got, err := ParseGitURL(s); err == nil {
			t.Errorf("%q is accepted: %q", s, got)
		} else if text := err.Error(); !isSafe(text) || strings.Contains(text, "secret") {
			t.Errorf("unsafe: %q", text)
		}
	}
}

// The methods of a SourceID that nobody parsed must not panic.
func TestForeignSourceID(t *testing.T) {
	for _, s := range []SourceID{"", "x", ":", "git", "git:", "git:#", "git:#x", "file", "file:", "https", "https:", "#", "GIT:x"} {
		s.Kind()
		s.URL()
		s.Branch()
	}
	if SourceID("").Kind() != 0 || SourceID("x:y").Kind() != 0 {
		t.Error("a text without scheme has a kind")
	}
}

func TestParseRef(t *testing.T) {
	for _, s := range []string{
		"main", "v1.0.0", "release/1.x", "feature/a_b-c", "0123456789abcdef0123456789abcdef01234567", strings.Repeat("ab", 32), "abc123", "é", "a@b", "a+b", "a#b", "HEAD", "refs/tags/v1", "x.y",
	} {
		if err := ParseRef(s); err != nil {
			t.Error(err)
		}
	}
	for _, s := range []string{
		"", "-x", "--upload-pack=x", "+main", "a..b", "a b", "a\tb", "a~1", "a^", "a:b", "a?b", "a*", "a[b", `a\b`, "a\x7f", "@", "a@{1}", "/a", "a/", "a//b", ".a", "a/.b", "./a", "a.", "a.lock", "a.lock/b", "a\u202eb", "\xff",
		"0123456789ABCDEF0123456789abcdef01234567", strings.Repeat("a", MaxRef+1),
	} {
		if err := ParseRef(s); err == nil {
			t.Errorf("%q is accepted", s)
		} else if text := err.Error(); !isSafe(text) {
			t.Errorf("unsafe: %q", text)
		}
	}
}

func FuzzParseSource(f *testing.F) {
	for _, s := range []string{
		"https://h.:443/a/%2e%2e/b%20c", "git:git@h:a/b#c", "git:ssh://u@[::1]:22/~x/", "file:~/../x", "file:///a%20b", "file:./~", "git:./-x", "git:C:/x", "http://[::ffff:1.2.3.4]/", "https://é.test/é",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if url, err := ParseGitURL(s); err == nil {
			if again, err := ParseGitURL(url); err != nil || again != url {
				t.Fatalf("%q is %q is %q, %v", s, url, again, err)
			}
			if strings.HasPrefix(url, "-") || !isSafe(url) {
				t.Fatalf("%q is %q", s, url)
			}
		}
		id, err := ParseSource(s)
		if err != nil {
			if text := err.Error(); !isSafe(text) {
				t.Fatalf("unsafe: %q", text)
			}
			SourceID(s).Kind()
			SourceID(s).URL()
			SourceID(s).Branch()
			return
		}
		if again, err := ParseSource(string(id)); err != nil || again != id {
			t.Fatalf("%q is %q is %q, %v", s, id, again, err)
		}
		if !isSafe(string(id)) || id.Kind() == 0 || id.URL() == "" || strings.HasPrefix(id.URL(), "-") || strings.HasPrefix(id.Branch(), "-") {
			t.Fatalf("%q is %q", s, id)
		}
	})
}

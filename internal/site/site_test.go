package site

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/openpackage/opkg/ident"
	"github.com/openpackage/opkg/registry"
)

func TestMarkdown(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"", ""},
		{" \n\t\n", ""},
		{"# Title\n\nText.", "<h3>Title</h3>\n<p>Text.</p>\n"},
		{"# pkg\n\n## Use\n", "<h3>Use</h3>\n"}, // the page says the name already
		{"## a\n#### b\n###### c\n", "<h3>a</h3>\n<h5>b</h5>\n<h6>c</h6>\n"},
		{"a <b onclick=x>b</b> c", "<p>a b c</p>\n"},
		{"<script>x</script>\n\nrest", "<p>rest</p>\n"},
		{"[a](https://e.org/?q=1&r=2 \"t\")", "<p><a href=\"https://e.org/?q=1&amp;r=2\">a</a></p>\n"},
		{"[a](javascript:x) [b](#b) [c](c.md) [d](//e.org) [e](data:text/html,x)", "<p>a b c d e</p>\n"},
		{"[a](https://user:pw@e.org/) <https://e.org>", "<p>a <a href=\"https://e.org\">https://e.org</a></p>\n"},
		{"![*alt*](https://e.org/i.png)", "<p><em>alt</em></p>\n"},
		{"[![badge](https://e.org/i.svg)](https://e.org/)", "<p><a href=\"https://e.org/\">badge</a></p>\n"},
		{"a@e.org", "<p><a href=\"mailto:a@e.org\">a@e.org</a></p>\n"},
		{"- [x] done", "<ul>\n<li><input checked=\"\" disabled=\"\" type=\"checkbox\"> done</li>\n</ul>\n"},
		{"|a|\n|-:|\n|b|", "<table>\n<thead>\n<tr>\n<th align=\"right\">a</th>\n</tr>\n</thead>\n<tbody>\n<tr>\n<td align=\"right\">b</td>\n</tr>\n</tbody>\n</table>\n"},
		{"```go\" onx=\ncode\n```", "<pre><code class=\"language-go&quot;\">code\n</code></pre>\n"},
		{"a\u202eb\x00c\x1b[31m\xff\ufeff", "<p>abc[31m</p>\n"},
		{strings.Repeat("> ", 200) + "x", `<pre class="plain">` + strings.Repeat("&gt; ", 200) + "x</pre>"},
	} {
		if got := string(Markdown([]byte(c.in), "pkg")); got != c.want {
			t.Errorf("%q gives\n%s\nwant\n%s", c.in, got, c.want)
		}
	}
	long := Markdown([]byte(strings.Repeat("é", MaxReadme)), "x")
	if !utf8.ValidString(string(long)) || len(long) > MaxReadme+100 || !strings.Contains(string(long), "…") {
		t.Errorf("%d bytes", len(long))
	}
}

func TestHarmlessIsTheSecondLine(t *testing.T) {
	for _, bad := range []string{`<script>x</script>`, `<p onclick="x">`, `<a href="javascript:x">`, `<a href="//x">`, `<img src="x">`, `<p style="x">`, `<input type="text">`,
		`<!-- x -->`, `<!doctype html>`, `<svg></svg>`, `<a target="x">`, `<p id="x">`} {
		if harmless([]byte(bad)) {
			t.Errorf("%s passes", bad)
		}
	}
	if !harmless([]byte(`<p>a &lt;b&gt; <a href="https://e.org">c</a></p>`)) {
		t.Error("a link does not pass")
	}
}

func TestLinkTo(t *testing.T) {
	for in, want := range map[string]link{
		"https://github.com/a/b":         {"https://github.com/a/b", "github.com/a/b"},
		"git+https://github.com/a/b.git": {"https://github.com/a/b.git", "github.com/a/b"},
		"http://e.org/":                  {"http://e.org/", "e.org"},
		"javascript:alert(1)":            {"", "javascript:alert(1)"},
		"java\nscript:alert(1)":          {"", "java script:alert(1)"},
		"https://u:p@e.org/":             {"", "https://u:p@e.org/"},
		"git@github.com:a/b.git":         {"", "git@github.com:a/b.git"},
		"mailto:a@e.org":                 {"", "mailto:a@e.org"},
		"":                               {},
	} {
		if got := linkTo(in); got != want {
			t.Errorf("%q: %+v", in, got)
		}
	}
}

func TestPagePath(t *testing.T) {
	seen := map[string]ident.Name{}
	for _, s := range []string{"a", "@a/b", "a-b", "a.b", "@a-/b", "@a/b-", "@a.b/c", "a_b", "_a", "@_a/_b"} {
		name, err := ident.ParseName(s)
		if err != nil {
			t.Fatal(err)
		}
		p := PagePath(name)
		if other, taken := seen[strings.ToLower(p)]; taken || strings.ContainsAny(p, "@ %#?&") || strings.Count(p, "/") != 1 {
			t.Errorf("%s: %s, which is %s's", name, p, other)
		}
		seen[strings.ToLower(p)] = name
	}
}

func TestInstallLine(t *testing.T) {
	release := func(v string, yanked bool) registry.Release {
		version, err := ident.ParseVersion(v)
		if err != nil {
			t.Fatal(err)
		}
		return registry.Release{Version: version, Yanked: yanked}
	}
	for _, c := range []struct {
		name ident.Name
		r    registry.Release
		want string
	}{
		{"a", release("1.0.0", false), "opkg add a"},
		{"@s/a", release("1.0.0", false), `opkg add "@s/a"`},
		{"a", release("1.0.0-rc.1", false), "opkg add a@1.0.0-rc.1"},
		{"@s/a", release("1.0.0", true), `opkg add "@s/a@1.0.0"`},
	} {
		if got := installLine(&Package{Name: c.name, Releases: []registry.Release{c.r}}); got != c.want {
			t.Errorf("%s, want %s", got, c.want)
		}
	}
}

// The search data is scripts: nothing in it is more than data.
func TestShards(t *testing.T) {
	v, err := ident.ParseVersion("1.0.0")
	if err != nil {
		t.Fatal(err)
	}
	var entries []registry.SearchEntry
	for i := range 3*perShard + 1 {
		entries = append(entries, registry.SearchEntry{Name: ident.Name(fmt.Sprintf("p%d", i)), Version: v, Description: "</script>\u2028" + `"); alert(1); ("`, Keywords: []string{"a", "b c"}})
	}
	files, digests, err := Shards(entries)
	if err != nil {
		t.Fatal(err)
	}
	if len(files) != 4 || len(strings.Fields(digests)) != 4 {
		t.Fatalf("%d files, %s", len(files), digests)
	}
	total := 0
	for i := range 4 {
		text := files[fmt.Sprintf("site/data/%d.js", i)]
		data, ok := bytes.CutPrefix(text, fmt.Appendf(nil, "opkgShard(%d,", i))
		data, end := bytes.CutSuffix(data, []byte(")\n"))
		var rows [][]any
		if err := json.Unmarshal(data, &rows); err != nil || !ok || !end {
			t.Fatalf("%v %.80s", err, text)
		}
		if bytes.ContainsAny(text, "<>\u2028") {
			t.Errorf("markup in shard %d", i)
		}
		total += len(rows)
	}
	if total != len(entries) {
		t.Errorf("%d rows", total)
	}
	more, _, err := Shards(append(entries, registry.SearchEntry{Name: "one-more", Version: v}))
	if err != nil {
		t.Fatal(err)
	}
	changed := 0
	for name := range more {
		if !bytes.Equal(more[name], files[name]) {
			changed++
		}
	}
	if changed != 1 {
		t.Errorf("one more package changes %d files", changed)
	}
	if files, digests, err := Shards(nil); err != nil || len(files) != 1 || digests == "" {
		t.Errorf("nothing: %v %q %v", files, digests, err)
	}
}

func TestHumanNumbers(t *testing.T) {
	for n, want := range map[int64]string{0: "0 B", 999: "999 B", 1000: "1.0 kB", 9949: "9.9 kB", 9950: "10 kB", 999_499: "999 kB", 999_500: "1.0 MB", 4 << 30: "4.3 GB"} {
		if got := humanSize(n); got != want {
			t.Errorf("%d: %s, want %s", n, got, want)
		}
	}
	if got := humanDate("2024-05-06T23:08:09-02:00"); got != "7 May 2024" {
		t.Error(got)
	}
	if got := count(1234567, "package"); got != "1\u202f234\u202f567 packages" {
		t.Error(got)
	}
}

// FuzzMarkdown: whatever a README holds, what comes out is harmless, or plain text.
func FuzzMarkdown(f *testing.F) {
	for _, s := range []string{"# a\n[b](javascript:c)", "<script>", "![a](b)", "|a|\n|-|\n|<b>|", "- [x] <a@b.c>", "[a]: javascript:b\n\n[a]", "```a\"b\n<c>\n```", "&#x3c;script&#x3e;"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, readme []byte) {
		out := []byte(Markdown(readme, "name"))
		if plain, ok := bytes.CutPrefix(out, []byte(`<pre class="plain">`)); ok {
			plain, ok = bytes.CutSuffix(plain, []byte("</pre>"))
			if !ok || bytes.ContainsAny(plain, "<>\"") {
				t.Fatalf("%q gives %s", readme, out)
			}
			return
		}
		if !harmless(out) {
			t.Fatalf("%q gives %s", readme, out)
		}
	})
}

package site_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/openpackage/opkg/internal/archive"
	"github.com/openpackage/opkg/internal/ops"
	"github.com/openpackage/opkg/registry"
)

// pkg is one package of a registry that a test makes.
type pkg struct {
	name, version string
	manifest      string // what stands in openpackage.yml beside name and version
	readme        string
}

// writeRegistry makes a registry of packages in dir, with its site.
func writeRegistry(t testing.TB, dir, title string, packages ...pkg) {
	t.Helper()
	for _, p := range packages {
		writePackage(t, dir, p)
	}
	w := &ops.World{Dir: dir}
	if _, err := w.IndexRegistry(context.Background(), dir); err != nil {
		t.Fatal(err)
	}
	if _, err := w.WriteSite(context.Background(), dir, title); err != nil {
		t.Fatal(err)
	}
}

func writePackage(t testing.TB, dir string, p pkg) {
	t.Helper()
	files := []archive.File{
		{Path: "README.md", Data: []byte(p.readme)},
		{Path: "openpackage.yml", Data: fmt.Appendf(nil, "name: %q\nversion: %s\n%s", p.name, p.version, p.manifest)},
		{Path: "rules/rule.md", Data: []byte("A rule.\n")},
		{Path: "scripts/run.sh", Data: []byte("#!/bin/sh\n"), Exec: true},
	}
	for i := range files {
		files[i].Size = int64(len(files[i].Data))
	}
	var b bytes.Buffer
	if err := archive.Write(&b, files, nil); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "packages", filepath.FromSlash(p.name), p.version+".tgz")
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

// team is a small registry.
var team = []pkg{
	{"@team/review", "1.0.0", "description: How we review\nkeywords: [review, rules]\n", "# review\n\nFirst edition.\n"},
	{"@team/review", "1.2.0", "description: How we review\nkeywords: [review, rules]\nlicense: MIT\nhomepage: https://example.com/review\ndependencies:\n- name: style\n  version: ^1.0.0\n- name: elsewhere\n  version: '*'\n",
		"# review\n\nWhat a **review** looks at.\n\n## Use\n\nRead [the guide](https://example.com/guide).\n"},
	{"style", "1.0.0", "description: Words for a review\n", ""},
	{"preview", "0.1.0", "description: Shows Markdown\n", ""},
	{"tests", "1.0.0", "keywords: [Review]\n", ""},
	{"unrelated", "1.0.0", "", ""},
}

// tab is one page of a headless Chromium.
type tab struct {
	t   *testing.T
	ctx context.Context

	mu       sync.Mutex
	requests []string
	dialogs  int
}

// chromium is started once, by the first test that wants it, and ended by TestMain.
var chromium = sync.OnceValues(func() (context.Context, error) {
	path := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable"} {
		if p, err := exec.LookPath(name); err == nil {
			path = p
			break
		}
	}
	if path == "" {
		return nil, errors.New("there is no Chromium")
	}
	options := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]), chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.WindowSize(1280, 900))
	ctx, stop := chromedp.NewExecAllocator(context.Background(), options...)
	stopChromium = append(stopChromium, stop)
	ctx, stop = chromedp.NewContext(ctx)
	stopChromium = append(stopChromium, stop)
	return ctx, chromedp.Do(ctx)
})

var stopChromium []context.CancelFunc

func TestMain(m *testing.M) {
	status := m.Run()
	for _, stop := range slices.Backward(stopChromium) {
		stop()
	}
	os.Exit(status)
}

// newTab opens a page. Without a browser the test is skipped, and fails where OPKG_REQUIRE says that all must run.
func newTab(t *testing.T) *tab {
	t.Helper()
	if testing.Short() {
		t.Skip("starts a browser")
	}
	ctx, err := chromium()
	if err != nil {
		if os.Getenv("OPKG_REQUIRE") != "" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	ctx, stop := chromedp.NewContext(ctx)
	t.Cleanup(stop)
	ctx, stop = context.WithTimeout(ctx, 2*time.Minute)
	t.Cleanup(stop)
	b := &tab{t: t, ctx: ctx}
	must(t, chromedp.Listen(ctx, func(event any) {
		b.mu.Lock()
		defer b.mu.Unlock()
		switch e := event.(type) {
		case *network.EventRequestWillBeSent:
			b.requests = append(b.requests, e.Request.URL)
		case *page.EventJavascriptDialogOpening:
			b.dialogs++
		}
	}))
	call(b, network.Enable, network.EnableParams{})
	call(b, page.Enable, page.EnableParams{})
	call(b, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: `
		window.violations = [];
		document.addEventListener("securitypolicyviolation", (e) => violations.push(e.violatedDirective + " " + e.blockedURI + " " + e.sourceFile));
		window.addEventListener("error", (e) => violations.push("error: " + e.message));`})
	for _, name := range []string{"clipboard-read", "clipboard-write"} {
		_, err := chromedp.CallBrowser(ctx, browser.SetPermission, browser.SetPermissionParams{Permission: &browser.PermissionDescriptor{Name: name}, Setting: browser.PermissionSettingGranted})
		must(t, err)
	}
	return b
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// call sends one command of the DevTools protocol.
func call[P, R any](b *tab, cmd cdp.Command[P, R], params P) {
	b.t.Helper()
	_, err := chromedp.Call(b.ctx, cmd, params)
	must(b.t, err)
}

func (b *tab) do(actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	must(b.t, chromedp.Do(b.ctx, actions...))
}

// eval is what a script gives, as text.
func (b *tab) eval(script string) string {
	b.t.Helper()
	out, err := chromedp.Run(b.ctx, chromedp.Evaluate[string]("String("+script+")"))
	if err != nil {
		b.t.Fatalf("%s: %v", script, err)
	}
	return out
}

// press is one key as a keyboard sends it: what its keydown prevents is not typed.
func (b *tab) press(key string) {
	b.t.Helper()
	call(b, input.DispatchKeyEvent, input.DispatchKeyEventParams{Type: input.DispatchKeyEventTypeKeyDown, Key: key, Text: key})
	call(b, input.DispatchKeyEvent, input.DispatchKeyEventParams{Type: input.DispatchKeyEventTypeKeyUp, Key: key})
}

// wait polls until a script gives text.
func (b *tab) wait(script, want string) {
	b.t.Helper()
	got := ""
	for range 1200 {
		var err error // while a page is left there is nothing to ask
		if got, err = chromedp.Run(b.ctx, chromedp.Evaluate[string]("String("+script+")")); err == nil && got == want {
			return
		}
		time.Sleep(25 * time.Millisecond)
	}
	b.t.Fatalf("%s is %q, want %q", script, got, want)
}

// clean asserts that the pages kept to themselves.
func (b *tab) clean(base string) {
	b.t.Helper()
	if got := b.eval(`violations.join("\n")`); got != "" {
		b.t.Errorf("the page did what it may not: %s", got)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, r := range b.requests {
		if !strings.HasPrefix(r, base) && r != "about:blank" && !strings.HasSuffix(r, "/favicon.ico") {
			b.t.Errorf("a request left the site: %s", r)
		}
	}
	if b.dialogs > 0 {
		b.t.Errorf("%d dialogs opened", b.dialogs)
	}
}

// places runs a test from files and over HTTP, below a path as a bucket has it.
func places(t *testing.T, packages []pkg, f func(t *testing.T, b *tab, base, dir string)) {
	t.Run("file", func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "a registry #1")
		writeRegistry(t, dir, "Team", packages...)
		f(t, newTab(t), (&url.URL{Scheme: "file", Path: filepath.ToSlash(dir) + "/"}).String(), dir)
	})
	t.Run("http", func(t *testing.T) {
		dir := t.TempDir()
		writeRegistry(t, dir, "Team", packages...)
		srv := httptest.NewServer(http.StripPrefix("/bucket/a%20b/", http.FileServerFS(os.DirFS(dir))))
		t.Cleanup(srv.Close)
		f(t, newTab(t), srv.URL+"/bucket/a%2520b/", dir)
	})
}

const names = `[...document.querySelectorAll("#results .name")].map(e => e.textContent).join(" ")`

// Somebody finds a package, opens it and copies its install line, and takes no hand off the keyboard.
func TestKeyboardAlone(t *testing.T) {
	places(t, team, func(t *testing.T, b *tab, base, dir string) {
		b.do(chromedp.Navigate(base + "index.html"))
		b.wait(`document.querySelectorAll("#rest .list a").length`, "5")
		b.press("/")
		b.wait(`document.activeElement.id`, "q")
		b.do(chromedp.KeyEvent("Review"))
		b.wait(`document.getElementById("status").textContent`, "4 packages")
		if got, want := b.eval(names), strings.Join(found(t, dir, "review"), " "); got != want || got != "@team/review preview tests style" {
			t.Errorf("found %q; opkg finds %q", got, want)
		}
		if got := b.eval(`document.querySelector("#results mark").textContent`); got != "review" {
			t.Errorf("%q is set off", got)
		}
		b.do(chromedp.KeyEvent(kb.ArrowDown), chromedp.KeyEvent(kb.ArrowDown))
		b.wait(`document.activeElement.querySelector(".name").textContent`, "preview")
		b.do(chromedp.KeyEvent(kb.ArrowUp))
		b.wait(`document.activeElement.querySelector(".name").textContent`, "@team/review")
		b.do(chromedp.KeyEvent(kb.ArrowUp))
		b.wait(`document.activeElement.id`, "q")
		b.clean(base)
		b.do(chromedp.KeyEvent(kb.Enter))
		b.wait(`document.querySelector("h1").textContent + document.readyState`, "@team/reviewcomplete")

		for range 20 { // the skip link, the brand, search, the line, its button
			b.do(chromedp.KeyEvent(kb.Tab))
			if b.eval(`document.activeElement.tagName`) == "BUTTON" {
				break
			}
		}
		b.do(chromedp.KeyEvent(kb.Enter))
		b.wait(`document.getElementById("copied").textContent`, "Copied to the clipboard")
		clip, err := chromedp.Run(b.ctx, chromedp.Evaluate[string](`navigator.clipboard.readText()`, chromedp.EvalAwaitPromise))
		must(t, err)
		if clip != `opkg add "@team/review"` {
			t.Errorf("copied %q", clip)
		}
		b.clean(base)
		b.press("/")
		b.wait(`document.activeElement.id`, "q")
		b.do(chromedp.KeyEvent("words"), chromedp.KeyEvent(kb.Enter)) // from a page's own search to that of the home page
		b.wait(names, "style")
		b.press("/")
		b.do(chromedp.KeyEvent(kb.Escape))
		b.wait(`document.getElementById("rest").hidden + document.getElementById("q").value`, "false")
		b.clean(base)
	})
}

// found is what opkg search finds.
func found(t *testing.T, dir, term string) (out []string) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, registry.SearchPath))
	if err != nil {
		t.Fatal(err)
	}
	s, err := registry.ParseSearch(registry.SearchPath, data)
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range s.Find(term) {
		out = append(out, string(s.Entries[i].Name))
	}
	return out
}

// The page of a package shows what there is to know.
func TestPackagePage(t *testing.T) {
	places(t, team, func(t *testing.T, b *tab, base, _ string) {
		b.do(chromedp.Navigate(base + "site/p/team--review.html"))
		for script, want := range map[string]string{
			`document.title`: "@team/review · Team",
			`document.querySelector(".prose").textContent.trim().split("\n")[0]`:                     "What a review looks at.",
			`document.querySelector(".prose strong").textContent`:                                    "review",
			`[...document.querySelectorAll(".versions tbody th")].map(e => e.textContent).join(" ")`: "1.2.0 1.0.0",
			`[...document.querySelectorAll(".files tbody tr")].map(e => e.innerText).pop()`:          "scripts/run.sh executable\t10 B",
			`document.querySelector("#dependencies + ul").innerText`:                                 "elsewhere *\nstyle ^1.0.0",
			`document.querySelectorAll("#dependencies + ul a").length`:                               "1",
			`document.querySelectorAll("[id=readme],[id=versions],[id=files]").length`:               "3",
			`getComputedStyle(document.querySelector("h1")).fontFamily.includes("serif")`:            "true",
		} {
			if got := b.eval(script); got != want {
				t.Errorf("%s is %q, want %q", script, got, want)
			}
		}
		b.do(chromedp.Click(`#dependencies + ul a`))
		b.wait(`document.querySelector("h1").textContent`, "style")
		if got := b.eval(`document.querySelector("#dependents + ul").innerText`); got != "@team/review ^1.0.0" {
			t.Errorf("dependents %q", got)
		}
		b.clean(base)
	})
}

// A package that tries everything does nothing.
func TestHostilePackage(t *testing.T) {
	const attack = `"><script>window.pwned=1;alert(1)</script><img src=x onerror=pwned=2>`
	text, err := json.Marshal("</script>" + attack + "\u2028\u202e`${pwned=9}`'); pwned=3;//")
	if err != nil {
		t.Fatal(err)
	}
	hostile := pkg{name: "hostile", version: "1.0.0",
		manifest: fmt.Sprintf("description: %s\nkeywords: [%s, '<b>']\nlicense: %s\nhomepage: 'javascript:window.pwned=4'\nrepository: 'data:text/html,<script>pwned=5</script>'\n", text, text, text),
		readme: attack + `

# <b onclick="pwned=6">Title</b> {onclick=pwned=6}

<iframe src="https://evil.example/"></iframe>
<style>body { display: none }</style>
<base href="https://evil.example/">
<meta http-equiv="refresh" content="0; url=https://evil.example/">
<form action="https://evil.example/"><input name=q autofocus onfocus="pwned=7"></form>
<svg onload=pwned=8><a xlink:href="javascript:alert(1)">x</a></svg>

[one](javascript:pwned=10) [two](JaVaScRiPt:pwned=11) [three](data:text/html,<script>pwned=12</script>) [four](vbscript:x)
[five](java&#10;script:pwned=13) [six](&#x6a;avascript:pwned=14) [seven]( "javascript:" ) [eight](//evil.example/x) [nine](\\evil)
[ten][ref] <javascript:pwned=15> <https://example.com/"onmouseover="pwned=16> ![i](https://evil.example/pixel.png) ![j](x" onerror="pwned=17)
[eleven](https://example.com/fine "title" onclick=pwned=18)

[ref]: javascript:pwned=19

` + "```\"><script>pwned=20</script>\n</code></pre><script>pwned=21</script>\n```\n\n" +
			"| a |\n|---|\n| <script>pwned=22</script> |\n\n<!-- --!><script>pwned=23</script> -->\n\n<![CDATA[<script>pwned=24</script>]]>\n\n<?php pwned ?>\n\n&lt;script&gt;pwned=25&lt;/script&gt;\n"}
	places(t, append(slices.Clone(team), hostile), func(t *testing.T, b *tab, base, _ string) {
		check := func(where string) {
			t.Helper()
			for script, want := range map[string]string{
				`window.pwned`: "undefined",
				`[...document.scripts].filter(s => !s.src.includes("/site/")).length`:                                                                   "0",
				`[...document.querySelectorAll("*")].flatMap(e => [...e.attributes]).filter(a => a.name.startsWith("on") || a.name === "style").length`: "0",
				`document.querySelectorAll("main iframe, main img, main style, main base, main form[action*=evil], main object, main embed").length`:    "0",
				`[...document.querySelectorAll("a")].map(a => a.protocol).filter(p => !["https:", location.protocol].includes(p)).join()`:               "",
				`[...document.querySelectorAll("[href*=evil], [src*=evil]")].length`:                                                                    "0",
			} {
				if got := b.eval(script); got != want {
					t.Errorf("%s: %s is %q, want %q", where, script, got, want)
				}
			}
			b.clean(base)
		}
		b.do(chromedp.Navigate(base + "site/p/hostile.html"))
		check("page")
		if got := b.eval(`[...document.querySelectorAll(".prose a")].map(a => a.textContent + " " + a.href).join(", ")`); !strings.Contains(got, "eleven https://example.com/fine") && !strings.Contains(b.eval(`document.querySelector(".prose").textContent`), "eleven") {
			t.Errorf("links: %s", got)
		}
		for _, e := range []string{"click", "mouseover", "focus"} {
			b.eval(`[...document.querySelectorAll("main *")].filter(e => !e.closest("a[href^=http]")).forEach(e => e.dispatchEvent(new Event("` + e + `", {bubbles: true})))`)
		}
		check("after events")
		b.do(chromedp.Navigate(base+"index.html"), chromedp.SendKeys("#q", "host"))
		b.wait(names, "hostile")
		check("search")
		b.do(chromedp.Navigate(base + `index.html?q=` + url.QueryEscape(attack) + `#q=` + url.PathEscape(attack)))
		b.wait(`document.getElementById("status").textContent.length > 0 && document.getElementById("q").value.includes("script")`, "true")
		check("a hostile link")

		// Had something slipped through, the policy of the page would hold.
		for script, want := range map[string]string{
			`(() => { try { document.body.innerHTML = "<b>x</b>"; return "done"; } catch { return "refused"; } })()`:                                                                "refused",
			`(() => { try { document.body.setAttribute("onclick", "window.pwned = 1"); document.body.click(); return window.pwned; } catch { return "refused"; } })()`:              "refused",
			`(() => { const s = document.createElement("style"); s.append("body { display: none }"); document.head.append(s); return getComputedStyle(document.body).display; })()`: "flex",
		} {
			if got := b.eval(script); got != want {
				t.Errorf("%s is %q, want %q", script, got, want)
			}
		}
	})
}

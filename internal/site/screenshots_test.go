package site_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// TestScreenshots makes the pictures of docs/site.md, and some more to look at, in the directory that OPKG_SCREENSHOTS names.
func TestScreenshots(t *testing.T) {
	out := os.Getenv("OPKG_SCREENSHOTS")
	if out == "" {
		return
	}
	dir := filepath.Join(t.TempDir(), "reg")
	must(t, os.CopyFS(dir, os.DirFS("../../testdata/registry")))
	manifest := "description: \"House rules for Go services: layout, errors, logging, tests\"\nkeywords: [go, style, rules, errors, testing]\nlicense: Apache-2.0\n" +
		"homepage: https://example.com/go-rules\nrepository: git+https://github.com/example/go-rules.git\ndependencies:\n- name: \"@opkg-demo/house-style\"\n  version: ^1.0.0\n- name: opkg-demo-shell\n  version: \">=1.0.0 <3\"\n"
	readme := `# go-service-rules

House rules for Go services, as an agent reads them. They come out of five years of reviews: each rule says **why**, shows one example, and names the exception.

## What is in it

- ` + "`rules/layout.md`: where code goes, and what may import what\n- `rules/errors.md`: how errors are made, wrapped and shown\n- `agents/reviewer.md`" + `: a reviewer that knows both

> A rule without its reason is a habit. Habits are hard to question.

## Use

Install it, then let the agent read the rules before it writes:

` + "```sh\nopkg add \"@opkg-demo/go-service-rules\"\nopkg sync\n```" + `

| rule | since | may be waived |
|:-----|:-----:|--------------:|
| no package variables | 1.0 | no |
| errors are wrapped once | 1.0 | in main |
| tables in tests | 1.1 | yes |

See [the style guide](https://example.com/style) for the prose.
`
	for _, v := range []string{"1.0.0", "1.1.0", "1.2.0", "2.0.0-rc.1"} {
		writePackage(t, dir, pkg{"@opkg-demo/go-service-rules", v, manifest, readme})
	}
	writePackage(t, dir, pkg{"old-rules", "0.9.0", "description: What we had before\n", "Use go-service-rules."})
	writeRegistry(t, dir, "Example packages")
	published := func(file string, pairs ...string) {
		data, err := os.ReadFile(filepath.Join(dir, file))
		must(t, err)
		must(t, os.WriteFile(filepath.Join(dir, file), []byte(strings.NewReplacer(pairs...).Replace(string(data))), 0o644))
	}
	published("packages/@opkg-demo/go-service-rules/index.json",
		`"tarball": "1.0.0.tgz"`, `"published": "2025-02-03T10:00:00Z", "tarball": "1.0.0.tgz"`,
		`"tarball": "1.1.0.tgz"`, `"published": "2025-05-06T10:00:00Z", "yanked": "drops an error in its example", "tarball": "1.1.0.tgz"`,
		`"tarball": "1.2.0.tgz"`, `"published": "2025-09-20T10:00:00Z", "tarball": "1.2.0.tgz"`,
		`"tarball": "2.0.0-rc.1.tgz"`, `"published": "2025-11-01T10:00:00Z", "tarball": "2.0.0-rc.1.tgz"`)
	published("packages/old-rules/index.json", `"tarball"`, `"yanked": "use @opkg-demo/go-service-rules", "tarball"`)
	writeRegistry(t, dir, "")
	b := newTab(t)
	shot := func(name, page, scheme string, width, height int64, before ...chromedp.Action[chromedp.Void]) {
		call(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"}}})
		b.do(chromedp.EmulateViewport(width, height), chromedp.Navigate("about:blank"), chromedp.Navigate("file://"+dir+"/"+page))
		b.do(before...)
		if len(before) > 0 {
			b.wait(`document.getElementById("results").dataset.complete + /package/.test(document.getElementById("status").textContent)`, "yestrue")
		}
		png, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
		must(t, err)
		must(t, os.WriteFile(filepath.Join(out, name+".png"), png, 0o644))
	}
	const rules = "site/p/opkg-demo--go-service-rules.html"
	search := chromedp.SendKeys("#q", "review")
	shot("site-home", "index.html", "light", 1120, 720, chromedp.SendKeys("#q", "rules"))
	shot("site-package", rules, "light", 1120, 900)
	shot("site-package-dark", rules, "dark", 1120, 900)
	shot("look-home-dark", "index.html", "dark", 1120, 900, search)
	shot("look-rest", "index.html", "light", 1600, 900)
	shot("look-narrow-home", "index.html", "light", 375, 812, search)
	shot("look-narrow", rules, "light", 375, 2600)
	shot("look-narrow-dark", "site/p/old-rules.html", "dark", 375, 812)
	shot("look-long", rules, "light", 1120, 2000)
	shot("look-wide", rules, "dark", 1900, 1000)
}

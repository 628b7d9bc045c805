package site_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/openpackage/opkg/internal/ops"
)

// BenchmarkSite measures a registry of 10,000 packages: the site made anew, made again with nothing new, made again with one package
// more, and in a browser the time from the first key to the first result, and to all results. Run with -benchtime 1x.
func BenchmarkSite(b *testing.B) {
	const n = 10_000
	dir := b.TempDir()
	words := strings.Fields("review style commit message release notes database query service handler error logging security audit test fixture diagram deploy metrics schema agent prompt")
	word := func(i int) string { return words[i%len(words)] }
	for i := range n {
		name := fmt.Sprintf("%s-%s-%d", word(i), word(i*7+3), i)
		if i%2 == 0 {
			name = fmt.Sprintf("@team-%d/%s", i%40, name)
		}
		writePackage(b, dir, pkg{name: name, version: "1.0.0",
			manifest: fmt.Sprintf("description: Rules for every %s that touches a %s, with %s and %s\nkeywords: [%s, %s]\n", word(i*3), word(i*5+1), word(i*11+2), word(i*13), word(i), word(i*17)),
			readme:   "# " + name + "\n\n" + strings.Repeat("Some **text** about `things`.\n\n- one\n- two\n\n", 10)})
	}
	w := &ops.World{Dir: dir}
	index := func() {
		if _, err := w.IndexRegistry(context.Background(), dir); err != nil {
			b.Fatal(err)
		}
	}
	index()
	measure := func(what string) {
		start := time.Now()
		res, err := w.WriteSite(context.Background(), dir, "Bench")
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(time.Since(start).Seconds(), what+"-s")
		b.ReportMetric(float64(res.Written), what+"-files")
	}
	for b.Loop() {
		measure("new")
		measure("same")
		writePackage(b, dir, pkg{name: "one-more", version: "1.0.0"})
		index()
		measure("more")
	}
	ctx, err := chromium()
	if err != nil {
		b.Skip(err)
	}
	srv := httptest.NewServer(http.FileServerFS(os.DirFS(dir)))
	defer srv.Close()
	ctx, stop := chromedp.NewContext(ctx)
	defer stop()
	if err := chromedp.Do(ctx, chromedp.Navigate(srv.URL+"/index.html")); err != nil {
		b.Fatal(err)
	}
	latency := func(term, until string) string {
		return `new Promise((done) => {
			const input = document.getElementById("q"), start = performance.now();
			input.value = ` + strconv.Quote(term) + `;
			document.getElementById("results").replaceChildren();
			input.dispatchEvent(new Event("input"));
			const look = () => ` + until + ` ? done(performance.now() - start) : requestAnimationFrame(look);
			look();
		})`
	}
	for _, m := range []struct{ name, term, until string }{
		{"first-result-ms", "review", `document.querySelector("#results li")`},
		{"all-results-ms", "security audit", `document.querySelector("#results").dataset.complete`},
		{"next-key-ms", "security audit d", `document.querySelector("#results li")`},
	} {
		took, err := chromedp.Run(ctx, chromedp.Evaluate[float64](latency(m.term, m.until), chromedp.EvalAwaitPromise))
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(took, m.name)
	}
}

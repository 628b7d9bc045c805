package sources

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/openpackage/opkg/config"
	"github.com/openpackage/opkg/ident"
	"github.com/openpackage/opkg/registry"
)

// withBundle is a scripted Revalidator with a bundle, whose next answers are given too.
type withBundle struct {
	*scripted
	answers []any // *Document or error
	asked   []FetchOptions
	most    []int64
}

func (b *withBundle) FetchBundle(ctx context.Context, opt FetchOptions, most int64) (*Document, error) {
	b.asked, b.most = append(b.asked, opt), append(b.most, most)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	next := b.answers[0]
	b.answers = b.answers[1:]
	if err, ok := next.(error); ok {
		return nil, err
	}
	return next.(*Document), nil
}

// bundleOf is a bundle with the index of pkg, and one of another package.
func bundleOf(etag string, pairs ...string) *Document {
	other := strings.Replace(string(index("1.0.0", "9")), `"pkg"`, `"other"`, 1)
	return &Document{ETag: etag, Data: registry.FormatBundle([]registry.Bundled{{Name: "pkg", Data: index(pairs...)}, {Name: "other", Data: []byte(other)}})}
}

// bundles is a session with a registry that has bundles.
type bundles struct {
	*session
	src   *withBundle
	names int // that are expected
}

func newBundles(t *testing.T, answers ...any) *bundles {
	s := newSession(t)
	return &bundles{s, &withBundle{scripted: s.src, answers: answers}, minBundled}
}

func (s *bundles) list(ctx context.Context, name ident.Name) (*registry.Index, error) {
	c := NewCached(s.src, s.opt)
	c.Expect(s.names)
	return c.List(ctx, name)
}

// want lists pkg and holds the number of versions, of requests for bundles, and of all others.
func (s *bundles) want(versions, bundles, others int) {
	s.t.Helper()
	ix, err := s.list(context.Background(), "pkg")
	if err != nil || len(ix.Releases) != versions {
		s.t.Fatalf("%+v, %v", ix, err)
	}
	if len(s.src.asked) != bundles || len(s.src.scripted.asked) != others {
		s.t.Fatalf("%d requests for bundles, %d others", len(s.src.asked), len(s.src.scripted.asked))
	}
}

func TestBundleForMany(t *testing.T) {
	s := newBundles(t, bundleOf(`"a"`, "1.0.0", "1"), &Document{NotModified: true}, bundleOf(`"b"`, "1.0.0", "1", "1.1.0", "2"))
	s.want(1, 1, 0)
	s.want(1, 2, 0)
	s.want(2, 3, 0)
	for i, etag := range []string{"", `"a"`, `"a"`} {
		if s.src.asked[i] != (FetchOptions{ETag: etag}) {
			t.Errorf("request %d: %+v", i, s.src.asked[i])
		}
	}
	if want := int64(bundleBytes + minBundled*bundleBytesEach); s.src.most[0] != want {
		t.Errorf("at most %d bytes, want %d", s.src.most[0], want)
	}
	if got := CachedNames(s.opt.Dir, first); !slices.Equal(got, []ident.Name{"pkg"}) {
		t.Errorf("names that are known: %v", got)
	}
	s.opt.Offline = true
	s.want(2, 3, 0)
	s.opt.Offline = false
	s.names = minBundled - 1
	s.src.scripted.answers = []any{doc(`"c"`, "1.0.0", "1", "1.1.0", "2"), &Document{NotModified: true}}
	s.want(2, 3, 1)
	s.want(2, 3, 2)
}

// One run asks for a bundle once, whatever comes of it.
func TestBundleOnce(t *testing.T) {
	for what, answer := range map[string]any{"a bundle": bundleOf("", "1.0.0", "1"), "none": notThere} {
		s := newBundles(t, answer)
		c := NewCached(s.src, s.opt)
		c.Expect(1000)
		s.src.scripted.answers = []any{doc("", "1.0.0", "1"), doc("", "1.0.0", "1")}
		for range 2 {
			if ix, err := c.List(context.Background(), "pkg"); err != nil || len(ix.Releases) != 1 {
				t.Errorf("%s: %v, %v", what, ix, err)
			}
		}
	}
}

// Whatever is wrong with a bundle, each index can still be asked for. Damage is said.
func TestBundleThatIsNone(t *testing.T) {
	for what, c := range map[string]struct {
		answer any
		warned bool
	}{
		"missing":       {notThere, false},
		"unreachable":   {unreachable, false},
		"a page":        {&Document{Data: []byte("<!doctype html>")}, true},
		"cut":           {&Document{Data: bundleOf("", "1.0.0", "1").Data[:60]}, true},
		"gzip":          {&registry.Error{File: "indexes.gz", Msg: "it is cut short"}, true},
		"newer":         {&Document{Data: []byte("opkg indexes v2\n")}, false},
		"not modified":  {&Document{NotModified: true}, false},
		"lacks it":      {&Document{Data: registry.FormatBundle(nil)}, false},
		"a bad index":   {&Document{Data: registry.FormatBundle([]registry.Bundled{{Name: "pkg", Data: []byte("{}")}})}, false},
		"of other name": {&Document{Data: registry.FormatBundle([]registry.Bundled{{Name: "pkg", Data: []byte(`{"name": "evil", "versions": {}}`)}})}, false},
	} {
		s := newBundles(t, c.answer)
		s.src.scripted.answers = []any{doc("", "1.0.0", "1")}
		s.want(1, 1, 1)
		if warned := len(s.events) > 0; warned != c.warned {
			t.Errorf("%s: warned %q", what, s.events)
		}
	}
	s := newBundles(t, bundleOf("", "1.0.0", "1"))
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := s.list(ctx, "pkg"); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestBundleMaxAge(t *testing.T) {
	b := bundleOf(`"a"`, "1.0.0", "1")
	b.MaxAge = time.Minute
	s := newBundles(t, b, &Document{NotModified: true, MaxAge: time.Minute}, bundleOf("", "1.0.0", "1"))
	s.want(1, 1, 0)
	s.want(1, 1, 0) // fresh: nothing is asked
	s.now = s.now.Add(time.Minute)
	s.want(1, 2, 0)
	s.want(1, 2, 0)
	s.opt.Refresh = true
	s.want(1, 3, 0)
	s.names = 1
	s.src.scripted.answers = []any{doc("", "1.0.0", "1")}
	s.want(1, 3, 1)
	if !s.src.asked[2].NoCache {
		t.Error("a refresh may be answered by a cache on the way")
	}
}

func TestBundleNoStore(t *testing.T) {
	b := bundleOf(`"a"`, "1.0.0", "1")
	b.NoStore = true
	s := newBundles(t, b, b)
	s.want(1, 1, 0)
	s.want(1, 2, 0)
	if s.src.asked[1].ETag != "" || len(CachedNames(s.opt.Dir, first)) > 0 {
		t.Error("it was kept")
	}
}

// A bundle that lacks what was seen before, or has it otherwise, may be older, or a lie: the index itself is asked for, and what it says counts. What
// an index said is remembered, also behind a bundle; what a bundle alone said accuses nobody.
func TestBundleRemembers(t *testing.T) {
	ctx := context.Background()
	one, other := bundleOf("", "1.0.0", "1"), bundleOf("", "1.0.0", "2")
	mismatch := func(s *bundles) {
		t.Helper()
		s.src.scripted.answers = []any{doc("", "1.0.0", "2")}
		var bad *ident.MismatchError
		if _, err := s.list(ctx, "pkg"); !errors.As(err, &bad) || bad.Want != strings.Repeat("1", 64)+" (as seen before)" {
			t.Errorf("%v", err)
		}
	}
	s := newBundles(t, one, other)
	s.want(1, 1, 0)
	s.src.scripted.answers = []any{doc("", "1.0.0", "2"), doc("", "1.0.0", "1")}
	s.want(1, 2, 1)
	if len(s.events) != 1 || !strings.HasSuffix(s.events[0], "indexes.gz had pkg 1.0.0 otherwise than the index of the package, which counts") {
		t.Errorf("warned %q", s.events)
	}
	s.names = 1
	var bad *ident.MismatchError
	if _, err := s.list(ctx, "pkg"); !errors.As(err, &bad) || bad.Want != strings.Repeat("2", 64)+" (as seen before)" {
		t.Errorf("the index changed: %v", err)
	}

	s = newBundles(t, bundleOf("", "1.0.0", "1", "1.1.0", "2"), other) // an index said it, then a bundle
	s.names = 1
	s.src.scripted.answers = []any{doc("", "1.0.0", "1")}
	s.want(1, 0, 1)
	s.names = minBundled
	s.want(2, 1, 1)
	mismatch(s)
	s.names = 1
	mismatch(s)

	both := doc(`"i"`, "1.0.0", "1", "1.1.0", "2")
	s = newBundles(t, one, one, one, bundleOf("", "1.0.0", "1", "1.1.0", "2"))
	s.names = 1
	s.src.scripted.answers = []any{both, &Document{NotModified: true}, doc("", "1.0.0", "1"), both}
	s.want(2, 0, 1)
	s.names = minBundled
	s.want(2, 1, 2) // the bundle is behind
	if len(s.events) > 0 {
		t.Errorf("warned %q", s.events)
	}
	s.want(1, 2, 3) // it is not
	if len(s.events) != 1 || !strings.Contains(s.events[0], "pkg 1.1.0 before and does not list it any more") {
		t.Errorf("warned %q", s.events)
	}
	s.want(1, 3, 3)
	s.want(2, 4, 4) // it is back: the index has the last word
}

// What a run was told of a name it is not told again, by whichever Cached; what it has from a bundle it may ask for.
func TestAsked(t *testing.T) {
	ctx := context.Background()
	s := newBundles(t, bundleOf("", "1.0.0", "1"))
	s.opt.Asked = &Asked{}
	s.want(1, 1, 0)
	s.names = 1
	s.src.scripted.answers = []any{&Document{Data: index("1.0.0", "1"), NoStore: true}, notThere}
	s.want(1, 1, 1)
	s.want(1, 1, 1)
	for range 2 {
		if _, err := s.list(ctx, "missing"); !errors.As(err, new(*NotFoundError)) {
			t.Error(err)
		}
	}
	s.opt.Refresh = true // caches on the way may have answered
	s.src.scripted.answers = []any{doc("", "1.0.0", "1", "1.1.0", "2")}
	s.want(2, 1, 3)
	s.want(2, 1, 3)
	s.opt.Refresh = false
	s.want(2, 1, 3)
}

// A bundle that does not know yet that a version was yanked does not make anybody forget it.
func TestBundleYank(t *testing.T) {
	s := newBundles(t, bundleOf("", "1.0.0", "1"))
	s.names = 1
	yanked := &Document{Data: []byte(strings.Replace(string(index("1.0.0", "1")), `"dependencies"`, `"yanked": "bad", "dependencies"`, 1)), ETag: `"y"`}
	s.src.scripted.answers = []any{yanked, &Document{NotModified: true}}
	s.want(1, 0, 1)
	s.names = minBundled
	if ix, err := s.list(context.Background(), "pkg"); err != nil || !ix.Releases[0].Yanked || s.src.scripted.asked[1].ETag != `"y"` {
		t.Errorf("%+v, %v", ix, err)
	}
}

// expecting is a Source that notes what is expected of it.
type expecting struct {
	Source
	names int
}

func (e *expecting) Expect(names int) { e.names = names }

func TestRouterExpects(t *testing.T) {
	const scoped = ident.SourceID("https://scoped.test/")
	cfg := &config.Config{Registries: []config.Registry{{Alias: "a", Source: first}, {Alias: "b", Source: second}},
		Scopes: []config.Scope{{Scope: "@s", Registry: config.Registry{Source: scoped}}}}
	opened := map[ident.SourceID]*expecting{}
	r, err := NewRouter(cfg, map[ident.Name]string{"pinned": "b"}, func(reg config.Registry) (Source, error) {
		opened[reg.Source] = &expecting{}
		return opened[reg.Source], nil
	})
	if err != nil {
		t.Fatal(err)
	}
	r.Expect(context.Background(), []ident.Name{"x", "y", "z", "pinned", "@s/a", "@s/b"})
	got := map[ident.SourceID]int{}
	for id, e := range opened {
		got[id] = e.names
	}
	if want := map[ident.SourceID]int{first: 3, second: 1, scoped: 2}; !maps.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

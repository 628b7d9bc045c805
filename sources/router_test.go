package sources

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/openpackage/opkg/config"
	"github.com/openpackage/opkg/ident"
	"github.com/openpackage/opkg/internal/auth"
	"github.com/openpackage/opkg/registry"
)

// fake is a registry in memory: a name maps to the artifact of its one version, or to an error.
type fake struct {
	id   ident.SourceID
	has  map[ident.Name]any
	mu   sync.Mutex
	asks []ident.Name
}

func (f *fake) ID() ident.SourceID { return f.id }

func (f *fake) List(ctx context.Context, name ident.Name) (*registry.Index, error) {
	f.mu.Lock()
	f.asks = append(f.asks, name)
	f.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	switch v := f.has[name].(type) {
	case string:
		return &registry.Index{Name: name, Releases: []registry.Release{{Version: version("1.0.0"), Artifact: v}}}, nil
	case error:
		return nil, v
	}
	return nil, &NotFoundError{Name: name, Asked: []string{string(f.id)}}
}

func (f *fake) Open(_ context.Context, ref Ref) (*Artifact, error) {
	return &Artifact{Archive: io.NopCloser(strings.NewReader(string(f.id) + ref.Artifact))}, nil
}

func version(s string) ident.Version {
	v, err := ident.ParseVersion(s)
	if err != nil {
		panic(err)
	}
	return v
}

const (
	first  = ident.SourceID("https://first.test/")
	second = ident.SourceID("https://second.test/opkg/")
	mine   = ident.SourceID("https://registry.myorg.test/")
	dir    = ident.SourceID("file:../team-registry")
)

// world is a configuration over fakes: the registries first, second and shared (a directory), and the scope
// @myorg, which belongs to a registry of its own.
type world struct {
	cfg   *config.Config
	fakes map[ident.SourceID]*fake
}

func newWorld() *world {
	w := &world{fakes: map[ident.SourceID]*fake{}, cfg: &config.Config{
		Registries: []config.Registry{{Alias: "one", Source: first}, {Alias: "two", Source: second}, {Alias: "shared", Source: dir}},
		Scopes:     []config.Scope{{Scope: "@myorg", Registry: config.Registry{Source: mine}}},
	}}
	for _, id := range []ident.SourceID{first, second, mine, dir} {
		w.fakes[id] = &fake{id: id, has: map[ident.Name]any{}}
	}
	return w
}

func (w *world) has(id ident.SourceID, name ident.Name, v any) { w.fakes[id].has[name] = v }

func (w *world) router(t *testing.T, pins map[ident.Name]string) *Router {
	t.Helper()
	r, err := NewRouter(w.cfg, pins, func(reg config.Registry) (Source, error) { return w.fakes[reg.Source], nil })
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func (w *world) asked(id ident.SourceID) int { return len(w.fakes[id].asks) }

var unreachable = &UnavailableError{Source: first, Err: errors.New("connection refused")}

// A name that is in no scope: the first registry that has it answers, and 404 goes on.
func TestFirstThatHasTheName(t *testing.T) {
	w := newWorld()
	w.has(second, "pkg", "packages/pkg/1.0.0.tgz")
	w.has(dir, "pkg", "packages/pkg/1.0.0.tgz")
	r := w.router(t, nil)
	got, err := r.Owner(context.Background(), "pkg")
	if err != nil || got.Source.ID() != second || got.Registry.Alias != "two" || len(got.Tried) != 1 || got.Tried[0].Alias != "one" {
		t.Fatalf("%+v, %v", got, err)
	}
	if w.asked(dir) != 0 {
		t.Error("a registry below the owner was asked")
	}
	if w.asked(mine) != 0 {
		t.Error("a scope's registry was asked for a name without that scope")
	}
	below, err := r.Shadowed(context.Background(), "pkg")
	if err != nil || len(below) != 1 || below[0].Registry.Alias != "shared" {
		t.Errorf("shadowed: %+v, %v", below, err)
	}
}

// Dependency confusion: an answer that is none never lets another publisher's package in.
func TestNoAnswerStops(t *testing.T) {
	for what, failure := range map[string]error{
		"unreachable":  unreachable,
		"unauthorized": &auth.Error{Origin: "https://first.test", Status: 401},
		"malformed":    &registry.Error{File: "index.json", Msg: "want {"},
		"not allowed":  &NotAllowedError{Target: "http://10.0.0.1/", Reason: "a private address"},
		"mutated":      &ChangedError{&ident.MismatchError{What: "sha256"}},
	} {
		w := newWorld()
		w.has(first, "pkg", failure)
		w.has(second, "pkg", "x.tgz")
		_, err := w.router(t, nil).Owner(context.Background(), "pkg")
		var stopped *StoppedError
		if !errors.As(err, &stopped) || !errors.Is(err, failure) {
			t.Errorf("%s: %v", what, err)
			continue
		}
		if w.asked(second) != 0 {
			t.Errorf("%s: the next registry was asked", what)
		}
		text := err.Error()
		for _, want := range []string{"one (https://first.test/)", "pkg", failure.Error(), "two, shared"} {
			if !strings.Contains(text, want) {
				t.Errorf("%s: %q does not name %q", what, text, want)
			}
		}
	}
}

// The last registry stops too, and says nothing of others.
func TestNoAnswerFromTheLast(t *testing.T) {
	w := newWorld()
	w.has(dir, "pkg", unreachable)
	_, err := w.router(t, nil).Owner(context.Background(), "pkg")
	if want := "ask shared (file:../team-registry) for pkg: " + unreachable.Error(); err == nil || err.Error() != want {
		t.Errorf("%v", err)
	}
}

func TestNowhere(t *testing.T) {
	w := newWorld()
	_, err := w.router(t, nil).Owner(context.Background(), "pkg")
	var missing *NotFoundError
	if !errors.As(err, &missing) || len(missing.Asked) != 3 {
		t.Fatalf("%v", err)
	}
	if want := "pkg is in no registry (asked: one (https://first.test/), two (https://second.test/opkg/), shared (file:../team-registry))"; err.Error() != want {
		t.Errorf("%v", err)
	}
}

// A scope belongs to its registry alone: neither 404 nor an outage falls through.
func TestScopeNeverFallsThrough(t *testing.T) {
	for what, answer := range map[string]any{"404": nil, "outage": unreachable} {
		w := newWorld()
		w.has(mine, "@myorg/pkg", answer)
		for _, id := range []ident.SourceID{first, second, dir} {
			w.has(id, "@myorg/pkg", "evil.tgz")
		}
		_, err := w.router(t, nil).Owner(context.Background(), "@myorg/pkg")
		if err == nil || w.asked(first)+w.asked(second)+w.asked(dir) != 0 {
			t.Errorf("%s: %v", what, err)
		}
		var missing *NotFoundError
		if answer == nil && (!errors.As(err, &missing) || len(missing.Asked) != 1 || !strings.Contains(missing.Hint(), "@myorg")) {
			t.Errorf("%s: %v", what, err)
		}
	}
	w := newWorld()
	w.has(mine, "@myorg/pkg", "x.tgz")
	got, err := w.router(t, nil).Owner(context.Background(), "@myorg/pkg")
	if err != nil || got.Source.ID() != mine {
		t.Errorf("%+v, %v", got, err)
	}
	if below, err := w.router(t, nil).Shadowed(context.Background(), "@myorg/pkg"); err != nil || len(below) != 0 {
		t.Errorf("%v, %v", below, err)
	}
	w.has(first, "@other/pkg", "x.tgz")
	if got, err := w.router(t, nil).Owner(context.Background(), "@other/pkg"); err != nil || got.Source.ID() != first {
		t.Errorf("a scope that nobody configured: %+v, %v", got, err)
	}
	w.has(first, "@myorgx/pkg", "x.tgz")
	if got, err := w.router(t, nil).Owner(context.Background(), "@myorgx/pkg"); err != nil || got.Source.ID() != first {
		t.Errorf("a scope that begins alike: %+v, %v", got, err)
	}
}

// A pin holds for that name in the whole graph: that registry alone.
func TestPin(t *testing.T) {
	w := newWorld()
	w.has(first, "pkg", "evil.tgz")
	w.has(second, "pkg", "x.tgz")
	w.has(first, "other", "x.tgz")
	r := w.router(t, map[ident.Name]string{"pkg": "two"})
	got, err := r.Owner(context.Background(), "pkg")
	if err != nil || got.Source.ID() != second || w.asked(first) != 0 {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err := r.Owner(context.Background(), "other"); err != nil || got.Source.ID() != first {
		t.Errorf("another name: %+v, %v", got, err)
	}
	for what, answer := range map[string]any{"404": nil, "outage": unreachable} {
		w := newWorld()
		w.has(first, "pkg", "evil.tgz")
		w.has(second, "pkg", answer)
		w.has(dir, "pkg", "evil.tgz")
		if _, err := w.router(t, map[ident.Name]string{"pkg": "two"}).Owner(context.Background(), "pkg"); err == nil || w.asked(first)+w.asked(dir) != 0 {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestPinContradicts(t *testing.T) {
	w := newWorld()
	open := func(reg config.Registry) (Source, error) { return w.fakes[reg.Source], nil }
	for name, alias := range map[ident.Name]string{"@myorg/pkg": "one", "pkg": "nobody"} {
		_, err := NewRouter(w.cfg, map[ident.Name]string{name: alias}, open)
		var pin *PinError
		if !errors.As(err, &pin) || pin.Name != name || pin.Hint() == "" {
			t.Errorf("%s from %s: %v", name, alias, err)
		}
	}
	w.cfg.Registries = append(w.cfg.Registries, config.Registry{Alias: "org", Source: mine})
	r, err := NewRouter(w.cfg, map[ident.Name]string{"@myorg/pkg": "org", "pkg": "org"}, open)
	if err != nil {
		t.Fatal(err)
	}
	w.has(mine, "@myorg/pkg", "x.tgz")
	if got, err := r.Owner(context.Background(), "@myorg/pkg"); err != nil || got.Source.ID() != mine {
		t.Errorf("a pin that says what the scope says: %+v, %v", got, err)
	}
}

func TestOneQuestionPerName(t *testing.T) {
	w := newWorld()
	w.has(second, "pkg", "x.tgz")
	r := w.router(t, nil)
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if _, err := r.Owner(context.Background(), "pkg"); err != nil {
				t.Error(err)
			}
			if _, err := r.Owner(context.Background(), "none"); err == nil {
				t.Error("found")
			}
		})
	}
	wg.Wait()
	if w.asked(first) != 2 || w.asked(second) != 2 || w.asked(dir) != 1 {
		t.Errorf("asked %d, %d, %d times", w.asked(first), w.asked(second), w.asked(dir))
	}
}

// The end of one asker's context is not an answer for the others.
func TestCancelledQuestionIsForgotten(t *testing.T) {
	w := newWorld()
	w.has(first, "pkg", "x.tgz")
	r := w.router(t, nil)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := r.Owner(ctx, "pkg"); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if _, err := r.Owner(context.Background(), "pkg"); err != nil {
		t.Error(err)
	}
}

// Two aliases of one source are one registry; where the user's own file is one of them, its settings count.
func TestSameSourceTwice(t *testing.T) {
	w := newWorld()
	w.cfg.Registries = []config.Registry{{Alias: "a", Source: first, Origin: config.Workspace}, {Alias: "b", Source: first, Origin: config.User, TokenEnv: "T"}}
	var opened []string
	r, err := NewRouter(w.cfg, nil, func(reg config.Registry) (Source, error) {
		opened = append(opened, reg.Alias)
		return w.fakes[reg.Source], nil
	})
	if err != nil {
		t.Fatal(err)
	}
	var missing *NotFoundError
	if _, err := r.Owner(context.Background(), "pkg"); !errors.As(err, &missing) || len(missing.Asked) != 1 || w.asked(first) != 1 {
		t.Errorf("%v", err)
	}
	if !slices.Equal(opened, []string{"b"}) {
		t.Errorf("opened %v", opened)
	}
}

// What an edited lock may say: every mutation of the hostile set that is about where things come from.
func TestPermitted(t *testing.T) {
	w := newWorld()
	w.cfg.ArtifactHosts = []string{"10.0.0.9"}
	r := w.router(t, map[ident.Name]string{"pinned": "two"})
	tests := []struct {
		what     string
		name     ident.Name
		id       ident.SourceID
		artifact string
		ok       bool
	}{
		{"as locked", "pkg", first, "packages/pkg/1.0.0.tgz", true},
		{"from a lower registry, which only the index can tell", "pkg", second, "packages/pkg/1.0.0.tgz", true},
		{"a directory", "pkg", dir, "packages/pkg/1.0.0.tgz", true},
		{"a scope from its registry", "@myorg/pkg", mine, "packages/@myorg/pkg/1.0.0.tgz", true},
		{"a pin from its registry", "pinned", second, "packages/pinned/1.0.0.tgz", true},
		{"another origin", "pkg", first, "https://cdn.test/x.tgz", true},
		{"a host that the user allows", "pkg", first, "https://10.0.0.9/x.tgz", true},

		{"host", "pkg", "https://evil.test/", "packages/pkg/1.0.0.tgz", false},
		{"http", "pkg", "http://first.test/", "packages/pkg/1.0.0.tgz", false},
		{"scope-move", "@myorg/pkg", first, "packages/@myorg/pkg/1.0.0.tgz", false},
		{"into a scope's registry", "pkg", mine, "packages/pkg/1.0.0.tgz", false},
		{"another scope into a scope's registry", "@other/pkg", mine, "x.tgz", false},
		{"a pin from elsewhere", "pinned", first, "packages/pinned/1.0.0.tgz", false},
		{"another path", "pkg", "https://second.test/", "x.tgz", false},
		{"no source", "pkg", "", "x.tgz", false},
		{"out of the registry", "pkg", second, "../x.tgz", false},
		{"out of the registry, escaped", "pkg", second, "%2e%2e/x.tgz", false},
		{"absolute path", "pkg", second, "/x.tgz", false},
		{"out of the registry by URL", "pkg", second, "https://second.test/x.tgz", false},
		{"artifact over http", "pkg", first, "http://first.test/x.tgz", false},
		{"artifact over http elsewhere", "pkg", first, "http://cdn.test/x.tgz", false},
		{"artifact in the local net", "pkg", first, "https://10.0.0.1/x.tgz", false},
		{"artifact here", "pkg", first, "https://127.0.0.1/x.tgz", false},
		{"metadata service", "pkg", first, "https://169.254.169.254/latest/meta-data", false},
		{"token", "pkg", first, "packages/pkg/1.0.0.tgz?token=s3cr3t", false},
		{"user", "pkg", first, "https://u:s3cr3t@cdn.test/x.tgz", false},
		{"file", "pkg", first, "file:///etc/passwd", false},
		{"a directory's artifact elsewhere", "pkg", dir, "https://cdn.test/x.tgz", false},
		{"nothing", "pkg", first, "", false},
	}
	for _, tt := range tests {
		err := r.Permitted(tt.name, tt.id, tt.artifact)
		var refused *NotAllowedError
		if tt.ok && err != nil || !tt.ok && !errors.As(err, &refused) {
			t.Errorf("%s: %v", tt.what, err)
		}
		if err != nil && strings.Contains(err.Error(), "s3cr3t") {
			t.Errorf("%s: %v", tt.what, err)
		}
	}
	for _, f := range w.fakes {
		if len(f.asks) != 0 {
			t.Error("a request was made")
		}
	}
	if _, err := r.SourceFor("https://evil.test/"); err == nil {
		t.Error("opened a source that nobody configured")
	}
}

// An artifact on another origin is fetched only if the registry's own index says so, or the user.
func TestForeignArtifact(t *testing.T) {
	w := newWorld()
	w.cfg.ArtifactHosts = []string{"cdn.corp"}
	w.has(first, "pkg", "https://cdn.test/pkg.tgz")
	w.has(first, "down", unreachable)
	r := w.router(t, nil)
	src, err := r.SourceFor(first)
	if err != nil {
		t.Fatal(err)
	}
	ref := func(name ident.Name, v, artifact string) Ref {
		return Ref{Name: name, Version: version(v), Artifact: artifact}
	}
	for _, tt := range []struct {
		what string
		ref  Ref
		ok   bool
		asks int
	}{
		{"own", ref("pkg", "1.0.0", "packages/pkg/1.0.0.tgz"), true, 0},
		{"the user's host", ref("pkg", "1.0.0", "https://cdn.corp/any.tgz"), true, 0},
		{"as the index says", ref("pkg", "1.0.0", "https://cdn.test/pkg.tgz"), true, 1},
		{"another place", ref("pkg", "1.0.0", "https://evil.test/pkg.tgz"), false, 1},
		{"another version", ref("pkg", "2.0.0", "https://cdn.test/pkg.tgz"), false, 1},
		{"another port", ref("pkg", "1.0.0", "https://cdn.test:8443/pkg.tgz"), false, 1},
		{"a name it does not have", ref("none", "1.0.0", "https://cdn.test/pkg.tgz"), false, 2},
		{"no answer", ref("down", "1.0.0", "https://cdn.test/pkg.tgz"), false, 3},
	} {
		body, err := src.Open(context.Background(), tt.ref)
		if (err == nil) != tt.ok || (body != nil) != tt.ok {
			t.Errorf("%s: %v", tt.what, err)
		}
		if w.asked(first) != tt.asks {
			t.Errorf("%s: %d questions in all", tt.what, w.asked(first))
		}
	}
}

func TestHintsComeThrough(t *testing.T) {
	inner := &NotAllowedError{HintText: "do this"}
	err := fmt.Errorf("lock: %w", &StoppedError{Name: "pkg", Registry: "one", Err: &UnavailableError{Source: first, Err: inner}})
	if got := HintOf(err); got != "do this" {
		t.Errorf("hint %q", got)
	}
}

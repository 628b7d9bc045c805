package sources

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/openpackage/opkg/ident"
	"github.com/openpackage/opkg/internal/event"
	"github.com/openpackage/opkg/registry"
)

// scripted is a Revalidator whose next answers are given.
type scripted struct {
	mu      sync.Mutex
	answers []any // *Document or error
	asked   []FetchOptions
}

func (s *scripted) ID() ident.SourceID { return first }
func (s *scripted) List(context.Context, ident.Name) (*registry.Index, error) {
	panic("the cache fetches")
}
func (s *scripted) Open(context.Context, Ref) (*Artifact, error) {
	return &Artifact{Archive: io.NopCloser(strings.NewReader("opened"))}, nil
}

func (s *scripted) Fetch(_ context.Context, _ ident.Name, opt FetchOptions) (*Document, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, opt)
	next := s.answers[0]
	s.answers = s.answers[1:]
	if err, ok := next.(error); ok {
		return nil, err
	}
	return next.(*Document), nil
}

func (s *scripted) Parse(name ident.Name, data []byte) (*registry.Index, error) {
	return registry.ParseIndex("index.json", name, data)
}

// index is an index.json: version, digit that its sha256 repeats, …
func index(pairs ...string) []byte {
	var b strings.Builder
	b.WriteString(`{"name": "pkg", "versions": {`)
	for i := 0; i < len(pairs); i += 2 {
		if i > 0 {
			b.WriteString(",")
		}
		fmt.Fprintf(&b, `%q: {"tarball": "x.tgz", "sha256": %q, "dependencies": {}}`, pairs[i], strings.Repeat(pairs[i+1], 64))
	}
	b.WriteString("}}")
	return []byte(b.String())
}

func doc(etag string, pairs ...string) *Document { return &Document{Data: index(pairs...), ETag: etag} }

var notThere = &NotFoundError{Name: "pkg", Asked: []string{string(first)}}

// session is a cache over scripted answers, with a clock that stands.
type session struct {
	t      *testing.T
	src    *scripted
	opt    CacheOptions
	now    time.Time
	events []string
}

func newSession(t *testing.T, answers ...any) *session {
	s := &session{t: t, src: &scripted{answers: answers}, now: time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)}
	s.opt = CacheOptions{Dir: t.TempDir(), Now: func() time.Time { return s.now }, Observer: func(e event.Event) {
		if e.Kind == event.Warning {
			s.events = append(s.events, e.Text)
		}
	}}
	return s
}

func (s *session) list() (*registry.Index, error) {
	return NewCached(s.src, s.opt).List(context.Background(), "pkg")
}

// want lists and holds the number of versions and of requests so far.
func (s *session) want(versions, requests int) {
	s.t.Helper()
	ix, err := s.list()
	if err != nil || len(ix.Releases) != versions {
		s.t.Fatalf("%+v, %v", ix, err)
	}
	if len(s.src.asked) != requests {
		s.t.Fatalf("%d requests: %+v", len(s.src.asked), s.src.asked)
	}
}

func TestRevalidation(t *testing.T) {
	s := newSession(t, doc(`"a"`, "1.0.0", "1"), &Document{NotModified: true}, doc(`"b"`, "1.0.0", "1", "1.1.0", "2"), &Document{NotModified: true})
	s.want(1, 1)
	s.want(1, 2)
	s.want(2, 3)
	s.want(2, 4)
	for i, etag := range []string{"", `"a"`, `"a"`, `"b"`} {
		if s.src.asked[i] != (FetchOptions{ETag: etag}) {
			t.Errorf("request %d: %+v", i, s.src.asked[i])
		}
	}
}

func TestMaxAge(t *testing.T) {
	fresh := doc(`"a"`, "1.0.0", "1")
	fresh.MaxAge = time.Minute
	s := newSession(t, fresh, &Document{NotModified: true, MaxAge: time.Minute}, doc("", "1.0.0", "1"), doc("", "1.0.0", "1"))
	s.want(1, 1)
	s.now = s.now.Add(59 * time.Second)
	s.want(1, 1)
	s.now = s.now.Add(time.Second)
	s.want(1, 2)
	s.want(1, 2) // fresh again
	s.now = s.now.Add(-time.Hour)
	s.want(1, 3) // a clock that was set back proves nothing
	s.opt.Refresh = true
	s.want(1, 4)
	if !s.src.asked[3].NoCache {
		t.Error("a refresh may be answered by a cache on the way")
	}
}

func TestNoStore(t *testing.T) {
	d := doc(`"a"`, "1.0.0", "1")
	d.NoStore = true
	s := newSession(t, d, doc(`"a"`, "1.0.0", "1"))
	s.want(1, 1)
	s.want(1, 2)
	if s.src.asked[1].ETag != "" {
		t.Error("it was kept")
	}
}

func TestOffline(t *testing.T) {
	s := newSession(t)
	s.opt.Offline = true
	var unavailable *UnavailableError
	if _, err := s.list(); !errors.As(err, &unavailable) || !strings.Contains(err.Error(), "pkg") || HintOf(err) == "" {
		t.Errorf("nothing kept: %v", err)
	}
	s.opt.Offline = false
	s.src.answers = []any{doc("", "1.0.0", "1")}
	s.want(1, 1)
	s.opt.Offline = true
	s.want(1, 1)
	if _, err := NewCached(s.src, s.opt).Open(context.Background(), Ref{Name: "pkg"}); !errors.As(err, &unavailable) {
		t.Errorf("open: %v", err)
	}
	s.opt.Offline = false
	s.src.answers = []any{notThere}
	if _, err := s.list(); !errors.As(err, new(*NotFoundError)) {
		t.Error(err)
	}
	s.opt.Offline = true
	if _, err := s.list(); !errors.As(err, new(*NotFoundError)) {
		t.Errorf("a name that was not there: %v", err)
	}
}

func TestVanishedVersion(t *testing.T) {
	both := doc("", "1.0.0", "1", "1.1.0", "2")
	s := newSession(t, both, doc("", "1.0.0", "1"), doc("", "1.0.0", "1"), both, doc("", "1.0.0", "1"), doc("", "1.0.0", "1", "1.1.0", "3"))
	s.want(2, 1)
	s.want(1, 2)
	s.want(1, 3)
	if len(s.events) != 1 || !strings.Contains(s.events[0], "pkg 1.1.0") {
		t.Errorf("warned %q", s.events)
	}
	s.want(2, 4) // it is back, and the same
	s.want(1, 5)
	var mismatch *ident.MismatchError
	if _, err := s.list(); !errors.As(err, &mismatch) || mismatch.Version.String() != "1.1.0" {
		t.Errorf("it is back, and another: %v", err)
	}
}

func TestMutatedVersion(t *testing.T) {
	s := newSession(t, doc(`"a"`, "1.0.0", "1"), doc(`"b"`, "1.0.0", "2"), doc(`"b"`, "1.0.0", "2"))
	s.want(1, 1)
	for range 2 {
		_, err := s.list()
		var mismatch *ident.MismatchError
		if !errors.As(err, &mismatch) || HintOf(err) == "" {
			t.Fatalf("%v", err)
		}
		for _, want := range []string{"pkg@1.0.0", strings.Repeat("1", 64), strings.Repeat("2", 64), string(first)} {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%q does not name %s", err, want)
			}
		}
	}
	if s.src.asked[2].ETag != `"a"` {
		t.Error("the bad answer was kept")
	}
}

func TestVanishedName(t *testing.T) {
	s := newSession(t, doc(`"a"`, "1.0.0", "1"), notThere, notThere, doc(`"b"`, "1.0.0", "2"))
	s.want(1, 1)
	for range 2 {
		if _, err := s.list(); !errors.Is(err, notThere) {
			t.Fatal(err)
		}
	}
	if len(s.events) != 1 || !strings.Contains(s.events[0], "had pkg before") {
		t.Errorf("warned %q", s.events)
	}
	if s.src.asked[2].ETag != "" {
		t.Error("asked whether a name that is not there was modified")
	}
	var mismatch *ident.MismatchError
	if _, err := s.list(); !errors.As(err, &mismatch) {
		t.Errorf("it is back, and another: %v", err)
	}
}

func TestFailureKeepsTheCopy(t *testing.T) {
	s := newSession(t, doc(`"a"`, "1.0.0", "1"), unreachable, &Document{Data: []byte("<!doctype html>")}, &Document{Data: []byte(`{"name": "Pkg", "versions": {}}`)},
		&Document{NotModified: true})
	s.want(1, 1)
	for range 3 {
		if _, err := s.list(); err == nil {
			t.Error("no error")
		}
	}
	s.want(1, 5)
}

// A 304 to somebody who has nothing is no answer.
func TestNotModifiedWithoutCopy(t *testing.T) {
	s := newSession(t, &Document{NotModified: true}, doc("", "1.0.0", "1"), &Document{NotModified: true})
	if _, err := s.list(); !errors.As(err, new(*UnavailableError)) {
		t.Errorf("%v", err)
	}
	s.want(1, 2)
	if _, err := s.list(); !errors.As(err, new(*UnavailableError)) { // a copy without an ETag: it was not asked for
		t.Errorf("%v", err)
	}
}

// The cache may be torn, emptied, or filled by somebody else at any time.
func TestDamagedCache(t *testing.T) {
	good := doc(`"a"`, "1.0.0", "1")
	for what, damage := range map[string]func(path string) error{
		"gone":      os.Remove,
		"empty":     func(p string) error { return os.Truncate(p, 0) },
		"cut":       func(p string) error { return os.Truncate(p, 200) },
		"cut early": func(p string) error { return os.Truncate(p, 20) },
		"flipped":   func(p string) error { return edit(p, `"1.0.0"`, `"1.0.1"`) },
		"other":     func(p string) error { return edit(p, string(first), string(second)) },
		"newer":     func(p string) error { return edit(p, `"format":2`, `"format":3`) },
		"directory": func(p string) error { return errors.Join(os.Remove(p), os.Mkdir(p, 0o755)) },
	} {
		s := newSession(t, good, good)
		s.want(1, 1)
		if err := damage(cacheDirOf(s.opt.Dir, first).pack.file); err != nil {
			t.Fatal(err)
		}
		s.want(1, 2)
		if s.src.asked[1].ETag != "" {
			t.Errorf("%s: it was believed", what)
		}
	}
	s := newSession(t, good, good)
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s.opt.Dir = file // cannot be written
	s.want(1, 1)
	s.want(1, 2)
}

func edit(path, old, new string) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	text := strings.ReplaceAll(string(data), old, new)
	if text == string(data) {
		return fmt.Errorf("%s does not hold %s", path, old)
	}
	return os.WriteFile(path, []byte(text), 0o600)
}

func TestCacheFilesAreSeparate(t *testing.T) {
	seen := map[string]bool{}
	for _, id := range []ident.SourceID{first, second} {
		dir := cacheDirOf("cache", id)
		files := []string{dir.pack.file}
		for _, name := range []ident.Name{"a", "a.idx", "a.b", "@a/a", "@a/a.idx", "pack", searchName} {
			files = append(files, dir.large(name))
		}
		for _, file := range files {
			if seen[file] || !strings.HasPrefix(file, filepath.Join("cache", "indexes")+string(filepath.Separator)) {
				t.Errorf("%s: %s", id, file)
			}
			seen[file] = true
		}
	}
}

func TestConcurrentCache(t *testing.T) {
	s := newSession(t)
	for range 16 {
		s.src.answers = append(s.src.answers, doc(`"a"`, "1.0.0", "1"))
	}
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			if ix, err := s.list(); err != nil || len(ix.Releases) != 1 {
				t.Errorf("%v, %v", ix, err)
			}
		})
	}
	wg.Wait()
	left, err := filepath.Glob(filepath.Join(s.opt.Dir, "indexes", "*", ".tmp-*"))
	if err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// A document that is too large for the pack has a file of its own, and is as easily lost.
func TestLargeDocument(t *testing.T) {
	large := func(etag string, n int) *Document {
		var pairs []string
		for i := range n {
			pairs = append(pairs, fmt.Sprintf("1.%d.0", i), "1")
		}
		return doc(etag, pairs...)
	}
	same := &Document{NotModified: true}
	s := newSession(t, large(`"a"`, 500), same, doc(`"b"`, "1.0.0", "1"), same, large(`"c"`, 600), same, large(`"d"`, 600))
	s.want(500, 1)
	s.want(500, 2)
	s.want(1, 3) // small again
	s.want(1, 4)
	s.want(600, 5)
	file := cacheDirOf(s.opt.Dir, first).large("pkg")
	s.want(600, 6)
	if names := CachedNames(s.opt.Dir, first); len(names) != 1 || names[0] != "pkg" {
		t.Errorf("cached names: %v", names)
	}
	if err := edit(file, `"1.0.0"`, `"1.0.1"`); err != nil {
		t.Fatal(err)
	}
	s.want(600, 7)
	for i, etag := range []string{"", `"a"`, `"a"`, `"b"`, `"b"`, `"c"`, ""} {
		if s.src.asked[i].ETag != etag {
			t.Errorf("request %d: %+v", i, s.src.asked[i])
		}
	}
}

// An entry stands for its own source and name alone, wherever its bytes were copied to.
func TestCacheEntryOfAnother(t *testing.T) {
	dir := t.TempDir()
	mine, other := cacheDirOf(dir, first), cacheDirOf(dir, second)
	mine.write("pkg", &entry{ETag: `"a"`, data: index("1.0.0", "1")})
	data, err := os.ReadFile(mine.pack.file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(other.path, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(other.pack.file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	if e := other.read("pkg"); e != nil {
		t.Errorf("the entry of another source was believed: %+v", e)
	}
	again := cacheDirOf(dir, first)
	text := bytes.Clone(again.pack.get("pkg"))
	again.pack.put("other", text)
	if e := cacheDirOf(dir, first).read("other"); e != nil {
		t.Errorf("the entry of another name was believed: %+v", e)
	}
	if e := cacheDirOf(dir, first).read("pkg"); e == nil || e.ETag != `"a"` {
		t.Errorf("%+v", e)
	}
}

// Whatever stands in a pack: what is read from it is what was written for the name, and new entries can be added.
func FuzzCacheEntry(f *testing.F) {
	dir := cacheDirOf(f.TempDir(), first)
	dir.write("pkg", &entry{ETag: `"a"`, data: index("1.0.0", "1")})
	good, err := os.ReadFile(dir.pack.file)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add(bytes.Repeat(good, 2))
	f.Add(good[:len(good)/2])
	f.Add(append(good[:100:100], good...))
	f.Add(make([]byte, 100))
	f.Fuzz(func(t *testing.T, data []byte) {
		if err := os.WriteFile(dir.pack.file, data, 0o600); err != nil {
			t.Fatal(err)
		}
		fresh := func() *cacheDir {
			return &cacheDir{path: dir.path, source: first, pack: pack{cache: dir.pack.cache, file: dir.pack.file}}
		}
		d := fresh()
		d.pack.names()
		e := d.read("pkg")
		if e == nil {
			e = &entry{ETag: `"b"`, data: index("1.0.0", "2")}
		}
		d.write("pkg", e)
		if again := fresh().read("pkg"); again == nil || string(again.data) != string(e.data) || again.ETag != e.ETag {
			t.Fatalf("%+v → %+v", e, again)
		}
	})
}

// What the cache makes on its way is as open as it is elsewhere; what it keeps, and what names it was asked for, is the user's own.
func TestCacheModes(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("there are no modes")
	}
	home := filepath.Join(t.TempDir(), "home")
	s := newSession(t, doc("", "1.0.0", "1"))
	c := NewCached(s.src, CacheOptions{Dir: filepath.Join(home, "cache")})
	if _, err := c.List(context.Background(), "pkg"); err != nil {
		t.Fatal(err)
	}
	for dir, want := range map[string]os.FileMode{home: 0o755, filepath.Join(home, "cache"): 0o755, filepath.Join(home, "cache", "indexes"): 0o700} {
		fi, err := os.Stat(dir)
		if err != nil || fi.Mode().Perm()&^0o022 != want&^0o022 {
			t.Errorf("%s: %v %v", dir, fi.Mode(), err)
		}
	}
}

func TestCachedNamesAreSorted(t *testing.T) {
	s := newSession(t, doc(""), doc(""), doc(""))
	s.opt.Dir = t.TempDir()
	for _, name := range []ident.Name{"pkg", "pkg-a", "pkg.b"} {
		cacheDirOf(s.opt.Dir, first).write(name, &entry{data: []byte("{}")})
	}
	if got := CachedNames(s.opt.Dir, first); !slices.Equal(got, []ident.Name{"pkg", "pkg-a", "pkg.b"}) {
		t.Errorf("%q", got)
	}
}

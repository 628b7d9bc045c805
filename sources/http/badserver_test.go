package http

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/openpackage/opkg/config"
	"github.com/openpackage/opkg/ident"
	"github.com/openpackage/opkg/internal/auth"
	"github.com/openpackage/opkg/internal/badserver"
	"github.com/openpackage/opkg/internal/event"
	"github.com/openpackage/opkg/internal/transport"
	"github.com/openpackage/opkg/registry"
	"github.com/openpackage/opkg/sources"
)

// visit is one client, with a cache of its own, at one mode of a badserver.
type visit struct {
	t      *testing.T
	srv    *badserver.Server
	good   []byte
	src    *sources.Cached
	opt    sources.CacheOptions
	slept  []time.Duration
	events []event.Event
}

func pseudo(seed string, n int) []byte {
	var out []byte
	for sum := sha256.Sum256([]byte(seed)); len(out) < n; sum = sha256.Sum256(sum[:]) {
		out = append(out, sum[:]...)
	}
	return out[:n]
}

func visitMode(t *testing.T, mode, origin string) *visit {
	v := &visit{t: t, good: pseudo("good", 200_000)}
	v.srv = badserver.Start(badserver.Options{Good: v.good, Evil: pseudo("evil", 200_000), Pause: 10 * time.Millisecond})
	t.Cleanup(v.srv.Close)
	limits := transport.Limits{} // far off, so that a busy machine changes nothing
	if slow := []string{"drip", "stall", "stall-head"}; slices.Contains(slow, mode) {
		limits = quickLimits
	}
	client := transport.New(transport.Options{UserAgent: "opkg/test", Limits: limits,
		Jitter: func() float64 { return 1 },
		Sleep: func(ctx context.Context, d time.Duration) error {
			v.slept = append(v.slept, d)
			return ctx.Err()
		}})
	env := map[string]string{"T": "s3cret", "K": "k3y"}
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, v.srv.CertPEM, 0o600); err != nil {
		t.Fatal(err)
	}
	base := map[string]string{"A": v.srv.A, "C": v.srv.C}[origin] + "/" + mode + "/"
	reg := config.Registry{CAFile: ca, TokenEnv: "T", HeaderEnv: []config.HeaderEnv{{Header: "X-Api-Key", Variable: "K"}}}
	src := sourceAt(t, base, reg, Options{Client: client, Auth: auth.New(auth.Options{Env: func(k string) string { return env[k] }})})
	v.opt = sources.CacheOptions{Dir: t.TempDir(), Now: time.Now, Observer: func(e event.Event) { v.events = append(v.events, e) }}
	v.src = sources.NewCached(src, v.opt)
	return v
}

func (v *visit) list() (*registry.Index, error) { return v.src.List(context.Background(), "demo") }

// fetch does what a sync does: list, open, read, and compare the digest.
func (v *visit) fetch() error {
	ix, err := v.list()
	if err != nil {
		return err
	}
	r := ix.Releases[0]
	return v.open(sources.Ref{Name: "demo", Version: r.Version, Artifact: r.Artifact, SHA256: r.SHA256})
}

func (v *visit) open(ref sources.Ref) error {
	body, err := v.src.Open(context.Background(), ref)
	if err != nil {
		return err
	}
	defer body.Close()
	h := sha256.New()
	if _, err := io.Copy(h, body.Archive); err != nil {
		return err
	}
	if got := ident.SHA256(h.Sum(nil)); got != ref.SHA256 {
		return &ident.MismatchError{Name: ref.Name, Version: ref.Version, What: "sha256", Want: ref.SHA256.String(), Got: got.String()}
	}
	return nil
}

// sized is fetch by a lock that knows the size.
func (v *visit) sized() error {
	one, _ := ident.ParseVersion("1.0.0")
	return v.open(sources.Ref{Name: "demo", Version: one, Artifact: "packages/demo/1.0.0.tgz", Size: int64(len(v.good)), SHA256: sha256.Sum256(v.good)})
}

// requests are those for the archive (or the index), in order.
func (v *visit) requests(suffix string) []badserver.Request {
	return slices.DeleteFunc(v.srv.Log(), func(r badserver.Request) bool { return !strings.HasSuffix(r.Path, suffix) })
}

func (v *visit) warnings() (text []string) {
	for _, e := range v.events {
		if e.Kind == event.Warning {
			text = append(text, e.Text)
		}
	}
	return text
}

func (v *visit) check(what string, ok bool, context ...any) {
	v.t.Helper()
	if !ok {
		v.t.Errorf("%s: %v", what, fmt.Sprint(context...))
	}
}

func is[T error](err error) bool {
	var e T
	return errors.As(err, &e)
}

var (
	unavailable = is[*sources.UnavailableError]
	mismatch    = is[*ident.MismatchError]
	malformed   = is[*registry.Error]
	notAllowed  = is[*sources.NotAllowedError]
)

func good(v *visit) {
	err := v.fetch()
	v.check("fetch", err == nil, err)
	v.srv.Reset()
	err = v.sized()
	v.check("fetch by a lock", err == nil, err)
}

// goodAfter succeeds after waiting so long for each of index and archive.
func goodAfter(waits ...time.Duration) func(*visit) {
	return func(v *visit) {
		err := v.fetch()
		v.check("fetch", err == nil, err)
		v.check("waits", slices.Equal(v.slept, append(waits, waits...)), v.slept)
	}
}

// fails in a fetch, and in one by a lock, each with the right error.
func fails(fetch, sized func(error) bool) func(*visit) {
	return func(v *visit) {
		err := v.fetch()
		v.check("fetch", err != nil && fetch(err), err)
		v.srv.Reset()
		err = v.sized()
		v.check("fetch by a lock", err != nil && sized(err), err)
		v.check("attempts", len(v.srv.Log()) <= 4, len(v.srv.Log()))
	}
}

func both(match func(error) bool) func(*visit) { return fails(match, match) }

// once fails at once: nothing is tried again.
func once(match func(error) bool) func(*visit) {
	return func(v *visit) {
		err := v.fetch()
		v.check("fetch", err != nil && match(err), err)
		v.check("requests", len(v.srv.Log()) == 1 && len(v.slept) == 0, v.srv.Log(), v.slept)
	}
}

const ms = time.Millisecond

// expect says what a client has to do in each mode; "@C" visits the https origin.
var expect = map[string]func(*visit){
	"ok":         good,
	"noetag":     good,
	"slow-index": good,
	"e500":       goodAfter(500*ms, 1000*ms),
	"e503":       goodAfter(1500*ms, 2000*ms),
	"e429":       goodAfter(1500 * ms),
	"e429-date": func(v *visit) {
		err := v.fetch()
		v.check("fetch", err == nil, err)
		v.check("waits", len(v.slept) == 2 && v.slept[0] <= 1500*ms, v.slept)
	},
	"e429-long": func(v *visit) {
		err := v.fetch()
		v.check("the wait is named", unavailable(err) && strings.Contains(err.Error(), "24h0m0s"), err)
		v.check("no sleep", len(v.slept) == 0, v.slept)
	},
	"reset": func(v *visit) {
		err := v.fetch()
		v.check("fetch", err == nil, err)
	},
	"range": func(v *visit) {
		err := v.fetch()
		v.check("fetch", err == nil, err)
		r := v.requests(".tgz")
		v.check("the second request resumes", len(r) == 2 && r[1].Range == "bytes=100000-" && strings.HasPrefix(r[1].IfRange, `"v1-`), r)
		v.check("identity", r[0].AcceptEncoding == "identity" && r[1].AcceptEncoding == "identity", r)
	},
	"range-ignored": good,

	"trunc":         both(unavailable),
	"trunc-chunked": both(unavailable),
	"trunc-eof":     fails(mismatch, unavailable),
	"long":          both(mismatch),
	"flip":          both(mismatch),
	"sha":           both(mismatch),
	"range-wrong":   both(unavailable),
	"range-changed": both(unavailable),
	"dup-cl":        both(unavailable),
	"http09":        both(unavailable),
	"crlf":          good, // the bytes are right, and nothing of the header was believed
	"cegzip":        both(mismatch),
	"cegzip-bare":   good, // the bytes are the archive's, whatever is said about them
	"stale-etag": func(v *visit) {
		err := v.fetch()
		v.check("first", err == nil, err)
		err = v.fetch()
		v.check("second", mismatch(err), err)
	},

	"drip":         both(unavailable),
	"stall":        both(unavailable),
	"stall-head":   both(unavailable),
	"endless":      fails(malformed, mismatch),
	"endless-head": both(unavailable),
	"big-index": func(v *visit) {
		_, err := v.list()
		v.check("list", malformed(err), err)
		v.check("attempts", len(v.srv.Log()) == 1, v.srv.Log())
	},

	"e401": once(is[*auth.Error]),
	"e403": once(is[*auth.Error]),
	"e404": once(is[*sources.NotFoundError]),

	"redir-other": func(v *visit) {
		err := v.fetch()
		v.check("fetch", err == nil, err)
		v.checkStranger(2)
	},
	"redir-index": func(v *visit) {
		err := v.fetch()
		v.check("fetch", err == nil, err)
		v.checkStranger(1)
	},
	"redir-scheme":   good,
	"redir-scheme@C": both(notAllowed),
	"redir-loop":     func(v *visit) { v.manyRedirects(v.fetch()) },
	"redir-chain":    func(v *visit) { v.manyRedirects(v.fetch()) },
	"redir-file":     both(notAllowed),

	"rollback": func(v *visit) {
		ix, err := v.list()
		v.check("first", err == nil && len(ix.Releases) == 2, err)
		ix, err = v.list()
		v.check("second", err == nil && len(ix.Releases) == 1, err)
		w := v.warnings()
		v.check("warning", len(w) == 1 && strings.Contains(w[0], "demo 1.1.0"), w)
	},
	"split": func(v *visit) {
		for range 4 {
			_, err := v.list()
			v.check("list", err == nil, err)
		}
		v.check("warnings", len(v.warnings()) == 2, v.warnings())
	},
	"mutate": func(v *visit) {
		err := v.fetch()
		v.check("first", err == nil, err)
		for range 2 { // what is kept does not change either
			_, err = v.list()
			evil := badserver.SHA256(pseudo("evil", 200_000))
			v.check("second", mismatch(err) && strings.Contains(err.Error(), badserver.SHA256(v.good)) && strings.Contains(err.Error(), evil), err)
		}
		err = v.sized()
		v.check("the lock wins", mismatch(err), err)
	},
	"e304": func(v *visit) {
		_, err := v.list()
		v.check("list", unavailable(err), err)
		r := v.requests("index.json")
		v.check("one more, unconditional, past caches", len(r) == 2 && r[1].IfNoneMatch == "" && r[1].CacheControl == "no-cache", r)
	},
	"e304-empty": func(v *visit) {
		_, err := v.list()
		v.check("list", err == nil, err)
		v.check("requests", len(v.srv.Log()) == 2, v.srv.Log())
		err = v.sized()
		v.check("archive", err == nil, err)
		r := v.requests(".tgz")
		v.check("the second passes by caches", len(r) == 2 && r[0].CacheControl == "" && r[1].CacheControl == "no-cache", r)
	},
	"e200html":  both(func(err error) bool { return malformed(err) || mismatch(err) }),
	"vary-case": func(v *visit) { _, err := v.list(); v.check("list", malformed(err), err) },
}

// checkStranger holds that the other origin was sent nothing that is not its own.
func (v *visit) checkStranger(n int) {
	v.t.Helper()
	for _, r := range v.srv.Log() {
		if r.Origin != "B" {
			v.check("the registry gets its credentials", r.Authorization == "Bearer s3cret" && r.APIKey == "k3y", r)
			continue
		}
		n--
		v.check("credentials at B", r.Authorization == "" && r.APIKey == "" && r.Cookie == "" && r.Referer == "", r)
	}
	v.check("requests at B", n == 0, v.srv.Log())
}

func (v *visit) manyRedirects(err error) {
	v.t.Helper()
	v.check("refused", unavailable(err) && strings.Contains(err.Error(), "more than 10 redirects"), err)
	v.check("requests", len(v.srv.Log()) == transport.MaxRedirects+1, len(v.srv.Log()))
}

// net/http reports bytes behind the end of an answer to the global logger.
func TestMain(m *testing.M) {
	log.SetOutput(io.Discard)
	os.Exit(m.Run())
}

func TestBadServer(t *testing.T) {
	seen := map[string]bool{}
	for key, check := range expect {
		mode, origin, other := strings.Cut(key, "@")
		if !other {
			origin = "A"
		}
		seen[mode] = true
		t.Run(key, func(t *testing.T) {
			t.Parallel()
			v := visitMode(t, mode, origin)
			check(v)
			for _, r := range v.srv.Log() {
				v.check("User-Agent", r.UserAgent == "opkg/test", r)
			}
		})
	}
	for _, mode := range badserver.Modes() {
		if !seen[mode] {
			t.Errorf("no test visits mode %s", mode)
		}
	}
}

// A bad answer never replaces a good copy.
func TestBadAnswerKeepsTheCopy(t *testing.T) {
	v := visitMode(t, "ok", "A")
	if _, err := v.list(); err != nil {
		t.Fatal(err)
	}
	entries := func() (all []byte) {
		files, _ := filepath.Glob(filepath.Join(v.opt.Dir, "indexes", "*", "*"))
		for _, f := range files {
			data, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, data...)
		}
		return all
	}
	before := entries()
	if len(before) == 0 {
		t.Fatal("nothing is kept")
	}
	for _, mode := range []string{"e500", "trunc", "e200html", "vary-case", "big-index", "e401", "e304"} {
		bad := visitMode(t, mode, "A")
		src := sources.NewCached(renamed{sourceAt(t, bad.srv.A+"/"+mode+"/", config.Registry{}, Options{Client: transport.New(transport.Options{
			Limits: transport.Limits{Retries: -1}})}), v.src.ID()}, v.opt)
		if _, err := src.List(context.Background(), "demo"); err == nil && mode != "e304" {
			t.Errorf("%s: no error", mode)
		}
		if !bytes.Equal(entries(), before) {
			t.Errorf("%s changed the copy", mode)
		}
	}
}

// renamed is a source that passes for another.
type renamed struct {
	*Source
	id ident.SourceID
}

func (r renamed) ID() ident.SourceID { return r.id }

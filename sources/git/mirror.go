package git

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/rogpeppe/go-internal/lockedfile"

	"github.com/openpackage/opkg/config"
	"github.com/openpackage/opkg/ident"
	"github.com/openpackage/opkg/internal/atomicfile"
	"github.com/openpackage/opkg/internal/auth"
	"github.com/openpackage/opkg/internal/event"
	"github.com/openpackage/opkg/internal/transport"
	"github.com/openpackage/opkg/sources"
)

// Options of New.
type Options struct {
	Dir        string            // of the mirrors: OPKG_HOME/cache/mirrors; safe to delete at any time
	Environ    []string          // NAME=value: what the system's git sees, as far as it concerns it
	Registries []config.Registry // those that are configured: they may say how their repositories are reached
	Auth       *auth.Store       // nil: git's own credentials alone
	Client     *transport.Client // for files that git-LFS keeps; nil: those cannot be had
	Offline    bool              // ask nothing, and answer from the mirrors
	NoSystem   bool              // use go-git even where there is a git
	Observer   event.Observer
}

// Host keeps the mirrors of all repositories. It is safe for concurrent use.
type Host struct {
	opt Options

	mu      sync.Mutex
	engine  engine
	mirrors map[string]*mirror
}

// New describes the mirrors; nothing is read or run yet.
func New(opt Options) *Host { return &Host{opt: opt, mirrors: map[string]*mirror{}} }

// Engine says which git does the work, for people.
func (h *Host) Engine(ctx context.Context) string { return h.choose(ctx).about() }

// choose finds the engine: the system's git where there is one.
func (h *Host) choose(ctx context.Context) engine {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.engine != nil {
		return h.engine
	}
	h.engine = goGit{h.opt.Environ}
	if !h.opt.NoSystem {
		if s := findSystem(ctx, h.opt.Environ, h.opt.Dir); s != nil {
			h.engine = s
		} else if ctx.Err() != nil { // nothing was found out
			h.engine = nil
			return goGit{h.opt.Environ}
		}
	}
	h.opt.Observer.Emit(event.Event{Kind: event.Request, Text: "git repositories are read by " + h.engine.about()})
	return h.engine
}

// mirror is one repository. Its directory holds nothing that the remote cannot give again.
type mirror struct {
	host   *Host
	url    string // canonical, for messages and as identity
	remote remote
	creds  *auth.Credentials

	asking sync.Mutex

	mu    sync.Mutex
	known map[string][]entry // trees that were read
	here  map[string]bool    // blobs that were brought
	asked *refs              // what the remote said in this run
}

// mirror finds the mirror of a repository, by its canonical URL. dir is the absolute path of one that is a directory of this machine; ""
// for others. A registry with that URL, in the user's own configuration if it is there, says how it is reached: for whatever is read from it.
func (h *Host) mirror(url, dir string) (*mirror, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	at := cmp.Or(dir, url)
	if m := h.mirrors[at]; m != nil {
		return m, nil
	}
	reg := config.Registry{Source: ident.SourceID("git:" + url)}
	for _, r := range h.opt.Registries {
		if r.Source.Kind() == ident.GitRegistry && r.Source.URL() == url && reg.Origin != config.User {
			reg = r
		}
	}
	m := &mirror{host: h, url: url, remote: remote{url: at, caFile: reg.CAFile}, known: map[string][]entry{}, here: map[string]bool{}}
	if h.opt.Auth != nil {
		var err error
		if m.creds, err = h.opt.Auth.For(reg); err != nil {
			return nil, err
		}
		m.remote.headers = m.creds.Git()
	}
	h.mirrors[at] = m
	return m, nil
}

// base is the path of what belongs to the mirror, without its ending.
func (m *mirror) base() string {
	sum := sha256.Sum256([]byte(m.remote.url))
	return filepath.Join(m.host.opt.Dir, hex.EncodeToString(sum[:12]))
}

// dir is the bare repository for objects with names like id: one for each engine and object format.
func (m *mirror) dir(e engine, id string) string {
	ending := ".git"
	if _, ok := e.(goGit); ok {
		ending = ".go-git"
	}
	if len(id) == 64 {
		ending = ".sha256" + ending
	}
	return m.base() + ending
}

// makeDir makes the directory of the mirrors, for the user alone: a mirror may hold more of a private repository than what is installed.
func (h *Host) makeDir() error {
	if err := os.MkdirAll(filepath.Dir(h.opt.Dir), 0o755); err != nil {
		return err
	}
	return os.MkdirAll(h.opt.Dir, 0o700)
}

// keptRef names a commit that was fetched whole.
func keptRef(commit string) string { return "refs/opkg/" + commit }

// refs asks the remote for its refs, once a run; without the network it is what was said last.
func (m *mirror) refs(ctx context.Context) (*refs, error) {
	m.asking.Lock() // whoever comes while another asks waits for that answer
	defer m.asking.Unlock()
	if asked := m.lastRefs(); asked != nil {
		return asked, nil
	}
	file := m.base() + ".refs"
	if m.host.opt.Offline {
		data, err := os.ReadFile(file)
		if err != nil {
			return nil, m.offline("its branches and tags are not in the cache")
		}
		list := parseRefs(string(data))
		return &list, nil
	}
	m.emit("list the refs of " + m.url)
	list, err := m.host.choose(ctx).refs(ctx, m.remote)
	if err != nil {
		return nil, m.explain(err)
	}
	_ = m.host.makeDir() // a cache that cannot be written shows when objects are fetched
	_ = atomicfile.Write(file, []byte(list.format()), 0o644)
	m.mu.Lock()
	m.asked = &list
	m.mu.Unlock()
	return &list, nil
}

// lastRefs is what the remote said in this run, nil where it was not asked.
func (m *mirror) lastRefs() *refs {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.asked
}

// place names a file of the repository in messages.
func (m *mirror) place(commit, path string) string {
	return fmt.Sprintf("%s@%.12s:%s", m.url, commit, path)
}

func (m *mirror) emit(text string) {
	m.host.opt.Observer.Emit(event.Event{Kind: event.Request, Text: "git: " + text})
}

func (m *mirror) offline(what string) error {
	return &sources.UnavailableError{Source: ident.SourceID(m.url), Err: sources.WithHint(errors.New(what+", and --offline forbids to ask for it"), "run the command once with the network")}
}

// need makes sure that a commit and its trees are in the mirror. ref, or "", led to it.
func (m *mirror) need(ctx context.Context, commit, ref string) error {
	_, err := m.obtain(ctx, commit, ref)
	return err
}

// needLocked is need for a commit that a lock names.
func (m *mirror) needLocked(ctx context.Context, commit, ref string) error {
	fresh, err := m.obtain(ctx, commit, ref)
	if fresh && err == nil {
		m.checkReach(ctx, commit)
	}
	return err
}

// obtain is need; fresh says that the commit was not there before.
func (m *mirror) obtain(ctx context.Context, commit, ref string) (fresh bool, err error) {
	e := m.host.choose(ctx)
	dir := m.dir(e, commit)
	kept := filepath.Join(dir, filepath.FromSlash(keptRef(commit)))
	here := func() bool { fi, err := os.Stat(kept); return err == nil && fi.Size() > 0 }
	if here() {
		return false, nil
	}
	if m.host.opt.Offline {
		return false, m.offline("commit " + commit + " is not in the cache")
	}
	release, err := m.lock(ctx)
	if err != nil {
		return false, err
	}
	defer release()
	if here() {
		return false, nil
	}
	m.emit("fetch " + commit + " from " + m.url)
	err = e.fetch(ctx, m.remote, dir, commit, ref)
	if errors.Is(err, errGone) {
		return false, &sources.UnavailableError{Source: ident.SourceID(m.url), Err: &goneError{commit, m.url}}
	}
	return err == nil, m.explain(err)
}

// bring makes sure that blobs, which stand in the trees of commit, are in the mirror.
func (m *mirror) bring(ctx context.Context, commit string, trees, blobs []string) error {
	if m.has(blobs) {
		return nil
	}
	e := m.host.choose(ctx)
	r := m.remote
	if m.host.opt.Offline {
		r = remote{}
	}
	release, err := m.lock(ctx)
	if err != nil {
		return err
	}
	defer release()
	if m.has(blobs) { // somebody else brought them meanwhile
		return nil
	}
	if err = e.bring(ctx, r, m.dir(e, commit), commit, trees, blobs); err == nil {
		m.mu.Lock()
		for _, id := range blobs {
			m.here[id] = true
		}
		m.mu.Unlock()
	}
	if err != nil && m.host.opt.Offline && ctx.Err() == nil {
		return m.offline("some of its files are not in the cache")
	}
	return m.explain(err)
}

// has reports whether all blobs were brought in this run.
func (m *mirror) has(blobs []string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, id := range blobs {
		if !m.here[id] {
			return false
		}
	}
	return true
}

// read reads objects, each held against its own name.
func (m *mirror) read(ctx context.Context, ids []string, f func(object) error) error {
	if len(ids) == 0 {
		return nil
	}
	e := m.host.choose(ctx)
	err := e.read(ctx, m.dir(e, ids[0]), ids, func(o object) error {
		v := verified(o)
		o.body = v
		if err := f(o); err != nil {
			return err
		}
		_, err := io.Copy(io.Discard, v) // the end tells whether it is the object
		return err
	})
	if errors.Is(err, errMissing) {
		return &sources.UnavailableError{Source: ident.SourceID(m.url), Err: sources.WithHint(err, "remove "+m.host.opt.Dir+", which is a cache, and run the command again")}
	}
	return err
}

// sweep clears away what a killed engine left in a mirror. The caller holds its lock.
func sweep(dir string) {
	files := os.DirFS(dir)
	for _, leftover := range []string{"*.lock", "refs/opkg/*", "objects/pack/tmp_*", "objects/tmp_*"} {
		paths, _ := fs.Glob(files, leftover)
		for _, path := range paths {
			fi, err := fs.Stat(files, path)
			if err == nil && (!strings.HasPrefix(path, "refs/") || fi.Size() == 0 || strings.HasSuffix(path, ".lock")) {
				_ = os.RemoveAll(filepath.Join(dir, filepath.FromSlash(path)))
			}
		}
	}
}

// lock lets one opkg at a time fetch into the mirror.
func (m *mirror) lock(ctx context.Context) (release func(), err error) {
	path := m.base() + ".lock"
	if err := m.host.makeDir(); err != nil {
		return nil, err
	}
	type held struct {
		unlock func()
		err    error
	}
	got := make(chan held)
	go func() { // the kernel's wait cannot be given up: what comes too late is released at once
		unlock, err := lockedfile.MutexAt(path).Lock()
		select {
		case got <- held{unlock, err}:
		case <-ctx.Done():
			if err == nil {
				unlock()
			}
		}
	}()
	select {
	case h := <-got:
		return h.unlock, h.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

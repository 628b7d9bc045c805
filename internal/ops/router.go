package ops

import (
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"

	"github.com/openpackage/opkg/cas"
	"github.com/openpackage/opkg/config"
	"github.com/openpackage/opkg/ident"
	"github.com/openpackage/opkg/internal/auth"
	"github.com/openpackage/opkg/internal/transport"
	"github.com/openpackage/opkg/lock"
	"github.com/openpackage/opkg/sources"
	"github.com/openpackage/opkg/sources/file"
	"github.com/openpackage/opkg/sources/git"
	"github.com/openpackage/opkg/sources/http"
)

// router makes the Router of the workspace: its configuration, and the registries that its manifest asks
// for by name.
func (ws *Workspace) router() (*sources.Router, error) {
	return ws.routerWith(pinsOf(ws.Requires()), false)
}

// routerWith takes pins of the caller's. With refresh, indexes are asked for again even where a cached one is still fresh: for
// whoever wants the newest.
func (ws *Workspace) routerWith(pins map[ident.Name]string, refresh bool) (*sources.Router, error) {
	return sources.NewRouter(ws.Config, pins, ws.registries.open(refresh))
}

// pinsOf are the registry keys of the manifest.
func pinsOf(requires []lock.Require) map[ident.Name]string {
	pins := map[ident.Name]string{}
	for _, r := range requires {
		if r.Registry != "" {
			pins[r.Name] = r.Registry
		}
	}
	return pins
}

// credentials are the places where this machine keeps secrets.
func (w *World) credentials() *auth.Store {
	return auth.New(auth.Options{Env: w.Env, CredentialsFile: w.CredentialsFile(), NetrcFile: w.netrcFile()})
}

// gitHost keeps the mirrors of git repositories.
func (w *World) gitHost(cfg *config.Config) *git.Host {
	var registries []config.Registry
	for _, r := range cfg.Mentions() {
		registries = append(registries, *r)
	}
	noSystem := w.Env != nil && w.Env("OPKG_GIT") == "go-git"
	return git.New(git.Options{Dir: w.MirrorDir(), Environ: w.Environ, Registries: registries, Auth: w.credentials(), Client: w.httpClient(nil), Offline: w.Offline, NoSystem: noSystem, Observer: w.Observer})
}

// registries opens those of a configuration: the one place that knows which kinds there are. Whoever opens one again has the connections of
// before, and what it said in this run it is not asked again.
type registries struct {
	world *World
	cfg   *config.Config
	host  *git.Host
	asked sources.Asked
	busy  atomic.Pointer[cas.Store] // what is fetched goes there; nil: nothing is fetched

	mu   sync.Mutex
	over *http.Options // what those over HTTP share: one client, and one holder of secrets; nil: none was opened
	http map[ident.SourceID]*http.Source
}

func (w *World) registries(cfg *config.Config, host *git.Host) *registries {
	return &registries{world: w, cfg: cfg, host: host, http: map[ident.SourceID]*http.Source{}}
}

// open returns what opens a configured registry: itself, or its mirror, which then stands for it.
func (o *registries) open(refresh bool) func(config.Registry) (sources.Source, error) {
	direct := o.direct(refresh)
	return func(reg config.Registry) (sources.Source, error) {
		mirror, ok := o.cfg.MirrorOf(reg.Source)
		if !ok {
			return direct(reg)
		}
		copy, err := direct(mirror)
		if err != nil {
			return nil, err
		}
		return sources.NewMirrored(reg.Source, copy)
	}
}

// direct returns what opens a registry itself.
func (o *registries) direct(refresh bool) func(config.Registry) (sources.Source, error) {
	return func(reg config.Registry) (sources.Source, error) {
		switch reg.Source.Kind() {
		case ident.Directory:
			return file.New(reg), nil
		case ident.StaticHTTP:
			src, err := o.overHTTP(reg)
			if err != nil {
				return nil, err
			}
			w := o.world
			return sources.NewCached(src, sources.CacheOptions{Dir: w.CacheDir(), Now: w.Now, Offline: w.Offline, Refresh: refresh, Asked: &o.asked, Observer: w.Observer}), nil
		case ident.GitRegistry:
			return o.host.Registry(reg)
		}
		return nil, fmt.Errorf("%s:%d: %s is no registry", reg.File, reg.Line, reg.Source)
	}
}

// overHTTP opens a registry over HTTP, once.
func (o *registries) overHTTP(reg config.Registry) (*http.Source, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if src := o.http[reg.Source]; src != nil {
		return src, nil
	}
	if o.over == nil {
		busy := func() bool {
			store := o.busy.Load()
			return store != nil && store.Busy()
		}
		o.over = &http.Options{Client: o.world.httpClient(busy), Auth: o.world.credentials(), ArtifactHosts: o.cfg.ArtifactHosts}
	}
	src, err := http.New(reg, *o.over)
	if err == nil {
		o.http[reg.Source] = src
	}
	return src, err
}

// httpClient makes a client. busy reports that what is fetched already keeps this machine busy; nil: it does not.
func (w *World) httpClient(busy func() bool) *transport.Client {
	return transport.New(transport.Options{UserAgent: w.Agent, Env: w.Env, Observer: w.Observer, Busy: busy, Now: w.Now})
}

// netrcFile is where curl and git look too: $NETRC, or .netrc in the home directory.
func (w *World) netrcFile() string {
	if w.Env == nil {
		return ""
	}
	if f := w.Env("NETRC"); f != "" {
		return f
	}
	if w.Home == "" {
		return ""
	}
	return filepath.Join(w.Home, ".netrc")
}

package ops

import (
	"fmt"
	"path/filepath"
	"slices"

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
	return sources.NewRouter(ws.Config, pins, ws.world.opener(ws.Config, ws.git, refresh))
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
	registries := slices.Clone(cfg.Registries)
	for _, s := range cfg.Scopes {
		registries = append(registries, s.Registry)
	}
	for _, m := range cfg.Mirrors {
		registries = append(registries, m.Registry)
	}
	noSystem := w.Env != nil && w.Env("OPKG_GIT") == "go-git"
	return git.New(git.Options{Dir: w.MirrorDir(), Environ: w.Environ, Registries: registries, Auth: w.credentials(), Client: w.httpClient(), Offline: w.Offline, NoSystem: noSystem, Observer: w.Observer})
}

// opener returns what opens a configured registry: itself, or its mirror, which then stands for it.
func (w *World) opener(cfg *config.Config, host *git.Host, refresh bool) func(config.Registry) (sources.Source, error) {
	direct := w.directOpener(cfg, host, refresh)
	return func(reg config.Registry) (sources.Source, error) {
		mirror, ok := cfg.MirrorOf(reg.Source)
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

// directOpener returns what opens a registry itself: the one place that knows which kinds there are.
func (w *World) directOpener(cfg *config.Config, host *git.Host, refresh bool) func(config.Registry) (sources.Source, error) {
	over := w.overHTTP(cfg)
	return func(reg config.Registry) (sources.Source, error) {
		switch reg.Source.Kind() {
		case ident.Directory:
			return file.New(reg), nil
		case ident.StaticHTTP:
			src, err := http.New(reg, over)
			if err != nil {
				return nil, err
			}
			return sources.NewCached(src, sources.CacheOptions{Dir: w.CacheDir(), Now: w.Now, Offline: w.Offline, Refresh: refresh, Observer: w.Observer}), nil
		case ident.GitRegistry:
			return host.Registry(reg)
		}
		return nil, fmt.Errorf("%s:%d: %s is no registry", reg.File, reg.Line, reg.Source)
	}
}

func (w *World) httpClient() *transport.Client {
	return transport.New(transport.Options{UserAgent: w.Agent, Env: w.Env, Observer: w.Observer, Busy: w.busy, Now: w.Now})
}

// overHTTP is what registries over HTTP share: one client, and one holder of secrets.
func (w *World) overHTTP(cfg *config.Config) http.Options {
	return http.Options{
		Client:        w.httpClient(),
		Auth:          w.credentials(),
		ArtifactHosts: cfg.ArtifactHosts,
	}
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

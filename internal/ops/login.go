package ops

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/openpackage/opkg/config"
	"github.com/openpackage/opkg/ident"
	"github.com/openpackage/opkg/internal/auth"
	"github.com/openpackage/opkg/internal/nearest"
	"github.com/openpackage/opkg/internal/origin"
)

// LoginTarget finds the origin that credentials for a registry are bound to: an alias of the
// configuration, or a URL.
func (w *World) LoginTarget(registry string) (origin.Origin, error) {
	text := registry
	if !strings.Contains(registry, "://") {
		cfg, _, err := w.configHere()
		if err != nil {
			return "", err
		}
		reg, ok := cfg.ByAlias(registry)
		if !ok {
			return "", unknownAlias(cfg, registry, "a URL begins with its scheme: https://"+registry)
		}
		text = reg.Source.URL() // of a git registry too, where it is reached by http
	}
	o, err := origin.Parse(text)
	if err != nil {
		return "", &AliasError{Alias: registry, Msg: "is no registry over http or https, so it takes no credentials of opkg's"}
	}
	return o, nil
}

// Login saves credentials for an origin in credentials.yml. Of two logins at once, neither is lost. The error may be a *cas.BusyError.
func (w *World) Login(ctx context.Context, o origin.Origin, e auth.Entry) error {
	release, err := w.guard(ctx, w.OPKGHome)
	if err != nil {
		return err
	}
	defer release()
	return auth.Login(w.CredentialsFile(), o, e)
}

// Logout forgets the saved credentials for an origin, and reports whether there were any. Errors as of Login.
func (w *World) Logout(ctx context.Context, o origin.Origin) (bool, error) {
	release, err := w.guard(ctx, w.OPKGHome)
	if err != nil {
		return false, err
	}
	defer release()
	return auth.Logout(w.CredentialsFile(), o)
}

// ConfigView is the configuration in effect, without secrets.
type ConfigView struct {
	Config    *config.Config
	Workspace string // its root, "" outside of one

	credentials map[ident.SourceID]*auth.Credentials // nil for a registry that takes none
}

// CredentialsOf says where the Authorization for a registry comes from: "$VARIABLE", "opkg login", "netrc", or "" for nowhere.
func (v *ConfigView) CredentialsOf(reg config.Registry) string {
	c := v.credentials[reg.Source]
	if c == nil {
		return ""
	}
	from, _ := c.Sources()
	return from
}

// ShowConfig merges the configuration as every other operation would.
func (w *World) ShowConfig() (*ConfigView, error) {
	cfg, root, err := w.configHere()
	if err != nil {
		return nil, err
	}
	if _, err := auth.Saved(w.CredentialsFile()); err != nil { // also where no registry needs it
		return nil, err
	}
	view := &ConfigView{Config: cfg, Workspace: root, credentials: map[ident.SourceID]*auth.Credentials{}}
	store := w.credentials()
	for _, reg := range cfg.Mentions() {
		if view.credentials[reg.Source], err = store.For(*reg); err != nil {
			return nil, err
		}
	}
	return view, nil
}

// configHere is the configuration in effect, in the workspace at root or, where that is "", outside of one.
func (w *World) configHere() (cfg *config.Config, root string, err error) {
	root, _, err = w.findRoot()
	var none *NoWorkspaceError
	if err != nil && !errors.As(err, &none) {
		return nil, "", err
	}
	cfg, err = w.LoadConfig(root)
	return cfg, root, err
}

// AliasError is an alias that cannot be used as it was.
type AliasError struct {
	Alias    string
	Msg      string
	HintText string
}

func (e *AliasError) Error() string { return fmt.Sprintf("%q %s", e.Alias, e.Msg) }

// Hint says what to do, or "".
func (e *AliasError) Hint() string { return e.HintText }

// unknownAlias says which aliases there are; otherwise is what else may stand there, or "".
func unknownAlias(cfg *config.Config, alias, otherwise string) error {
	known := make([]string, len(cfg.Registries))
	for i, r := range cfg.Registries {
		known[i] = r.Alias
	}
	hint := "configured registries: " + strings.Join(known, ", ")
	if near := nearest.Word(alias, known); near != "" {
		hint = fmt.Sprintf("did you mean %s? %s", near, hint)
	}
	if otherwise != "" {
		hint += " (" + otherwise + ")"
	}
	return &AliasError{Alias: alias, Msg: "is no configured registry", HintText: hint}
}

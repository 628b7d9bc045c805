package ops

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/openpackage/opkg/config"
	"github.com/openpackage/opkg/ident"
	"github.com/openpackage/opkg/internal/auth"
	"github.com/openpackage/opkg/lock"
	"github.com/openpackage/opkg/materialize"
	"github.com/openpackage/opkg/sources"
	"github.com/openpackage/opkg/sources/http"
)

// Verdict is how a Finding is to be taken.
type Verdict string

// The verdicts.
const (
	Fine  Verdict = "ok"
	Odd   Verdict = "warning" // works, and could be better
	Wrong Verdict = "problem"
)

// Finding is one line of a diagnosis.
type Finding struct {
	Topic   string // "home", "registry team"
	Verdict Verdict
	Text    string
	Hint    string // what to do, or ""
}

// clockSlack is how far this machine's clock may be from a registry's.
const clockSlack = 5 * time.Minute

// Doctor looks at what opkg depends on outside itself. It changes nothing but files of its own that it removes again. path is the
// PATH that programs are found by, exe this program.
func (w *World) Doctor(ctx context.Context, path, exe string) []Finding {
	out := w.examineHome()
	out = append(out, w.examineStore())
	if _, err := auth.Saved(w.CredentialsFile()); err != nil {
		out = append(out, problem("credentials", err))
	}
	out = append(out, examinePath(path, exe)...)
	ws, err := w.open()
	var none *NoWorkspaceError
	cfg := (*config.Config)(nil)
	switch {
	case err == nil:
		out = append(out, Finding{"workspace", Fine, ws.Root, ""}, ws.examineLock())
		cfg = ws.Config
	case errors.As(err, &none):
		out = append(out, Finding{"workspace", Fine, "none here", ""})
		if cfg, err = w.LoadConfig(""); err != nil {
			out = append(out, problem("configuration", err))
		}
	default:
		out = append(out, problem("workspace", err))
	}
	if cfg == nil {
		return out
	}
	return append(out, w.examineRegistries(ctx, cfg)...)
}

// problem is an error as a finding.
func problem(topic string, err error) Finding {
	f := Finding{Topic: topic, Verdict: Wrong, Text: err.Error()}
	var hint interface{ Hint() string }
	if errors.As(err, &hint) {
		f.Hint = hint.Hint()
	}
	return f
}

// examineHome looks at where opkg keeps things.
func (w *World) examineHome() []Finding {
	dir := w.OPKGHome
	fi, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return []Finding{{"home", Fine, dir + " is not there yet: the first sync makes it", ""}}
	case err != nil:
		return []Finding{problem("home", err)}
	case !fi.IsDir():
		return []Finding{{"home", Wrong, dir + " is not a directory", "move it away, or set OPKG_HOME"}}
	}
	out := []Finding{{"home", Fine, dir, ""}}
	can, err := materialize.Probe(dir)
	if err != nil {
		return append(out, Finding{"file system", Odd, fmt.Sprintf("%s cannot be written to: %v", dir, reason(err)), "verify and a sync that has nothing to do work all the same"})
	}
	f := Finding{"file system", Fine, "", ""}
	if kind := fileSystem(dir); kind != "" {
		f.Text = kind + ", "
	}
	switch {
	case can.Links && can.Clones:
		f.Text += "hard links, and clones for executables"
	case can.Links:
		f.Text += "hard links; executables are copied"
	case can.Clones:
		f.Text += "clones, no hard links"
	default:
		f.Verdict, f.Text, f.Hint = Odd, f.Text+"neither hard links nor clones: every file is copied", "set OPKG_HOME to a directory on another file system"
	}
	if !can.Modes {
		f.Text += "; it keeps no modes"
	}
	out = append(out, f)
	store, registry := w.StoreDir(), w.RegistryDir()
	if a, b, ok := twoDevices(store, registry); ok && a != b {
		out = append(out, Finding{"file system", Odd, fmt.Sprintf("%s and %s are on different ones: every file is copied", store, registry), "keep both on one"})
	}
	return out
}

// examineStore asks whether somebody holds the store.
func (w *World) examineStore() Finding {
	store, err := w.existingStore()
	if err != nil {
		return problem("store", err)
	}
	if store == nil {
		return Finding{"store", Fine, "empty", ""}
	}
	roots, err := store.Roots()
	if err != nil {
		return problem("store", err)
	}
	return Finding{"store", Fine, fmt.Sprintf("%s, %s synced here", w.StoreDir(), count(len(roots), "workspace")), ""}
}

// count is "1 package" or "3 packages".
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// examinePath finds programs called opkg.
func examinePath(path, exe string) []Finding {
	name := "opkg"
	if runtime.GOOS == "windows" {
		name += ".exe"
	}
	self, err := os.Stat(exe)
	if err != nil {
		return []Finding{problem("program", err)}
	}
	for _, dir := range filepath.SplitList(path) {
		file := filepath.Join(dir, name)
		fi, err := os.Stat(file)
		if err != nil || fi.IsDir() || runtime.GOOS != "windows" && fi.Mode()&0o111 == 0 {
			continue
		}
		if os.SameFile(self, fi) {
			return []Finding{{"program", Fine, file, ""}}
		}
		return []Finding{{"program", Odd, fmt.Sprintf("opkg is %s on the PATH, and not this program, %s", file, exe),
			"if that one is the OpenPackage client, call it openpackage, and put this program's directory before its own"}}
	}
	return []Finding{{"program", Fine, exe + " (no opkg on the PATH)", ""}}
}

// examineLock judges the lock without a request, as sync does before its first one.
func (ws *Workspace) examineLock() Finding {
	l, err := ws.freshLock(SyncOptions{})
	var none *NoLockError
	var stale *lock.StaleError
	switch {
	case errors.As(err, &none):
		return Finding{"lock", Odd, "there is no " + LockName, none.Hint()}
	case errors.As(err, &stale):
		f := problem("lock", err)
		f.Verdict = Odd
		return f
	case err != nil:
		return problem("lock", err)
	}
	router, err := ws.router()
	if err == nil {
		_, err = ws.selectPackages(router, l, SyncOptions{}, &SyncResult{})
	}
	if err != nil {
		return problem("lock", err)
	}
	return Finding{"lock", Fine, fmt.Sprintf("%s is fresh, %s", LockName, count(len(l.Packages), "package")), ""}
}

// examineRegistries asks each registry, all at once, and reports in their order.
func (w *World) examineRegistries(ctx context.Context, cfg *config.Config) []Finding {
	registries := slices.Clone(cfg.Registries)
	for _, s := range cfg.Scopes {
		if s.Registry.Alias == "" { // a URL; an alias is among them
			s.Registry.Alias = s.Scope
			registries = append(registries, s.Registry)
		}
	}
	found := make([][]Finding, len(registries))
	host := w.gitHost(cfg)
	all := w.registries(cfg, host)
	g := errgroup.Group{}
	g.SetLimit(fetchParallel)
	for i, reg := range registries {
		g.Go(func() error {
			found[i] = w.examineRegistry(ctx, reg, all)
			for j := range found[i] {
				if f := &found[i][j]; f.Verdict == Wrong && reg.Origin == config.BuiltIn {
					f.Hint = sources.NoRegistryHint
				}
			}
			return nil
		})
	}
	_ = g.Wait()
	var out []Finding
	for _, f := range found {
		out = append(out, f...)
	}
	return append(out, Finding{"git", Fine, host.Engine(ctx), ""})
}

func (w *World) examineRegistry(ctx context.Context, reg config.Registry, all *registries) []Finding {
	topic := "registry " + reg.Alias
	if mirror, ok := all.cfg.MirrorOf(reg.Source); ok {
		topic, reg = topic+" (its mirror)", mirror
	}
	switch reg.Source.Kind() {
	case ident.Directory:
		names, err := packageDirs(reg.Dir)
		if err != nil {
			return []Finding{problem(topic, err)}
		}
		return []Finding{{topic, Fine, fmt.Sprintf("%s, %s", reg.Source, count(len(names), "package")), ""}}
	case ident.StaticHTTP:
		src, err := all.overHTTP(reg)
		if err != nil {
			return []Finding{problem(topic, err)}
		}
		defer func() { _ = src.Close() }()
		return w.examineHTTP(ctx, topic, reg, src)
	}
	src, err := all.open(true)(reg)
	if err == nil && !w.Offline {
		_, err = src.List(ctx, "opkg-doctor")
	}
	var missing *sources.NotFoundError
	if err != nil && !errors.As(err, &missing) {
		return []Finding{problem(topic, err)}
	}
	return []Finding{{topic, Fine, string(reg.Source), ""}}
}

func (w *World) examineHTTP(ctx context.Context, topic string, reg config.Registry, src *http.Source) []Finding {
	from, unset := src.Credentials().Sources()
	credentials := "no credentials"
	if from != "" {
		credentials = "credentials from " + from
	}
	out := []Finding{}
	for _, name := range unset {
		out = append(out, Finding{topic, Odd, fmt.Sprintf("$%s is named in the configuration and not set", name), "set it, or remove it from config.yml"})
	}
	if w.Offline {
		return append(out, Finding{topic, Fine, fmt.Sprintf("%s, %s; not asked (--offline)", reg.Source, credentials), ""})
	}
	date, err := src.Probe(ctx)
	var refused *auth.Error
	switch {
	case errors.As(err, &refused):
		f := problem(topic, err)
		f.Text += " (" + credentials + ")"
		return append(out, f)
	case err != nil:
		return append(out, problem(topic, err))
	}
	out = append(out, Finding{topic, Fine, fmt.Sprintf("%s answers, %s", reg.Source, credentials), ""})
	if date.IsZero() {
		return out
	}
	if off := w.Now().Sub(date).Abs(); off > clockSlack {
		out = append(out, Finding{"clock", Odd, fmt.Sprintf("this machine's is %s away from that of %s", off.Round(time.Second), strings.TrimSuffix(string(reg.Source), "/")),
			"set it: certificates and cached indexes are judged by it"})
	}
	return out
}

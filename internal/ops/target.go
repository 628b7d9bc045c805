package ops

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/openpackage/opkg/config"
	"github.com/openpackage/opkg/ident"
	"github.com/openpackage/opkg/sources"
)

// target finds the registry that a maintainer names on the command line: an alias of the configuration, a URL as config.yml has it
// (https:, git:, file:), or a directory. A URL that is configured has its settings.
func (w *World) target(text string) (config.Registry, *config.Config, error) {
	cfg, _, err := w.configHere()
	if err != nil {
		return config.Registry{}, nil, err
	}
	if reg, ok := cfg.ByAlias(text); ok {
		return reg, cfg, nil
	}
	isURL := strings.Contains(text, "://") || strings.HasPrefix(text, "git:") || strings.HasPrefix(text, "file:")
	if !isURL {
		path := within(w.Dir, text)
		switch fi, err := os.Stat(path); {
		case err == nil && !fi.IsDir():
			return config.Registry{}, nil, &NotRegistryError{Dir: w.show(path)}
		case err == nil && isBareRepository(path):
			text = "git:" + path
		case err == nil, strings.ContainsAny(text, `/\`), strings.HasPrefix(text, "."):
			text = "file:" + path
		case errors.Is(err, fs.ErrNotExist):
			return config.Registry{}, nil, unknownAlias(cfg, text, fmt.Sprintf("a directory is written ./%s, a URL https://… or git:…", text))
		default:
			return config.Registry{}, nil, err
		}
	}
	reg, err := w.registryAt(text)
	if err != nil {
		return config.Registry{}, nil, err
	}
	if known, ok := cfg.BySource(reg.Source); ok && known.Dir == reg.Dir {
		return known, cfg, nil
	}
	return reg, cfg, nil
}

// within makes a path absolute.
func within(dir, path string) string {
	if filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	return filepath.Join(dir, path)
}

// registryAt reads the URL of a registry as a line of the user's own configuration would have it; paths start at w.Dir.
func (w *World) registryAt(url string) (config.Registry, error) {
	text := fmt.Sprintf("registries: {x: %q}\n", url)
	at := config.Places{Home: w.Home, OPKGHome: w.Dir}
	file, err := config.Parse(url, []byte(text), config.User, at)
	if err == nil {
		var cfg *config.Config
		if cfg, err = config.Merge(nil, file); err == nil {
			reg := cfg.Registries[0]
			reg.Alias, reg.File, reg.Line = "", "", 0
			return reg, nil
		}
	}
	e := &PackageError{Path: url, Reason: err.Error()}
	if c := (*config.Error)(nil); errors.As(err, &c) {
		e.Reason, e.HintText = strings.TrimPrefix(c.Msg, "the url of registry x: "), c.HintText
	}
	return config.Registry{}, e
}

// isBareRepository reports whether a directory is a git repository without a work tree: one to push to.
func isBareRepository(dir string) bool {
	for _, name := range []string{"HEAD", "objects", "refs"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			return false
		}
	}
	return true
}

// readTarget is target for a registry that is only read: the directory of a checkout stands for its git registry, where what is committed
// counts.
func (w *World) readTarget(text string) (config.Registry, *config.Config, error) {
	reg, cfg, err := w.target(text)
	if err != nil || reg.Source.Kind() != ident.Directory || !isCheckout(reg.Dir) {
		return reg, cfg, err
	}
	if _, err := os.Stat(filepath.Join(reg.Dir, ".git")); err != nil {
		return reg, cfg, nil // unpacked from an archive, say: there are no commits to read
	}
	reg, err = w.registryAt("git:" + filepath.ToSlash(reg.Dir))
	return reg, cfg, err
}

// isCheckout reports whether a directory has the index of a git registry.
func isCheckout(dir string) bool {
	for _, index := range []string{"index.yml", filepath.Join("registry", "index.yml")} {
		if _, err := os.Stat(filepath.Join(dir, index)); err == nil {
			return true
		}
	}
	return false
}

// shown names a registry in messages.
func shown(reg config.Registry) string {
	switch {
	case reg.Alias != "":
		return fmt.Sprintf("%s (%s)", reg.Alias, reg.Source)
	case reg.Dir != "" && reg.Source.Kind() == ident.Directory:
		return reg.Dir
	}
	return string(reg.Source)
}

// openRegistry opens a registry itself, as it stands there now: not a mirror, not what a cache remembers.
func (w *World) openRegistry(cfg *config.Config, reg config.Registry) (sources.Source, error) {
	return w.registries(cfg, w.gitHost(cfg)).direct(true)(reg)
}

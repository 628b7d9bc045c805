package ops

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/openpackage/opkg/config"
	"github.com/openpackage/opkg/ident"
	"github.com/openpackage/opkg/internal/archive"
	"github.com/openpackage/opkg/sources/git"
)

// publishToGit adds a version as a directory of a git registry, in one commit.
func (w *World) publishToGit(ctx context.Context, opt PublishOptions, cfg *config.Config, reg config.Registry) (*Published, error) {
	tmp, err := w.scratch()
	if err != nil {
		return nil, err
	}
	c, err := w.newCandidate(ctx, opt.Source, tmp)
	if err != nil {
		return nil, err
	}
	defer c.close()
	w.adviseFor(c, cfg, reg)
	files, err := new(archive.Unpacker).OpenFile(ctx, w.show(opt.Source), c.file, c.Size)
	if err != nil {
		return nil, err
	}
	defer files.Close()
	p, err := w.gitHost(cfg).Publisher(reg, w.Now, opt.DryRun)
	if err != nil {
		return nil, err
	}
	pushed, err := p.Publish(ctx, c.Name, c.Version, files)
	var exists *git.ExistsError
	if errors.As(err, &exists) {
		return nil, &RepublishError{Name: c.Name, Version: c.Version, Registry: shown(reg), Reason: exists.Reason}
	}
	if err != nil {
		return nil, err
	}
	res := c.published(reg)
	res.Already, res.Commit = pushed.Already, pushed.Commit
	return res, nil
}

func (w *World) yankInGit(ctx context.Context, opt YankOptions, cfg *config.Config, reg config.Registry) (*Yanked, error) {
	p, err := w.gitHost(cfg).Publisher(reg, w.Now, opt.DryRun)
	if err != nil {
		return nil, err
	}
	pushed, err := p.Yank(ctx, opt.Name, opt.Version, !opt.Undo, opt.Reason)
	var none *git.NoVersionError
	if errors.As(err, &none) {
		return nil, &UnpublishedError{opt.Name, opt.Version, shown(reg)}
	}
	if err != nil {
		return nil, err
	}
	return &Yanked{Registry: reg, Already: pushed.Already, Commit: pushed.Commit}, nil
}

// InitGitRegistry makes a git registry without packages: of a directory, which becomes a bare repository, or of the branch of a repository
// that is there and has no commits on that branch. made is false where it is one already.
func (w *World) InitGitRegistry(ctx context.Context, target string) (reg config.Registry, made bool, err error) {
	cfg, _, err := w.configHere()
	if err != nil {
		return reg, false, err
	}
	host := w.gitHost(cfg)
	if reg, _, err = w.target(target); err != nil || reg.Source.Kind() != ident.GitRegistry {
		path := within(w.Dir, target)
		entries, readErr := os.ReadDir(path)
		switch {
		case err == nil && reg.Source.Kind() == ident.StaticHTTP:
			return reg, false, &PackageError{Path: target, Reason: "it is a registry over HTTP", HintText: "a git registry is written git:URL"}
		case readErr == nil && len(entries) > 0:
			return reg, false, &PackageError{Path: w.show(path), Reason: "it is neither empty nor a bare git repository", HintText: "name a directory that does not exist yet"}
		case readErr != nil && !errors.Is(readErr, os.ErrNotExist):
			return reg, false, readErr
		}
		if err := host.InitBare(ctx, path); err != nil {
			return reg, false, err
		}
		if reg, err = w.registryAt("git:" + filepath.ToSlash(path)); err != nil {
			return reg, false, err
		}
	}
	p, err := host.Publisher(reg, w.Now, false)
	if err != nil {
		return reg, false, err
	}
	pushed, err := p.Init(ctx)
	if err != nil {
		return reg, false, fmt.Errorf("make a registry: %w", err)
	}
	return reg, !pushed.Already, nil
}

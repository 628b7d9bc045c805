package ops

import (
	"context"
	"errors"

	"github.com/openpackage/opkg/config"
)

func (w *World) publishToGit(ctx context.Context, opt PublishOptions, cfg *config.Config, reg config.Registry) (*Published, error) {
	return nil, errors.New("git")
}

func (w *World) yankInGit(ctx context.Context, opt YankOptions, cfg *config.Config, reg config.Registry) (*Yanked, error) {
	return nil, errors.New("git")
}

package git

import (
	"context"
	"errors"
	"strings"

	"github.com/openpackage/opkg/ident"
	"github.com/openpackage/opkg/internal/archive"
	"github.com/openpackage/opkg/registry"
	"github.com/openpackage/opkg/sources"
)

// Moved implements sources.Mover: a branch that moves on is the life of a registry, as long as it has the same content for a version.
func (r *Registry) Moved(ctx context.Context, ref sources.Ref) (*sources.Move, error) {
	at, err := r.newest(ctx)
	if err != nil || at.commit == string(ref.Commit) {
		return nil, err
	}
	now, ok, err := r.mirror.find(ctx, at.tree, registry.GitPath(ref.Name, ref.Version))
	if err != nil || !ok {
		return nil, err
	}
	move := &sources.Move{What: "branch " + r.branch(), Now: ident.Commit(at.commit)}
	_, was, err := r.directory(ctx, ref)
	if move.Lost = as[*goneError](err); move.Lost {
		return move, nil
	}
	if err != nil || was == now.id {
		return nil, err
	}
	return move, nil
}

// branch is the name of the channel, for messages.
func (r *Registry) branch() string {
	if b := r.id.Branch(); b != "" {
		return b
	}
	if list := r.mirror.lastRefs(); list != nil {
		return strings.TrimPrefix(list.Head, branchPrefix)
	}
	return "HEAD"
}

// Moved is sources.Mover's for the tag or branch that ref names; "" is the default branch. A ref that is a commit does not move.
func (p *Package) Moved(ctx context.Context, ref string, commit ident.Commit) (*sources.Move, error) {
	at, err := p.Resolve(ctx, ref)
	if gone := (*RefNotFoundError)(nil); errors.As(err, &gone) {
		return &sources.Move{What: "ref " + ref}, nil
	}
	if err != nil || at.Commit == commit {
		return nil, err
	}
	move := &sources.Move{What: "branch " + ref, Now: at.Commit}
	list, err := p.mirror.refs(ctx)
	if err != nil {
		return nil, err
	}
	switch {
	case ref == "":
		move.What = "branch " + strings.TrimPrefix(list.Head, branchPrefix)
	case strings.HasPrefix(list.full(ref), tagPrefix):
		move.What, move.Tag = "tag "+ref, true
	}
	was, err := p.directory(ctx, commit, "")
	if move.Lost = as[*goneError](err); move.Lost {
		return move, nil
	}
	if err != nil {
		return nil, err
	}
	now, err := p.directory(ctx, at.Commit, ref)
	if err != nil && !as[*archive.UnsafeError](err) { // that says that the directory is not there
		return nil, err
	}
	move.Same = was == now
	return move, nil
}

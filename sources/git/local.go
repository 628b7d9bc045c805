package git

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"

	gogit "github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/storer"
)

// A repository that is a directory of this machine: go-git would run git to read it, and so its objects are copied instead.

// localDir is the directory of a remote that isLocal.
func localDir(r remote) (string, error) {
	if !strings.HasPrefix(r.url, "file:") {
		return r.url, nil
	}
	u, err := url.Parse(r.url)
	if err != nil {
		return "", err
	}
	dir := filepath.FromSlash(u.Path)
	if len(dir) > 2 && dir[2] == ':' { // \C:\dir
		dir = dir[1:]
	}
	return dir, nil
}

// openLocal opens the repository of a remote that isLocal.
func openLocal(r remote) (*gogit.Repository, error) {
	dir, err := localDir(r)
	if err != nil {
		return nil, err
	}
	repo, err := gogit.PlainOpenWithOptions(dir, &gogit.PlainOpenOptions{EnableDotGitCommonDir: true})
	if errors.Is(err, gogit.ErrRepositoryNotExists) {
		return nil, fmt.Errorf("repository not found: %w", err)
	}
	return repo, err
}

func localRefs(r remote) (refs, error) {
	repo, err := openLocal(r)
	if err != nil {
		return refs{}, err
	}
	out := refs{Commit: map[string]string{}}
	if head, err := repo.Storer.Reference(plumbing.HEAD); err == nil && head.Type() == plumbing.SymbolicReference && isShowable(head.Target().String()) {
		out.Head = head.Target().String()
	}
	list, err := repo.Storer.IterReferences()
	if err != nil {
		return refs{}, err
	}
	err = list.ForEach(func(ref *plumbing.Reference) error {
		name := ref.Name()
		if !name.IsBranch() && !name.IsTag() || !isShowable(name.String()) {
			return nil
		}
		at, err := storer.ResolveReference(repo.Storer, name)
		if err != nil {
			return nil // it leads nowhere
		}
		id := at.Hash()
		for range maxPeel {
			tag, err := repo.TagObject(id)
			if err != nil {
				break
			}
			id = tag.Target
		}
		out.Commit[name.String()] = id.String()
		return nil
	})
	return out, err
}

// maxPeel bounds how many tags may stand for tags.
const maxPeel = 16

// copyLocal copies a commit with all that it holds.
func copyLocal(ctx context.Context, r remote, to storer.EncodedObjectStorer, commit plumbing.Hash) error {
	repo, err := openLocal(r)
	if err != nil {
		return err
	}
	from := repo.Storer
	seen := map[plumbing.Hash]bool{}
	var take func(kind plumbing.ObjectType, id plumbing.Hash) error
	take = func(kind plumbing.ObjectType, id plumbing.Hash) error {
		if seen[id] || ctx.Err() != nil {
			return context.Cause(ctx)
		}
		seen[id] = true
		o, err := from.EncodedObject(kind, id)
		if err != nil {
			return fmt.Errorf("%w: %s", errMissing, id)
		}
		if kind == plumbing.BlobObject {
			_, err = to.SetEncodedObject(o)
			return err
		}
		body, err := o.Reader()
		if err != nil {
			return err
		}
		data, err := readBounded(body, o.Size())
		body.Close()
		if err != nil {
			return err
		}
		if kind == plumbing.CommitObject {
			tree, err := treeOfCommit(data)
			if err != nil {
				return err
			}
			if err := take(plumbing.TreeObject, plumbing.NewHash(tree)); err != nil {
				return err
			}
		} else {
			entries, err := parseTree(data, len(id))
			if err != nil {
				return err
			}
			for _, e := range entries {
				switch {
				case e.mode == modeTree:
					err = take(plumbing.TreeObject, plumbing.NewHash(e.id))
				case e.mode != modeModule:
					err = take(plumbing.BlobObject, plumbing.NewHash(e.id))
				}
				if err != nil {
					return err
				}
			}
		}
		_, err = to.SetEncodedObject(o)
		return err
	}
	err = take(plumbing.CommitObject, commit)
	if errors.Is(err, errMissing) {
		return errGone
	}
	return err
}

package git

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/go-git/go-billy/v5/osfs"
	gogit "github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/config"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/cache"
	"github.com/go-git/go-git/v5/plumbing/transport"
	"github.com/go-git/go-git/v5/storage/filesystem"
	"github.com/go-git/go-git/v5/storage/memory"
)

// goGit is the engine for machines without git. It fetches whole branches, since it knows neither partial clones nor protocol v2. It
// knows no dumb servers, and no repositories with SHA-256 names.
type goGit struct {
	environ []string // NAME=value: where keys and known hosts are
}

func (goGit) about() string { return "go-git, since there is no git in the PATH" }

// headerAuth sends headers with each request.
type headerAuth []string

func (headerAuth) Name() string   { return "headers" }
func (headerAuth) String() string { return "headers: …" }

// SetAuth implements the AuthMethod of go-git's HTTP transport.
func (a headerAuth) SetAuth(r *http.Request) {
	for _, h := range a {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Set(name, value)
	}
}

// auth is what goes with each request.
func (g goGit) auth(r remote) (transport.AuthMethod, error) {
	switch {
	case r.isSSH():
		return g.sshAuth(r)
	case len(r.headers) > 0:
		return headerAuth(r.headers), nil
	}
	return nil, nil
}

// ca is the certificate file of the remote, nil where it has none.
func (r remote) ca() ([]byte, error) {
	if r.caFile == "" {
		return nil, nil
	}
	return os.ReadFile(r.caFile)
}

func (g goGit) refs(ctx context.Context, r remote) (refs, error) {
	if r.isLocal() {
		return localRefs(r)
	}
	ca, err := r.ca()
	if err != nil {
		return refs{}, err
	}
	auth, err := g.auth(r)
	if err != nil {
		return refs{}, err
	}
	rem := gogit.NewRemote(memory.NewStorage(), &config.RemoteConfig{Name: "origin", URLs: []string{r.url}})
	list, err := rem.ListContext(ctx, &gogit.ListOptions{Auth: auth, CABundle: ca, PeelingOption: gogit.AppendPeeled})
	if err != nil {
		return refs{}, goGitError(err)
	}
	out := refs{Commit: map[string]string{}}
	peeled := map[string]string{}
	for _, ref := range list {
		name := ref.Name().String()
		if !isShowable(name) || !isShowable(ref.Target().String()) { // see parseRefs
			continue
		}
		if ref.Type() == plumbing.SymbolicReference {
			if name == "HEAD" {
				out.Head = ref.Target().String()
			}
			continue
		}
		if tag, ok := strings.CutSuffix(name, "^{}"); ok {
			peeled[tag] = ref.Hash().String()
		} else if strings.HasPrefix(name, "refs/heads/") || strings.HasPrefix(name, "refs/tags/") {
			out.Commit[name] = ref.Hash().String()
		}
	}
	for tag, id := range peeled {
		out.Commit[tag] = id
	}
	return out, nil
}

func openStorage(dir string) *filesystem.Storage {
	return filesystem.NewStorage(osfs.New(dir), cache.NewObjectLRUDefault())
}

func (g goGit) fetch(ctx context.Context, r remote, dir, commit, ref string) error {
	if len(commit) != 40 {
		return errors.New("it is a repository with SHA-256 names, which only git itself can read: install git")
	}
	ca, err := r.ca()
	if err != nil {
		return err
	}
	sweep(dir)
	st := openStorage(dir)
	if _, err := os.Stat(filepath.Join(dir, "HEAD")); err != nil {
		if _, err := gogit.Init(st, nil); err != nil {
			return err
		}
	}
	want := plumbing.NewHash(commit)
	if r.isLocal() {
		if err := copyLocal(ctx, r, st, want); err != nil {
			return err
		}
		return st.SetReference(plumbing.NewHashReference(plumbing.ReferenceName(keptRef(commit)), want))
	}
	auth, err := g.auth(r)
	if err != nil {
		return err
	}
	rem := gogit.NewRemote(st, &config.RemoteConfig{Name: "origin", URLs: []string{r.url}})
	specs := [][]config.RefSpec{{config.RefSpec("+" + commit + ":" + keptRef(commit))},
		{"+refs/heads/*:refs/opkg-all/heads/*", "+refs/tags/*:refs/opkg-all/tags/*"}}
	if ref != "" {
		specs = append([][]config.RefSpec{{config.RefSpec("+" + ref + ":refs/opkg-all/" + strings.TrimPrefix(ref, "refs/"))}}, specs...)
	}
	var fetchErr error
	for _, spec := range specs {
		if _, err := st.EncodedObject(plumbing.CommitObject, want); err == nil {
			break
		}
		fetchErr = rem.FetchContext(ctx, &gogit.FetchOptions{RefSpecs: spec, Auth: auth, CABundle: ca, Tags: gogit.NoTags, Force: true})
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		st = openStorage(dir) // the one that fetched does not see all that it wrote
	}
	if _, err := st.EncodedObject(plumbing.CommitObject, want); err != nil {
		if fetchErr != nil && !errors.Is(fetchErr, gogit.NoErrAlreadyUpToDate) && !errors.Is(fetchErr, gogit.ErrExactSHA1NotSupported) {
			return goGitError(fetchErr)
		}
		return errGone
	}
	return st.SetReference(plumbing.NewHashReference(plumbing.ReferenceName(keptRef(commit)), want))
}

// goGitError puts what go-git says into words that explain knows.
func goGitError(err error) error {
	switch {
	case errors.Is(err, transport.ErrRepositoryNotFound):
		return fmt.Errorf("repository not found: %w", err)
	case errors.Is(err, transport.ErrAuthorizationFailed):
		return fmt.Errorf("error: 403: %w", err)
	}
	return err
}

// bring has nothing to do: what is fetched is whole.
func (goGit) bring(context.Context, remote, string, string, []string, []string) error { return nil }

func (goGit) read(ctx context.Context, dir string, ids []string, f func(object) error) error {
	st := openStorage(dir)
	for _, id := range ids {
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		o, err := st.EncodedObject(plumbing.AnyObject, plumbing.NewHash(id))
		if err != nil {
			return fmt.Errorf("%w: %s", errMissing, id)
		}
		r, err := o.Reader()
		if err != nil {
			return err
		}
		err = f(object{id: id, kind: o.Type().String(), size: o.Size(), body: r})
		r.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

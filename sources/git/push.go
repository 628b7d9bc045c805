package git

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/openpackage/opkg/config"
	"github.com/openpackage/opkg/ident"
	"github.com/openpackage/opkg/internal/archive"
	"github.com/openpackage/opkg/registry"
	"github.com/openpackage/opkg/sources"
)

// Publisher adds to one channel of a git registry. What it does is one commit on the head of the branch, made of objects alone, without
// a work tree, and pushed without force: the server takes it only while the branch is where it was. If somebody else was first, it is made
// anew on the new head.
type Publisher struct {
	reg  config.Registry
	r    *Registry
	host *Host
	now  func() time.Time
	dry  bool
}

// maxPushes is how often somebody else may be first.
const maxPushes = 50

// Publisher describes the channel that reg names. With dry, everything is done but the push.
func (h *Host) Publisher(reg config.Registry, now func() time.Time, dry bool) (*Publisher, error) {
	r, err := h.Registry(reg)
	if err != nil {
		return nil, err
	}
	return &Publisher{reg: reg, r: r, host: h, now: now, dry: dry}, nil
}

// Pushed is what a Publisher did.
type Pushed struct {
	Commit  ident.Commit // at the head of the branch; "" in a dry run that would make one
	Already bool         // nothing was to be done
}

// Publish adds a version. The error is an *ExistsError where it is there with other content.
func (p *Publisher) Publish(ctx context.Context, name ident.Name, v ident.Version, files archive.Payload) (*Pushed, error) {
	return p.push(ctx, func(at *snapshot, ix *registry.GitIndex) (*edit, error) {
		dir := registry.GitPath(name, v)
		pkg := ix.Find(name)
		if pkg == nil {
			ix.Packages = append(ix.Packages, registry.GitPackage{Name: name})
			pkg = &ix.Packages[len(ix.Packages)-1]
		}
		there, ok, err := p.r.mirror.find(ctx, at.tree, dir)
		if err != nil {
			return nil, err
		}
		for _, r := range pkg.Releases {
			switch {
			case r.Version.Compare(v) != 0:
			case r.Version != v:
				return nil, &ExistsError{name, v, fmt.Sprintf("it has %s, which differs in build metadata alone", r.Version)}
			case !ok:
				return nil, &registry.Error{File: p.r.place(at.commit, at.file), Msg: fmt.Sprintf("it lists %s %s, but there is no %s", name, v, dir)}
			default:
				return nil, p.same(ctx, at, there.id, name, v, files)
			}
		}
		if ok {
			if err := p.same(ctx, at, there.id, name, v, files); err != nil {
				return nil, err
			}
		}
		pkg.Releases = append(pkg.Releases, registry.GitRelease{Version: v})
		e := &edit{message: fmt.Sprintf("%s %s", name, v), index: ix, dir: dir, files: files}
		if ok {
			e.dir = "" // it stands there, and no index named it
		}
		return e, nil
	})
}

// same holds a version that is there against one that is to be published: names, modes and the ids that git gives to contents.
func (p *Publisher) same(ctx context.Context, at *snapshot, tree string, name ident.Name, v ident.Version, files archive.Payload) error {
	list, err := p.r.mirror.walk(ctx, p.r.place(at.commit, registry.GitPath(name, v)), tree)
	if err != nil {
		return err
	}
	there := make(map[string]file, len(list))
	for _, f := range list {
		there[f.path] = f
	}
	differ := func(path, what string) error {
		return &ExistsError{name, v, fmt.Sprintf("%s %s", ident.CleanText(path), what)}
	}
	err = files.Each(ctx, func(f archive.File, r io.Reader) error {
		old, ok := there[f.Path]
		if !ok {
			return differ(f.Path, "is not there")
		}
		delete(there, f.Path)
		id, err := blobID(len(tree), f.Size, r)
		switch {
		case err != nil:
			return err
		case id != old.id:
			return differ(f.Path, "has another content there")
		case f.Exec != old.exec:
			return differ(f.Path, "has another mode there")
		}
		return nil
	})
	for path := range there {
		if err == nil {
			err = differ(path, "is there, and not here")
		}
	}
	return err
}

// blobID is the name of a blob, in digits hex digits.
func blobID(digits int, size int64, r io.Reader) (string, error) {
	v := verified(object{id: strings.Repeat("0", digits), kind: "blob", size: size})
	n, err := io.Copy(v.h, r)
	if err == nil && n != size {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Sprintf("%x", v.h.Sum(nil)), err
}

// Yank sets or takes back the mark of a version. reason "" gives none. The error is a *NoVersionError where it is not there.
func (p *Publisher) Yank(ctx context.Context, name ident.Name, v ident.Version, yanked bool, reason string) (*Pushed, error) {
	return p.push(ctx, func(_ *snapshot, ix *registry.GitIndex) (*edit, error) {
		pkg := ix.Find(name)
		i := -1
		if pkg != nil {
			i = slices.IndexFunc(pkg.Releases, func(r registry.GitRelease) bool { return r.Version == v })
		}
		if i < 0 {
			return nil, &NoVersionError{name, v}
		}
		r := &pkg.Releases[i]
		if r.Yanked == yanked && r.YankReason == reason {
			return nil, nil
		}
		r.Yanked, r.YankReason = yanked, reason
		verb := "yank"
		if !yanked {
			verb = "unyank"
		}
		return &edit{message: strings.TrimSpace(fmt.Sprintf("%s %s %s\n\n%s", verb, name, v, reason)), index: ix}, nil
	})
}

// Init makes the branch a registry without packages. A branch that is one already is left alone; one that holds something else is a *PushError.
func (p *Publisher) Init(ctx context.Context) (*Pushed, error) {
	return p.push(ctx, nil)
}

// push makes and pushes what change says, which may be asked several times. change nil makes an empty registry.
func (p *Publisher) push(ctx context.Context, change func(*snapshot, *registry.GitIndex) (*edit, error)) (*Pushed, error) {
	git, ok := p.host.choose(ctx).(*system)
	if !ok {
		return nil, &PushError{Registry: p.reg.Source, Reason: "a git registry is published to with git, and there is none", HintText: fmt.Sprintf("install git %d.%d or newer", oldest[0], oldest[1])}
	}
	for attempt := 1; ; attempt++ {
		pushed, err := p.attempt(ctx, git, change)
		var late *lateError
		if !errors.As(err, &late) {
			return pushed, err
		}
		if attempt == maxPushes {
			return nil, &PushError{Registry: p.reg.Source, Reason: fmt.Sprintf("somebody else pushed first, %d times", maxPushes), HintText: "run it again"}
		}
		p.r.mirror.emit("somebody else pushed to " + p.r.mirror.url + " first: once more, on the new head")
		pause := time.NewTimer(time.Duration(rand.Int64N(int64(min(attempt, 10)) * int64(50*time.Millisecond))))
		select {
		case <-ctx.Done():
			pause.Stop()
			return nil, context.Cause(ctx)
		case <-pause.C:
		}
	}
}

// attempt does it once. The error is a *lateError where somebody else was first.
func (p *Publisher) attempt(ctx context.Context, git *system, change func(*snapshot, *registry.GitIndex) (*edit, error)) (*Pushed, error) {
	m := p.r.mirror
	m.forget()
	list, err := m.refs(ctx)
	if err != nil {
		return nil, err
	}
	ref := list.Head
	if b := p.r.id.Branch(); b != "" {
		ref = "refs/heads/" + b
	}
	if ref == "" {
		ref = "refs/heads/main"
	}
	head, exists := list.Commit[ref]
	e, prefix := &edit{message: "An empty registry", index: &registry.GitIndex{}}, ""
	switch {
	case exists:
		if e, prefix, err = p.edit(ctx, head, ref, change); err != nil {
			return nil, err
		}
	case change != nil:
		return nil, &PushError{Registry: p.reg.Source, Reason: "it has no branch " + strings.TrimPrefix(ref, "refs/heads/"), HintText: "opkg registry init --git makes it a registry"}
	}
	switch {
	case e == nil:
		return &Pushed{Commit: ident.Commit(head), Already: true}, nil
	case len(e.index.Format()) > registry.MaxIndexSize:
		return nil, &PushError{Registry: p.reg.Source, Reason: fmt.Sprintf("its index.yml would have more than %d bytes", registry.MaxIndexSize)}
	case p.dry:
		return &Pushed{}, nil
	}
	commit, err := p.commit(ctx, git, head, ref, prefix, e)
	if err != nil {
		return nil, err
	}
	return &Pushed{Commit: commit}, nil
}

// edit asks change what is to become of the registry at head; nil is nothing. prefix is where in the repository the registry stands. change
// nil only asks whether it is one.
func (p *Publisher) edit(ctx context.Context, head, ref string, change func(*snapshot, *registry.GitIndex) (*edit, error)) (e *edit, prefix string, err error) {
	if err := p.r.mirror.need(ctx, head, ref); err != nil {
		return nil, "", err
	}
	at, err := p.r.at(ctx, head)
	if change == nil {
		if bad := (*registry.Error)(nil); errors.As(err, &bad) {
			err = &PushError{Registry: p.reg.Source, Reason: "its branch " + strings.TrimPrefix(ref, "refs/heads/") + " holds something else than a registry",
				HintText: "name another branch: git:URL#BRANCH; or commit an index.yml that says packages: {}"}
		}
		return nil, "", err
	}
	var ix *registry.GitIndex
	if err == nil {
		ix, err = p.r.readIndexAlone(ctx, at)
	}
	if err == nil {
		e, err = change(at, ix)
	}
	if err != nil {
		return nil, "", p.unlessMoved(ctx, err, ref, head)
	}
	return e, strings.TrimSuffix(at.file, indexFile), nil
}

// commit makes a commit of e on head, "" for a first one, and pushes it to ref.
func (p *Publisher) commit(ctx context.Context, git *system, head, ref, prefix string, e *edit) (ident.Commit, error) {
	m := p.r.mirror
	release, err := m.lock(ctx)
	if err != nil {
		return "", err
	}
	defer release()
	dir := m.dir(git, head)
	if err := git.prepare(ctx, dir, head); err != nil {
		return "", err
	}
	commit, err := git.commit(ctx, dir, head, prefix, e, p.now())
	if err != nil {
		return "", m.explain(err)
	}
	if err := git.push(ctx, m.remote, dir, commit, ref); err != nil {
		return "", p.explain(err, ref)
	}
	m.forget()
	return ident.Commit(commit), nil
}

// unlessMoved is err, or a *lateError where a head could not be fetched since the branch moved on: not every server gives what was
// its head a moment ago.
func (p *Publisher) unlessMoved(ctx context.Context, err error, ref, head string) error {
	var unavailable *sources.UnavailableError
	if !errors.As(err, &unavailable) {
		return err
	}
	p.r.mirror.forget()
	if list, again := p.r.mirror.refs(ctx); again == nil && list.Commit[ref] != head {
		return &lateError{}
	}
	return err
}

// forget has the remote asked for its refs again.
func (m *mirror) forget() {
	m.mu.Lock()
	m.asked = nil
	m.mu.Unlock()
}

// explain puts what git push complains of into words.
func (p *Publisher) explain(err error, ref string) error {
	var run *runError
	branch := strings.TrimPrefix(ref, "refs/heads/")
	switch exit := (*exec.ExitError)(nil); {
	case !errors.As(err, &run) || !errors.As(err, &exit):
		return p.r.mirror.explain(err)
	case says(err, "[rejected]", "cannot lock ref", "failed to update ref", "incorrect old value", "reference already exists", "fetch first"):
		return &lateError{}
	case says(err, "denycurrentbranch", "branch is currently checked out"):
		return &PushError{Registry: p.reg.Source, Reason: "its branch " + branch + " is checked out there, and would not be what its files are", HintText: "publish to a bare repository: git clone --bare makes one"}
	case says(err, "[remote rejected]"):
		return &PushError{Registry: p.reg.Source, Reason: "it does not take the commit: " + remoteWords(run.stderr), HintText: "the branch " + branch + " may be protected there: ask who runs it"}
	}
	return p.r.mirror.explain(err)
}

// remoteWords is why a server refused: the reason of git, and what the server itself says, which is more.
func remoteWords(stderr string) string {
	reason, said := "it gives no reason", ""
	for line := range strings.Lines(stderr) {
		if text, ok := strings.CutPrefix(line, "remote:"); ok {
			text = strings.TrimPrefix(ident.CleanText(strings.TrimSpace(text)), "error: ")
			if text != "" && len(said)+len(text) <= maxRemoteWords {
				said += " " + text
			}
		} else if _, why, ok := strings.Cut(line, "[remote rejected]"); ok {
			if i := strings.LastIndexByte(why, '('); i >= 0 {
				reason = ident.CleanText(strings.Trim(strings.TrimSpace(why[i:]), "()"))
			}
		}
	}
	if said != "" {
		return reason + ":" + said
	}
	return reason
}

// maxRemoteWords bounds what is told of a server's words, in bytes.
const maxRemoteWords = 400

// lateError is somebody else who was first.
type lateError struct{}

func (*lateError) Error() string { return "somebody else pushed first" }

// PushError is a git registry that cannot be published to as it is.
type PushError struct {
	Registry ident.SourceID
	Reason   string
	HintText string
}

func (e *PushError) Error() string { return fmt.Sprintf("%s: %s", e.Registry, e.Reason) }

// Hint says what to do, or "".
func (e *PushError) Hint() string { return e.HintText }

// ExistsError is a version that is published with other content.
type ExistsError struct {
	Name    ident.Name
	Version ident.Version
	Reason  string
}

func (e *ExistsError) Error() string {
	return fmt.Sprintf("%s@%s is published with other content: %s", e.Name, e.Version, e.Reason)
}

// NoVersionError is a version that a registry does not have.
type NoVersionError struct {
	Name    ident.Name
	Version ident.Version
}

func (e *NoVersionError) Error() string { return fmt.Sprintf("there is no %s@%s", e.Name, e.Version) }

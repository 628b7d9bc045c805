package git

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/openpackage/opkg/internal/event"
)

// historian is an engine that can tell whether branches and tags lead to a commit, at little cost.
type historian interface {
	// reached reports whether some branch or tag of the remote leads to the commit; known is false where that cannot be seen.
	reached(ctx context.Context, r remote, dir, commit string) (yes, known bool)
}

// checkReach warns of a locked commit, fetched just now, that no branch or tag leads to any more: its history was rewritten, or somebody
// edited the lock (hosts give the commits of forks under the URL of the repository that was forked). It is no error, since a branch that was
// rewritten must not break everybody's sync; and it looks only as far as the server lets it.
func (m *mirror) checkReach(ctx context.Context, commit string) {
	list, err := m.refs(ctx)
	if err != nil {
		return
	}
	for _, id := range list.Commit {
		if id == commit {
			return
		}
	}
	e := m.host.choose(ctx)
	h, ok := e.(historian)
	if !ok {
		return
	}
	release, err := m.lock(ctx)
	if err != nil {
		return
	}
	defer release()
	if yes, known := h.reached(ctx, m.remote, m.dir(e, commit), commit); known && !yes {
		m.host.opt.Observer.Emit(event.Event{Kind: event.Warning, Source: m.url,
			Text: fmt.Sprintf("no branch or tag of %s leads to commit %s any more", m.url, commit),
			Hint: "its history was rewritten, or somebody edited opkg.lock: compare with the lock's own history; opkg lock --upgrade takes what is there now"})
	}
}

// historyDepth is how many commits behind each branch and tag are looked at.
const historyDepth = 1000

// reached implements historian with the commits alone, in a mirror of their own, where the server can leave out all else.
func (s *system) reached(ctx context.Context, r remote, dir, commit string) (yes, known bool) {
	s.mu.Lock()
	whole := s.whole[dir]
	s.mu.Unlock()
	if whole {
		return false, false
	}
	history := strings.TrimSuffix(dir, ".git") + ".history.git"
	if err := s.prepare(ctx, history, commit); err != nil {
		return false, false
	}
	args := append(fetchArgs[:len(fetchArgs):len(fetchArgs)], "--filter=tree:0", fmt.Sprintf("--depth=%d", historyDepth), "--prune", "--", remoteName,
		"+refs/heads/*:refs/opkg-all/heads/*", "+refs/tags/*:refs/opkg-all/tags/*")
	if _, err := s.run(ctx, s.command(ctx, r, history, args...), nil); err != nil {
		return false, false
	}
	out, err := s.run(ctx, s.command(ctx, remote{}, history, "for-each-ref", "--count=1", "--contains="+commit, "refs/opkg-all"), nil)
	if err == nil && len(out) > 0 {
		return true, true
	}
	_, err = os.Stat(filepath.Join(history, "shallow"))
	return false, os.IsNotExist(err)
}

package git

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/openpackage/opkg/internal/held"
)

// remoteName is a name that nobody's own configuration says anything of.
const remoteName = "opkg"

// system is the engine that runs the git of the system.
type system struct {
	path    string   // of the program
	version string   // as it says it
	environ []string // NAME=value
	home    string   // a directory of our own, where git looks for nothing

	mu    sync.Mutex
	whole map[string]bool // mirrors whose server does not leave out what it is told to
}

// oldest is the first git that takes settings from its environment, which keeps secrets off command lines.
var oldest = [2]int{2, 31}

// findSystem looks for git in the PATH of environ; nil where there is none that runs and is new enough. home is the directory of the mirrors.
func findSystem(ctx context.Context, environ []string, home string) *system {
	for _, dir := range filepath.SplitList(lookup(environ, "PATH")) {
		if !filepath.IsAbs(dir) {
			continue
		}
		path, err := exec.LookPath(filepath.Join(dir, "git"))
		if err != nil {
			continue
		}
		s := &system{path: path, environ: environ, home: home, whole: map[string]bool{}}
		out, err := s.run(ctx, s.command(ctx, remote{}, "", "version"), nil)
		if err != nil {
			continue
		}
		s.version = strings.TrimSpace(string(out))
		var have [2]int
		if _, err := fmt.Sscanf(s.version, "git version %d.%d", &have[0], &have[1]); err != nil || slices.Compare(have[:], oldest[:]) < 0 {
			continue
		}
		return s
	}
	return nil
}

func lookup(environ []string, name string) string {
	for i := len(environ) - 1; i >= 0; i-- {
		if key, value, ok := strings.Cut(environ[i], "="); ok && (key == name || runtime.GOOS == "windows" && strings.EqualFold(key, name)) {
			return value
		}
	}
	return ""
}

func (s *system) about() string { return s.version }

// settings keep git from doing anything but what it is asked for.
var settings = []string{
	"core.hooksPath=" + os.DevNull, "core.fsmonitor=false", "core.logAllRefUpdates=false", "gc.auto=0", "maintenance.auto=false",
	"fetch.recurseSubmodules=false", "submodule.recurse=false", "fetch.prune=false", "fetch.writeCommitGraph=false", "protocol.version=2",
	"credential.interactive=never", "advice.detachedHead=false",
	// A server that is at work says so every five seconds; one that says nothing for two minutes is given up. The user's own
	// GIT_HTTP_LOW_SPEED_LIMIT and GIT_HTTP_LOW_SPEED_TIME go before.
	"http.lowSpeedLimit=1", "http.lowSpeedTime=120",
}

// command prepares git. A zero remote keeps it from every transport.
func (s *system) command(ctx context.Context, r remote, dir string, args ...string) *exec.Cmd {
	var all []string
	for _, setting := range settings {
		all = append(all, "-c", setting)
	}
	cmd := exec.CommandContext(ctx, s.path, append(all, args...)...)
	cmd.Env = s.env(r, dir)
	if _, err := os.Stat(s.home); err == nil { // not where anybody else may put files
		cmd.Dir = s.home
	}
	cmd.WaitDelay = 5 * time.Second
	detach(cmd)
	return cmd
}

// keep reports whether a variable of the user's goes on to git: not what names another repository, replaces objects, or
// traces secrets. What concerns credentials, ssh, proxies and certificates stays.
func keep(name string) bool {
	if strings.HasPrefix(name, "OPKG_") {
		return false
	}
	rest, ok := strings.CutPrefix(name, "GIT_")
	if !ok {
		return name != "SSH_ASKPASS" && name != "LANGUAGE" && name != "LC_ALL"
	}
	switch rest {
	case "SSH", "SSH_COMMAND", "SSH_VARIANT", "ASKPASS", "EXEC_PATH", "CONFIG_GLOBAL", "CONFIG_SYSTEM", "CONFIG_NOSYSTEM", "CONFIG_COUNT", "PROXY_SSL_CAINFO", "PROXY_SSL_CERT",
		"PROXY_SSL_KEY", "HTTP_PROXY_AUTHMETHOD", "HTTP_LOW_SPEED_LIMIT", "HTTP_LOW_SPEED_TIME":
		return true
	}
	return strings.HasPrefix(rest, "SSL_") || strings.HasPrefix(rest, "CONFIG_KEY_") || strings.HasPrefix(rest, "CONFIG_VALUE_")
}

// env is what git sees. Settings that hold a URL or a secret go here: on the command line everybody could read them.
func (s *system) env(r remote, dir string) []string {
	var env []string
	for _, v := range s.environ {
		if name, _, _ := strings.Cut(v, "="); keep(name) {
			env = append(env, v)
		}
	}
	if dir == "" {
		dir = filepath.Join(s.home, "none") // never made: git looks for no other
	}
	env = append(env, "GIT_DIR="+dir, "GIT_TERMINAL_PROMPT=0", "SSH_ASKPASS_REQUIRE=never", "GCM_INTERACTIVE=never", "LC_ALL=C",
		"GIT_NO_REPLACE_OBJECTS=1", "GIT_DEFAULT_REF_FORMAT=files", "GIT_NO_LAZY_FETCH=1", "GIT_PROTOCOL_FROM_USER=0", "GIT_ALLOW_PROTOCOL="+r.protocols())
	if r.url == "" {
		return env
	}
	n, _ := strconv.Atoi(lookup(s.environ, "GIT_CONFIG_COUNT"))
	set := func(key, value string) {
		env = append(env, fmt.Sprintf("GIT_CONFIG_KEY_%d=%s", n, key), fmt.Sprintf("GIT_CONFIG_VALUE_%d=%s", n, value))
		n++
	}
	set("remote."+remoteName+".url", r.url)
	for _, h := range r.headers {
		set("http."+r.url+".extraHeader", h)
	}
	if len(r.headers) > 0 { // they would be sent along to wherever the server points
		set("http.followRedirects", "false")
	}
	if r.caFile != "" {
		set("http."+r.url+".sslCAInfo", r.caFile)
	}
	return append(env, fmt.Sprintf("GIT_CONFIG_COUNT=%d", n))
}

// protocols are the transports that the URL asks for, as GIT_ALLOW_PROTOCOL has them. The user's own configuration may turn https
// into ssh.
func (r remote) protocols() string {
	switch {
	case r.url == "":
		return "none"
	case strings.HasPrefix(r.url, "http://"):
		return "http:https:ssh"
	case r.isLocal():
		return "file"
	}
	return "https:ssh"
}

// isLocal reports whether the repository is a directory of this machine.
func (r remote) isLocal() bool {
	return strings.HasPrefix(r.url, "file:") || filepath.IsAbs(r.url)
}

// maxStderr bounds what is kept of what git says, in bytes.
const maxStderr = 64 << 10

// head keeps the first maxStderr bytes.
type head struct{ bytes.Buffer }

func (h *head) Write(p []byte) (int, error) {
	if room := maxStderr - h.Len(); room > 0 {
		h.Buffer.Write(p[:min(len(p), room)])
	}
	return len(p), nil
}

// runError is a git that failed.
type runError struct {
	stderr string
	err    error
}

func (e *runError) Error() string { return "git: " + lastWords(e.stderr, e.err) }
func (e *runError) Unwrap() error { return e.err }

// maxOutput bounds what is read of a command's output at once, in bytes: a listing of refs.
const maxOutput = 64 << 20

// run runs a command to its end and returns what it writes.
func (s *system) run(ctx context.Context, cmd *exec.Cmd, stdin io.Reader) ([]byte, error) {
	var out []byte
	err := s.pipe(ctx, cmd, stdin, func(r io.Reader) (err error) {
		out, err = io.ReadAll(io.LimitReader(r, maxOutput+1))
		if len(out) > maxOutput {
			err = errors.New("git writes too much")
		}
		return err
	})
	return out, err
}

// pipe runs a command while f reads what it writes.
func (s *system) pipe(ctx context.Context, cmd *exec.Cmd, stdin io.Reader, f func(io.Reader) error) error {
	stderr, ok := cmd.Stderr.(*head)
	if !ok {
		stderr = &head{}
	}
	cmd.Stdin, cmd.Stderr = stdin, stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("run git: %w", err)
	}
	err = f(out)
	if err != nil {
		_ = cmd.Cancel()
	}
	_, _ = io.Copy(io.Discard, out)
	waitErr := cmd.Wait()
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil:
		return err
	case waitErr != nil:
		return &runError{stderr.String(), waitErr}
	}
	return nil
}

func (s *system) refs(ctx context.Context, r remote) (refs, error) {
	out, err := s.run(ctx, s.command(ctx, r, "", "ls-remote", "--symref", "--", remoteName, "HEAD", "refs/heads/*", "refs/tags/*"), nil)
	if err != nil {
		return refs{}, err
	}
	return parseRefs(string(out)), nil
}

// credential implements credentialer with the user's credential helpers.
func (s *system) credential(ctx context.Context, r remote, url string) (user, password string, ok bool) {
	out, err := s.run(ctx, s.command(ctx, r, "", "credential", "fill"), strings.NewReader("url="+url+"\n\n"))
	if err != nil {
		return "", "", false
	}
	for line := range strings.Lines(string(out)) {
		switch key, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "="); key {
		case "username":
			user = value
		case "password":
			password, ok = value, true
		}
	}
	return user, password, ok
}

// prepare makes the mirror where there is none. The caller holds its lock.
func (s *system) prepare(ctx context.Context, dir string, id string) error {
	if _, err := os.Stat(dir); err == nil {
		sweep(dir)
		return nil
	}
	format := "sha1"
	if len(id) == 64 {
		format = "sha256"
	}
	fresh := dir + ".new" // it appears whole
	if err := os.RemoveAll(fresh); err != nil {
		return err
	}
	if _, err := s.run(ctx, s.command(ctx, remote{}, fresh, "init", "-q", "--bare", "--template=", "--object-format="+format), nil); err != nil {
		return err
	}
	return held.Retry(func() error { return os.Rename(fresh, dir) })
}

func (s *system) fetch(ctx context.Context, r remote, dir, commit, _ string) error {
	if err := s.prepare(ctx, dir, commit); err != nil {
		return err
	}
	to := keptRef(commit)
	cmd := s.command(ctx, r, dir, append(fetchArgs[:len(fetchArgs):len(fetchArgs)], "--depth=1", "--filter=blob:none", "--", remoteName, "+"+commit+":"+to)...)
	said := &head{}
	cmd.Stderr = said
	_, err := s.run(ctx, cmd, nil)
	if err != nil || strings.Contains(said.String(), "filtering not recognized") {
		s.mu.Lock()
		s.whole[dir] = true
		s.mu.Unlock()
	}
	if err == nil || !refusesCommit(err) {
		return err
	}
	return s.fetchAll(ctx, r, dir, commit)
}

var fetchArgs = []string{"fetch", "-q", "--no-tags", "--no-write-fetch-head", "--recurse-submodules=no"}

// fetchAll is for servers that give no commit by its name: all branches and tags, whole.
func (s *system) fetchAll(ctx context.Context, r remote, dir, commit string) error {
	args := fetchArgs[:len(fetchArgs):len(fetchArgs)]
	if _, err := os.Stat(filepath.Join(dir, "shallow")); err == nil {
		args = append(args, "--unshallow")
	}
	args = append(args, "--no-filter", "--", remoteName, "+refs/heads/*:refs/opkg-all/heads/*", "+refs/tags/*:refs/opkg-all/tags/*")
	if _, err := s.run(ctx, s.command(ctx, r, dir, args...), nil); err != nil {
		return err
	}
	if _, err := s.run(ctx, s.command(ctx, remote{}, dir, "cat-file", "-e", commit+"^{commit}"), nil); err != nil {
		return errGone
	}
	_, err := s.run(ctx, s.command(ctx, remote{}, dir, "update-ref", "--end-of-options", keptRef(commit), commit), nil)
	return err
}

func (s *system) bring(ctx context.Context, r remote, dir, commit string, trees, blobs []string) error {
	out, err := s.run(ctx, s.command(ctx, remote{}, dir, "rev-list", "--objects", "--missing=print", "--no-object-names", "--stdin"), lines(trees))
	if err != nil {
		return err
	}
	missing := map[string]bool{}
	for line := range strings.Lines(string(out)) {
		if id, ok := strings.CutPrefix(line, "?"); ok {
			missing[strings.TrimSpace(id)] = true
		}
	}
	var want []string
	for _, id := range blobs {
		if missing[id] {
			want = append(want, id)
			delete(missing, id)
		}
	}
	if len(want) == 0 {
		return nil
	}
	args := append(fetchArgs[:len(fetchArgs):len(fetchArgs)], "--filter=blob:none", "--stdin", "--", remoteName)
	cmd := s.command(ctx, r, dir, append([]string{"-c", "fetch.negotiationAlgorithm=noop"}, args...)...)
	_, err = s.run(ctx, cmd, lines(want))
	if err == nil || !refusesCommit(err) {
		return err
	}
	// The server leaves blobs out, but does not give them one by one.
	again := append(fetchArgs[:len(fetchArgs):len(fetchArgs)], "--refetch", "--no-filter", "--depth=1", "--", remoteName, "+"+commit+":"+keptRef(commit))
	_, err = s.run(ctx, s.command(ctx, r, dir, again...), nil)
	return err
}

func lines(list []string) io.Reader {
	if len(list) == 0 {
		return strings.NewReader("")
	}
	return strings.NewReader(strings.Join(list, "\n") + "\n")
}

func (s *system) read(ctx context.Context, dir string, ids []string, f func(object) error) error {
	if len(ids) == 0 {
		return nil
	}
	return s.pipe(ctx, s.command(ctx, remote{}, dir, "cat-file", "--batch"), lines(ids), func(out io.Reader) error {
		r := bufio.NewReaderSize(out, 64<<10)
		for _, id := range ids {
			header, err := r.ReadString('\n')
			if err != nil {
				return fmt.Errorf("%w: %s", errMissing, id)
			}
			fields := strings.Fields(header)
			if len(fields) != 3 || fields[0] != id {
				return fmt.Errorf("%w: %s", errMissing, id)
			}
			size, err := strconv.ParseInt(fields[2], 10, 64)
			if err != nil || size < 0 {
				return fmt.Errorf("git says %q of an object", header)
			}
			body := &io.LimitedReader{R: r, N: size}
			if err := f(object{id: id, kind: fields[1], size: size, body: body}); err != nil {
				return err
			}
			if _, err := io.Copy(io.Discard, body); err != nil {
				return err
			}
			if _, err := r.Discard(1); err != nil {
				return fmt.Errorf("%w: %s is cut short", errMissing, id)
			}
		}
		return nil
	})
}

package git

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/openpackage/opkg/ident"
	"github.com/openpackage/opkg/sources"
)

// sshServer is an sshd of this user's own.
type sshServer struct {
	addr  string // host:port
	user  string
	known string // its line in known_hosts
	key   string // the file of a key that it takes
}

// program finds a program that the test requires.
func program(t testing.TB, names ...string) string {
	t.Helper()
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	require(t, "there is no "+names[0])
	return ""
}

// require skips a test that the machine cannot run, or fails it where OPKG_REQUIRE says that it must run.
func require(t testing.TB, why string) {
	t.Helper()
	if os.Getenv("OPKG_REQUIRE") != "" {
		t.Fatal(why)
	}
	t.Skip(why)
}

func startSSH(t testing.TB) *sshServer {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("it needs a POSIX sshd")
	}
	sshd, keygen := program(t, "sshd", "/usr/sbin/sshd"), program(t, "ssh-keygen")
	ssh := program(t, "ssh")
	dir := t.TempDir()
	for _, name := range []string{"host", "key"} {
		if out, err := exec.Command(keygen, "-q", "-t", "ed25519", "-N", "", "-f", filepath.Join(dir, name)).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	public, err := os.ReadFile(filepath.Join(dir, "key.pub"))
	if err != nil {
		t.Fatal(err)
	}
	hostKey, err := os.ReadFile(filepath.Join(dir, "host.pub"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "authorized"), public, 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	_, port, _ := net.SplitHostPort(addr)
	config := fmt.Sprintf("Port %s\nListenAddress 127.0.0.1\nHostKey %s\nAuthorizedKeysFile %s\nPidFile none\nStrictModes no\nUsePAM no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin yes\nLogLevel ERROR\n",
		port, filepath.Join(dir, "host"), filepath.Join(dir, "authorized"))
	if err := os.WriteFile(filepath.Join(dir, "config"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() == 0 { // where sshd sheds its privileges
		_ = os.MkdirAll("/run/sshd", 0o755)
	}
	cmd := exec.Command(sshd, "-D", "-e", "-f", filepath.Join(dir, "config"))
	log := &head{}
	cmd.Stderr = log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	for i := 0; ; i++ {
		c, err := net.Dial("tcp", addr)
		if err == nil {
			c.Close()
			break
		}
		if i == 200 {
			t.Fatalf("sshd does not answer: %s", log)
		}
		time.Sleep(20 * time.Millisecond)
	}
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	login := exec.Command(ssh, "-F", "none", "-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null",
		"-i", filepath.Join(dir, "key"), "-p", port, me.Username+"@127.0.0.1", "exit")
	if out, err := login.CombinedOutput(); err != nil { // as a user without a shell
		require(t, fmt.Sprintf("sshd does not let %s in: %s", me.Username, out))
	}
	fields := strings.Fields(string(hostKey))
	return &sshServer{addr: addr, user: me.Username, key: filepath.Join(dir, "key"), known: fmt.Sprintf("[127.0.0.1]:%s %s %s\n", port, fields[0], fields[1])}
}

// settings let both engines use these known hosts, and the key if it is to be used.
func (s *sshServer) settings(t testing.TB, known string, withKey bool) func(*Options) {
	t.Helper()
	home := t.TempDir()
	dir := filepath.Join(home, ".ssh")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "known_hosts"), []byte(known), 0o600); err != nil {
		t.Fatal(err)
	}
	if withKey {
		data, err := os.ReadFile(s.key)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "id_ed25519"), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	// ssh asks the system, not $HOME, where the home directory is.
	command := fmt.Sprintf("ssh -F none -o IdentitiesOnly=yes -o IdentityFile=%[1]s/id_ed25519 -o UserKnownHostsFile=%[1]s/known_hosts -o GlobalKnownHostsFile=/dev/null", dir)
	return func(o *Options) { o.Environ = append(testEnv(home), "GIT_SSH_COMMAND="+command) }
}

func TestSSH(t *testing.T) {
	needGit(t)
	server := startSSH(t)
	other := startSSH(t)
	top := t.TempDir()
	for _, engine := range []string{"system", "go-git"} {
		t.Run(engine, func(t *testing.T) {
			h := &harness{T: t, engine: engine, top: filepath.Join(top, engine)}
			repo := newRepo(h, h.top, "tool")
			repo.write(map[string]string{"openpackage.yml": "name: tool\n"})
			commit := repo.commit("one")
			repo.git("", "tag", "v1.0.0")
			url := fmt.Sprintf("ssh://%s@%s%s", server.user, server.addr, filepath.ToSlash(filepath.Join(h.top, "tool")))
			if got, err := ident.ParseGitURL(url); err != nil || got != url {
				t.Fatal(got, err)
			}
			_, port, _ := net.SplitHostPort(server.addr)
			lie := strings.Replace(other.known, strings.Split(other.known, " ")[0], "[127.0.0.1]:"+port, 1)
			for name, c := range map[string]struct {
				known string
				key   bool
				hint  string
			}{
				"good":         {server.known, true, ""},
				"unknown host": {"", true, "known_hosts"},
				"other key":    {lie, true, "known_hosts"},
				"no key":       {server.known, false, "ssh agent"},
			} {
				h.cache = filepath.Join(t.TempDir(), "git")
				p, err := h.host(server.settings(t, c.known, c.key)).Package("tool", url, "", "")
				if err != nil {
					t.Fatal(err)
				}
				tags, err := p.Tags(context.Background())
				if c.hint != "" {
					var unavailable *sources.UnavailableError
					if !errors.As(err, &unavailable) || !strings.Contains(unavailable.Hint(), c.hint) {
						t.Errorf("%s: %v (%s)", name, err, unavailable.Hint())
					}
					continue
				}
				if err != nil || len(tags) != 1 {
					t.Errorf("%s: %v %v", name, tags, err)
					continue
				}
				a, err := p.Open(context.Background(), sources.Ref{Name: "tool", Commit: commit})
				if err != nil {
					t.Errorf("%s: %v", name, err)
				} else if got := contents(t, a); got != "644 openpackage.yml: \"name: tool\\n\"" {
					t.Error(got)
				}
			}
		})
	}
}

func TestSSHHost(t *testing.T) {
	for url, want := range map[string]string{
		"ssh://me@host/x": "me host:22", "ssh://host:2222/x": "git host:2222", "git@host:x.git": "git host:22", "host:x": "git host:22", "git@[::1]:x": "git [::1]:22", "ssh://git@[::1]:2222/x": "git [::1]:2222",
	} {
		r := remote{url: url}
		user, addr := r.sshHost()
		if got := user + " " + addr; got != want || !r.isSSH() {
			t.Errorf("%s: %s %v", url, got, r.isSSH())
		}
	}
	for _, url := range []string{"https://host/x", "/x", "file:///x", "http://127.0.0.1/x"} {
		if (remote{url: url}).isSSH() {
			t.Error(url)
		}
	}
}

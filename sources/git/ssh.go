package git

import (
	"cmp"
	"errors"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/go-git/go-git/v5/plumbing/transport"
	gitssh "github.com/go-git/go-git/v5/plumbing/transport/ssh"
	"golang.org/x/crypto/ssh"
)

// isSSH reports whether the repository is reached by ssh.
func (r remote) isSSH() bool {
	return strings.HasPrefix(r.url, "ssh://") || !strings.Contains(r.url, "://") && !r.isLocal()
}

// sshHost is the user, and host:port, of a remote that isSSH.
func (r remote) sshHost() (user, hostPort string) {
	host, port := "", "22"
	if rest, ok := strings.CutPrefix(r.url, "ssh://"); ok {
		u, err := url.Parse("ssh://" + rest)
		if err != nil {
			return "", ""
		}
		user, host, port = u.User.Username(), u.Hostname(), cmp.Or(u.Port(), port)
	} else {
		from := max(0, strings.Index(r.url, "]:")) // an IPv6 address has colons of its own
		at := r.url[:from+strings.IndexByte(r.url[from:], ':')]
		if i := strings.LastIndexByte(at, '@'); i >= 0 {
			user = at[:i]
			at = at[i+1:]
		}
		host = strings.Trim(at, "[]")
	}
	return cmp.Or(user, gitssh.DefaultUsername), net.JoinHostPort(host, port)
}

// identities are the keys that ssh itself tries by default, as far as they have no passphrase.
var identities = []string{"id_ed25519", "id_ecdsa", "id_rsa"}

// sshAuth offers the keys of the agent, then those of ~/.ssh, to a host whose key is in known_hosts and to no other.
func (g goGit) sshAuth(r remote) (transport.AuthMethod, error) {
	home := filepath.Join(cmp.Or(lookup(g.environ, "HOME"), lookup(g.environ, "USERPROFILE")), ".ssh")
	user, hostPort := r.sshHost()
	known, err := gitssh.NewKnownHostsDb(filepath.Join(home, "known_hosts"), "/etc/ssh/ssh_known_hosts")
	if err != nil {
		return nil, errors.New("knownhosts: there is no known_hosts file")
	}
	auth := &gitssh.PublicKeysCallback{User: user, Callback: func() (keys []ssh.Signer, err error) {
		if lookup(g.environ, "SSH_AUTH_SOCK") != "" {
			if agent, err := gitssh.NewSSHAgentAuth(user); err == nil {
				keys, _ = agent.Callback()
			}
		}
		for _, name := range identities {
			data, err := os.ReadFile(filepath.Join(home, name))
			if err != nil {
				continue
			}
			if key, err := ssh.ParsePrivateKey(data); err == nil {
				keys = append(keys, key)
			}
		}
		return keys, nil
	}}
	auth.HostKeyCallback = known.HostKeyCallback()
	auth.HostKeyAlgorithms = known.HostKeyAlgorithms(hostPort)
	return auth, nil
}

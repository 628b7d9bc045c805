package transport

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"sync"
	"syscall"

	"github.com/openpackage/opkg/internal/origin"
)

// proxyFor notes which proxies are used: their addresses are the user's choice, not a server's.
func (s *Site) proxyFor(req *http.Request) (*url.URL, error) {
	p, err := s.c.proxy(req.URL)
	if err != nil || p == nil {
		return nil, err
	}
	hostPort := p.Host
	if p.Port() == "" {
		hostPort = net.JoinHostPort(p.Hostname(), map[string]string{"https": "443", "socks5": "1080", "socks5h": "1080"}[p.Scheme])
		if p.Scheme == "http" {
			hostPort = net.JoinHostPort(p.Hostname(), "80")
		}
	}
	s.mu.Lock()
	s.proxies[hostPort] = true
	s.mu.Unlock()
	return p, nil
}

// dial connects to addr. Where addr is neither the registry, nor a proxy or host of the user's, the address that the name
// resolves to must not lie further inside than the registry's own; and a site that another one named, not further than that one.
func (s *Site) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	own, judge := addr == s.origin.HostPort(), s
	if own && s.opt.NamedBy != nil {
		judge = s.opt.NamedBy
	}
	s.mu.Lock()
	trusted := addr == judge.origin.HostPort() || s.proxies[addr]
	s.mu.Unlock()
	d := net.Dialer{Timeout: s.c.opt.Limits.Connect}
	if !trusted && !origin.HostIn(addr, s.opt.Hosts) {
		d.ControlContext = func(ctx context.Context, _, address string, _ syscall.RawConn) error {
			ap, err := netip.ParseAddrPort(address)
			if err != nil {
				return err
			}
			return judge.checkReach(ctx, addr, origin.ReachOf(ap.Addr()))
		}
	}
	var reading sync.WaitGroup // while the server is reached, rather than when it waits for its own certificate to be judged
	if s.opt.Base.Scheme == "https" || s.pem != nil {
		reading.Go(func() { s.roots.Do(s.readRoots) })
	}
	conn, err := d.DialContext(ctx, network, addr)
	reading.Wait()
	if err == nil && own {
		s.noteReach(conn.RemoteAddr())
	}
	return conn, err
}

// noteReach keeps the least reach of the registry's addresses.
func (s *Site) noteReach(a net.Addr) {
	ap, err := netip.ParseAddrPort(a.String())
	if err != nil {
		return
	}
	r := origin.ReachOf(ap.Addr())
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.reached == nil || r < *s.reached {
		s.reached = &r
	}
}

// checkReach refuses to send a client from the registry to what lies further inside.
func (s *Site) checkReach(ctx context.Context, target string, to origin.Reach) error {
	if origin.HostReach(s.origin.Hostname()).Permits(to) || s.reach(ctx).Permits(to) {
		return nil
	}
	return &RefusedError{From: string(s.origin), Target: target, Reason: fmt.Sprintf("it has %s address", to),
		HintText: "if this host is yours, add it to artifact-hosts in the config.yml of your own OPKG_HOME"}
}

// reach is where the registry itself stands: as it was reached, or else as its name resolves.
func (s *Site) reach(ctx context.Context) origin.Reach {
	s.mu.Lock()
	known := s.reached
	s.mu.Unlock()
	if known != nil {
		return *known
	}
	addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip", s.origin.Hostname())
	if err != nil || len(addrs) == 0 {
		return origin.Public
	}
	least := origin.LinkLocal
	for _, a := range addrs {
		least = min(least, origin.ReachOf(a))
	}
	return least
}

// checkTarget decides whether a request may go from the URL from (the registry's, or that of a redirect) to u.
func (s *Site) checkTarget(ctx context.Context, from, u *url.URL) error {
	refuse := func(reason, hint string) error {
		return &RefusedError{From: origin.Show(from), Target: origin.Show(u), Reason: reason, HintText: hint}
	}
	target := origin.Of(u)
	if u.Scheme == "http" {
		own := target == s.origin && (s.opt.Insecure || s.origin.IsLoopback())
		if from.Scheme != "http" || !own && !target.IsLoopback() {
			return refuse(ErrInsecure.Error(), "")
		}
	}
	if target == s.origin || origin.HostIn(target.HostPort(), s.opt.Hosts) {
		return nil
	}
	return s.checkReach(ctx, origin.Show(u), origin.HostReach(target.Hostname()))
}

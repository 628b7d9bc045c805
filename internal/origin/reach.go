package origin

import (
	"net/netip"
	"strings"
)

// Reach says how far into its own network a client gets by connecting to an address.
type Reach uint8

// From everybody's to one's own. A server may send a client to an address of its own reach or a
// lesser one. LinkLocal also stands for what is no host at all: multicast, broadcast, reserved.
const (
	Public    Reach = iota
	Private         // RFC 1918, RFC 6598, unique local
	Loopback        // this machine
	LinkLocal       // this link, where clouds serve their secrets
)

func (r Reach) String() string {
	return [...]string{"a public", "a private", "a loopback", "a link-local or reserved"}[r]
}

// Permits reports whether a server of reach r may send a client to an address of reach to.
func (r Reach) Permits(to Reach) bool {
	if to == LinkLocal {
		return r == LinkLocal
	}
	return to <= r
}

var (
	privateNets = prefixes("100.64.0.0/10", "192.0.0.0/24", "198.18.0.0/15", "fec0::/10")
	selfNets    = prefixes("0.0.0.0/8", "::/128")
	noHostNets  = prefixes("240.0.0.0/4", "192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "100::/64", "2001:db8::/32")
	// An IPv4 address stands inside these: NAT64 (RFC 6052, RFC 8215) at byte 12, 6to4 at byte 2.
	nat64Nets = prefixes("64:ff9b::/96", "64:ff9b:1::/96", "::/96")
	net6to4   = netip.MustParsePrefix("2002::/16")
)

func prefixes(list ...string) []netip.Prefix {
	out := make([]netip.Prefix, len(list))
	for i, s := range list {
		out[i] = netip.MustParsePrefix(s)
	}
	return out
}

// ReachOf classifies an address. Forms that carry an IPv4 address are judged by that.
func ReachOf(a netip.Addr) Reach {
	a = a.Unmap().WithZone("")
	switch {
	case a.IsLoopback(), within(a, selfNets):
		return Loopback
	case a.IsLinkLocalUnicast(), a.IsMulticast(), within(a, noHostNets), !a.IsValid():
		return LinkLocal
	case a.IsPrivate(), within(a, privateNets):
		return Private
	}
	if a.Is6() {
		b := a.As16()
		switch {
		case within(a, nat64Nets):
			return ReachOf(netip.AddrFrom4([4]byte(b[12:16])))
		case net6to4.Contains(a):
			return ReachOf(netip.AddrFrom4([4]byte(b[2:6])))
		}
	}
	return Public
}

func within(a netip.Addr, nets []netip.Prefix) bool {
	for _, n := range nets {
		if n.Contains(a) {
			return true
		}
	}
	return false
}

// HostReach is what can be said of a host without asking a resolver: an IP address by itself, localhost and what is
// under it as Loopback, any other name as Public.
func HostReach(host string) Reach {
	if a, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
		return ReachOf(a)
	}
	name := strings.TrimSuffix(strings.ToLower(host), ".")
	if name == "localhost" || strings.HasSuffix(name, ".localhost") {
		return Loopback
	}
	return Public
}

// IsLoopback reports whether plain http to o stays on this machine.
func (o Origin) IsLoopback() bool { return HostReach(o.Hostname()) == Loopback }

package transport

import (
	"context"
	"crypto/tls"
	"net/http/httptrace"
	"slices"
	"sync"
	"time"
)

// How many requests to one host are under way at once.
const (
	maxNear    = 8   // to a server that answers at once: each further connection costs more than it brings
	maxFar     = 64  // to one that does not
	maxStreams = 100 // on a connection of HTTP/2: as many as most servers allow
)

// gate bounds the requests that are under way to one host, so that few connections do the work of many:
//
//   - The first request over TLS goes alone until it has a connection. If that speaks HTTP/2, all others go over it, and no second
//     handshake is made.
//   - Else maxNear go at once. When one waits longer than Limits.Near that doubles, up to maxFar: unless this machine has enough to do as it is, or most
//     of all so far did not wait so long. Others that were sent before do not double it again.
//   - When the first cannot connect, the others try as well, rather than one after the other.
type gate struct {
	mu      sync.Mutex
	known   bool // whether the server speaks HTTP/2
	slow    bool // the first request was, before that was known
	limit   int
	inside  int
	soon    int             // answered within Limits.Near
	tardy   int             // and those that were not, or not yet
	waiting []chan struct{} // oldest first; closed for who may enter
}

func newGate(scheme string) *gate {
	if scheme == "https" {
		return &gate{limit: 1}
	}
	return &gate{limit: maxNear, known: true}
}

// enter waits for a place, which leave gives back.
func (g *gate) enter(ctx context.Context) error {
	g.mu.Lock()
	if g.inside < g.limit {
		g.inside++
		g.mu.Unlock()
		return nil
	}
	turn := make(chan struct{})
	g.waiting = append(g.waiting, turn)
	g.mu.Unlock()
	select {
	case <-turn:
		return nil
	case <-ctx.Done():
	}
	g.mu.Lock()
	if i := slices.Index(g.waiting, turn); i >= 0 {
		g.waiting = slices.Delete(g.waiting, i, i+1)
		g.mu.Unlock()
	} else { // its turn came all the same
		g.mu.Unlock()
		g.leave()
	}
	return context.Cause(ctx)
}

func (g *gate) leave() {
	g.mu.Lock()
	g.inside--
	g.admit()
	g.mu.Unlock()
}

// admit lets in whom there is room for. The lock is held.
func (g *gate) admit() {
	for g.inside < g.limit && len(g.waiting) > 0 {
		g.inside++
		close(g.waiting[0])
		g.waiting = g.waiting[1:]
	}
}

// watch begins a request. The caller stops the timer when the answer is there.
func (g *gate) watch(ctx context.Context, near time.Duration, busy func() bool) (context.Context, *time.Timer) {
	g.mu.Lock()
	known, limit := g.known, g.limit
	g.mu.Unlock()
	if !known {
		ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(info httptrace.GotConnInfo) {
			conn, ok := info.Conn.(*tls.Conn)
			g.learn(ok && conn.ConnectionState().NegotiatedProtocol == "h2")
		}})
	}
	return ctx, time.AfterFunc(near, func() {
		if busy == nil || !busy() {
			g.late(limit)
		}
	})
}

// learn notes what the server speaks.
func (g *gate) learn(http2 bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.known {
		return
	}
	g.known = true
	switch {
	case http2:
		g.limit = maxStreams
	case g.slow:
		g.limit = maxFar
	default:
		g.limit = maxNear
	}
	g.admit()
}

// late notes that a request waits for its answer longer than one to a near server does; limit is that of when it was sent.
func (g *gate) late(limit int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.known {
		g.slow = true
		return
	}
	if g.tardy++; limit == g.limit && limit < maxFar && g.tardy > g.soon {
		g.limit *= 2
		g.admit()
	}
}

// inTime notes that a request was answered as soon as by a near server.
func (g *gate) inTime() {
	g.mu.Lock()
	g.soon++
	g.mu.Unlock()
}

// failed notes that a request had no answer.
func (g *gate) failed() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.known {
		g.known, g.limit = true, maxFar
		g.admit()
	}
}

package transport

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// inside has n requests try to enter, and returns how many did.
func inside(g *gate, n int) (entered int) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var count atomic.Int64
	for range n {
		go func() {
			if g.enter(ctx) == nil {
				count.Add(1)
			}
		}()
	}
	synctest.Wait()
	entered = int(count.Load())
	cancel()
	synctest.Wait()
	return entered
}

func TestGate(t *testing.T) {
	for name, c := range map[string]struct {
		scheme string
		learn  func(g *gate)
		want   int // how many more may enter than those that learned it
	}{
		"plain":                       {"http", func(*gate) {}, maxNear},
		"tls, not known yet":          {"https", func(*gate) {}, 1},
		"http/2":                      {"https", func(g *gate) { g.learn(true) }, maxStreams},
		"http/1.1":                    {"https", func(g *gate) { g.learn(false) }, maxNear},
		"http/1.1, far":               {"https", func(g *gate) { g.late(1); g.learn(false) }, maxFar},
		"far":                         {"http", func(g *gate) { g.late(maxNear); g.late(maxNear) }, 2 * maxNear},
		"farther":                     {"http", func(g *gate) { g.late(8); g.late(16); g.late(32); g.late(64) }, maxFar},
		"far, and was near":           {"http", func(g *gate) { g.inTime(); g.late(maxNear); g.late(maxNear) }, 2 * maxNear},
		"near, and one is late":       {"http", func(g *gate) { g.inTime(); g.late(maxNear) }, maxNear},
		"http/2 is not slowed by lag": {"https", func(g *gate) { g.learn(true); g.late(maxStreams) }, maxStreams},
		"the first fails":             {"https", func(g *gate) { g.failed() }, maxFar},
		"a later one fails":           {"http", func(g *gate) { g.failed() }, maxNear},
		"what is known stays":         {"https", func(g *gate) { g.learn(false); g.learn(true) }, maxNear},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := newGate(c.scheme)
				c.learn(g)
				if n := inside(g, 300); n != c.want {
					t.Errorf("%d entered, want %d", n, c.want)
				}
			})
		})
	}
}

// A machine that has enough to do makes no more connections to a server that is slow.
func TestGateOfABusyMachine(t *testing.T) {
	for _, busy := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			g := newGate("http")
			_, late := g.watch(t.Context(), time.Second, func() bool { return busy })
			defer late.Stop()
			time.Sleep(2 * time.Second)
			synctest.Wait()
			if (g.limit > maxNear) == busy {
				t.Errorf("busy %v: the limit is %d", busy, g.limit)
			}
		})
	}
}

// Who gives up while waiting takes no place, and who leaves gives one to the oldest that waits.
func TestGateOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate("https")
		if err := g.enter(t.Context()); err != nil {
			t.Fatal(err)
		}
		var order []int
		var mu sync.Mutex
		impatient, giveUp := context.WithCancelCause(t.Context())
		left := errors.New("no more")
		for i := range 4 {
			ctx := t.Context()
			if i == 1 {
				ctx = impatient
			}
			go func() {
				err := g.enter(ctx)
				if i == 1 {
					if !errors.Is(err, left) {
						t.Errorf("who gave up: %v", err)
					}
					return
				}
				mu.Lock()
				order = append(order, i)
				mu.Unlock()
				g.leave()
			}()
			synctest.Wait()
		}
		giveUp(left)
		synctest.Wait()
		g.leave()
		synctest.Wait()
		if len(order) != 3 || order[0] != 0 || order[1] != 2 || order[2] != 3 {
			t.Errorf("they went in the order %v", order)
		}
		if g.inside != 0 || len(g.waiting) != 0 {
			t.Errorf("%d are inside, %d wait", g.inside, len(g.waiting))
		}
	})
}

// connections counts those that a server gets.
func connections(srv *http.Server) *atomic.Int64 {
	n := &atomic.Int64{}
	srv.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			n.Add(1)
		}
	}
	return n
}

// getAll asks for a document many times at once.
func getAll(t *testing.T, s *Site, u *url.URL, n int) {
	t.Helper()
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			if _, err := get(s, u); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

// Where the server speaks HTTP/2, one connection does it all; a server that allows few streams still answers everything.
func TestStreams(t *testing.T) {
	for _, streams := range []int{250, 20} {
		var seen *atomic.Int64
		srv, ca := tlsServer(t, true, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "x") }, func(srv *http.Server) {
			srv.HTTP2 = &http.HTTP2Config{MaxConcurrentStreams: streams}
			seen = connections(srv)
		})
		u := parse(t, srv.URL+"/")
		getAll(t, site(t, (&bench{}).client(Limits{}, nil), SiteOptions{Base: u, CAFile: ca}), u, 300)
		if n := seen.Load(); streams == 250 && n != 1 {
			t.Errorf("%d streams: %d connections", streams, n)
		}
	}
}

// A server that answers at once gets few connections; one that does not gets as many requests at once as there may be.
func TestConnections(t *testing.T) {
	for name, isTLS := range map[string]bool{"plain": false, "tls": true} {
		t.Run(name, func(t *testing.T) {
			var seen *atomic.Int64
			start := func(h http.HandlerFunc) (*url.URL, string) {
				if isTLS { // a server over TLS that speaks HTTP/1.1
					srv, ca := tlsServer(t, false, h, func(srv *http.Server) { seen = connections(srv) })
					return parse(t, srv.URL+"/"), ca
				}
				srv := httptest.NewUnstartedServer(h)
				seen = connections(srv.Config)
				srv.Start()
				t.Cleanup(srv.Close)
				return parse(t, srv.URL+"/"), ""
			}
			var inside, most atomic.Int64
			u, ca := start(func(w http.ResponseWriter, r *http.Request) {
				n := inside.Add(1)
				for was := most.Load(); n > was && !most.CompareAndSwap(was, n); was = most.Load() {
				}
				io.WriteString(w, "x")
				inside.Add(-1) // the answer goes out when this returns
			})
			getAll(t, site(t, (&bench{}).client(Limits{Near: time.Hour}, nil), SiteOptions{Base: u, CAFile: ca}), u, 200)
			if n := most.Load(); n > maxNear {
				t.Errorf("a near server gets %d requests at once", n)
			}
			if n := seen.Load(); n > 100 { // more than maxNear: a connection may not be idle yet when the next request goes
				t.Errorf("a near server gets %d connections for 200 requests", n)
			}

			var waiting atomic.Int64
			full := make(chan struct{})
			u, ca = start(func(w http.ResponseWriter, r *http.Request) {
				if waiting.Add(1) == maxFar {
					close(full)
				}
				<-full
				io.WriteString(w, "x")
			})
			getAll(t, site(t, (&bench{}).client(Limits{Near: time.Millisecond}, nil), SiteOptions{Base: u, CAFile: ca}), u, 200)
			if n := seen.Load(); n < maxFar {
				t.Errorf("a far server gets %d connections", n)
			}
		})
	}
}

package main

import (
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"
)

// A deep corpus leads from its requirements to every package, over as many levels as was asked for.
func TestLevelled(t *testing.T) {
	for _, n := range []int{deepRoots + 7, 60, 300, 500} {
		const depth = 8
		wave, reached, levels := map[string]bool{}, map[string]bool{}, 0
		index := map[string]int{}
		for i := range n {
			index[nameOf(i)] = i
			if i < levelStart(1, n, depth) {
				wave[nameOf(i)] = true
			}
		}
		for ; len(wave) > 0; levels++ {
			next := map[string]bool{}
			for name := range wave {
				reached[name] = true
				i := index[name]
				for dep := range levelled(rand.New(rand.NewPCG(uint64(i), 7)), i, n, depth) {
					if index[dep] <= i {
						t.Errorf("%d packages: %s requires %s", n, name, dep)
					}
					next[dep] = true
				}
			}
			wave = next
		}
		if len(reached) != n || levels != depth {
			t.Errorf("%d of %d packages are reached, over %d levels", len(reached), n, levels)
		}
	}
}

// A request counts as a round trip more only when the answer before it can have reached the client.
func TestMeter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &meter{rtt: 30 * time.Millisecond}
		first := m.begin()
		m.begin()()
		first()
		time.Sleep(29 * time.Millisecond)
		m.begin()()
		time.Sleep(time.Millisecond)
		m.begin()()
		if got, want := m.take(), (traffic{Requests: 4, RoundTrips: 2}); got != want {
			t.Errorf("%+v, want %+v", got, want)
		}
		if got := m.take(); got != (traffic{}) {
			t.Errorf("%+v after the count began anew", got)
		}
	})
}

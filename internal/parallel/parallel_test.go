package parallel

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
)

func TestEach(t *testing.T) {
	for _, c := range []struct{ workers, n int }{{0, 3}, {1, 3}, {4, 3}, {4, 1000}, {-1, 1}, {4, 0}} {
		seen := make([]atomic.Int64, c.n)
		var started atomic.Int64
		err := EachWith(t.Context(), c.workers, c.n, func() *int { started.Add(1); return new(int) }, func(_ context.Context, own *int, i int) error {
			*own++ // of this goroutine alone, as -race sees
			seen[i].Add(1)
			return nil
		})
		if n := int(started.Load()); err != nil || n != min(max(c.workers, 1), c.n) {
			t.Errorf("%+v: %d goroutines, %v", c, n, err)
		}
		for i := range seen {
			if n := seen[i].Load(); n != 1 {
				t.Errorf("%+v: %d was called %d times", c, i, n)
			}
		}
	}
}

// The first error ends it: nothing is begun afterwards, and what is under way is told.
func TestEachEnds(t *testing.T) {
	broken := errors.New("broken")
	called := 0
	err := Each(t.Context(), 1, 10, func(_ context.Context, i int) error {
		if called++; i == 3 {
			return broken
		}
		return nil
	})
	if err != broken || called != 4 {
		t.Errorf("%v after %d calls", err, called)
	}
	err = Each(t.Context(), 2, 2, func(ctx context.Context, i int) error {
		if i == 0 {
			<-ctx.Done()
			return ctx.Err()
		}
		return broken
	})
	if err != broken {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Each(ctx, 2, 2, func(context.Context, int) error { t.Error("called"); return nil }); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

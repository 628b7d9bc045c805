package sources

import (
	"context"
	"errors"
	"sync"
)

// memo remembers the answer to each question; whoever asks while another is asking waits for that answer. An answer that
// is only the end of the asker's own context is not remembered.
type memo[K comparable, V any] struct {
	mu    sync.Mutex
	calls map[K]*call[V]
}

type call[V any] struct {
	done  chan struct{}
	value V
	err   error
}

func (m *memo[K, V]) do(ctx context.Context, key K, ask func() (V, error)) (V, error) {
	for {
		m.mu.Lock()
		c := m.calls[key]
		if c == nil {
			if m.calls == nil {
				m.calls = map[K]*call[V]{}
			}
			c = &call[V]{done: make(chan struct{})}
			m.calls[key] = c
			m.mu.Unlock()
			m.run(c, key, ask)
			return c.value, c.err
		}
		m.mu.Unlock()
		select {
		case <-ctx.Done():
			var none V
			return none, context.Cause(ctx)
		case <-c.done:
		}
		if !isContextError(c.err) || ctx.Err() != nil {
			return c.value, c.err
		}
	}
}

func (m *memo[K, V]) run(c *call[V], key K, ask func() (V, error)) {
	c.err = context.Canceled // what waiters see if ask panics
	defer func() {
		if isContextError(c.err) {
			m.mu.Lock()
			delete(m.calls, key)
			m.mu.Unlock()
		}
		close(c.done)
	}()
	c.value, c.err = ask()
}

func isContextError(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

// Package parallel runs the same work on many things by a few goroutines that stay, so that the stack of each has to grow once.
package parallel

import (
	"context"
	"sync/atomic"

	"golang.org/x/sync/errgroup"
)

// Each calls f for 0 to n-1, in this order, from at most workers goroutines and at least one. The first error ends it, of f or of ctx, which
// is looked at before each call; f's ctx is done then.
func Each(ctx context.Context, workers, n int, f func(ctx context.Context, i int) error) error {
	return EachWith(ctx, workers, n, func() struct{} { return struct{}{} }, func(ctx context.Context, _ struct{}, i int) error { return f(ctx, i) })
}

// EachWith is Each where every goroutine has something of its own to work with, which start makes.
func EachWith[T any](ctx context.Context, workers, n int, start func() T, f func(ctx context.Context, own T, i int) error) error {
	g, ctx := errgroup.WithContext(ctx)
	var next atomic.Int64
	for range min(max(workers, 1), n) {
		g.Go(func() error {
			own := start()
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				if err := ctx.Err(); err != nil {
					return err
				}
				if err := f(ctx, own, i); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return g.Wait()
}

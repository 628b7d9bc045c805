package solver

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"
)

// BenchmarkSolve has one row for each instance of one seed:
//
//	go test ./solver -run '^$' -bench Solve -benchtime 5x
func BenchmarkSolve(b *testing.B) {
	for _, row := range []struct {
		name string
		make func() instance
	}{
		{"sparse-2k", func() instance { return sparse(b, 1, 2000, 20) }},
		{"sparse-10k", func() instance { return sparse(b, 1, 10000, 20) }},
		{"sparse-10k-50", func() instance { return sparse(b, 1, 10000, 50) }},
		{"dense-1k-w0.5", func() instance { return dense(b, 1, 1000, 20, 3, 0.5) }},
		{"ladder-100x50", func() instance { return ladder(b, 100, 50) }},
		{"moving-100x50", func() instance { return moving(b, 100, 50) }},
	} {
		b.Run(row.name, func(b *testing.B) {
			in := row.make()
			b.ReportAllocs()
			var stats Stats
			for b.Loop() {
				stats = solveInstance(b, in)
			}
			b.ReportMetric(float64(stats.Conflicts), "conflicts/op")
			b.ReportMetric(float64(stats.RequirementsAsked), "reads/op")
		})
	}
}

// BenchmarkHard has the heavy-tailed families: each op solves 20 seeds, and the metric is the median
// time of one.
func BenchmarkHard(b *testing.B) {
	for _, row := range []struct {
		name string
		make func(seed uint64) instance
	}{
		{"dense-1k-w0.35", func(seed uint64) instance { return dense(b, seed, 1000, 20, 3, 0.35) }},
		{"sat3-80", func(seed uint64) instance { return sat3(b, seed, 80, 4.26) }},
	} {
		b.Run(row.name, func(b *testing.B) {
			var all []instance
			for seed := range uint64(20) {
				all = append(all, row.make(seed+1))
			}
			b.ReportAllocs()
			var took []time.Duration
			for b.Loop() {
				for _, in := range all {
					start := time.Now()
					solveInstance(b, in)
					took = append(took, time.Since(start))
				}
			}
			slices.Sort(took)
			b.ReportMetric(took[len(took)/2].Seconds()*1000, "median-ms")
			b.ReportMetric(took[len(took)-1].Seconds()*1000, "max-ms")
		})
	}
}

func solveInstance(b *testing.B, in instance) Stats {
	sol, err := Solve(context.Background(), in.problem, in.index, Options{})
	var none *NoSolutionError
	if errors.As(err, &none) {
		return Stats{}
	}
	if err != nil {
		b.Fatal(err)
	}
	return sol.Stats
}

// BenchmarkCancel measures how long a solve goes on behind the end of its context.
func BenchmarkCancel(b *testing.B) {
	in := pigeonhole(b, 10)
	var worst time.Duration
	for b.Loop() {
		ctx, cancel := context.WithCancel(context.Background())
		var ended time.Time
		timer := time.AfterFunc(20*time.Millisecond, func() { ended = time.Now(); cancel() })
		_, err := Solve(ctx, in.problem, in.index, Options{})
		if errors.Is(err, context.Canceled) {
			worst = max(worst, time.Since(ended))
		}
		timer.Stop()
	}
	b.ReportMetric(worst.Seconds()*1000, "worst-ms")
	b.Logf("worst delay %v", worst)
}

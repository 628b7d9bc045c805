package solver

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"
)

// BenchmarkSolve has one row for each family of instances, over the index in memory; each op solves one seed after the other, and
// the metrics are of one solve:
//
//	go test ./solver -run '^$' -bench Solve -benchtime 20x
//
// cpu-ms is the median of the processor time, collection of garbage included: what to look at on a machine that does other
// things too. first-cpu-ms is the same of the first solution, without the improvement passes and without the message where there is none.
func BenchmarkSolve(b *testing.B) {
	for _, row := range []struct {
		name  string
		seeds uint64
		make  func(seed uint64) instance
	}{
		{"sparse-2k", 20, func(seed uint64) instance { return sparse(b, seed, 2000, 20) }},
		{"sparse-10k", 5, func(seed uint64) instance { return sparse(b, seed, 10000, 20) }},
		{"sparse-10k-50", 1, func(seed uint64) instance { return sparse(b, seed, 10000, 50) }},
		{"dense-1k-w0.5", 20, func(seed uint64) instance { return dense(b, seed, 1000, 20, 3, 0.5) }},
		{"dense-1k-w0.35-d2", 20, func(seed uint64) instance { return dense(b, seed, 1000, 20, 2, 0.35) }},
		{"dense-1k-w0.35-d2.5", 20, func(seed uint64) instance { return dense(b, seed, 1000, 20, 2.5, 0.35) }},
		{"dense-1k-w0.35", 20, func(seed uint64) instance { return dense(b, seed, 1000, 20, 3, 0.35) }},
		{"ladder-100x50", 1, func(uint64) instance { return ladder(b, 100, 50) }},
		{"moving-100x50", 1, func(uint64) instance { return moving(b, 100, 50) }},
		{"sat3-80", 20, func(seed uint64) instance { return sat3(b, seed, 80, 4.26) }},
		{"pigeonhole-7", 1, func(uint64) instance { return pigeonhole(b, 7) }},
	} {
		b.Run(row.name, func(b *testing.B) {
			all := make([]instance, row.seeds)
			for i := range all {
				all[i] = row.make(uint64(i) + 1)
			}
			b.ReportAllocs()
			var took, used, first []time.Duration
			var reads, conflicts, stopped int
			for n := 0; b.Loop(); n++ {
				in := all[n%len(all)]
				begin, cpu := time.Now(), cpuTime()
				stats, done := solveWithin(b, in, 10*time.Second)
				took, used = append(took, time.Since(begin)), append(used, cpuTime()-cpu)
				b.StopTimer()
				cpu = cpuTime()
				firstSolution(b, in, 10*time.Second)
				first = append(first, cpuTime()-cpu)
				b.StartTimer()
				reads, conflicts = reads+stats.RequirementsAsked, conflicts+stats.Conflicts
				if !done {
					stopped++
				}
			}
			for _, list := range [][]time.Duration{took, used, first} {
				slices.Sort(list)
			}
			b.ReportMetric(ms(took[len(took)/2]), "median-ms")
			b.ReportMetric(ms(used[len(used)/2]), "cpu-ms")
			b.ReportMetric(ms(used[len(used)-1]), "max-cpu-ms")
			b.ReportMetric(ms(first[len(first)/2]), "first-cpu-ms")
			b.ReportMetric(float64(reads)/float64(len(took)), "reads/op")
			b.ReportMetric(float64(conflicts)/float64(len(took)), "conflicts/op")
			b.ReportMetric(float64(stopped), "stopped")
		})
	}
}

func ms(d time.Duration) float64 { return d.Seconds() * 1000 }

// solveWithin solves in, or gives up after a time.
func solveWithin(b *testing.B, in instance, limit time.Duration) (Stats, bool) {
	ctx, cancel := context.WithTimeout(b.Context(), limit)
	defer cancel()
	sol, err := Solve(ctx, in.problem, in.index, Options{Parallel: 1})
	var none *NoSolutionError
	var stopped *StoppedError
	switch {
	case errors.As(err, &none):
		return Stats{}, true
	case errors.As(err, &stopped):
		return stopped.Stats, false
	case err != nil:
		b.Fatal(err)
	}
	return sol.Stats, true
}

// firstSolution is Solve without the improvement passes, and without the message where there is none.
func firstSolution(b *testing.B, in instance, limit time.Duration) {
	ctx, cancel := context.WithTimeout(b.Context(), limit)
	defer cancel()
	r := newResolver(ctx, &in.problem, in.index, Options{Parallel: 1})
	defer r.fetch.stop()
	err := r.require()
	if err == nil {
		_, err = r.search(query{assume: noTerm})
	}
	if err != nil && !errors.Is(err, context.DeadlineExceeded) {
		b.Fatal(err)
	}
}

// BenchmarkCancel measures how long a solve goes on behind the end of its context.
func BenchmarkCancel(b *testing.B) {
	in := pigeonhole(b, 10)
	var worst time.Duration
	for b.Loop() {
		ctx, cancel := context.WithCancel(b.Context())
		ended := make(chan time.Time, 1)
		timer := time.AfterFunc(20*time.Millisecond, func() { ended <- time.Now(); cancel() })
		_, err := Solve(ctx, in.problem, in.index, Options{})
		if !errors.Is(err, context.Canceled) {
			b.Fatal(err)
		}
		worst = max(worst, time.Since(<-ended))
		timer.Stop()
	}
	b.ReportMetric(ms(worst), "worst-ms")
}

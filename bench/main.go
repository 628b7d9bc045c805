// Command bench compares opkg with the package managers that are installed, over a corpus of its own and a server of its
// own, in the same rounds:
//
//	go run ./bench                         500 packages, loopback, 5 rounds
//	go run ./bench -latency 30ms           the same behind TLS and 30 ms of delay
//	go run ./bench -latency 30ms -http1    and a server that does not speak HTTP/2
//	go run ./bench -each                   with a registry that has no indexes.gz
//	go run ./bench -latency 30ms -depth 8  with 20 requirements that lead to all packages, over 8 levels
//	go run ./bench -packages 2000 -peers bun,pnpm -cases cold,warm
//	go run ./bench -cases verify,gc,remove,version   beside b3sum, find, rm and the smallest Go program
//	go run ./bench -cases cold,resolve -asset 1024   and a package with an asset of 1 GiB
//
// docs/performance.md says how to read the table. Nothing is installed outside of -work, and nothing is fetched from anywhere else.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/openpackage/opkg/registry"
)

// config is what the flags say.
type config struct {
	packages int
	depth    int
	rounds   int
	latency  time.Duration
	http1    bool
	each     bool
	opkg     string
	peers    []string
	cases    []string
	asset    int // MiB
	work     string
	timeout  time.Duration
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	var c config
	var peers, cases, serve string
	flag.IntVar(&c.packages, "packages", 500, "packages in the corpus")
	flag.IntVar(&c.depth, "depth", 1, "levels of the graph; 1: the project requires every package itself")
	flag.IntVar(&c.rounds, "rounds", 5, "rounds; the table shows medians")
	flag.DurationVar(&c.latency, "latency", 0, "round-trip time of a delaying proxy with TLS in front of the server; 0: plain loopback")
	flag.BoolVar(&c.http1, "http1", false, "with -latency: a server that does not speak HTTP/2")
	flag.BoolVar(&c.each, "each", false, "a registry without indexes.gz: opkg asks for the index of each package")
	flag.StringVar(&c.opkg, "opkg", "", "opkg to measure (default: built from this repository)")
	flag.StringVar(&peers, "peers", "npm,pnpm,bun,go", "who to compare with; those that are not installed are left out")
	flag.StringVar(&cases, "cases", strings.Join(allCases, ","), "what to measure")
	flag.IntVar(&c.asset, "asset", 0, "also a package with one file of so many MiB, in the cases cold and resolve")
	flag.StringVar(&c.work, "work", "", "make the scratch directory in here, and leave it (default: a temporary one, removed)")
	flag.DurationVar(&c.timeout, "timeout", 5*time.Minute, "for one run")
	flag.StringVar(&serve, "serve", "", "") // how this program starts its own server
	flag.Parse()
	if serve != "" {
		exitOn(serveCorpus(ctx, serve, c.latency, c.http1, os.Stdout))
		return
	}
	c.peers, c.cases = strings.Split(peers, ","), strings.Split(cases, ",")
	exitOn(run(ctx, c))
}

func exitOn(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// The cases, in the order in which they are measured. The first are those that package managers have in common.
var (
	installCases = []string{"cold", "warm", "noop", "resolve"}
	allCases     = append(slices.Clip(installCases), "verify", "gc", "remove", "version")
)

func run(ctx context.Context, c config) error {
	for _, name := range c.cases {
		if !slices.Contains(allCases, name) {
			return fmt.Errorf("there is no case %q", name)
		}
	}
	if least := deepRoots + c.depth - 1; c.depth > 1 && c.packages < least {
		return fmt.Errorf("a graph %d deep takes at least %d packages", c.depth, least)
	}
	work, err := os.MkdirTemp(c.work, "opkg-bench-")
	if err != nil {
		return err
	}
	if c.work == "" {
		defer os.RemoveAll(work)
	}
	if c.work, err = filepath.Abs(work); err != nil {
		return err
	}
	if c.opkg == "" {
		c.opkg = filepath.Join(c.work, "opkg")
		if err := goBuild(ctx, c.opkg, "github.com/openpackage/opkg/cmd/opkg"); err != nil {
			return err
		}
	}
	corpus := filepath.Join(c.work, "corpus")
	srv, err := startServer(ctx, corpus, c.latency, c.http1)
	if err != nil {
		return err
	}
	defer srv.stop()
	files, err := writeCorpus(corpus, c.packages, c.depth, srv.url)
	if err != nil {
		return fmt.Errorf("write the corpus: %w", err)
	}
	if c.asset > 0 {
		if err := writeAsset(corpus, int64(c.asset)<<20); err != nil {
			return fmt.Errorf("write the asset: %w", err)
		}
	}
	if err := buildHello(ctx, work); err != nil {
		return err
	}
	if out, err := exec.CommandContext(ctx, c.opkg, "registry", "index", corpus).CombinedOutput(); err != nil {
		return fmt.Errorf("index the corpus: %w\n%s", err, out)
	}
	bundle := registry.BundlePath
	if c.each {
		if err := os.Remove(filepath.Join(corpus, bundle)); err != nil {
			return err
		}
		bundle = "no " + bundle
	}
	fmt.Printf("packages: %d, deep: %d, files: %d; rounds: %d; %s; %s\n", c.packages, c.depth, files, c.rounds, srv.describe(c.latency, c.http1), bundle)
	subjects := startPeers(c, srv)
	return measure(ctx, c, srv, subjects)
}

// sample is one run of one subject.
type sample struct {
	wall, cpu time.Duration
	peak      int64 // bytes, of the largest process; 0 where the system does not say
	traffic
}

// measure runs all cases, each subject once a round, in an order that turns from round to round, so that a drift of the machine falls
// on all of them.
func measure(ctx context.Context, c config, srv *server, subjects []*subject) error {
	tw := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(tw, "case\twho\twall ms\tcpu ms\tpeak MiB\trequests\tconnections\tround trips\topkg/it\t")
	for _, name := range c.cases {
		samples := map[*subject][]sample{}
		for round := range c.rounds {
			for i := range subjects {
				s := subjects[(i+round)%len(subjects)]
				if s.failed || !slices.Contains(s.cases, name) {
					continue
				}
				got, err := s.measure(ctx, c, srv, name)
				if ctx.Err() != nil {
					return ctx.Err()
				}
				if err != nil {
					s.failed = true
					fmt.Fprintf(os.Stderr, "bench: %s is left out: %v\n", s.name, err)
					if s == subjects[0] {
						return errors.New("opkg itself failed")
					}
					continue
				}
				samples[s] = append(samples[s], got)
			}
		}
		for _, s := range subjects {
			if len(samples[s]) < c.rounds {
				continue
			}
			fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%.0f\t%.0f\t%.0f\t%.0f\t%.2f\t\n", name, s.name,
				digits(median(samples[s], func(x sample) float64 { return ms(x.wall) })),
				digits(median(samples[s], func(x sample) float64 { return ms(x.cpu) })),
				median(samples[s], func(x sample) float64 { return float64(x.peak) / (1 << 20) }),
				median(samples[s], func(x sample) float64 { return float64(x.Requests) }),
				median(samples[s], func(x sample) float64 { return float64(x.Connections) }),
				median(samples[s], func(x sample) float64 { return float64(x.RoundTrips) }),
				medianRatio(samples[subjects[0]], samples[s]))
		}
	}
	return tw.Flush()
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// digits writes milliseconds with what of them means something.
func digits(ms float64) string {
	if ms < 20 {
		return fmt.Sprintf("%.1f", ms)
	}
	return fmt.Sprintf("%.0f", ms)
}

func median(samples []sample, of func(sample) float64) float64 {
	values := make([]float64, len(samples))
	for i, s := range samples {
		values[i] = of(s)
	}
	return middle(values)
}

// medianRatio is the median of the ratios of wall times, round by round.
func medianRatio(a, b []sample) float64 {
	var values []float64
	for i := range min(len(a), len(b)) {
		values = append(values, float64(a[i].wall)/float64(b[i].wall))
	}
	return middle(values)
}

func middle(values []float64) float64 {
	slices.Sort(values)
	n := len(values)
	switch {
	case n == 0:
		return 0
	case n%2 == 1:
		return values[n/2]
	}
	return (values[n/2-1] + values[n/2]) / 2
}

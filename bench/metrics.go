package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/pprof/profile"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// costLimit is the greatest share of the CPU time that metrics, or an open page, may take.
const costLimit = 0.01

// cost is something that is measured by runs with and without it.
type cost struct {
	// name is its name, and scenario the implementation of the scenario with it.
	name, scenario string
	// of is the scenario.
	of string
	// is reports whether code of it runs at a place of a stack.
	is func(*profile.Location) bool
}

var metricsCost = cost{"metrics", "metered", "stateless", isMetrics}

// meteredStateless is weirStateless with metrics, which are collected every second: 10 to 60 times as often as Prometheus scrapes.
func meteredStateless(ctx context.Context, j *job) (m measurement, err error) {
	reader := sdkmetric.NewManualReader()
	provider := sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))
	j.meter = provider
	done, stop := context.WithCancel(ctx)
	var collecting sync.WaitGroup
	var failed error
	collecting.Go(func() {
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
			case <-done.Done():
				return
			}
			var all metricdata.ResourceMetrics
			if failed = reader.Collect(context.WithoutCancel(ctx), &all); failed != nil {
				return
			}
		}
	})
	m, err = weirStateless(ctx, j)
	stop()
	collecting.Wait()
	return m, errors.Join(err, failed, provider.Shutdown(context.WithoutCancel(ctx)))
}

// costCommand measures a cost, and fails above a limit.
func costCommand(ctx context.Context, c cost, limit float64, args []string) error {
	flags := flag.NewFlagSet(c.name, flag.ExitOnError)
	var o options
	flags.IntVar(&o.n, "n", 2_000_000, "number of flights")
	flags.IntVar(&o.runs, "runs", 6, "pairs of runs")
	flags.IntVar(&o.partitions, "partitions", 4, "partitions of every topic")
	flags.IntVar(&o.workers, "workers", 0, "workers of Weir; 0 is its default, GOMAXPROCS")
	o.data.register(flags)
	if err := flags.Parse(args); err != nil {
		return err
	}
	folder, err := os.MkdirTemp("", "bench-cost-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	o.profiles = folder
	return measureCost(ctx, c, o, limit, os.Stdout, os.Stderr)
}

// measureCost measures a scenario without and with a cost, in turn and in changing order, and prints the cost: by the CPU
// times of the runs, and by the samples of their profiles, which do not depend on the mood of the machine. The error says that the share
// of the samples is above a limit.
func measureCost(ctx context.Context, c cost, o options, limit float64, out, progress io.Writer) error {
	pair := []string{"weir " + c.of, c.scenario + " " + c.of}
	all, err := measureScenarios(ctx, o, progress, func(repetition int) []string {
		order := slices.Clone(pair)
		if repetition%2 == 1 {
			slices.Reverse(order)
		}
		return order
	})
	if err != nil {
		return err
	}
	times, walls := map[string][]time.Duration{}, map[string][]time.Duration{}
	for _, r := range all.Runs {
		times[r.Scenario], walls[r.Scenario] = append(times[r.Scenario], r.CPU), append(walls[r.Scenario], r.Wall)
	}
	for _, scenario := range pair {
		slices.Sort(times[scenario])
		least, most := times[scenario][0], times[scenario][o.runs-1]
		fmt.Fprintf(out, "%-18s CPU time of a record: least %d ns, most %d ns\n", scenario, int(least)/o.n, int(most)/o.n)
	}
	least := func(scenario string) float64 { return float64(times[scenario][0]) }
	fmt.Fprintf(out, "with %s, by the least of %d runs: %+.1f %%\n", c.name, o.runs, 100*(least(pair[1])/least(pair[0])-1))
	fastest := func(scenario string) float64 { return float64(slices.Min(walls[scenario])) }
	fmt.Fprintf(out, "with %s, throughput by the fastest of %d runs: %+.1f %%\n", c.name, o.runs, 100*(fastest(pair[0])/fastest(pair[1])-1))
	share, samples, err := c.share(o.profiles)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "in code of %s, by %v of CPU samples: %.2f %%\n", c.name, samples, 100*share)
	if share > limit {
		return fmt.Errorf("%s: %.2f %% of the CPU time, and %.0f %% is the limit", c.name, 100*share, 100*limit)
	}
	return nil
}

// share returns the share of the CPU time in code of the cost, in the profiles of runs with it, and their time.
func (c cost) share(folder string) (share float64, all time.Duration, err error) {
	paths, err := filepath.Glob(filepath.Join(folder, c.scenario+"-*.cpu.prof"))
	if err != nil {
		return 0, 0, err
	}
	var costs int64
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			return 0, 0, err
		}
		p, err := profile.ParseData(data)
		if err != nil {
			return 0, 0, fmt.Errorf("%s: %w", path, err)
		}
		for _, s := range p.Sample {
			nanos := s.Value[len(s.Value)-1]
			all += time.Duration(nanos)
			if slices.ContainsFunc(s.Location, c.is) {
				costs += nanos
			}
		}
	}
	if all == 0 {
		return 0, 0, errors.New("the profiles have no samples: measure more records")
	}
	return float64(costs) / float64(all), all, nil
}

// isMetrics reports whether code of metrics, of Weir or of the SDK, runs at a place of a stack.
func isMetrics(l *profile.Location) bool {
	return slices.ContainsFunc(l.Line, func(line profile.Line) bool {
		name := line.Function.Name
		return strings.Contains(name, "weir/runtime.(*meter)") || strings.Contains(name, "weir/runtime.(*workerMeter)") || strings.Contains(name, "opentelemetry.io/")
	})
}

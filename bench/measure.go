package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"runtime"
	"runtime/pprof"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/metric"
)

// measurement has the figures of one process about itself.
type measurement struct {
	// Records is the number of records that were read from the input topic.
	Records int64         `json:"records"`
	Wall    time.Duration `json:"wall_ns"`
	// CPU is that of the whole process, user and system, garbage collection included.
	CPU time.Duration `json:"cpu_ns"`
	// Allocs and AllocBytes count allocations on the heap.
	Allocs     uint64 `json:"allocs"`
	AllocBytes uint64 `json:"alloc_bytes"`
	// Read is the digest of the decoded records, for scenarios that write nothing.
	Read digest `json:"read"`
}

// stopwatch measures from the first record to the end of the last, without starting up.
type stopwatch struct {
	running atomic.Bool
	once    sync.Once
	wall    time.Time
	cpu     time.Duration
	memory  runtime.MemStats
}

// start starts the stopwatch with the first call. It is called for each record, by several goroutines.
func (s *stopwatch) start() {
	if s.running.Load() {
		return
	}
	s.once.Do(func() {
		runtime.ReadMemStats(&s.memory)
		s.wall, s.cpu = time.Now(), processCPU()
		s.running.Store(true)
	})
}

func (s *stopwatch) stop() measurement {
	m := measurement{Wall: time.Since(s.wall), CPU: processCPU() - s.cpu}
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	m.Allocs, m.AllocBytes = memory.Mallocs-s.memory.Mallocs, memory.TotalAlloc-s.memory.TotalAlloc
	return m
}

// job is the work of a scenario.
type job struct {
	brokers    []string
	input      string
	partitions int32
	// name begins the names of all topics that are written; it is that of the output topic and of the consumer group.
	name    string
	workers int
	meter   metric.MeterProvider // nil for no metrics
	viewed  bool                 // a page of the live view is open
	queried bool                 // the state is queried
	watch   stopwatch
}

// scenarios are all scenarios, by implementation and name.
var scenarios = map[string]func(context.Context, *job) (measurement, error){
	"floor consume":     floorConsume,
	"floor stateless":   floorStateless,
	"floor windowed":    floorWindowed,
	"franz stateless":   franzStateless,
	"franz windowed":    franzWindowed,
	"weir stateless":    weirStateless,
	"metered stateless": meteredStateless,
	"viewed stateless":  viewedStateless,
	"weir windowed":     weirWindowed,
	"queried windowed":  queriedWindowed,
}

// measureCommand measures one scenario in this process and prints a measurement as JSON.
func measureCommand(ctx context.Context, implementation string, args []string) (err error) {
	if len(args) == 0 {
		return fmt.Errorf("%s: no scenario\n%s", implementation, usage)
	}
	scenario := scenarios[implementation+" "+args[0]]
	if scenario == nil {
		return fmt.Errorf("no such scenario: %s %s\n%s", implementation, args[0], usage)
	}
	flags := flag.NewFlagSet(implementation, flag.ExitOnError)
	brokers := flags.String("brokers", "127.0.0.1:9092", "host:port of the cluster")
	input := flags.String("input", "flights", "topic that load has written")
	name := flags.String("name", "bench-out", "output topic, consumer group, and prefix of other topics that are made")
	partitions := flags.Int("partitions", 4, "partitions of topics that are made")
	workers := flags.Int("workers", 0, "workers of Weir; 0 is its default, GOMAXPROCS")
	cpuProfile := flags.String("cpuprofile", "", "file to write a CPU profile to")
	memProfile := flags.String("memprofile", "", "file to write a profile of allocations to")
	if err := flags.Parse(args[1:]); err != nil {
		return err
	}
	if *cpuProfile != "" {
		file, err := os.Create(*cpuProfile)
		if err != nil {
			return err
		}
		defer file.Close()
		if err := pprof.StartCPUProfile(file); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	j := &job{
		brokers: strings.Split(*brokers, ","), input: *input, name: *name,
		partitions: int32(*partitions), workers: *workers,
	}
	m, err := scenario(ctx, j)
	if err != nil {
		return fmt.Errorf("%s %s: %w", implementation, args[0], err)
	}
	if *memProfile != "" {
		file, err := os.Create(*memProfile)
		if err != nil {
			return err
		}
		defer file.Close()
		if err := pprof.Lookup("allocs").WriteTo(file, 0); err != nil {
			return err
		}
	}
	return json.NewEncoder(os.Stdout).Encode(m)
}

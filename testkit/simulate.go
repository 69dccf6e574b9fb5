package testkit

import (
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/stream"
	"github.com/weirstreams/weir/testkit/sim"
)

// Faults chooses the faults of a simulation, and its duration. The zero value is right for most tests: every kind
// of fault, both guarantees, fresh seeds for a second.
type Faults struct {
	// Only are the kinds of faults that may happen. 0 means all of them.
	Only sim.Fault
	// Guarantee, Members, Workers and Partitions are fixed if they are not zero, and chosen by each seed otherwise: 1 to 3
	// members of 1 or 2 workers, 1 to 4 partitions of every topic that does not ask for a number.
	Guarantee                    sim.Guarantee
	Members, Workers, Partitions int
	// Seed is the first seed. 0 means a fresh one.
	Seed uint64
	// Runs is how many seeds are run. 0 means as many as Duration allows.
	Runs int
	// Duration is how long seeds are run, if Runs is 0. 0 means 1 s.
	Duration time.Duration
}

// SimulatedInput is the content of an input topic in a simulation. Feed and Generate make it.
type SimulatedInput func(tb testing.TB, r *rand.Rand) sim.Input

// Feed is input that is the same in every run.
func Feed[K, V any](topic stream.Topic[K, V], records ...Record[K, V]) SimulatedInput {
	return Generate(topic, len(records), func(_ *rand.Rand, i int) Record[K, V] { return records[i] })
}

// Generate is input of n records that f makes, by their number. Random parts of them come from the given source, so that a
// seed repeats them.
func Generate[K, V any](topic stream.Topic[K, V], n int, f func(r *rand.Rand, i int) Record[K, V]) SimulatedInput {
	return func(tb testing.TB, r *rand.Rand) sim.Input {
		tb.Helper()
		in := sim.Input{Topic: topic.Name()}
		for i := range n {
			record := f(r, i)
			headers := slices.Clone(record.Headers)
			key := encode(&Driver{tb: tb}, topic.Name(), codec.Key, topic.KeyCodec(), &headers, record.Key, record.KeyNull)
			value := encode(&Driver{tb: tb}, topic.Name(), codec.Value, topic.ValueCodec(), &headers, record.Value, record.ValueNull)
			in.Records = append(in.Records, sim.Record{Key: key, Value: value, Headers: headers, Millis: millis(record.Time)})
		}
		return in
	}
}

// seedVariable names the environment variable that makes Simulate run one seed, with a log of everything that happens.
const seedVariable = "WEIR_SIM_SEED"

// Simulate runs a topology in simulated worlds: processes are killed, disks lose unsynced writes, requests and
// answers get lost, and members join, leave and come back as zombies. It fails the test if the output, the committed
// offsets or the state differ from a fold over the input, one record after the other, or if a run does not come to an end.
//
// Functions of the topology have to be deterministic, and must not fail: they are not the subject of the test. A failure
// names its seed, and with that in the environment variable WEIR_SIM_SEED the same test runs that seed alone and logs
// every step.
func Simulate(tb testing.TB, topology *stream.Topology, inputs []SimulatedInput, faults Faults) {
	tb.Helper()
	if err := topology.Validate(); err != nil {
		tb.Fatal(err)
	}
	if faults.Only == 0 {
		faults.Only = sim.AllFaults
	}
	if faults.Duration == 0 {
		faults.Duration = time.Second
	}
	if faults.Seed == 0 {
		faults.Seed = rand.Uint64() >> 1
	}
	s := &sim.Simulation{
		Topology: topology, Faults: faults.Only, Guarantee: faults.Guarantee,
		Members: faults.Members, Workers: faults.Workers, Partitions: faults.Partitions,
		Inputs: func(r *rand.Rand) []sim.Input {
			all := make([]sim.Input, len(inputs))
			for i, in := range inputs {
				all[i] = in(tb, r)
			}
			return all
		},
	}
	if given := os.Getenv(seedVariable); given != "" {
		seed, err := strconv.ParseUint(given, 10, 64)
		if err != nil {
			tb.Fatalf("%s: %v", seedVariable, err)
		}
		faults.Seed, faults.Runs = seed, 1
		s.Trace = func(line string) { tb.Log(line) }
	}
	runs, steps, crashes := 0, 0, 0
	for began := time.Now(); faults.more(runs, began); runs++ {
		report := s.Run(faults.Seed + uint64(runs))
		steps, crashes = steps+report.Steps, crashes+report.Crashes
		if err := report.Err(); err != nil {
			tb.Fatalf("%v\nsee it happen: %s=%d go test -v -run '^%s$'", err, seedVariable, report.Seed, tb.Name())
		}
	}
	tb.Logf("seeds from %d: %d runs, %d steps, %d processes killed", faults.Seed, runs, steps, crashes)
}

// more reports whether there is another seed to run.
func (f *Faults) more(runs int, began time.Time) bool {
	if f.Runs > 0 {
		return runs < f.Runs
	}
	return time.Since(began) < f.Duration
}

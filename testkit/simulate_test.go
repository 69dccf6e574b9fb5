package testkit_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/store"
	"github.com/weirstreams/weir/stream"
	"github.com/weirstreams/weir/testkit"
	"github.com/weirstreams/weir/testkit/sim"
	"github.com/weirstreams/weir/window"
)

func TestSimulateRunsATopologyThroughFaults(t *testing.T) {
	customers := testkit.Generate(sales, 60, func(r *rand.Rand, i int) testkit.Record[string, sale] {
		return testkit.Record[string, sale]{Key: fmt.Sprint("customer ", i%7), Value: sale{fmt.Sprint("shop ", r.IntN(4)), i}, Time: at(int64(100 * i))}
	})
	testkit.Simulate(t, shops(), []testkit.SimulatedInput{customers}, testkit.Faults{})
	testkit.Simulate(t, shops(), []testkit.SimulatedInput{customers}, testkit.Faults{Runs: 20, Guarantee: sim.ExactlyOnce})
}

// All rows of a global table are there before the first process is started.
func TestSimulateRunsAGlobalTable(t *testing.T) {
	words, names := stream.NewTopic("words", codec.String(), codec.String()), stream.NewTopic("names", codec.String(), codec.String())
	out := stream.NewTopic("out", codec.String(), codec.String())
	topology := stream.NewTopology()
	topology.From(words).JoinGlobal(topology.GlobalTable(names), func(w string) string { return w }, func(w, name string) string { return w + name }).To(out)
	rows := testkit.Generate(names, 40, func(r *rand.Rand, i int) testkit.Record[string, string] {
		return testkit.Record[string, string]{Key: fmt.Sprint(i % 9), Value: fmt.Sprint(i), ValueNull: r.IntN(4) == 0}
	})
	asked := testkit.Generate(words, 40, func(r *rand.Rand, i int) testkit.Record[string, string] {
		return testkit.Record[string, string]{Key: fmt.Sprint(i), Value: fmt.Sprint(r.IntN(12))}
	})
	testkit.Simulate(t, topology, []testkit.SimulatedInput{asked, rows}, testkit.Faults{Runs: 50})
}

// The clock of a world is not behind the records, which would make them those of a wrong clock.
func TestSimulateTakesRecordsOfAllTimes(t *testing.T) {
	t.Parallel()
	begin := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	customers := testkit.Generate(sales, 20, func(_ *rand.Rand, i int) testkit.Record[string, sale] {
		return testkit.Record[string, sale]{Key: fmt.Sprint("customer ", i%3), Value: sale{"shop", i}, Time: begin.Add(time.Duration(i) * time.Minute)}
	})
	out := stream.NewTopic("hours", codec.String(), codec.JSON[window.Result[int64]]())
	topology := stream.NewTopology()
	topology.From(sales).Window(window.Tumbling(5 * time.Minute)).Aggregate(window.Count[sale]()).Final().To(out)
	testkit.Simulate(t, topology, []testkit.SimulatedInput{customers}, testkit.Faults{Runs: 20})
}

// A function that remembers something outside of its state is what a simulation finds in a topology.
func TestSimulateFindsStateOutsideOfTheStores(t *testing.T) {
	words := stream.NewTopic("words", codec.String(), codec.String())
	counts := stream.NewTopic("counts", codec.String(), codec.Int())
	topology := stream.NewTopology()
	n := 0
	topology.From(words).Map(func(string) int { n++; return n }).To(counts)
	input := testkit.Feed(words, testkit.Record[string, string]{Key: "a", Value: "x"}, testkit.Record[string, string]{Key: "a", Value: "y"})
	tb := &recorder{TB: t}
	func() {
		defer func() { _ = recover() }()
		testkit.Simulate(tb, topology, []testkit.SimulatedInput{input}, testkit.Faults{Runs: 1})
	}()
	if !tb.failed {
		t.Error("the simulation found nothing")
	}
}

// recorder is a test whose failure is wanted.
type recorder struct {
	testing.TB
	failed bool
}

func (r *recorder) Fatalf(format string, args ...any) {
	r.failed = true
	panic(fmt.Sprintf(format, args...))
}

func ExampleSimulate() {
	visits := stream.NewTopic("visits", codec.String(), codec.String())
	counts := stream.NewTopic("counts", codec.String(), codec.Int())
	topology := stream.NewTopology()
	topology.From(visits).MapState(store.NewCell[int]("count"), func(c *store.Cell[int], _ string) int {
		n, _ := c.Get()
		c.Set(n + 1)
		return n + 1
	}).To(counts)

	// In a file that ends in _test.go:
	_ = func(t *testing.T) {
		input := testkit.Generate(visits, 100, func(r *rand.Rand, i int) testkit.Record[string, string] {
			return testkit.Record[string, string]{
				Key: fmt.Sprint("visitor ", r.IntN(5)), Value: "/", Time: time.UnixMilli(int64(i)),
			}
		})
		testkit.Simulate(t, topology, []testkit.SimulatedInput{input}, testkit.Faults{})
	}
}

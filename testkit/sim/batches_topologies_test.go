package sim_test

import (
	"testing"

	"github.com/weirstreams/weir/stream"
	"github.com/weirstreams/weir/testkit/sim"
)

// batched are topologies with sinks that write while their tasks go on. They are not among the others: the seeds of those would mean other topologies.
var batched = []topologyOf{
	{name: "a batching sink", build: oneBatched, inputs: []string{"orders"}},
	{name: "batching sinks behind state", build: batchedBehindState, inputs: []string{"orders"}},
	{name: "batching sinks of two inputs", build: batchedOfTwoInputs, inputs: []string{"orders", "returns"}},
}

func oneBatched(faulty func() error) *stream.Topology {
	t := stream.NewTopology()
	t.From(orders).
		Filter(func(o order) bool { return o.Amount%7 != 0 }).
		Map(func(o order) order { return check(faulty, o) }).
		Sink("orders", sim.NewBatchingSink[string, order](nil))
	return t
}

func batchedBehindState(faulty func() error) *stream.Topology {
	t := stream.NewTopology()
	in := t.From(orders)
	running(in, total, faulty).Sink("lines", sim.NewBatchingSink[string, line](nil))
	shops := in.GroupBy("shop", func(o order) string { return o.Shop })
	running(shops, grandTotal, faulty).Sink("shop lines", sim.NewBatchingSink[string, line](nil))
	return t
}

// batchedOfTwoInputs has three writers in one task, of which one is behind calls, and a task without state.
func batchedOfTwoInputs(faulty func() error) *stream.Topology {
	t := stream.NewTopology()
	in := t.From(orders).Map(func(o order) order { return check(faulty, o) })
	in.Sink("first", sim.NewBatchingSink[string, order](nil))
	in.Sink("second", sim.NewBatchingSink[string, order](nil))
	in.MapAsync(asked[order](faulty), atATime(3)).Sink("called", sim.NewBatchingSink[string, order](nil))
	t.From(returns).Sink("returns", sim.NewBatchingSink[string, order](nil))
	return t
}

// A sink that writes while its task goes on loses nothing, and writes in order: for seeds that are the same every time, and for fresh ones, for a
// third of -duration.
func TestSinksThatWriteBesideTheirTasks(t *testing.T) {
	runSeeds(t, func(seed uint64) (*sim.Simulation, string) {
		s, topology := sinkSimulation(batched, seed)
		return s, topology.name
	}, *fixed, *duration/3)
}

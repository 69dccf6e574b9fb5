package sim_test

import (
	"testing"
	"time"

	"github.com/weirstreams/weir/stream"
	"github.com/weirstreams/weir/testkit/sim"
	"github.com/weirstreams/weir/window"
)

// phased are topologies with sinks that are exactly once. They are not among the others: the seeds of those would mean other topologies.
var phased = []topologyOf{
	{name: "a sink in two phases", build: onePhased, inputs: []string{"orders"}},
	{name: "sinks in two phases behind state", build: phasedSinks, inputs: []string{"orders"}},
	{name: "sinks of all kinds", build: allSinks, inputs: []string{"orders", "returns"}},
}

// sinkSimulation returns the simulation of a seed, of one of several topologies with sinks.
func sinkSimulation(topologies []topologyOf, seed uint64) (*sim.Simulation, topologyOf) {
	t := topologies[seed%uint64(len(topologies))]
	s := &sim.Simulation{Inputs: inputs(t.inputs), Faults: sim.AllFaults}
	s.Topology = t.build(s.Faulty)
	return s, t
}

func onePhased(faulty func() error) *stream.Topology {
	t := stream.NewTopology()
	t.From(orders).
		Filter(func(o order) bool { return o.Amount%7 != 0 }).
		Map(func(o order) order { return check(faulty, o) }).
		Sink("orders", sim.NewTwoPhaseSink[string, order](nil))
	return t
}

func phasedSinks(faulty func() error) *stream.Topology {
	t := stream.NewTopology()
	in := t.From(orders)
	running(in, total, faulty).Sink("lines", sim.NewTwoPhaseSink[string, line](nil))
	shops := in.GroupBy("shop", func(o order) string { return o.Shop })
	running(shops, grandTotal, faulty).Sink("shop lines", sim.NewTwoPhaseSink[string, line](nil))
	shops.Window(window.Tumbling(10*time.Millisecond)).Aggregate(window.Sum(func(o order) int { return o.Amount })).Final().
		Sink("windows", sim.NewTwoPhaseSink[string, window.Result[int]](nil))
	return t
}

// allSinks has three kinds of sinks of one stream, and one of another one that has no state.
func allSinks(faulty func() error) *stream.Topology {
	t := stream.NewTopology()
	in := t.From(orders).Map(func(o order) order { return check(faulty, o) })
	in.Sink("plain", sim.NewSink[string, order](nil))
	in.Sink("two phases", sim.NewTwoPhaseSink[string, order](nil))
	in.Sink("idempotent", sim.NewIdempotentSink[string, order](nil))
	t.From(returns).Sink("returns", sim.NewIdempotentSink[string, order](nil))
	return t
}

// A sink in two phases shows each record once, exactly once: for seeds that are the same every time, and for fresh ones, for a
// third of -duration.
func TestSinksInTwoPhases(t *testing.T) {
	runSeeds(t, func(seed uint64) (*sim.Simulation, string) {
		s, topology := sinkSimulation(phased, seed)
		return s, topology.name
	}, *fixed, *duration/3)
}

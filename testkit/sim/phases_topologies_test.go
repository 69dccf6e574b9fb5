package sim_test

import (
	"math/rand/v2"
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

func phasedSimulation(seed uint64) (*sim.Simulation, topologyOf) {
	t := phased[seed%uint64(len(phased))]
	s := &sim.Simulation{Inputs: inputs(t.inputs), Faults: sim.AllFaults}
	s.Topology = t.build(s.Faulty)
	return s, t
}

// A sink in two phases shows each record once, exactly once: for seeds that are the same every time, and for fresh ones, for a
// third of -duration.
func TestSinksInTwoPhases(t *testing.T) {
	run := func(seed uint64) {
		s, topology := phasedSimulation(seed)
		if *oneSeed != 0 && testing.Verbose() {
			s.Trace = func(line string) { t.Log(line) }
		}
		if err := s.Run(seed).Err(); err != nil {
			t.Fatalf("%s: %v\nrun it again: go test ./testkit/sim -run TestSinksInTwoPhases -v -seed %d", topology.name, err, seed)
		}
	}
	if *oneSeed != 0 {
		run(*oneSeed)
		return
	}
	for seed := range *fixed {
		run(seed)
	}
	first := *from
	if first == 0 {
		first = rand.Uint64() >> 1
	}
	began, seed := time.Now(), first
	for ; time.Since(began) < *duration/3; seed++ {
		run(seed)
	}
	t.Logf("%d fixed seeds and %d fresh ones in %v", *fixed, seed-first, time.Since(began).Round(time.Millisecond))
}

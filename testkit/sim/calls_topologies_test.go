package sim_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/join"
	"github.com/weirstreams/weir/store"
	"github.com/weirstreams/weir/stream"
	"github.com/weirstreams/weir/testkit/sim"
)

// calling are topologies with asynchronous calls. They are not among the others: the seeds of those would mean other topologies.
var calling = []topologyOf{
	{name: "calls", build: calls, inputs: []string{"orders"}},
	{name: "unordered calls", build: unorderedCalls, inputs: []string{"orders"}},
	{name: "calls of a service that is away", build: callsOfAwayService, inputs: []string{"orders"}},
	{name: "calls in front of a join", build: callsInFrontOfJoin, inputs: []string{"orders", "returns"}},
	{name: "calls in front of a sink", build: callsInFrontOfSink, inputs: []string{"orders"}},
	liveTopology("calls around windows that close by the clock", betweenCalls(tumblingStage(2*time.Second)), betweenCalls(tumblingStage(6*time.Second))),
	liveTopology("calls between windows of one task", betweenCalls(tumblingStage(500*time.Millisecond)), inOneTask(sessionStage(time.Second)), tumblingStage(8*time.Second)),
}

// betweenCalls puts calls in front of a stage and behind it.
func betweenCalls(s stage) stage {
	build, call := s.build, asked[int](func() error { return nil })
	s.build = func(in stream.Stream[string, int]) stream.Stream[string, int] {
		return build(in.MapAsync(call, atATime(3))).MapAsync(call, atATime(2))
	}
	return s
}

func callingSimulation(t topologyOf) *sim.Simulation {
	s := &sim.Simulation{Inputs: inputs(t.inputs), Faults: sim.AllFaults, Check: t.check, Live: t.live}
	s.Topology = t.build(s.Faulty)
	return s
}

// asked returns a call that gives its argument back, or fails.
func asked[V any](faulty func() error) func(context.Context, V) (V, error) {
	return func(_ context.Context, v V) (V, error) { return v, faulty() }
}

func atATime(n int) stream.AsyncOptions {
	return stream.AsyncOptions{Concurrency: n, Retry: weir.Retry{Attempts: 1}}
}

// chain folds records so that their order shows: sums would be the same in any.
func chain(s stream.Stream[string, order], cell *store.CellHandle[int]) stream.Stream[string, line] {
	return s.MapStateRecord(cell, func(_ context.Context, c *store.Cell[int], r weir.Record[string, order]) (line, error) {
		n, _ := c.Get()
		n = (n*31 + r.Value.ID) % 1_000_003
		c.Set(n)
		return line{r.Value.ID, n, fmt.Sprint(r.Origin.Topic, r.Origin.Partition), r.Origin.Offset}, nil
	})
}

// calls has state in front of the calls and behind them, and a record that several results come of.
func calls(faulty func() error) *stream.Topology {
	t := stream.NewTopology()
	in := t.From(orders)
	running(in, total, faulty).MapAsync(asked[line](faulty), atATime(3)).To(lines)
	shops := in.FlatMap(func(o order) []order { return []order{o, {-o.ID, o.Shop, o.Amount}}[:1+o.Amount%2] }).
		MapAsync(asked[order](faulty), atATime(5)).
		GroupBy("shop", func(o order) string { return o.Shop })
	chain(shops, grandTotal).MapAsync(asked[line](faulty), atATime(1)).To(closed)
	return t
}

// unorderedCalls writes nothing: in what order keys come to the end is open. The state shows the order within each.
func unorderedCalls(faulty func() error) *stream.Topology {
	t := stream.NewTopology()
	o := atATime(4)
	o.Unordered = true
	chain(t.From(orders).MapAsync(asked[order](faulty), o), total)
	return t
}

// callsOfAwayService asks for time with the first call of each tenth record, in whichever process.
func callsOfAwayService(faulty func() error) *stream.Topology {
	called := map[int]bool{}
	t := stream.NewTopology()
	s := t.From(orders).MapAsync(func(_ context.Context, o order) (order, error) {
		if o.ID%10 == 0 && !called[o.ID] {
			called[o.ID] = true
			return o, &weir.RetryLaterError{RetryAfter: time.Duration(1+o.ID%7) * 100 * time.Millisecond}
		}
		return o, faulty()
	}, atATime(3))
	chain(s, total).To(lines)
	return t
}

// callsInFrontOfJoin has a task with two inputs: the result of the join depends on the order in which it gets their records.
func callsInFrontOfJoin(faulty func() error) *stream.Topology {
	t := stream.NewTopology()
	right := t.From(returns)
	left := t.From(orders).MapAsync(asked[order](faulty), atATime(3))
	left.LeftJoinAsOf(right, join.AsOf{}.Grace(40*time.Millisecond), func(l order, r *order) order { return pairOf(faulty, &l, r) }).To(out)
	chain(left.Merge(right), total).To(lines)
	return t
}

func callsInFrontOfSink(faulty func() error) *stream.Topology {
	t := stream.NewTopology()
	running(t.From(orders).MapAsync(asked[order](faulty), atATime(3)), total, faulty).Sink("lines", sim.NewSink[string, line](nil))
	return t
}

// Results of calls that return in any order are those of the reference model: for seeds that are the same every time, and for fresh
// ones, each topology for a sixth of -duration.
func TestCallsThatReturnAtAnyTime(t *testing.T) {
	for _, topology := range calling {
		t.Run(topology.name, func(t *testing.T) {
			runSeeds(t, func(uint64) (*sim.Simulation, string) { return callingSimulation(topology), topology.name }, *fixed/5, *duration/6)
		})
	}
}

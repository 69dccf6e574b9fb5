package sim_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/weirstreams/weir/stream"
	"github.com/weirstreams/weir/testkit/sim"
)

// growing are topologies with input that is given more partitions. They are not among the others: the seeds of those would mean
// other topologies.
var growing = []topologyOf{
	{name: "grown input", build: stateless, inputs: []string{"orders"}},
	{name: "grown input of two streams", build: merged, inputs: []string{"orders", "returns"}},
	{name: "grown input before a repartition", build: groupedSums, inputs: []string{"orders"}},
	{name: "grown input of state", build: cell, inputs: []string{"orders"}, check: checkGrownState},
	{name: "grown input of a window", build: shortWindows, inputs: []string{"orders"}},
	{name: "grown input of state without a changelog", build: unlogged, inputs: []string{"orders"}, check: checkUnlogged},
	liveTopology("grown input before windows that close by the clock", behindTopic(tumblingStage(2*time.Second)), tumblingStage(6*time.Second)),
}

// behindTopic puts a repartition topic in front of a stage, which does not grow.
func behindTopic(s stage) stage {
	build := s.build
	s.build = func(in stream.Stream[string, int]) stream.Stream[string, int] { return build(in.GroupByKey("first")) }
	return s
}

// groupedSums has its state behind a repartition topic, which does not grow.
func groupedSums(faulty func() error) *stream.Topology {
	t := stream.NewTopology()
	running(t.From(orders).GroupBy("shop", func(o order) string { return o.Shop }), total, faulty).To(lines)
	return t
}

func growingSimulation(t topologyOf) *sim.Simulation {
	s := &sim.Simulation{Inputs: inputs(t.inputs), Faults: sim.AllFaults, Check: t.check, Grows: true, Live: t.live}
	s.Topology = t.build(s.Faulty)
	return s
}

// checkGrownState checks the sums of the topology "cell" per key, over all partitions: those of the records in the order of their
// numbers. It knows nothing of partitions.
func checkGrownState(o sim.Outcome) error {
	var all []sim.Record
	for _, records := range o.Read("orders") {
		all = append(all, records...)
	}
	slices.SortFunc(all, func(a, b sim.Record) int { return cmp.Compare(decodeOrder(a).ID, decodeOrder(b).ID) })
	totals := map[int]int{}
	times := map[int]int{}
	sums := map[string]int{}
	for i, r := range all {
		in := decodeOrder(r)
		if i > 0 && decodeOrder(all[i-1]).ID == in.ID {
			return fmt.Errorf("record %+v is in the input twice", in)
		}
		totals[in.ID] = sums[string(r.Key)] + in.Amount
		sums[string(r.Key)] = next(sums[string(r.Key)], in)
	}
	for p, records := range o.Read("lines") {
		for _, r := range records {
			var l line
			if err := json.Unmarshal(r.Value, &l); err != nil {
				return err
			}
			if want, ok := totals[l.ID]; !ok || l.Total != want {
				return fmt.Errorf("lines[%d]: the sum of %q with record %d is %d, want %d", p, r.Key, l.ID, l.Total, want)
			}
			if times[l.ID]++; times[l.ID] > 1 && o.ExactlyOnce {
				return fmt.Errorf("lines[%d]: record %d has several results", p, l.ID)
			}
		}
	}
	for id := range totals {
		if times[id] == 0 {
			return fmt.Errorf("record %d has no result", id)
		}
	}
	return nil
}

// Partitions that are added to the input are read, or all processes end and say why: for seeds that are the same every time, and for
// fresh ones, each topology for a sixth of -duration.
func TestInputThatGrows(t *testing.T) {
	for _, topology := range growing {
		t.Run(topology.name, func(t *testing.T) {
			runSeeds(t, func(uint64) (*sim.Simulation, string) { return growingSimulation(topology), topology.name }, *fixed/5, *duration/6)
		})
	}
}

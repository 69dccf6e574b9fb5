package sim_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/source"
	"github.com/weirstreams/weir/store"
	"github.com/weirstreams/weir/stream"
	"github.com/weirstreams/weir/testkit/sim"
)

// sourced is a topology with a source outside of Kafka, and no input topic. The reference model knows no sources, so the checks are
// independent of it.
type sourced struct {
	name            string
	kind            sim.SourceKind
	splits, records int
	slots           int32
	open            int
}

var sourcedTopologies = []sourced{
	{"replayable", sim.Replayable, 5, 40, 3, 2},
	{"replayable in one slot", sim.Replayable, 3, 60, 1, 0},
	{"queue", sim.Queue, 1, 120, 2, 0},
}

var (
	rawNumbers  = stream.NewTopic("raw", codec.String(), codec.String())
	splitCounts = stream.NewTopic("counts", codec.String(), codec.Int64())
)

// sourcedSimulation reads the source, and counts the records of each split in a sub-topology behind it.
func sourcedSimulation(s sourced) *sim.Simulation {
	t := stream.NewTopology()
	count := store.NewCell[int64]("count")
	t.FromSourceWith(source.Options{
		Slots: s.slots, OpenSplits: s.open, Retry: weir.Retry{Attempts: -1, FirstWait: 10 * time.Millisecond, MaxWait: time.Second}, LookInterval: 20 * time.Second,
	}, sim.NewSource(s.kind, s.splits, s.records), rawNumbers).
		MapState(count, func(c *store.Cell[int64], _ string) int64 {
			n, _ := c.Get()
			c.Set(n + 1)
			return n + 1
		}).To(splitCounts)
	return &sim.Simulation{
		Topology: t, Inputs: func(*rand.Rand) []sim.Input { return nil }, Faults: sim.AllFaults, Check: s.check,
	}
}

// check checks that each record of a source is there, in order, and exactly once if the guarantee and the source say so.
func (s sourced) check(o sim.Outcome) error {
	exact := o.ExactlyOnce && s.kind == sim.Replayable
	next, total := map[string]int{}, 0
	for _, r := range slices.Concat(o.Read("raw")...) {
		n, err := strconv.Atoi(string(r.Value))
		split := string(r.Key)
		switch {
		case err != nil:
			return err
		case n == next[split]:
			next[split]++
		case n > next[split]:
			return fmt.Errorf("record %d of %s comes before record %d, which is out of order or lost", n, split, next[split])
		case exact:
			return fmt.Errorf("record %d of %s is there twice", n, split)
		}
		total++
	}
	for i := range s.splits {
		if split := fmt.Sprint("split-", i); next[split] != s.records {
			return fmt.Errorf("%d of %d records of %s are there", next[split], s.records, split)
		}
	}
	if n := len(slices.Concat(o.Read("counts")...)); n < total || o.ExactlyOnce && n > total {
		return fmt.Errorf("%d records were counted, and there are %d", n, total)
	}
	return nil
}

// Whatever goes wrong, sources are read as the guarantee says: for seeds that are the same every time, and for fresh ones.
func TestSourcesUnderFaults(t *testing.T) {
	for _, topology := range sourcedTopologies {
		t.Run(topology.name, func(t *testing.T) {
			runSeeds(t, func(uint64) (*sim.Simulation, string) { return sourcedSimulation(topology), topology.name }, *fixed/5, *duration/6)
		})
	}
}

// Two runs of a seed take the same steps, with sources too.
func TestASeedWithSourcesRepeatsItself(t *testing.T) {
	for seed := range uint64(20) {
		topology := sourcedTopologies[seed%uint64(len(sourcedTopologies))]
		a, b := sourcedSimulation(topology).Run(seed), sourcedSimulation(topology).Run(seed)
		if a.Digest != b.Digest || a.Steps != b.Steps {
			t.Errorf("seed %d: once there were %d steps with digest %x, once %d with %x", seed, a.Steps, a.Digest, b.Steps, b.Digest)
		}
	}
}

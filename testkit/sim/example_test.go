package sim_test

import (
	"fmt"
	"math/rand/v2"
	"strconv"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/store"
	"github.com/weirstreams/weir/stream"
	"github.com/weirstreams/weir/testkit/sim"
)

// A run counts words while processes are killed. The report has the differences from the model.
func Example() {
	words := stream.NewTopic("words", codec.String(), codec.String())
	counts := stream.NewTopic("counts", codec.String(), codec.Int64())
	t := stream.NewTopology()
	t.From(words).
		MapState(store.NewCell[int64]("count"), func(c *store.Cell[int64], _ string) int64 {
			n, _ := c.Get()
			c.Set(n + 1)
			return n + 1
		}).
		To(counts)

	s := &sim.Simulation{
		Topology: t, Faults: sim.AllFaults, Guarantee: sim.ExactlyOnce,
		Inputs: func(r *rand.Rand) []sim.Input {
			in := sim.Input{Topic: words.Name()}
			for i := range 50 {
				in.Records = append(in.Records, sim.Record{Key: strconv.AppendInt(nil, r.Int64N(5), 10), Value: []byte("word"), Millis: int64(i)})
			}
			return []sim.Input{in}
		},
	}
	crashes := 0
	for seed := range uint64(5) {
		report := s.Run(seed)
		if err := report.Err(); err != nil {
			fmt.Println(err)
		}
		crashes += report.Crashes
	}
	fmt.Println("processes were killed:", crashes > 0)
	// Output: processes were killed: true
}

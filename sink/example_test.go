package sink_test

import (
	"context"
	"fmt"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/sink"
	"github.com/weirstreams/weir/stream"
	"github.com/weirstreams/weir/testkit"
)

var readings = stream.NewTopic("readings", codec.String(), codec.Float64())

// run sends three readings through a topology, and stops it, which makes the last checkpoint.
func run(t *stream.Topology) {
	err := testkit.Run(t, testkit.Config{}, func(d *testkit.Driver) {
		in := d.Input(readings)
		in.Send("cellar", 12, time.Unix(1, 0))
		in.Send("attic", 31.5, time.Unix(2, 0))
		in.Send("attic", 32, time.Unix(3, 0))
	})
	if err != nil {
		fmt.Println(err)
	}
}

func Example() {
	insert := func(_ context.Context, rows []weir.Record[string, float64]) error {
		for _, r := range rows {
			fmt.Printf("insert %s %.1f at %s\n", r.Key, r.Value, r.Time().UTC().Format(time.TimeOnly))
		}
		return nil
	}
	t := stream.NewTopology()
	t.From(readings).
		Filter(func(celsius float64) bool { return celsius > 30 }).
		Sink("hot readings", sink.Batch(insert, sink.BatchOptions{}))

	run(t)
	// Output:
	// insert attic 31.5 at 00:00:02
	// insert attic 32.0 at 00:00:03
}

func ExampleList() {
	var hot sink.List[string, float64]
	t := stream.NewTopology()
	t.From(readings).Filter(func(celsius float64) bool { return celsius > 30 }).Sink("hot readings", &hot)

	run(t)
	for _, r := range hot.Records() {
		fmt.Println(r.Key, r.Value)
	}
	// Output:
	// attic 31.5
	// attic 32
}

func ExampleWithCallbacks() {
	var hot sink.List[string, float64]
	t := stream.NewTopology()
	t.From(readings).Sink("hot readings", sink.WithCallbacks(&hot, sink.Callbacks[string]{
		Connected:   func() { fmt.Println("connected") },
		SilentAfter: time.Minute,
		Silent: func(_ context.Context, sensor string) error {
			fmt.Println(sensor, "is silent")
			return nil
		},
	}))

	run(t)
	// Output: connected
}

package testkit_test

import (
	"fmt"
	"time"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/store"
	"github.com/weirstreams/weir/stream"
	"github.com/weirstreams/weir/testkit"
)

// State outlives a crash that takes the disk. A test calls New; Run is for programs and examples.
func Example() {
	visits := stream.NewTopic("visits", codec.String(), codec.String())
	counts := stream.NewTopic("counts", codec.String(), codec.Int())
	seen := store.NewCell[int]("seen")
	topology := stream.NewTopology()
	topology.From(visits).
		MapState(seen, func(c *store.Cell[int], _ string) int {
			n, _ := c.Get()
			c.Set(n + 1)
			return n + 1
		}).
		To(counts)

	err := testkit.Run(topology, testkit.Config{ExactlyOnce: true}, func(d *testkit.Driver) {
		d.Input(visits).Send("home", "visit", time.UnixMilli(0))
		d.Crash(testkit.LoseState)
		d.Input(visits).Send("home", "visit", time.UnixMilli(1))
		fmt.Println(d.Output(counts).Values())
	})
	fmt.Println(err)
	// Output:
	// [1 2]
	// <nil>
}

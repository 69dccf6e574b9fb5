package window_test

import (
	"fmt"
	"time"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/stream"
	"github.com/weirstreams/weir/testkit"
	"github.com/weirstreams/weir/window"
)

// A window has a definition and an aggregator. Its results have the times of the window.
func Example() {
	sales := stream.NewTopic("sales", codec.String(), codec.Int())
	minutes := stream.NewTopic("minutes", codec.String(), codec.JSON[window.Result[int]]())

	t := stream.NewTopology()
	t.From(sales).
		Window(window.Tumbling(time.Minute)).
		Aggregate(window.Sum(func(n int) int { return n })).
		Final().
		To(minutes)

	err := testkit.Run(t, testkit.Config{}, func(d *testkit.Driver) {
		d.Input(sales).Send("shop", 3, time.Unix(10, 0))
		d.Input(sales).Send("shop", 4, time.Unix(20, 0))
		d.Input(sales).Send("shop", 5, time.Unix(60, 0)) // closes the first minute
		for _, r := range d.Output(minutes).Values() {
			fmt.Println(r.Start().UTC().Format(time.TimeOnly), r.Value)
		}
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output: 00:00:00 7
}

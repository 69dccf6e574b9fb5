package docs

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/row"
	"github.com/weirstreams/weir/runtime"
	"github.com/weirstreams/weir/store"
	"github.com/weirstreams/weir/stream"
	"github.com/weirstreams/weir/testkit"
	"github.com/weirstreams/weir/window"
)

func Example_fromQuixRows() {
	readings := stream.NewTopic("readings", codec.String(), row.JSON())
	hot := stream.NewTopic("hot", codec.String(), row.JSON())

	t := stream.NewTopology()
	t.From(readings).
		FilterWith(row.Where(row.Col("temperature").Gt(30))).
		MapWith(row.Assign("fahrenheit", row.Col("temperature").Mul(1.8).Add(32))).
		To(hot)
	fmt.Println(t.Validate())
	// Output: <nil>
}

func Example_fromQuixState() {
	type order struct{ Customer, Shop string }
	orders := stream.NewTopic("orders", codec.String(), codec.JSON[order]())
	counts := stream.NewTopic("counts", codec.String(), codec.JSON[int]())
	count := store.NewCell[int]("orders")

	t := stream.NewTopology()
	t.From(orders).
		GroupBy("shop", func(o order) string { return o.Shop }).
		MapState(count, func(c *store.Cell[int], _ order) int {
			n, _ := c.Get()
			c.Set(n + 1)
			return n + 1
		}).
		To(counts)
	fmt.Println(t.Validate())
	// Output: <nil>
}

func Example_fromQuixWindows() {
	readings := stream.NewTopic("readings", codec.String(), codec.JSON[float64]())
	means := stream.NewTopic("means", codec.String(), codec.JSON[window.Result[float64]]())

	t := stream.NewTopology()
	t.From(readings).
		Window(window.Tumbling(time.Minute).Grace(5 * time.Second)).
		Aggregate(window.Mean(func(celsius float64) float64 { return celsius })).
		Final().
		To(means)
	fmt.Println(t.Validate())
	// Output: <nil>
}

func Example_fromQuixRun() {
	run := func(ctx context.Context, t *stream.Topology, config runtime.Config) error {
		config.Guarantee = runtime.ExactlyOnce
		config.Topics.Create = true
		config.Checkpoint.Interval = 5 * time.Second
		config.Errors = weir.ErrorPolicy{Action: weir.Skip}
		app, err := runtime.New(t, config)
		if err != nil {
			return err
		}
		return app.Run(ctx)
	}
	_ = run // with the configuration of a cluster
	// Output:
}

func Example_fromQuixTest() {
	in := stream.NewTopic("in", codec.String(), codec.JSON[int]())
	t := stream.NewTopology()
	t.From(in).Map(func(n int) int { return 2 * n }).Print(stream.PrintOptions{OneLine: true, To: os.Stdout})
	err := testkit.Run(t, testkit.Config{}, func(d *testkit.Driver) {
		d.Input(in).Send("k", 21, time.Unix(0, 0))
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output: {"value":42}
}

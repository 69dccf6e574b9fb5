package docs

import (
	"context"
	"fmt"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/stream"
	"github.com/weirstreams/weir/testkit"
	"github.com/weirstreams/weir/window"
)

func Example_windows() {
	type Reading struct{ Celsius float64 }
	celsius := func(r Reading) float64 { return r.Celsius }
	readings := stream.NewTopic("readings", codec.String(), codec.JSON[Reading]())
	sums := stream.NewTopic("sums", codec.String(), codec.JSON[window.Result[float64]]())
	t := stream.NewTopology()
	in := t.From(readings)

	out := in.Window(window.Hopping(20*time.Second, 10*time.Second)).
		Aggregate(window.Sum(celsius)).
		Final()

	type stats struct {
		Count int64
		Mean  float64
	}
	both := window.Combine2(window.Count[Reading](), window.Mean(celsius),
		func(n int64, mean float64) stats { return stats{n, mean} })

	out.To(sums)
	in.Window(window.Tumbling(time.Minute)).Aggregate(both).Current().PeekRecord(func(_ context.Context, r weir.Record[string, window.Result[stats]]) error {
		fmt.Println(r.Value.Value)
		return nil
	})
	err := testkit.Run(t, testkit.Config{}, func(d *testkit.Driver) {
		for i := range 4 {
			d.Input(readings).Send("oven", Reading{float64(i)}, time.Unix(int64(5*i), 0))
		}
		d.Input(readings).Send("oven", Reading{9}, time.Unix(21, 0))
		fmt.Println(d.Output(sums).Values())
	})
	fmt.Println(err)
	// Output:
	// {1 0}
	// {2 0.5}
	// {3 1}
	// {4 1.5}
	// {5 3}
	// [{0 20000 6}]
	// <nil>
}

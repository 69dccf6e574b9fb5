package sketch_test

import (
	"fmt"
	"time"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/stream"
	"github.com/weirstreams/weir/testkit"
	"github.com/weirstreams/weir/window"
	"github.com/weirstreams/weir/window/sketch"
)

// Reading is what the examples aggregate.
type Reading struct {
	Celsius int
}

func celsius(r Reading) int { return r.Celsius }

// aggregate sends a reading every 10 seconds and prints the results of the windows that have closed.
func aggregate[A, R any](d window.Definition, a window.Aggregator[Reading, A, R], readings ...int) {
	in := stream.NewTopic("in", codec.String(), codec.JSON[Reading]())
	out := stream.NewTopic("out", codec.String(), codec.JSON[window.Result[R]]())
	t := stream.NewTopology()
	t.From(in).Window(d).Aggregate(a).Final().To(out)
	err := testkit.Run(t, testkit.Config{}, func(d *testkit.Driver) {
		for i, n := range readings {
			d.Input(in).Send("boiler", Reading{n}, time.Unix(int64(10*i), 0))
		}
		for _, r := range d.Output(out).Values() {
			fmt.Println(r.Start().UTC().Format(time.TimeOnly), r.Value)
		}
	})
	if err != nil {
		fmt.Println(err)
	}
}

func Example() {
	text := func(r Reading) []byte { return fmt.Append(nil, r.Celsius) }
	aggregate(window.Tumbling(30*time.Second), sketch.CountDistinct(text), 20, 22, 20, 23)
	// Output: 00:00:00 2
}

func ExampleQuantile() {
	atMost1PercentOff := window.Combine2(sketch.Quantile(0.5, celsius), window.Count[Reading](),
		func(median float64, n int64) bool { return median > 20.7 && median < 21.3 })
	aggregate(window.Tumbling(30*time.Second), atMost1PercentOff, 20, 22, 21, 23)
	// Output: 00:00:00 true
}

package window_test

import (
	"fmt"
	"time"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/stream"
	"github.com/weirstreams/weir/testkit"
	"github.com/weirstreams/weir/window"
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
	err := testkit.Run(t, func(d *testkit.Driver) {
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

func ExampleTumbling() {
	aggregate(window.Tumbling(20*time.Second), window.Sum(celsius), 1, 2, 3, 4, 5)
	// Output:
	// 00:00:00 3
	// 00:00:20 7
}

// With grace a window stays open for records that are late.
func ExampleDefinition_Grace() {
	aggregate(window.Tumbling(20*time.Second).Grace(15*time.Second), window.Sum(celsius), 1, 2, 3, 4, 5)
	// Output:
	// 00:00:00 3
}

func ExampleDefinition_Name() {
	fmt.Println(window.Tumbling(time.Minute).StoreName())
	fmt.Println(window.Tumbling(time.Minute).Name("alarms").StoreName())
	// Output:
	// tumbling_window_60000
	// alarms_tumbling_window_60000
}

func ExampleCount() {
	aggregate(window.Tumbling(30*time.Second), window.Count[Reading](), 20, 22, 21, 23)
	// Output: 00:00:00 3
}

func ExampleSum() {
	aggregate(window.Tumbling(30*time.Second), window.Sum(celsius), 20, 22, 21, 23)
	// Output: 00:00:00 63
}

func ExampleMin() {
	aggregate(window.Tumbling(30*time.Second), window.Min(celsius), 22, 20, 21, 23)
	// Output: 00:00:00 20
}

func ExampleMax() {
	aggregate(window.Tumbling(30*time.Second), window.Max(celsius), 20, 22, 21, 23)
	// Output: 00:00:00 22
}

func ExampleMean() {
	aggregate(window.Tumbling(30*time.Second), window.Mean(celsius), 20, 22, 24, 26)
	// Output: 00:00:00 22
}

// The difference between the first and the last reading.
func ExampleCustom() {
	type span struct {
		First, Last int
		Any         bool
	}
	rise := window.Custom(
		func() span { return span{} },
		func(s *span, r Reading) {
			if !s.Any {
				s.First, s.Any = r.Celsius, true
			}
			s.Last = r.Celsius
		},
		func(s *span) int { return s.Last - s.First },
	)
	aggregate(window.Tumbling(30*time.Second), rise, 20, 22, 27, 23)
	// Output: 00:00:00 7
}

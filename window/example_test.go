package window_test

import (
	"cmp"
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
	out := stream.NewTopic("out", codec.String(), codec.JSON[window.Result[string]]())
	t := stream.NewTopology()
	t.From(in).Window(d).Aggregate[any, string](erased[A, R]{a}).Final().To(out)
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

func ExampleHopping() {
	aggregate(window.Hopping(20*time.Second, 10*time.Second), window.Sum(celsius), 1, 2, 3, 4)
	// Output:
	// 00:00:00 3
	// 00:00:10 5
}

func ExampleSliding() {
	aggregate(window.Sliding(20*time.Second), window.Sum(celsius), 1, 2, 3, 4, 5)
	// Output:
	// 00:00:00 1
	// 00:00:00 3
	// 00:00:00 6
	// 00:00:10 9
}

func ExampleSession() {
	aggregate(window.Session(4*time.Second), window.Sum(celsius), 1, 2, 3)
	// Output:
	// 00:00:00 1
	// 00:00:10 2
}

func ExampleTumblingCount() {
	aggregate(window.TumblingCount(2), window.Sum(celsius), 1, 2, 3, 4, 5)
	// Output:
	// 00:00:00 3
	// 00:00:20 7
}

func ExampleHoppingCount() {
	aggregate(window.HoppingCount(3, 2), window.Sum(celsius), 1, 2, 3, 4, 5)
	// Output:
	// 00:00:00 6
	// 00:00:20 12
}

func ExampleSlidingCount() {
	aggregate(window.SlidingCount(3), window.Mean(celsius), 1, 2, 3, 4)
	// Output:
	// 00:00:00 2
	// 00:00:10 3
}

func ExampleDefinition_CloseByPartition() {
	aggregate(window.Tumbling(20*time.Second).CloseByPartition(), window.Sum(celsius), 1, 2, 3)
	// Output: 00:00:00 3
}

func ExampleDefinition_OnLate() {
	d := window.Tumbling(20 * time.Second).OnLate(func(l window.Late) bool {
		fmt.Println("late:", l.Value, l.Reason)
		return false // no line in the log
	})
	in := stream.NewTopic("in", codec.String(), codec.Int())
	out := stream.NewTopic("out", codec.String(), codec.JSON[window.Result[int]]())
	t := stream.NewTopology()
	t.From(in).Window(d).Aggregate(window.Sum(func(n int) int { return n })).Final().To(out)
	err := testkit.Run(t, testkit.Config{}, func(d *testkit.Driver) {
		d.Input(in).Send("k", 1, time.Unix(100, 0))
		d.Input(in).Send("k", 2, time.Unix(50, 0))
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output: late: 2 closed
}

func ExampleFirst() {
	aggregate(window.Tumbling(30*time.Second), window.First(celsius), 20, 22, 21, 23)
	// Output: 00:00:00 20
}

func ExampleLast() {
	aggregate(window.Tumbling(30*time.Second), window.Last(celsius), 20, 22, 21, 23)
	// Output: 00:00:00 21
}

func ExampleEarliest() {
	aggregate(window.Tumbling(30*time.Second), window.Earliest(celsius), 20, 22, 21, 23)
	// Output: 00:00:00 20
}

func ExampleLatest() {
	aggregate(window.Tumbling(30*time.Second), window.Latest(celsius), 20, 22, 21, 23)
	// Output: 00:00:00 21
}

func ExampleReduce() {
	longest := window.Reduce(celsius, func(best int, r Reading) int { return max(best, r.Celsius) })
	aggregate(window.Tumbling(30*time.Second), longest, 20, 22, 21, 23)
	// Output: 00:00:00 22
}

func ExampleReduceMerging() {
	highest := window.ReduceMerging(celsius,
		func(best int, r Reading) int { return max(best, r.Celsius) },
		func(a, b int) int { return max(a, b) })
	aggregate(window.Session(4*time.Second), highest, 20, 22)
	// Output: 00:00:00 20
}

func ExampleCustomMerging() {
	sum := window.CustomMerging(
		func() int { return 0 },
		func(acc *int, r Reading) { *acc += r.Celsius },
		func(dst *int, src int) { *dst += src },
		func(acc *int) int { return *acc },
	)
	aggregate(window.Session(4*time.Second), sum, 20, 22)
	// Output: 00:00:00 20
}

func ExampleCollect() {
	aggregate(window.Tumbling(30*time.Second), window.Collect[Reading](), 20, 22, 21, 23)
	// Output: 00:00:00 [{20} {22} {21}]
}

func ExampleCollectOf() {
	aggregate(window.Tumbling(30*time.Second), window.CollectOf(celsius), 20, 22, 21, 23)
	// Output: 00:00:00 [20 22 21]
}

func ExampleStdDev() {
	aggregate(window.Tumbling(20*time.Second), window.StdDev(celsius), 20, 24, 0)
	// Output: 00:00:00 2
}

func ExampleCountDistinct() {
	aggregate(window.Tumbling(30*time.Second), window.CountDistinct(celsius), 20, 22, 20, 23)
	// Output: 00:00:00 2
}

func ExampleTopN() {
	aggregate(window.Tumbling(30*time.Second), window.TopN(2, celsius, cmp.Compare[int]), 20, 22, 21, 23)
	// Output: 00:00:00 [22 21]
}

func ExampleCombine2() {
	type stats struct {
		Records int64
		Mean    float64
	}
	both := window.Combine2(window.Count[Reading](), window.Mean(celsius),
		func(n int64, mean float64) stats { return stats{n, mean} })
	aggregate(window.Tumbling(30*time.Second), both, 20, 22, 24, 23)
	// Output: 00:00:00 {3 22}
}

func ExampleCombine3() {
	type stats struct{ Low, High, Last int }
	all := window.Combine3(window.Min(celsius), window.Max(celsius), window.Last(celsius),
		func(low, high, last int) stats { return stats{low, high, last} })
	aggregate(window.Tumbling(30*time.Second), all, 20, 24, 22, 23)
	// Output: 00:00:00 {20 24 22}
}

func ExampleCombine4() {
	type stats struct {
		Records        int64
		Low, High, Sum int
	}
	all := window.Combine4(window.Count[Reading](), window.Min(celsius), window.Max(celsius), window.Sum(celsius),
		func(n int64, low, high, sum int) stats { return stats{n, low, high, sum} })
	aggregate(window.Tumbling(30*time.Second), all, 20, 24, 22, 23)
	// Output: 00:00:00 {3 20 24 66}
}

func ExampleMinFunc() {
	nearest := window.MinFunc(celsius, func(a, b int) int { return cmp.Compare(max(a-20, 20-a), max(b-20, 20-b)) })
	aggregate(window.Tumbling(30*time.Second), nearest, 25, 18, 23, 20)
	// Output: 00:00:00 18
}

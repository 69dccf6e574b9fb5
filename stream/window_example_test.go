package stream_test

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

var (
	pageClicks = stream.NewTopic("pageClicks", codec.String(), codec.Int())
	visits     = stream.NewTopic("visits", codec.String(), codec.JSON[window.Result[int64]]())
	minutes    = window.Tumbling(time.Minute)
	total      = window.Sum(func(n int) int64 { return int64(n) })
)

// emitting sends pageClicks on a page, one every 20 seconds, and prints which results each of them brings.
func emitting(d window.Definition, emit func(stream.Aggregated[string, int, int64]) stream.Stream[string, window.Result[int64]], values ...int) {
	t := stream.NewTopology()
	emit(t.From(pageClicks).Window(d).Aggregate(total)).To(visits)
	err := testkit.Run(t, testkit.Config{}, func(d *testkit.Driver) {
		out := d.Output(visits)
		for i, n := range values {
			at := time.Unix(int64(20*i), 0).UTC()
			d.Input(pageClicks).Send("home", n, at)
			fmt.Print(at.Format("04:05"), ":")
			for _, r := range out.Read() {
				fmt.Printf(" %s=%d", r.Value.Start().UTC().Format("04:05"), r.Value.Value)
			}
			fmt.Println()
		}
	})
	if err != nil {
		fmt.Println(err)
	}
}

func ExampleAggregated_Final() {
	emitting(minutes, stream.Aggregated[string, int, int64].Final, 1, 2, 3, 4)
	// Output:
	// 00:00:
	// 00:20:
	// 00:40:
	// 01:00: 00:00=6
}

// Of the results of a window, which change with every click, one is sent every 40 seconds.
func ExampleAggregated_Suppress() {
	emitting(minutes, func(a stream.Aggregated[string, int, int64]) stream.Stream[string, window.Result[int64]] {
		return a.Suppress(window.Suppression{Interval: 40 * time.Second})
	}, 1, 2, 3, 4, 5)
	// Output:
	// 00:00:
	// 00:20:
	// 00:40: 00:00=3
	// 01:00:
	// 01:20: 00:00=6
}

func ExampleAggregated_EveryRecords() {
	emitting(minutes, func(a stream.Aggregated[string, int, int64]) stream.Stream[string, window.Result[int64]] {
		return a.EveryRecords(2).Final()
	}, 1, 2, 3, 4)
	// Output:
	// 00:00:
	// 00:20: 00:00=3
	// 00:40:
	// 01:00: 00:00=6
}

func ExampleAggregated_EveryTime() {
	emitting(minutes, func(a stream.Aggregated[string, int, int64]) stream.Stream[string, window.Result[int64]] {
		return a.EveryTime(30 * time.Second).Final()
	}, 1, 2, 3, 4)
	// Output:
	// 00:00:
	// 00:20:
	// 00:40: 00:00=6
	// 01:00: 00:00=6
}

// An alarm is not to wait for the end of the window.
func ExampleAggregated_EmitWhen() {
	emitting(minutes, func(a stream.Aggregated[string, int, int64]) stream.Stream[string, window.Result[int64]] {
		return a.EmitWhen(func(soFar int64) bool { return soFar > 100 }).Final()
	}, 60, 70, 1, 4)
	// Output:
	// 00:00:
	// 00:20: 00:00=130
	// 00:40: 00:00=131
	// 01:00: 00:00=131
}

func ExampleAggregated_CloseAfter() {
	emitting(minutes, func(a stream.Aggregated[string, int, int64]) stream.Stream[string, window.Result[int64]] {
		return a.CloseAfter(func(soFar int64) bool { return soFar > 100 }).Final()
	}, 60, 70, 1, 4)
	// Output:
	// 00:00:
	// 00:20: 00:00=130
	// 00:40:
	// 01:00: 00:00=1
}

// The function sees the record: its key, value, time and headers.
func ExampleAggregated_EmitWhenRecord() {
	emitting(minutes, func(a stream.Aggregated[string, int, int64]) stream.Stream[string, window.Result[int64]] {
		return a.EmitWhenRecord(func(_ context.Context, soFar int64, r weir.Record[string, int]) (bool, error) {
			return soFar > 100 && r.Value >= 50, nil
		}).Final()
	}, 60, 70, 1, 4)
	// Output:
	// 00:00:
	// 00:20: 00:00=130
	// 00:40:
	// 01:00: 00:00=131
}

// No batch is greater than 100.
func ExampleAggregated_CloseBefore() {
	emitting(minutes, func(a stream.Aggregated[string, int, int64]) stream.Stream[string, window.Result[int64]] {
		return a.CloseBefore(func(soFar int64, next int) bool { return int(soFar)+next > 100 }).Final()
	}, 60, 70, 1, 4)
	// Output:
	// 00:00:
	// 00:20: 00:00=60
	// 00:40:
	// 01:00: 00:00=71
}

// The function sees the record: its key, value, time and headers.
func ExampleAggregated_CloseAfterRecord() {
	emitting(minutes, func(a stream.Aggregated[string, int, int64]) stream.Stream[string, window.Result[int64]] {
		return a.CloseAfterRecord(func(_ context.Context, soFar int64, r weir.Record[string, int]) (bool, error) {
			return soFar > 1 && r.Time().Second() == 20, nil
		}).Final()
	}, 60, 70, 1, 4)
	// Output:
	// 00:00:
	// 00:20: 00:00=130
	// 00:40:
	// 01:00: 00:00=1
}

// Every great value begins a batch.
func ExampleAggregated_CloseBeforeRecord() {
	emitting(minutes, func(a stream.Aggregated[string, int, int64]) stream.Stream[string, window.Result[int64]] {
		return a.CloseBeforeRecord(func(_ context.Context, _ int64, next weir.Record[string, int]) (bool, error) {
			return next.Value >= 50, nil
		}).Final()
	}, 60, 70, 1, 4)
	// Output:
	// 00:00:
	// 00:20: 00:00=60
	// 00:40:
	// 01:00: 00:00=71
}

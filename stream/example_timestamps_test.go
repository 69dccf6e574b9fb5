package stream_test

import (
	"context"
	"fmt"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/stream"
	"github.com/weirstreams/weir/testkit"
)

func ExampleTopic_WithTimestamps() {
	type Reading struct {
		Celsius  float64
		Measured time.Time
	}
	readings := stream.NewTopic("readings", codec.String(), codec.JSON[Reading]()).
		WithTimestamps(func(r weir.Record[string, Reading]) time.Time { return r.Value.Measured })

	t := stream.NewTopology()
	t.From(readings).
		MapRecord(func(_ context.Context, r weir.Record[string, Reading]) (string, error) {
			return r.Time().UTC().Format(time.DateTime), nil
		}).
		To(words)
	err := testkit.Run(t, testkit.Config{}, func(d *testkit.Driver) {
		d.Input(readings).Send("attic", Reading{31.5, time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)}, time.Now())
		fmt.Println(d.Output(words).Values())
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output: [2026-07-01 12:00:00]
}

func ExampleTopic_Timestamps() {
	byValue := stream.NewTopic("times", codec.String(), codec.Int64()).
		WithTimestamps(func(r weir.Record[string, int64]) time.Time { return time.UnixMilli(r.Value) })

	fmt.Println(byValue.Timestamps()(weir.Record[string, int64]{Value: 1000}).UnixMilli())
	// Output: 1000
}

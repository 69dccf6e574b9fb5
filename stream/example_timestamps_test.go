package stream_test

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/stream"
	"github.com/weirstreams/weir/testkit"
)

// The lines begin with the time of their measurement.
func ExampleTopic_WithTimestamps() {
	readings := stream.NewTopic("readings", codec.String(), codec.String()).
		WithTimestamps(func(r weir.Record[string, string]) time.Time {
			measured, _, _ := strings.Cut(r.Value, " ")
			at, err := time.Parse(time.RFC3339, measured)
			if err != nil {
				return r.Time() // that of the message
			}
			return at
		})

	t := stream.NewTopology()
	t.From(readings).
		MapRecord(func(_ context.Context, r weir.Record[string, string]) (string, error) {
			return r.Time().UTC().Format(time.DateTime), nil
		}).
		To(words)
	err := testkit.Run(t, testkit.Config{}, func(d *testkit.Driver) {
		d.Input(readings).Send("attic", "2026-07-01T12:00:00Z 31.5", time.Now())
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

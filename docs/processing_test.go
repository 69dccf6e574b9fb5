package docs

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/stream"
	"github.com/weirstreams/weir/testkit"
)

func Example_processing() {
	type Quote struct {
		Symbol   string
		Bid      float64
		AtMillis int64
	}
	input := stream.NewTopic("quotes", codec.String(), codec.JSON[Quote]())
	bids := stream.NewTopic("bids", codec.String(), codec.Float64())
	t := stream.NewTopology()
	quotes := t.From(input)

	prices := quotes.
		Filter(func(q Quote) bool { return q.Bid > 0 }).
		MapKey(func(q Quote) string { return q.Symbol }).
		SetTimestamp(func(q Quote) time.Time { return time.UnixMilli(q.AtMillis) }).
		AddHeader("source", func(Quote) []byte { return []byte("feed") }).
		Map(func(q Quote) float64 { return q.Bid })

	prices.To(bids)
	err := testkit.Run(t, testkit.Config{}, func(d *testkit.Driver) {
		d.Input(input).Send("1", Quote{"ACME", 101, 5}, time.Unix(0, 0))
		d.Input(input).Send("2", Quote{"ACME", 0, 6}, time.Unix(0, 0))
		for _, r := range d.Output(bids).Read() {
			fmt.Printf("%s %v %d %s\n", r.Key, r.Value, r.Time.UnixMilli(), r.Headers[0].Value)
		}
	})
	fmt.Println(err)
	// Output:
	// ACME 101 5 feed
	// <nil>
}

func Example_failing() {
	input := stream.NewTopic("texts", codec.String(), codec.String())
	t := stream.NewTopology()
	texts := t.From(input)

	parsed := texts.MapRecord(func(ctx context.Context, r weir.Record[string, string]) (int, error) {
		n, err := strconv.Atoi(r.Value)
		if err != nil {
			return 0, fmt.Errorf("key %q: %w", r.Key, err)
		}
		return n, nil
	})

	parsed.Peek(func(n int) { fmt.Println(n) })
	err := testkit.Run(t, testkit.Config{}, func(d *testkit.Driver) {
		d.Input(input).Send("k", "42", time.Unix(0, 0))
	})
	fmt.Println(err)
	// Output:
	// 42
	// <nil>
}

package docs_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/join"
	"github.com/weirstreams/weir/stream"
	"github.com/weirstreams/weir/testkit"
	"github.com/weirstreams/weir/window"
)

// The snippets of docs/testing.md.
func TestPageOfTests(t *testing.T) {
	t.Parallel()
	type Order struct {
		Shop, Item string
		Count      int64
	}
	orders := stream.NewTopic("orders", codec.String(), codec.JSON[Order]())
	totals := stream.NewTopic("totals", codec.String(), codec.JSON[window.Result[int64]]())
	topology := func(prices join.Lookup[string, int64]) *stream.Topology {
		t := stream.NewTopology()
		t.From(orders).
			MapRecord(func(_ context.Context, r weir.Record[string, Order]) (Order, error) {
				if r.Value.Count < 0 {
					return Order{}, errors.New("the count is negative")
				}
				return r.Value, nil
			}).
			JoinLookup(prices, func(o Order) string { return o.Item }, func(o Order, price int64) Order {
				o.Count *= price
				return o
			}).
			GroupBy("shop", func(o Order) string { return o.Shop }).
			Window(window.Tumbling(time.Hour)).
			Aggregate(window.Sum(func(o Order) int64 { return o.Count })).
			Final().
			To(totals)
		return t
	}
	noon := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

	prices := join.LookupFunc[string, int64](func(_ context.Context, items []string, found []*int64) error {
		for i, item := range items {
			if price, ok := map[string]int64{"pen": 30}[item]; ok {
				found[i] = &price
			}
		}
		return nil
	})
	d := testkit.New(t, topology(prices), testkit.Config{IdleTimeout: time.Minute, Errors: weir.ErrorPolicy{Action: weir.DeadLetter}})
	in, out, failed := d.Input(orders), d.Output(totals), d.DeadLetters()
	in.Send("o-1", Order{Shop: "books", Item: "pen", Count: 2}, noon)

	in.Send("o-2", Order{Shop: "books", Item: "pen", Count: -1}, noon)
	if letters := failed.Read(); len(letters) != 1 {
		t.Fatalf("%d dead letters, want 1", len(letters))
	}

	d.Advance(2 * time.Hour)
	out.ExpectValues(window.Result[int64]{StartMillis: noon.UnixMilli(), EndMillis: noon.Add(time.Hour).UnixMilli(), Value: 60})

	d.Checkpoint()
	d.Crash(testkit.LoseState)
	in.Send("o-3", Order{Shop: "books", Item: "pen", Count: 1}, noon.Add(3*time.Hour))
	d.Advance(2 * time.Hour)
	later := noon.Add(3 * time.Hour)
	out.ExpectValues(window.Result[int64]{StartMillis: later.UnixMilli(), EndMillis: later.Add(time.Hour).UnixMilli(), Value: 30})
}

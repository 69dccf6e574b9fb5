// Command fraud watches payments by card, and reports two patterns: a card that is in two countries within an hour, and more than
// three payments within a minute.
//
//	go run ./examples/fraud
package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/examples/internal/local"
	"github.com/weirstreams/weir/runtime"
	"github.com/weirstreams/weir/store"
	"github.com/weirstreams/weir/stream"
	"github.com/weirstreams/weir/window"
)

// Payment is a payment at a till. The key of its record is the till.
type Payment struct {
	Card    string `json:"card"`
	Country string `json:"country"`
	Cents   int64  `json:"cents"`
}

// place is where a card was last, and when, in Unix milliseconds.
type place struct {
	Country string
	Millis  int64
}

var (
	payments = stream.NewTopic("payments", codec.String(), codec.JSON[Payment]())
	alerts   = stream.NewTopic("alerts", codec.String(), codec.String()) // by card

	// last is the last place of a card. A card that was not used for an hour needs no state.
	last = store.NewCell[place]("last").WithTTL(time.Hour)
)

// topology brings the payments of a card together, and looks for both patterns. A payment that comes late is compared as
// well: what counts is the time between two payments, in either direction.
func topology(kept *stream.Collector[string, string]) *stream.Topology {
	t := stream.NewTopology()
	byCard := t.From(payments).GroupBy("card", func(p Payment) string { return p.Card })

	travels := byCard.FlatMapStateRecord(last, func(_ context.Context, c *store.Cell[place], r weir.Record[string, Payment]) ([]string, error) {
		before, known := c.Get()
		if !known || r.Millis >= before.Millis {
			c.Set(place{r.Value.Country, r.Millis})
		}
		between := time.Duration(max(r.Millis-before.Millis, before.Millis-r.Millis)) * time.Millisecond
		if !known || before.Country == r.Value.Country || between >= time.Hour {
			return nil, nil
		}
		return []string{fmt.Sprintf("in %s, %v from a payment in %s", r.Value.Country, between, before.Country)}, nil
	})

	bursts := byCard.
		Window(window.Tumbling(time.Minute).Grace(10 * time.Second)).
		Aggregate(window.Count[Payment]()).
		Current().
		Filter(func(w window.Result[int64]) bool { return w.Value == 4 }). // once for each window
		Map(func(w window.Result[int64]) string {
			return fmt.Sprintf("more than three payments in the minute of %s", w.Start().UTC().Format("15:04"))
		})

	travels.Merge(bursts).Collect(kept).To(alerts)
	return t
}

func program(ctx context.Context, out io.Writer, config runtime.Config) error {
	var kept stream.Collector[string, string]
	config.Guarantee = runtime.ExactlyOnce // each alert once
	app, err := runtime.New(topology(&kept), config)
	if err != nil {
		return err
	}
	noon := time.Now().UTC().Add(-24 * time.Hour).Truncate(24 * time.Hour).Add(12 * time.Hour)
	pay := func(second int, card, country string) weir.Record[string, Payment] {
		at := noon.Add(time.Duration(second) * time.Second)
		return weir.Record[string, Payment]{Key: "till of " + country, Value: Payment{card, country, 1000}, Millis: at.UnixMilli()}
	}
	if err := local.Feed(ctx, app, payments,
		pay(0, "1111", "AT"), pay(5, "2222", "AT"), pay(10, "1111", "AT"), pay(20, "1111", "AT"), pay(30, "1111", "AT"), pay(40, "1111", "AT"),
		pay(600, "2222", "BR"), pay(3000, "3333", "AT"), pay(9000, "3333", "DE")); err != nil {
		return err
	}
	if err := app.RunUntil(ctx, runtime.Until{Outputs: 2}); err != nil {
		return err
	}
	found := kept.Records()
	slices.SortFunc(found, func(a, b weir.Record[string, string]) int { return cmp.Compare(a.Key, b.Key) }) // cards of other partitions have no order
	for _, r := range found {
		fmt.Fprintf(out, "card %s: %s\n", r.Key, r.Value)
	}
	return nil
}

func main() { local.Main("fraud", program) }

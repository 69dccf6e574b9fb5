// Command trades prices trades by the quote that was valid at their time, and reports for each symbol by how much its
// trades were better or worse than the quote.
//
//	go run ./examples/trades
package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/examples/internal/local"
	"github.com/weirstreams/weir/join"
	"github.com/weirstreams/weir/runtime"
	"github.com/weirstreams/weir/stream"
)

// Trade is a purchase at a price, in cents. The key is the symbol.
type Trade struct {
	Shares int64 `json:"shares"`
	Price  int64 `json:"price"`
}

// Priced is a trade beside the quote of its time.
type Priced struct {
	Trade
	Quote int64         `json:"quote"`
	Age   time.Duration `json:"age"` // of the quote
}

var (
	quotes = stream.NewTopic("quotes", codec.String(), codec.Int64())
	trades = stream.NewTopic("trades", codec.String(), codec.JSON[Trade]())
	priced = stream.NewTopic("priced", codec.String(), codec.JSON[Priced]())
)

// topology joins each trade with the latest quote that is not later than the trade, and at most 10 s older. Both topics
// are read in the order of their times, so that a replay gives the same prices.
func topology(kept *stream.Collector[string, Priced]) *stream.Topology {
	t := stream.NewTopology()
	t.From(trades).
		JoinAsOfRecord(t.From(quotes), join.AsOf{}.Tolerance(10*time.Second),
			func(_ context.Context, trade weir.Record[string, Trade], quote join.Matched[int64]) (Priced, error) {
				return Priced{trade.Value, quote.Value, trade.Time().Sub(quote.Time())}, nil
			}).
		Collect(kept).
		To(priced)
	return t
}

func program(ctx context.Context, out io.Writer, config runtime.Config) error {
	var kept stream.Collector[string, Priced]
	app, err := runtime.New(topology(&kept), config)
	if err != nil {
		return err
	}
	open := time.Now().Add(-time.Minute)
	at := func(second int) int64 { return open.Add(time.Duration(second) * time.Second).UnixMilli() }
	quote := func(second int, symbol string, price int64) weir.Record[string, int64] {
		return weir.Record[string, int64]{Key: symbol, Value: price, Millis: at(second)}
	}
	trade := func(second int, symbol string, shares, price int64) weir.Record[string, Trade] {
		return weir.Record[string, Trade]{Key: symbol, Value: Trade{shares, price}, Millis: at(second)}
	}
	// The trades are written first: the order of writing does not count.
	if err := local.Feed(ctx, app, trades,
		trade(3, "ALPHA", 100, 1002), trade(5, "ALPHA", 50, 1010), trade(6, "BETA", 10, 500), trade(30, "ALPHA", 1, 1000)); err != nil {
		return err
	}
	if err := local.Feed(ctx, app, quotes,
		quote(0, "ALPHA", 1000), quote(5, "ALPHA", 1012), quote(7, "BETA", 505), quote(8, "ALPHA", 1020)); err != nil {
		return err
	}
	if err := app.RunUntil(ctx, runtime.Until{Idle: time.Second}); err != nil {
		return err
	}
	for _, r := range kept.Records() {
		p := r.Value
		fmt.Fprintf(out, "%s: %d shares at %d, the quote was %d, %v old\n", r.Key, p.Shares, p.Price, p.Quote, p.Age)
	}
	return nil
}

func main() { local.Main("trades", program) }

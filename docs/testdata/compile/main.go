// Command compile has the mistakes of docs/faq.md: it does not compile.
package main

import (
	"strings"
	"time"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/store"
	"github.com/weirstreams/weir/stream"
	"github.com/weirstreams/weir/window"
)

type Payment struct {
	Card  string
	Cents int64
}

var (
	payments = stream.NewTopic("payments", codec.String(), codec.JSON[Payment]())
	totals   = stream.NewTopic("totals", codec.String(), codec.Int64())
	total    = store.NewCell[int64]("total")
)

func main() {
	t := stream.NewTopology()
	t.From(payments).
		GroupBy("card", func(p Payment) string { return p.Card }).
		Window(window.Tumbling(time.Hour)).
		Aggregate(window.Sum(func(p Payment) int64 { return p.Cents })).
		Final().
		To(totals)

	t.From(payments).FlatMap(strings.Fields)

	t.From(payments).MapState(total, func(c *store.Cell[int], p Payment) int64 { return p.Cents })
}

package provision_test

import (
	"context"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/store"
	"github.com/weirstreams/weir/stream"
	"github.com/weirstreams/weir/window"
)

// The pipeline of these tests: orders are grouped by shop, which takes them through a repartition topic; there a cell adds up
// each shop's amounts, and a window those of 10 ms.

type order struct {
	Shop   string
	Amount int
}

type totalLine struct {
	Shop  string
	Total int
}

const (
	groupName       = "g"
	repartition     = "repartition__g--orders--shop"
	totalChangelog  = "changelog__g--repartition.orders.shop--total"
	windowChangelog = "changelog__g--repartition.orders.shop--tumbling_window_10"
)

var (
	orders  = stream.NewTopic("orders", codec.String(), codec.JSON[order]())
	totals  = stream.NewTopic("totals", codec.String(), codec.JSON[totalLine]())
	windows = stream.NewTopic("windows", codec.String(), codec.JSON[window.Result[int]]())
)

// begin is the first time of the clock.
var begin = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

var total = store.NewCell[int]("total")

func sumUp(_ context.Context, c *store.Cell[int], r weir.Record[string, order]) (totalLine, error) {
	n, _ := c.Get()
	c.Set(n + r.Value.Amount)
	return totalLine{r.Key, n + r.Value.Amount}, nil
}

func pipeline() *stream.Topology {
	t := stream.NewTopology()
	shops := t.From(orders).GroupBy("shop", func(o order) string { return o.Shop })
	shops.MapStateRecord(total, sumUp).To(totals)
	shops.Window(window.Tumbling(10 * time.Millisecond)).
		Aggregate(window.Sum(func(o order) int { return o.Amount })).
		Final().To(windows)
	return t
}

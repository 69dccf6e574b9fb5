package docs

import (
	"fmt"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/store"
	"github.com/weirstreams/weir/stream"
)

func Example_fromGokaCounter() {
	clicks := stream.NewTopic("clicks", codec.String(), codec.String())
	totals := stream.NewTopic("totals", codec.String(), codec.Int64())
	count := store.NewCell[int64]("count")

	t := stream.NewTopology()
	t.From(clicks).
		MapState(count, func(c *store.Cell[int64], _ string) int64 {
			n, _ := c.Get()
			c.Set(n + 1)
			return n + 1
		}).
		To(totals)
	fmt.Println(t.Validate())
	// Output: <nil>
}

func Example_fromGokaInputs() {
	type payment struct{ Cents int64 }
	type refund struct{ Cents int64 }
	payments := stream.NewTopic("payments", codec.String(), codec.JSON[payment]())
	refunds := stream.NewTopic("refunds", codec.String(), codec.JSON[refund]())
	balances := stream.NewTopic("balances", codec.String(), codec.Int64())
	balance := store.NewCell[int64]("balance")
	t := stream.NewTopology()

	type change struct{ Amount int64 }

	paid := t.From(payments).Map(func(p payment) change { return change{p.Cents} })
	back := t.From(refunds).Map(func(r refund) change { return change{-r.Cents} })
	paid.Merge(back).
		MapState(balance, func(c *store.Cell[int64], of change) int64 {
			n, _ := c.Get()
			c.Set(n + of.Amount)
			return n + of.Amount
		}).
		To(balances)
	fmt.Println(t.Validate())
	// Output: <nil>
}

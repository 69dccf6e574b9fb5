package docs

import (
	"fmt"
	"time"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/stream"
	"github.com/weirstreams/weir/testkit"
	"github.com/weirstreams/weir/window"
)

func Example_grouping() {
	type Sale struct {
		Shop, Seller string
		Amount       int
	}
	input := stream.NewTopic("sales", codec.String(), codec.JSON[Sale]())
	sums := stream.NewTopic("sums", codec.String(), codec.Int())
	bySeller := stream.NewTopic("by-seller", codec.String(), codec.JSON[Sale]())
	t := stream.NewTopology()
	sales := t.From(input)

	perShop := sales.GroupBy("shop", func(s Sale) string { return s.Shop })
	totals := perShop.Aggregate("amount", window.Sum(func(s Sale) int { return s.Amount }))

	to := stream.Repartition[string, Sale]{Name: "seller", Value: codec.JSON[Sale](), Partitions: 12}
	perSeller := sales.GroupByWith(to, func(s Sale) string { return s.Seller })

	totals.To(sums)
	perSeller.To(bySeller)
	err := testkit.Run(t, testkit.Config{}, func(d *testkit.Driver) {
		d.Input(input).Send("1", Sale{"north", "ann", 3}, time.Unix(0, 0))
		d.Input(input).Send("2", Sale{"north", "bob", 4}, time.Unix(0, 0))
		fmt.Println(d.Output(sums).Values(), len(d.Output(bySeller).Read()))
	})
	fmt.Println(err)
	// Output:
	// [3 7] 2
	// <nil>
}

package bigquery_test

import (
	"fmt"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/sink/bigquery"
	"github.com/weirstreams/weir/stream"
)

type order struct {
	Country string  `json:"country"`
	Total   float64 `json:"total"`
}

func Example() {
	orders := stream.NewTopic("orders", codec.String(), codec.JSON[order]())
	table := bigquery.New(bigquery.Table{Project: "shop", Dataset: "lake", Name: "orders"}, bigquery.Options[string, order]{
		Types: map[string]string{"country": "STRING", "total": "NUMERIC"},
	})
	t := stream.NewTopology()
	t.From(orders).Sink("warehouse", table)
	fmt.Println(table, t.Validate())
	// Output: BigQuery table shop.lake.orders <nil>
}

func ExampleNewInsert() {
	orders := stream.NewTopic("orders", codec.String(), codec.JSON[order]())
	table := bigquery.NewInsert(bigquery.Table{Project: "shop", Dataset: "lake", Name: "orders"}, bigquery.Options[string, order]{KeyColumn: "customer"})
	t := stream.NewTopology()
	t.From(orders).Sink("warehouse", table)
	fmt.Println(t.Validate())
	// Output: <nil>
}

package iceberg_test

import (
	"fmt"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/secret"
	"github.com/weirstreams/weir/sink/iceberg"
	"github.com/weirstreams/weir/stream"
)

type order struct {
	Country string  `json:"country"`
	Total   float64 `json:"total"`
}

func Example() {
	orders := stream.NewTopic("orders", codec.String(), codec.JSON[order]())
	lake := iceberg.REST{URI: "https://catalog.example", Warehouse: "company", ClientID: "weir", Secret: secret.New("from a file")}
	table := iceberg.New(iceberg.Options[string, order]{
		Catalog:     lake.Open,
		Table:       "shop.orders",
		Types:       map[string]string{"country": "string", "total": "decimal(12,2)"},
		PartitionBy: []string{"country", "day(_timestamp)"},
	})
	t := stream.NewTopology()
	t.From(orders).Sink("lake", table)
	fmt.Println(table, t.Validate())
	// Output: Iceberg table shop.orders <nil>
}

package clickhouse_test

import (
	"fmt"
	"os"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/row"
	"github.com/weirstreams/weir/secret"
	"github.com/weirstreams/weir/sink/clickhouse"
	"github.com/weirstreams/weir/stream"
)

type trade struct {
	Symbol string  `json:"symbol"`
	Price  float64 `json:"price"`
}

func Example() {
	trades := stream.NewTopic("trades", codec.String(), codec.JSON[trade]())
	market := clickhouse.New("https://clickhouse.example.com:8443", clickhouse.Options[string, trade]{
		Database: "market",
		Table:    "trades",
		Metadata: clickhouse.Metadata{Topic: "topic", Partition: "partition", Offset: "offset"},
		Auth:     clickhouse.Basic("writer", secret.New(os.Getenv("CLICKHOUSE_PASSWORD"))),
	})
	t := stream.NewTopology()
	t.From(trades).Sink("clickhouse", market)
	fmt.Println(market, t.Validate())
	// Output: table market.trades at https://clickhouse.example.com:8443 <nil>
}

// numberRow makes the row of a record.
func numberRow(r *weir.Record[string, number]) (row.Row, error) {
	return row.New(row.F("n", int(r.Value)), row.F("of", r.Key)), nil
}

// A function makes the rows.
func ExampleOptions() {
	numbers := stream.NewTopic("numbers", codec.String(), codec.JSON[number]())
	t := stream.NewTopology()
	t.From(numbers).Sink("clickhouse", clickhouse.New("http://localhost:8123", clickhouse.Options[string, number]{Table: "numbers", Row: numberRow}))
	fmt.Println(t.Validate())
	// Output: <nil>
}

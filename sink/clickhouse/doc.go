// Package clickhouse writes streams to ClickHouse as rows of a table, in the format JSONEachRow over HTTP.
//
// A complete program that writes trades, with the place of each in its topic:
//
//	package main
//
//	import (
//		"context"
//		"log"
//		"os"
//		"os/signal"
//
//		"github.com/weirstreams/weir/codec"
//		"github.com/weirstreams/weir/kafka"
//		"github.com/weirstreams/weir/runtime"
//		"github.com/weirstreams/weir/secret"
//		"github.com/weirstreams/weir/sink/clickhouse"
//		"github.com/weirstreams/weir/stream"
//	)
//
//	type Trade struct {
//		Symbol string  `json:"symbol"`
//		Price  float64 `json:"price"`
//	}
//
//	// CREATE TABLE market.trades (symbol String, price Float64, topic String, partition Int32, offset Int64)
//	// ENGINE = ReplacingMergeTree ORDER BY (topic, partition, offset)
//
//	func main() {
//		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
//		defer stop()
//		t := stream.NewTopology()
//		trades := stream.NewTopic("trades", codec.String(), codec.JSON[Trade]())
//		t.From(trades).Sink("clickhouse", clickhouse.New("https://clickhouse.example.com:8443", clickhouse.Options[string, Trade]{
//			Database: "market",
//			Table:    "trades",
//			Metadata: clickhouse.Metadata{Topic: "topic", Partition: "partition", Offset: "offset"},
//			Auth:     clickhouse.Basic("writer", secret.New(os.Getenv("CLICKHOUSE_PASSWORD"))),
//		}))
//		app, err := runtime.New(t, runtime.Config{
//			Group: "trades-to-clickhouse", Connection: kafka.Connection{Brokers: []string{"localhost:9092"}},
//		})
//		if err != nil {
//			log.Fatal(err)
//		}
//		if err := app.Run(ctx); err != nil {
//			log.Fatal(err)
//		}
//	}
//
// # Delivery
//
// Rows are written before the offsets of their records are committed. After a crash in between they are written again. docs/connectors/clickhouse.md shows
// tables that keep each row once.
//
// The package is tested against a fake of the HTTP API alone.
package clickhouse

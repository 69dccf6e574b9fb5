// Package bigquery appends streams to tables of Google BigQuery, exactly once. It is a module of its own.
//
// A complete program that appends the records of a topic to a table, which it makes if it is missing:
//
//	package main
//
//	import (
//		"context"
//		"log"
//		"os/signal"
//		"syscall"
//
//		"github.com/weirstreams/weir/codec"
//		"github.com/weirstreams/weir/kafka"
//		"github.com/weirstreams/weir/runtime"
//		"github.com/weirstreams/weir/sink/bigquery"
//		"github.com/weirstreams/weir/stream"
//	)
//
//	type Order struct {
//		Country string  `json:"country"`
//		Total   float64 `json:"total"`
//	}
//
//	func main() {
//		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
//		defer stop()
//		t := stream.NewTopology()
//		orders := stream.NewTopic("orders", codec.String(), codec.JSON[Order]())
//		table := bigquery.Table{Project: "shop", Dataset: "lake", Name: "orders"}
//		t.From(orders).Sink("warehouse", bigquery.New(table, bigquery.Options[string, Order]{}))
//		app, err := runtime.New(t, runtime.Config{
//			Group: "orders-to-bigquery", Connection: kafka.Connection{Brokers: []string{"localhost:9092"}}, Guarantee: runtime.ExactlyOnce,
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
// [New] writes the rows of a checkpoint to a write stream of the Storage Write API, and commits it after the checkpoint: readers see each row once. [NewInsert] uses the older
// tabledata.insertAll, at least once. See docs/connectors/bigquery.md.
package bigquery

// Package iceberg is a sink that appends records to a table of Apache Iceberg. The catalog speaks REST, or is another one of iceberg-go. It is a module of its own.
//
//	package main
//
//	import (
//		"context"
//		"log"
//		"os"
//		"os/signal"
//		"time"
//
//		"github.com/weirstreams/weir/codec"
//		"github.com/weirstreams/weir/kafka"
//		"github.com/weirstreams/weir/row"
//		"github.com/weirstreams/weir/runtime"
//		"github.com/weirstreams/weir/secret"
//		"github.com/weirstreams/weir/sink/iceberg"
//		"github.com/weirstreams/weir/stream"
//	)
//
//	func main() {
//		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
//		defer stop()
//		lake := iceberg.REST{
//			URI: "https://catalog.example", Warehouse: "company", ClientID: "weir", Secret: secret.New(os.Getenv("CATALOG_SECRET")),
//		}
//		orders := stream.NewTopic("orders", codec.String(), row.JSON())
//		t := stream.NewTopology()
//		t.From(orders).Sink("lake", iceberg.New(iceberg.Options[string, row.Row]{
//			Catalog: lake.Open, Table: "shop.orders", PartitionBy: []string{"day(_timestamp)"},
//		}))
//		app, err := runtime.New(t, runtime.Config{
//			Group: "lake", Connection: kafka.Connection{Brokers: []string{"localhost:9092"}}, Guarantee: runtime.ExactlyOnce,
//			Checkpoint: runtime.CheckpointConfig{Interval: time.Minute},
//		})
//		if err != nil {
//			log.Fatal(err)
//		}
//		if err := app.Run(ctx); err != nil {
//			log.Fatal(err)
//		}
//	}
//
// Data files of a checkpoint are written before it commits, and become a part of the table by one snapshot after it. The snapshot names the checkpoint, so a commit that has happened is found,
// and with runtime.ExactlyOnce each record is in the table once. See docs/connectors/iceberg.md.
package iceberg

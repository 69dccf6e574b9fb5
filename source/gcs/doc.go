// Package gcs is a source of objects in Google Cloud Storage: JSON lines, CSV or Parquet, compressed or not. It is a module of its
// own.
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
//		"github.com/weirstreams/weir/format"
//		"github.com/weirstreams/weir/kafka"
//		"github.com/weirstreams/weir/row"
//		"github.com/weirstreams/weir/runtime"
//		"github.com/weirstreams/weir/source/gcs"
//		"github.com/weirstreams/weir/stream"
//	)
//
//	func main() {
//		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
//		defer stop()
//		orders := stream.NewTopic("orders", codec.String(), row.JSON())
//		t := stream.NewTopology()
//		t.AddSource(gcs.New(gcs.Bucket{Name: "company-archive", Prefix: "orders"}, gcs.Options[string, row.Row]{
//			Format: format.JSONLines[string, row.Row]{Plain: true},
//			Key:    func(order row.Row) (string, error) { return order.Get[string]("id") },
//		}), orders)
//		app, err := runtime.New(t, runtime.Config{
//			Group: "load", Connection: kafka.Connection{Brokers: []string{"localhost:9092"}}, Guarantee: runtime.ExactlyOnce,
//		})
//		if err != nil {
//			log.Fatal(err)
//		}
//		if err := app.Run(ctx); err != nil {
//			log.Fatal(err)
//		}
//	}
//
// The position, an object and a record in it, is part of the state: after a restart the source goes on with the next record. See
// docs/connectors/objects.md.
package gcs

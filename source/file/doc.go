// Package file is a source of files: JSON lines, CSV or Parquet, compressed or not.
//
//	package main
//
//	import (
//		"context"
//		"log"
//
//		"github.com/weirstreams/weir/codec"
//		"github.com/weirstreams/weir/format"
//		"github.com/weirstreams/weir/kafka"
//		"github.com/weirstreams/weir/row"
//		"github.com/weirstreams/weir/runtime"
//		"github.com/weirstreams/weir/source/file"
//		"github.com/weirstreams/weir/stream"
//	)
//
//	func main() {
//		orders := stream.NewTopic("orders", codec.String(), row.JSON())
//		t := stream.NewTopology()
//		t.AddSource(file.New("/data/orders", file.Options[string, row.Row]{
//			Format: format.JSONLines[string, row.Row]{Plain: true},
//			Key:    func(order row.Row) (string, error) { return order.Get[string]("id") },
//			Watch:  true,
//		}), orders)
//		app, err := runtime.New(t, runtime.Config{
//			Group: "load", Connection: kafka.Connection{Brokers: []string{"localhost:9092"}}, Guarantee: runtime.ExactlyOnce,
//		})
//		if err != nil {
//			log.Fatal(err)
//		}
//		if err := app.Run(context.Background()); err != nil {
//			log.Fatal(err)
//		}
//	}
//
// The position, a file and a record in it, is part of the state: after a restart the source goes on with the next record. See
// docs/connectors/file.md.
package file

// Package gcs is a sink of objects in Google Cloud Storage: JSON lines, CSV or Parquet, compressed or not, in folders by topic
// and partition or by data. It is a module of its own.
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
//		"github.com/weirstreams/weir/sink/file"
//		"github.com/weirstreams/weir/sink/gcs"
//		"github.com/weirstreams/weir/stream"
//	)
//
//	func main() {
//		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
//		defer stop()
//		orders := stream.NewTopic("orders", codec.String(), row.JSON())
//		t := stream.NewTopology()
//		t.From(orders).Sink("archive", gcs.New(gcs.Bucket{Name: "company-archive", Prefix: "orders"}, gcs.Options[string, row.Row]{
//			Folder:      file.ByTime[string, row.Row]("date", "2006-01-02"),
//			Compression: format.Zstd,
//		}))
//		app, err := runtime.New(t, runtime.Config{
//			Group: "archive", Connection: kafka.Connection{Brokers: []string{"localhost:9092"}}, Guarantee: runtime.ExactlyOnce,
//		})
//		if err != nil {
//			log.Fatal(err)
//		}
//		if err := app.Run(ctx); err != nil {
//			log.Fatal(err)
//		}
//	}
//
// Objects of a checkpoint are uploaded under hidden keys before the checkpoint commits, and copied to their own keys after it. So readers see
// whole objects only, and with runtime.ExactlyOnce each record is in one object, also after crashes. See docs/connectors/objects.md.
package gcs

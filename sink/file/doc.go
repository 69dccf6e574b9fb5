// Package file is a sink of files: JSON lines, CSV or Parquet, compressed or not, in folders by topic and partition or by data.
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
//		"github.com/weirstreams/weir/sink/file"
//		"github.com/weirstreams/weir/stream"
//	)
//
//	func main() {
//		orders := stream.NewTopic("orders", codec.String(), row.JSON())
//		t := stream.NewTopology()
//		t.From(orders).Sink("archive", file.New("/data/orders", file.Options[string, row.Row]{
//			Folder:      file.ByTime[string, row.Row]("date", "2006-01-02"),
//			Compression: format.Zstd,
//		}))
//		app, err := runtime.New(t, runtime.Config{
//			Group: "archive", Connection: kafka.Connection{Brokers: []string{"localhost:9092"}}, Guarantee: runtime.ExactlyOnce,
//		})
//		if err != nil {
//			log.Fatal(err)
//		}
//		if err := app.Run(context.Background()); err != nil {
//			log.Fatal(err)
//		}
//	}
//
// Files of a checkpoint are written under hidden names, synced before the checkpoint commits, and renamed after it. So readers see whole
// files only, and with runtime.ExactlyOnce each record is in one file, whatever fails. See docs/connectors/file.md.
package file

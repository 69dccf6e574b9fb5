// Package csv is a sink of one CSV file, which all tasks append to: for a look at a stream, and for small results.
//
//	package main
//
//	import (
//		"context"
//		"log"
//
//		"github.com/weirstreams/weir/codec"
//		"github.com/weirstreams/weir/kafka"
//		"github.com/weirstreams/weir/row"
//		"github.com/weirstreams/weir/runtime"
//		"github.com/weirstreams/weir/sink/csv"
//		"github.com/weirstreams/weir/stream"
//	)
//
//	func main() {
//		orders := stream.NewTopic("orders", codec.String(), row.JSON())
//		t := stream.NewTopology()
//		t.From(orders).Sink("look", csv.New("orders.csv", csv.Options[string, row.Row]{}))
//		app, err := runtime.New(t, runtime.Config{
//			Group: "look", Connection: kafka.Connection{Brokers: []string{"localhost:9092"}}, Guarantee: runtime.ExactlyOnce,
//		})
//		if err != nil {
//			log.Fatal(err)
//		}
//		if err := app.Run(context.Background()); err != nil {
//			log.Fatal(err)
//		}
//	}
//
// A checkpoint appends its lines when it has committed. With runtime.ExactlyOnce each record has one line, after any failure. For much data take
// sink/file. See docs/connectors/csv.md.
package csv

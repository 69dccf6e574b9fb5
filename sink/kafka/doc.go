// Package kafka is a sink that writes records to a topic of another Kafka cluster.
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
//		sinkkafka "github.com/weirstreams/weir/sink/kafka"
//		"github.com/weirstreams/weir/stream"
//	)
//
//	func main() {
//		orders := stream.NewTopic("orders", codec.String(), row.JSON())
//		t := stream.NewTopology()
//		t.From(orders).Sink("other-site", sinkkafka.New(orders, sinkkafka.Options[string, row.Row]{
//			Connection:    kafka.Connection{Brokers: []string{"kafka.other-site.example:9092"}},
//			OriginHeaders: true,
//		}))
//		app, err := runtime.New(t, runtime.Config{
//			Group: "orders-copy", Connection: kafka.Connection{Brokers: []string{"localhost:9092"}},
//		})
//		if err != nil {
//			log.Fatal(err)
//		}
//		if err := app.Run(context.Background()); err != nil {
//			log.Fatal(err)
//		}
//	}
//
// Records are written before each checkpoint, so delivery is at least once. A topic of the application's own cluster is written by Stream.To, which is
// exactly once. See docs/connectors/kafka.md.
package kafka

// Package kafka is a source that copies a topic of another Kafka cluster.
//
//	package main
//
//	import (
//		"context"
//		"log"
//
//		"github.com/weirstreams/weir/codec"
//		"github.com/weirstreams/weir/kafka"
//		"github.com/weirstreams/weir/runtime"
//		sourcekafka "github.com/weirstreams/weir/source/kafka"
//		"github.com/weirstreams/weir/stream"
//	)
//
//	func main() {
//		there := stream.NewTopic("orders", codec.Bytes(), codec.Bytes())
//		here := stream.NewTopic("orders", codec.Bytes(), codec.Bytes())
//		t := stream.NewTopology()
//		t.AddSource(sourcekafka.New(there, sourcekafka.Options[[]byte, []byte]{
//			Connection: kafka.Connection{Brokers: []string{"kafka.other-site.example:9092"}},
//		}), here)
//		app, err := runtime.New(t, runtime.Config{
//			Group: "orders-copy", Connection: kafka.Connection{Brokers: []string{"localhost:9092"}}, Guarantee: runtime.ExactlyOnce,
//		})
//		if err != nil {
//			log.Fatal(err)
//		}
//		if err := app.Run(context.Background()); err != nil {
//			log.Fatal(err)
//		}
//	}
//
// Each partition is a split. Its offset is committed with the records that were written, so the copy is exactly once if the application
// is. A topic of the application's own cluster needs no source: Topology.From reads it. See docs/connectors/kafka.md.
package kafka

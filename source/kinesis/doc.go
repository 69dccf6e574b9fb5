// Package kinesis reads data streams of Amazon Kinesis into topics. It is a module of its own.
//
// A complete program that writes the records of a data stream to a topic:
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
//		"github.com/weirstreams/weir/source/kinesis"
//		"github.com/weirstreams/weir/stream"
//	)
//
//	type Click struct {
//		Page string `json:"page"`
//	}
//
//	func main() {
//		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
//		defer stop()
//		t := stream.NewTopology()
//		clicks := stream.NewTopic("clicks", codec.String(), codec.JSON[Click]())
//		t.FromSource(kinesis.New(
//			kinesis.Stream{Name: "clicks", Region: "eu-central-1"}, kinesis.Options[string, Click]{},
//		), clicks)
//		app, err := runtime.New(t, runtime.Config{
//			Group: "kinesis-to-clicks", Connection: kafka.Connection{Brokers: []string{"localhost:9092"}}, Guarantee: runtime.ExactlyOnce,
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
// The sequence number of the last record of each shard is kept by the application, and committed with the records, so that each record is there once if the
// application runs exactly once. A shard is read when those that it was split or merged from are at their ends. See docs/connectors/kinesis.md.
package kinesis

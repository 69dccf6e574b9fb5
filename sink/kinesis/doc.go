// Package kinesis puts streams on data streams of Amazon Kinesis. It is a module of its own.
//
// A complete program that puts each click on a data stream, by the name of its user:
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
//		"github.com/weirstreams/weir/sink/kinesis"
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
//		t.From(clicks).Sink("to Kinesis", kinesis.New(
//			kinesis.Stream{Name: "clicks", Region: "eu-central-1"}, kinesis.Options[string, Click]{},
//		))
//		app, err := runtime.New(t, runtime.Config{
//			Group: "clicks-to-kinesis", Connection: kafka.Connection{Brokers: []string{"localhost:9092"}},
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
// The data stream has the records before their offsets are committed. After a crash in between they are put again. Records that the data stream refuses because a
// shard is busy are put again behind those of their key that it has taken before them. See docs/connectors/kinesis.md.
package kinesis

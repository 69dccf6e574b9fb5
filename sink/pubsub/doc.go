// Package pubsub publishes streams to topics of Google Cloud Pub/Sub. It is a module of its own.
//
// A complete program that publishes each order, in the order of its customer:
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
//		"github.com/weirstreams/weir/sink/pubsub"
//		"github.com/weirstreams/weir/stream"
//	)
//
//	type Order struct {
//		Amount float64 `json:"amount"`
//	}
//
//	func main() {
//		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
//		defer stop()
//		t := stream.NewTopology()
//		orders := stream.NewTopic("orders", codec.String(), codec.JSON[Order]())
//		t.From(orders).Sink("to Pub/Sub", pubsub.New(
//			pubsub.Project{ID: "shop"}, pubsub.Options[string, Order]{Topic: "orders", Ordered: true},
//		))
//		app, err := runtime.New(t, runtime.Config{
//			Group: "orders-to-pubsub", Connection: kafka.Connection{Brokers: []string{"localhost:9092"}},
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
// The topic has acknowledged messages before the offsets of their records are committed. After a crash in between they are published again. See
// docs/connectors/pubsub.md.
package pubsub

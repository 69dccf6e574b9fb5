// Package pubsub reads subscriptions of Google Cloud Pub/Sub into topics. It is a module of its own.
//
// A complete program that writes the messages of a subscription to a topic:
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
//		"github.com/weirstreams/weir/source/pubsub"
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
//		t.FromSource(pubsub.New(
//			pubsub.Project{ID: "shop"}, pubsub.Options[string, Order]{Subscription: "orders-to-kafka"},
//		), orders)
//		app, err := runtime.New(t, runtime.Config{
//			Group: "pubsub-to-orders", Connection: kafka.Connection{Brokers: []string{"localhost:9092"}},
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
// Messages are acknowledged after the commit of their records, so that none is lost. After a crash in between they come again. See docs/connectors/pubsub.md.
package pubsub

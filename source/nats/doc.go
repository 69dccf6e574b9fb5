// Package nats reads streams of JetStream into topics. It is a module of its own.
//
// A complete program that writes the messages of a stream to a topic:
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
//		"github.com/weirstreams/weir/kafka"
//		"github.com/weirstreams/weir/runtime"
//		"github.com/weirstreams/weir/secret"
//		"github.com/weirstreams/weir/source/nats"
//		"github.com/weirstreams/weir/stream"
//	)
//
//	type Measurement struct {
//		Celsius float64 `json:"celsius"`
//	}
//
//	func main() {
//		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
//		defer stop()
//		t := stream.NewTopology()
//		measurements := stream.NewTopic("measurements", codec.String(), codec.JSON[Measurement]())
//		t.FromSource(nats.New(nats.Options[string, Measurement]{
//			URL: secret.New(os.Getenv("NATS_URL")), Stream: "SENSORS", Subjects: []string{"sensors.>"},
//		}), measurements)
//		app, err := runtime.New(t, runtime.Config{
//			Group: "nats-to-measurements", Connection: kafka.Connection{Brokers: []string{"localhost:9092"}}, Guarantee: runtime.ExactlyOnce,
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
// The position in the stream is kept by the application, and committed with the records, so that each message is one record if the application runs exactly
// once. See docs/connectors/nats.md.
package nats

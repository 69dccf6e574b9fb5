// Package nats publishes streams to NATS, into streams of JetStream, which keep the messages. It is a module of its own.
//
// A complete program that publishes each measurement under the name of its sensor:
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
//		"github.com/weirstreams/weir/sink/nats"
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
//		t.From(measurements).Sink("to NATS", nats.New(nats.Options[string, Measurement]{
//			URL: secret.New(os.Getenv("NATS_URL")), Prefix: "sensors.", Stream: "SENSORS", ID: nats.OffsetID[string, Measurement],
//		}))
//		app, err := runtime.New(t, runtime.Config{
//			Group: "measurements-to-nats", Connection: kafka.Connection{Brokers: []string{"localhost:9092"}},
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
// A stream has acknowledged messages before the offsets of their records are committed. After a crash in between they are published again; with
// Options.ID the stream takes a message once within its duplicate window. See docs/connectors/nats.md.
package nats

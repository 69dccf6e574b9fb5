// Package http is a source of webhooks: a server writes the bodies of requests to a topic, and answers each when its records are committed.
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
//		"github.com/weirstreams/weir/source/http"
//		"github.com/weirstreams/weir/stream"
//	)
//
//	type event struct {
//		ID   string `json:"id"`
//		Kind string `json:"kind"`
//	}
//
//	func main() {
//		t := stream.NewTopology()
//		t.AddSource(http.New(http.Options[string, event]{
//			Address: ":8080",
//			Check:   http.SignedBy("X-Hub-Signature-256", secret.New(os.Getenv("WEBHOOK_SECRET"))),
//		}), stream.NewTopic("events", codec.String(), codec.JSON[event]()))
//		app, err := runtime.New(t, runtime.Config{Group: "webhooks", Connection: kafka.Connection{Brokers: []string{"localhost:9092"}}})
//		if err != nil {
//			log.Fatal(err)
//		}
//		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
//		defer stop()
//		if err := app.Run(ctx); err != nil {
//			log.Fatal(err)
//		}
//	}
//
// A sender that has no answer, or one that is no success, has to send again: then nothing is lost. See docs/connectors/http.md.
package http

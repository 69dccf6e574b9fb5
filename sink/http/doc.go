// Package http is a sink that sends records to an HTTP service, many in one request.
//
//	package main
//
//	import (
//		"context"
//		"log"
//		"os"
//
//		"github.com/weirstreams/weir/codec"
//		"github.com/weirstreams/weir/kafka"
//		"github.com/weirstreams/weir/row"
//		"github.com/weirstreams/weir/runtime"
//		"github.com/weirstreams/weir/secret"
//		"github.com/weirstreams/weir/sink/http"
//		"github.com/weirstreams/weir/stream"
//	)
//
//	func main() {
//		orders := stream.NewTopic("orders", codec.String(), row.JSON())
//		t := stream.NewTopology()
//		t.From(orders).Sink("billing", http.New("https://billing.example.com/v1/orders", http.Options[string, row.Row]{
//			Auth: http.Bearer(secret.New(os.Getenv("BILLING_TOKEN"))),
//			Gzip: true,
//		}))
//		app, err := runtime.New(t, runtime.Config{
//			Group: "billing", Connection: kafka.Connection{Brokers: []string{"localhost:9092"}},
//		})
//		if err != nil {
//			log.Fatal(err)
//		}
//		if err := app.Run(context.Background()); err != nil {
//			log.Fatal(err)
//		}
//	}
//
// Requests are made before each checkpoint, so delivery is at least once. Each request has an idempotency key that a repetition of it
// has too: a service that knows such keys takes each request once, and few records twice after a crash. See docs/connectors/http.md.
package http

// Package mongodb writes streams to MongoDB: documents that are replaced, merged or inserted by their ids, or found by filters of your own. It is a
// module of its own.
//
// A complete program that keeps the newest state of each product in a collection:
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
//		"github.com/weirstreams/weir/sink/mongodb"
//		"github.com/weirstreams/weir/stream"
//	)
//
//	type Product struct {
//		Name  string  `json:"name"`
//		Price float64 `json:"price"`
//	}
//
//	func main() {
//		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
//		defer stop()
//		t := stream.NewTopology()
//		products := stream.NewTopic("products", codec.String(), codec.JSON[Product]())
//		t.From(products).Sink("products in MongoDB", mongodb.New(mongodb.Options[string, Product]{
//			URI: secret.New(os.Getenv("MONGODB_URI")), Database: "shop", Collection: "products",
//		}))
//		app, err := runtime.New(t, runtime.Config{
//			Group: "products-to-mongodb", Connection: kafka.Connection{Brokers: []string{"localhost:9092"}},
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
// Documents are written before the offsets of their records are committed, in bulk writes that a majority of the replica set has acknowledged. After a
// crash in between they are written again, which a collection does not show if they have ids. docs/connectors/mongodb.md says when delivery is exactly
// once.
package mongodb

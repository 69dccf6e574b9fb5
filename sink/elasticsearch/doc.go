// Package elasticsearch writes streams to Elasticsearch and OpenSearch: documents that are replaced or merged by their ids, or appended to indexes and data
// streams.
//
// A complete program that keeps the newest state of each product searchable:
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
//		"github.com/weirstreams/weir/sink/elasticsearch"
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
//		t.From(products).Sink("search", elasticsearch.New("https://search.example.com:9200", elasticsearch.Options[string, Product]{
//			Index:       "products",
//			CreateIndex: `{"mappings":{"properties":{"name":{"type":"text"},"price":{"type":"double"}}}}`,
//			Version:     elasticsearch.OffsetVersion[string, Product],
//			Auth:        elasticsearch.APIKey(secret.New(os.Getenv("SEARCH_API_KEY"))),
//		}))
//		app, err := runtime.New(t, runtime.Config{
//			Group: "products-to-search", Connection: kafka.Connection{Brokers: []string{"localhost:9092"}},
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
// Documents are written before the offsets of their records are committed, in bulk requests. After a crash in between they are written again, which an
// index does not show if they have ids. docs/connectors/elasticsearch.md says when delivery is exactly once.
package elasticsearch

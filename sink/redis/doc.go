// Package redis writes streams to Redis: strings, hashes, sets, streams, channels, or commands of your own. It is a module of its own.
//
// A complete program that keeps the newest price of each product in a hash for a day:
//
//	package main
//
//	import (
//		"context"
//		"log"
//		"os"
//		"os/signal"
//		"time"
//
//		"github.com/weirstreams/weir/codec"
//		"github.com/weirstreams/weir/kafka"
//		"github.com/weirstreams/weir/runtime"
//		"github.com/weirstreams/weir/secret"
//		"github.com/weirstreams/weir/sink/redis"
//		"github.com/weirstreams/weir/stream"
//	)
//
//	type Price struct {
//		Product string  `json:"product"`
//		Amount  float64 `json:"amount"`
//	}
//
//	func main() {
//		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
//		defer stop()
//		t := stream.NewTopology()
//		prices := stream.NewTopic("prices", codec.String(), codec.JSON[Price]())
//		t.From(prices).Sink("newest prices", redis.New(redis.Options[string, Price]{
//			URL: secret.New(os.Getenv("REDIS_URL")), Kind: redis.Hash, Prefix: "price:", TTL: 24 * time.Hour,
//		}))
//		app, err := runtime.New(t, runtime.Config{
//			Group: "prices-to-redis", Connection: kafka.Connection{Brokers: []string{"localhost:9092"}},
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
// Records are written before the offsets of their input are committed, in pipelines. After a crash in between they are written again. Strings, hashes
// and members of sets do not show it when all is written. Streams, channels and commands such as INCR do: set Options.Once for them. The commands of a
// record and its name are then written by one script, and a record that comes again is found by its name. This holds as long as the topology
// answers an input record in the same way as before; a record that differs is written, so that nothing is lost.
//
// Records of one key are written in order, also when a part of a pipeline fails or a slot of a cluster moves. See docs/connectors/redis.md.
package redis

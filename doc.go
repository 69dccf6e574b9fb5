// Package weir holds the words that all packages of Weir share: [Record], [Header], [Origin], [Processor], [Timer],
// [ProcessingError] and the errors that a program can test for. It imports no other package of Weir.
//
// Weir is a library for stream processing on Kafka. A program declares topics and a topology of typed streams, and gives the
// topology to an App, which runs it as one member of a consumer group:
//
//	package main
//
//	import (
//		"context"
//		"log"
//		"strings"
//
//		"github.com/weirstreams/weir/codec"
//		"github.com/weirstreams/weir/kafka"
//		"github.com/weirstreams/weir/runtime"
//		"github.com/weirstreams/weir/store"
//		"github.com/weirstreams/weir/stream"
//	)
//
//	var (
//		lines  = stream.NewTopic("lines", codec.String(), codec.String())
//		counts = stream.NewTopic("counts", codec.String(), codec.Int64())
//		count  = store.NewCell[int64]("count")
//	)
//
//	func topology() *stream.Topology {
//		t := stream.NewTopology()
//		t.From(lines).
//			FlatMap(strings.Fields).
//			GroupBy("word", func(word string) string { return word }).
//			MapState(count, func(c *store.Cell[int64], _ string) int64 {
//				n, _ := c.Get()
//				c.Set(n + 1)
//				return n + 1
//			}).
//			To(counts)
//		return t
//	}
//
//	func main() {
//		app, err := runtime.New(topology(), runtime.Config{
//			Connection: kafka.Connection{Brokers: []string{"localhost:9092"}},
//			Group:      "word-count",
//			Topics:     runtime.TopicConfig{Create: true},
//		})
//		if err != nil {
//			log.Fatal(err)
//		}
//		if err := app.Run(context.Background()); err != nil {
//			log.Fatal(err)
//		}
//	}
//
// # Map of the packages
//
// Declaring a topology:
//
//   - stream: topics, streams and their operators.
//   - window: definitions of windows, and aggregators; window/sketch: aggregators that estimate.
//   - join: definitions of joins, and lookups.
//   - store: stores for the operators that keep state.
//   - row: records without a Go type, and expressions over their columns.
//   - codec: keys and values as bytes. Below it are avro, protobuf, jsonschema, quix and registry.
//   - sink: writers to places outside of Kafka; source: readers of them. The packages below have the ready-made ones.
//   - format: the forms of records in files, for sinks and sources.
//
// Running and testing it:
//
//   - runtime: the App, its configuration, plan and status.
//   - kafka: connection settings, a consumer and a producer.
//   - deadletter: reads and replays records that could not be processed.
//   - quixcloud/config: configurations of Quix Cloud as a lookup.
//   - testkit: a topology in a test, with the real engine on a broker in memory; testkit/sim runs one through seeded failures.
//   - secret: texts that are not printed.
//
// Package operator holds the kernels that a topology is lowered to; programs do not need it.
package weir

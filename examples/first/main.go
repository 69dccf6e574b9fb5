package main

import (
	"context"
	"log"
	"strings"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/kafka"
	"github.com/weirstreams/weir/runtime"
	"github.com/weirstreams/weir/store"
	"github.com/weirstreams/weir/stream"
)

var (
	lines  = stream.NewTopic("lines", codec.String(), codec.String())
	counts = stream.NewTopic("counts", codec.String(), codec.Int64())
	count  = store.NewCell[int64]("count")
)

func topology() *stream.Topology {
	t := stream.NewTopology()
	t.From(lines).
		FlatMap(strings.Fields).
		GroupBy("word", func(word string) string { return word }).
		MapState(count, func(c *store.Cell[int64], _ string) int64 {
			n, _ := c.Get()
			c.Set(n + 1)
			return n + 1
		}).
		To(counts)
	return t
}

func main() {
	app, err := runtime.New(topology(), runtime.Config{
		Connection: kafka.Connection{Brokers: []string{"localhost:9092"}},
		Group:      "word-count",
		Topics:     runtime.TopicConfig{Create: true},
	})
	if err != nil {
		log.Fatal(err)
	}
	if err := app.Run(context.Background()); err != nil {
		log.Fatal(err)
	}
}

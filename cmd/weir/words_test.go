package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/cmd/weir/weircli"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/kafka"
	"github.com/weirstreams/weir/runtime"
	"github.com/weirstreams/weir/store"
	"github.com/weirstreams/weir/stream"
)

// words is a program that embeds the command line. It counts words, and fails at the word "fail". The argument process makes it process
// the records that are there.
func words() {
	lines := stream.NewTopic("lines", codec.String(), codec.String())
	counts := stream.NewTopic("counts", codec.String(), codec.Int64())
	t := stream.NewTopology()
	t.From(lines).
		FlatMap(strings.Fields).
		GroupBy("word", func(word string) string { return word }).
		MapRecord(func(_ context.Context, r weir.Record[string, string]) (string, error) {
			if r.Value == "fail" {
				return "", errors.New("the word is fail")
			}
			return r.Value, nil
		}).
		MapState(store.NewCell[int64]("count"), func(c *store.Cell[int64], _ string) int64 {
			n, _ := c.Get()
			c.Set(n + 1)
			return n + 1
		}).
		To(counts)
	config := runtime.Config{
		Connection: kafka.Connection{Brokers: strings.Split(os.Getenv("BROKERS"), ",")},
		Group:      "words",
		Prefix:     os.Getenv("PREFIX"),
		Topics:     runtime.TopicConfig{Create: true},
		Errors:     weir.ErrorPolicy{Action: weir.DeadLetter, DeadLetters: weir.DeadLetterOptions{MaxShare: 1}},
		Logger:     slog.New(slog.DiscardHandler),
	}
	if len(os.Args) < 2 || os.Args[1] != "process" {
		weircli.Main(t, config)
	}
	app, err := runtime.New(t, config)
	if err == nil {
		err = app.RunUntil(context.Background(), runtime.Until{Idle: time.Second})
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "words:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

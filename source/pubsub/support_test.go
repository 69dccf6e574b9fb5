package pubsub_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/source"
	"github.com/weirstreams/weir/source/pubsub"
)

func open[K, V any](tb testing.TB, p pubsub.Project, o pubsub.Options[K, V]) source.Reader[K, V] {
	tb.Helper()
	s := pubsub.New(p, o)
	must(tb, s.Connect(tb.Context()))
	tb.Cleanup(func() { must(tb, s.Close(context.Background())) })
	r, err := s.Open(tb.Context(), source.Task{Now: time.Now, Logger: slog.New(slog.DiscardHandler)}, source.Split{ID: "0"}, nil)
	must(tb, err)
	tb.Cleanup(func() { must(tb, r.Close()) })
	return r
}

// read reads n records, and returns the position behind them.
func read[K, V any](tb testing.TB, r source.Reader[K, V], n int) (records []weir.Record[K, V], position []byte) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), 20*time.Second)
	defer cancel()
	for len(records) < n {
		var batch source.Batch[K, V]
		err := r.Read(ctx, &batch)
		if again(ctx, err) {
			continue
		}
		if err != nil {
			tb.Fatalf("%d of %d records: %v", len(records), n, err)
		}
		records = append(records, batch.Records...)
		if batch.Position != nil {
			position = batch.Position
		}
	}
	return records, position
}

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

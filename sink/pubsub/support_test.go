package pubsub_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/pubsub/pubsubtest"
	"github.com/weirstreams/weir/sink"
	"github.com/weirstreams/weir/sink/pubsub"
)

// quickly are attempts for tests.
var quickly = weir.Retry{Attempts: 2, FirstWait: time.Millisecond}

type options = pubsub.Options[string, string]

// task is a sink with a writer.
type task[K, V any] struct {
	tb     testing.TB
	writer sink.Writer[K, V]
	offset int64
	id     int64
}

func open[K, V any](tb testing.TB, p pubsub.Project, o pubsub.Options[K, V]) *task[K, V] {
	tb.Helper()
	to := pubsub.New(p, o)
	must(tb, to.Connect(tb.Context()))
	tb.Cleanup(func() { must(tb, to.Close(context.Background())) })
	w, err := to.Writer(tb.Context(), sink.Task{Application: "app", Sink: "messages", Logger: slog.New(slog.DiscardHandler), Now: time.Now})
	must(tb, err)
	tb.Cleanup(func() { must(tb, w.Close()) })
	return &task[K, V]{tb: tb, writer: w}
}

func (t *task[K, V]) add(key K, value V) error {
	return t.addRecord(weir.Record[K, V]{Key: key, Value: value})
}

// addRecord adds a record with the next offset.
func (t *task[K, V]) addRecord(r weir.Record[K, V]) error {
	r.Millis, r.Origin = 1767225600000+t.offset, &weir.Origin{Topic: "input", Offset: t.offset}
	t.offset++
	return t.writer.Add(t.tb.Context(), &r)
}

func (t *task[K, V]) flush() error {
	t.id++
	return t.writer.Flush(t.tb.Context(), sink.Checkpoint{ID: t.id})
}

// texts returns the messages of a topic as ordering keys and data.
func texts(s *pubsubtest.Server, topic string) (all []string) {
	for _, m := range s.Messages(topic) {
		all = append(all, m.OrderingKey+": "+string(m.Data))
	}
	return all
}

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

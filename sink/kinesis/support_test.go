package kinesis_test

import (
	"context"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/kinesis/kinesistest"
	"github.com/weirstreams/weir/sink"
	"github.com/weirstreams/weir/sink/kinesis"
)

// quickly are attempts for tests.
var quickly = weir.Retry{Attempts: 2, FirstWait: time.Millisecond}

type options = kinesis.Options[string, string]

// task is a sink with a writer.
type task[K, V any] struct {
	tb     testing.TB
	writer sink.Writer[K, V]
	offset int64
	id     int64
}

func open[K, V any](tb testing.TB, s kinesis.Stream, o kinesis.Options[K, V]) *task[K, V] {
	tb.Helper()
	to := kinesis.New(s, o)
	must(tb, to.Connect(tb.Context()))
	tb.Cleanup(func() { must(tb, to.Close(context.Background())) })
	w, err := to.Writer(tb.Context(), sink.Task{Application: "app", Sink: "records", Logger: slog.New(slog.DiscardHandler), Now: time.Now})
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

// texts returns the records of a stream as partition keys and data.
func texts(tb testing.TB, s kinesis.Stream) (all []string) {
	tb.Helper()
	for _, r := range kinesistest.Read(tb, s) {
		all = append(all, *r.PartitionKey+": "+string(r.Data))
	}
	return all
}

// byKey returns the data of each partition key, in the order in which they came for the last time, and how many came again.
func byKey(tb testing.TB, s kinesis.Stream) (got map[string][]string, repeated int) {
	tb.Helper()
	got = map[string][]string{}
	for _, r := range kinesistest.Read(tb, s) {
		key, value := *r.PartitionKey, string(r.Data)
		if at := slices.Index(got[key], value); at >= 0 {
			repeated++
			got[key] = slices.Delete(got[key], at, at+1)
		}
		got[key] = append(got[key], value)
	}
	return got, repeated
}

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

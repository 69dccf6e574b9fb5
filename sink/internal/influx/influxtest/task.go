package influxtest

import (
	"io"
	"log/slog"
	"net/http"
	"testing"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/sink"
)

// Task is a sink with a writer.
type Task[K, V any] struct {
	Writer sink.Writer[K, V]
	tb     testing.TB
	offset int64
	id     int64
}

// Open connects a sink and opens a writer. Both are closed at the end of the test.
func Open[K, V any](tb testing.TB, s sink.Sink[K, V]) *Task[K, V] {
	tb.Helper()
	Must(tb, s.Connect(tb.Context()))
	w, err := s.Writer(tb.Context(), sink.Task{Application: "app", Sink: "influx", Logger: slog.New(slog.DiscardHandler), Now: time.Now})
	Must(tb, err)
	tb.Cleanup(func() {
		Must(tb, w.Close())
		Must(tb, s.Close(tb.Context()))
	})
	return &Task[K, V]{tb: tb, Writer: w}
}

// Add adds a record with the next offset, from 1 on.
func (t *Task[K, V]) Add(key K, value V) error {
	t.offset++
	return t.AddRecord(weir.Record[K, V]{Key: key, Value: value})
}

// AddRecord adds a record with the offset of the one before.
func (t *Task[K, V]) AddRecord(r weir.Record[K, V]) error {
	r.Millis, r.Origin = 1767225600000+t.offset, &weir.Origin{Topic: "input", Offset: t.offset}
	return t.Writer.Add(t.tb.Context(), &r)
}

// Flush flushes the writer.
func (t *Task[K, V]) Flush() error {
	t.id++
	return t.Writer.Flush(t.tb.Context(), sink.Checkpoint{ID: t.id})
}

// Must ends the test with an error.
func Must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

// Status answers with a status and headers, and repeats the secret.
func Status(code int, headers ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		for i := 0; i < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		w.WriteHeader(code)
		_, _ = io.WriteString(w, "because of "+r.Header.Get("Authorization"))
	}
}

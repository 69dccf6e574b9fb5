package influxdb3_test

import (
	"io"
	"log/slog"
	nethttp "net/http"
	"testing"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/secret"
	"github.com/weirstreams/weir/sink"
	"github.com/weirstreams/weir/sink/influxdb3"
	"github.com/weirstreams/weir/sink/internal/influx/influxtest"
)

var (
	quickly = weir.Retry{Attempts: 3, FirstWait: 10 * time.Millisecond}
	login   = influxdb3.Bearer(secret.New(influxtest.Token))
)

type options = influxdb3.Options[string, map[string]any]

// status answers with a status and headers, and repeats the secret.
func status(code int, headers ...string) nethttp.HandlerFunc {
	return func(w nethttp.ResponseWriter, r *nethttp.Request) {
		for i := 0; i < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		w.WriteHeader(code)
		_, _ = io.WriteString(w, "because of "+r.Header.Get("Authorization"))
	}
}

// task is a sink with a writer.
type task[K, V any] struct {
	tb     testing.TB
	writer sink.Writer[K, V]
	offset int64
	id     int64
}

func open[K, V any](tb testing.TB, s sink.Sink[K, V]) *task[K, V] {
	tb.Helper()
	must(tb, s.Connect(tb.Context()))
	w, err := s.Writer(tb.Context(), sink.Task{Application: "app", Sink: "influx", Logger: slog.New(slog.DiscardHandler), Now: time.Now})
	must(tb, err)
	t := &task[K, V]{tb: tb, writer: w}
	tb.Cleanup(func() {
		must(tb, w.Close())
		must(tb, s.Close(tb.Context()))
	})
	return t
}

func (t *task[K, V]) add(key K, value V) error {
	t.offset++
	return t.addRecord(weir.Record[K, V]{Key: key, Value: value})
}

func (t *task[K, V]) addRecord(r weir.Record[K, V]) error {
	r.Millis, r.Origin = 1767225600000+t.offset, &weir.Origin{Topic: "input", Offset: t.offset}
	return t.writer.Add(t.tb.Context(), &r)
}

func (t *task[K, V]) flush() error {
	t.id++
	return t.writer.Flush(t.tb.Context(), sink.Checkpoint{ID: t.id})
}

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

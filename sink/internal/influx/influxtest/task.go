package influxtest

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/sink"
)

// Discard starts a server that reads requests and drops them. It answers with the status and the text that answer returns for a body.
func Discard(tb testing.TB, answer func(body []byte) (status int, text string)) (address string) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			tb.Error(err)
		}
		status, text := answer(body)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, text) // the client is gone
	}))
	tb.Cleanup(s.Close)
	return s.URL
}

// Batch is how many records a request of [Bare] and [Bench] has.
const Batch = 5000

// Bare is the benchmark of a client that appends the lines of records to a body, and posts it with net/http.
func Bare(b *testing.B, address string, appendLine func(body *bytes.Buffer, i int) error) {
	b.ReportAllocs()
	var body bytes.Buffer
	for i := range b.N {
		if err := appendLine(&body, i); err != nil {
			b.Fatal(err)
		}
		if i%Batch == Batch-1 || i == b.N-1 {
			request, err := http.NewRequestWithContext(b.Context(), http.MethodPost, address, bytes.NewReader(body.Bytes()))
			Must(b, err)
			request.Header.Set("Content-Type", "text/plain; charset=utf-8")
			response, err := http.DefaultClient.Do(request)
			Must(b, err)
			_, err = io.Copy(io.Discard, response.Body)
			Must(b, err)
			Must(b, response.Body.Close())
			if response.StatusCode >= http.StatusMultipleChoices {
				b.Fatal(response.Status)
			}
			body.Reset()
		}
	}
}

var tagEscapes = strings.NewReplacer(",", `\,`, " ", `\ `, "=", `\=`)

// WritePoint writes a point of the benchmarks as a program without a client does, with package fmt.
func WritePoint(body *bytes.Buffer, sensor string, degrees float64, messages, i int) error {
	_, err := fmt.Fprintf(body, "readings,sensor=%s degrees=%v,messages=%di %d\n", tagEscapes.Replace(sensor), degrees, messages, 1767225600000+i)
	return err
}

// Bench is the benchmark of a sink that writes the same records.
func Bench[V any](b *testing.B, s sink.Sink[string, V], value func(i int) V) {
	w := Open(b, s)
	b.ReportAllocs()
	b.ResetTimer()
	origin := weir.Origin{Topic: "input"}
	r := weir.Record[string, V]{Key: "k", Origin: &origin}
	for i := range b.N {
		origin.Offset++
		r.Value, r.Millis = value(i), 1767225600000+int64(i)
		if err := w.Writer.Add(b.Context(), &r); err != nil {
			b.Fatal(err)
		}
		if w.Writer.Full() {
			Must(b, w.Flush())
		}
	}
	Must(b, w.Flush())
}

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

package bigquery_test

import (
	"context"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/secret"
	"github.com/weirstreams/weir/sink"
	"github.com/weirstreams/weir/sink/bigquery"
	"github.com/weirstreams/weir/sink/sinktest"
)

// quickly is for tests of failures.
var quickly = weir.Retry{Attempts: 2, FirstWait: time.Millisecond}

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

func TestTheSinksKeepThePromisesOfSinks(t *testing.T) {
	type options = bigquery.Options[*string, *string]
	for name, of := range map[string]func(t bigquery.Table, o options) sink.Sink[*string, *string]{
		"storage": func(t bigquery.Table, o options) sink.Sink[*string, *string] { return bigquery.New(t, o) },
		"insert":  func(t bigquery.Table, o options) sink.Sink[*string, *string] { return bigquery.NewInsert(t, o) },
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake(t)
			fails := func(code codes.Code) func(tb testing.TB, place string) (end func()) {
				return func(_ testing.TB, place string) (end func()) { return f.failWith("", place, code) }
			}
			sinktest.Run(t, sinktest.Target[*string, *string]{
				New: func(_ testing.TB, place string) sink.Sink[*string, *string] {
					return of(f.table(place), options{Retry: quickly})
				},
				Record: func(i sinktest.Item) (key, value *string) { return i.Pointers() },
				Read: func(_ testing.TB, place string) (items []sinktest.Item) {
					for _, r := range f.rows(place) {
						i := sinktest.Item{}
						var hasKey, hasValue bool
						i.Key, hasKey = r["_key"].(string)
						i.Value, hasValue = r["value"].(string)
						i.NullKey, i.NullValue = !hasKey, !hasValue
						items = append(items, i)
					}
					return items
				},
				NoNullValues: true,
				Records:      5000,
				Refused: func() (key, value *string) {
					text := refusal
					return &text, &text
				},
				Push: fails(codes.ResourceExhausted), Break: fails(codes.PermissionDenied),
				Secrets: []string{hidden},
				Unreachable: func(testing.TB) sink.Sink[*string, *string] {
					nowhere := f.table("nowhere")
					nowhere.Endpoint, nowhere.StorageEndpoint = "http://127.0.0.1:1", "127.0.0.1:1"
					nowhere.ServiceAccountKey = secret.New(hidden)
					return of(nowhere, options{Retry: quickly})
				},
			})
		})
	}
}

// open connects a sink, and returns the writer of a task.
func open[K, V any](tb testing.TB, s sink.Sink[K, V]) sink.Writer[K, V] {
	tb.Helper()
	must(tb, s.Connect(tb.Context()))
	tb.Cleanup(func() { must(tb, s.Close(context.Background())) })
	w, err := s.Writer(tb.Context(), sink.Task{Now: time.Now})
	must(tb, err)
	tb.Cleanup(func() { must(tb, w.Close()) })
	return w
}

package sink_test

import (
	"context"
	"testing"
	"time"

	"github.com/weirstreams/weir/sink"
	"github.com/weirstreams/weir/sink/sinktest"
)

// callbacks watch keys, which no test leaves silent for long enough.
var callbacks = sink.Callbacks[*string]{Silent: func(context.Context, *string) error { return nil }, SilentAfter: time.Hour}

// A List writes by the writer of Batch, which keeps its promises with full batches beside the task too, in package sinktest.
func TestAListKeepsThePromisesOfSinks(t *testing.T) {
	for name, wrap := range map[string]func(sink.Sink[*string, *string]) sink.Sink[*string, *string]{
		"plain": func(s sink.Sink[*string, *string]) sink.Sink[*string, *string] { return s },
		"with callbacks": func(s sink.Sink[*string, *string]) sink.Sink[*string, *string] {
			return sink.WithCallbacks(s, callbacks)
		},
	} {
		t.Run(name, func(t *testing.T) {
			lists := map[string]*sink.List[*string, *string]{}
			sinktest.Run(t, sinktest.Target[*string, *string]{
				New: func(_ testing.TB, place string) sink.Sink[*string, *string] {
					if lists[place] == nil {
						lists[place] = new(sink.List[*string, *string])
					}
					return wrap(lists[place])
				},
				Record: func(i sinktest.Item) (key, value *string) { return i.Pointers() },
				Read: func(_ testing.TB, place string) (items []sinktest.Item) {
					for _, r := range lists[place].Records() {
						items = append(items, sinktest.OfPointers(r.Key, r.Value))
					}
					return items
				},
				Records: 20_000,
			})
		})
	}
}

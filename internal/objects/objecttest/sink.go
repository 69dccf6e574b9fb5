package objecttest

import (
	"testing"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/format"
	"github.com/weirstreams/weir/internal/filetest"
	"github.com/weirstreams/weir/sink"
	"github.com/weirstreams/weir/sink/file"
	"github.com/weirstreams/weir/sink/sinktest"
)

// RunSink runs the kit for sinks.
func RunSink(t *testing.T, s *Store) {
	t.Helper()
	filetest.RunSink(t, 1<<16, 3000, 10_000, func(t *testing.T) filetest.SinkPlaces {
		root := "kit-" + t.Name()[len(t.Name())-4:]
		prefix := func(place string) string { return root + "/" + place }
		return filetest.SinkPlaces{
			Sink: func(place string, options file.Options[*string, *string]) sink.Sink[*string, *string] {
				return s.Sink(prefix(place), options)
			},
			Records: func(tb testing.TB, place string, f format.Format[*string, *string]) []weir.Record[*string, *string] {
				return Records(tb, s.Bucket(tb, prefix(place)), f)
			},
			Target: sinktest.Target[*string, *string]{
				Leftovers:   func(tb testing.TB, place string) int { return len(Prepared(tb, s.Bucket(tb, prefix(place)))) },
				Push:        func(_ testing.TB, place string) func() { return s.Gate.Answer(place, s.Slow) },
				Break:       func(_ testing.TB, place string) func() { return s.Gate.Answer(place, s.Denied) },
				Secrets:     s.Secrets,
				Unreachable: func(testing.TB) sink.Sink[*string, *string] { return s.UnreachableSink() },
			},
		}
	})
}

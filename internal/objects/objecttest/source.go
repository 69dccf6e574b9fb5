package objecttest

import (
	"testing"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/format"
	"github.com/weirstreams/weir/internal/filetest"
	"github.com/weirstreams/weir/internal/objects"
	"github.com/weirstreams/weir/source"
	"github.com/weirstreams/weir/source/file"
	"github.com/weirstreams/weir/source/sourcetest"
)

// Write makes an object with records.
func Write[K, V any](tb testing.TB, b *objects.Bucket, key string, f format.Format[K, V], records ...weir.Record[K, V]) {
	tb.Helper()
	Put(tb, b, key, string(filetest.Encode(tb, key, f, records...)))
}

// Put makes an object.
func Put(tb testing.TB, b *objects.Bucket, key, content string) {
	tb.Helper()
	if err := b.Upload(tb.Context(), key, []byte(content), "application/octet-stream"); err != nil {
		tb.Fatal(err)
	}
}

// RunSource runs the kit for sources.
func RunSource(t *testing.T, s *Store) {
	t.Helper()
	filetest.RunSource(t, func(t *testing.T) filetest.SourcePlaces {
		root := "read-" + t.Name()[len(t.Name())-4:]
		return filetest.SourcePlaces{
			Source: func(_ testing.TB, place string, options file.Options[*string, *string]) source.Source[*string, *string] {
				if options.Watch {
					options.WatchInterval = 100 * time.Millisecond
				}
				return s.Source(root+"/"+place, options)
			},
			Put: func(tb testing.TB, place string) func(name string, content []byte) {
				b := s.Bucket(tb, root+"/"+place)
				return func(name string, content []byte) { Put(tb, b, name, string(content)) }
			},
			System: sourcetest.System[*string, *string]{
				Secrets:     s.Secrets,
				Unreachable: func(testing.TB) source.Source[*string, *string] { return s.UnreachableSource() },
			},
		}
	})
}
